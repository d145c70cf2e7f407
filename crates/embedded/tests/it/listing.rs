//! Listing a bucket.

use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;

use crate::world::{BUCKET, World};

async fn keys(list: ListObjectsV2FluentBuilder) -> Vec<String> {
    let mut pages = list.bucket(BUCKET).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        let contents = page
            .contents()
            .iter()
            .map(|object| object.key().unwrap().to_owned());
        let prefixes = page
            .common_prefixes()
            .iter()
            .map(|p| p.prefix().unwrap().to_owned());
        let mut found: Vec<String> = contents.chain(prefixes).collect();
        found.sort();
        assert_eq!(page.key_count(), i32::try_from(found.len()).ok());
        keys.extend(found);
    }
    keys
}

async fn filled() -> (World, Vec<String>) {
    let world = World::new().await;
    let long = format!("a/{}", "é".repeat(300));
    let mut all: Vec<String> = ["", "/1", "/2", "/b/3", "/b/4", "/c/5"]
        .map(|k| format!("a{k}"))
        .into();
    all.extend([long, "b".to_owned(), "z/1".to_owned()]);
    for key in &all {
        world.put(key, "x").await;
    }
    all.sort();
    (world, all)
}

#[tokio::test]
async fn keys_come_in_order_whatever_the_page() {
    let (world, all) = filled().await;
    for page in [1, 2, 3, 8, 9, 1_000] {
        assert_eq!(
            keys(world.client.list_objects_v2().max_keys(page)).await,
            all,
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_prefix_and_a_start_narrow_the_list() {
    let (world, all) = filled().await;
    let under = keys(world.client.list_objects_v2().prefix("a/b/")).await;
    assert_eq!(under, ["a/b/3", "a/b/4"]);
    let after = keys(world.client.list_objects_v2().start_after("a/c/5")).await;
    assert_eq!(
        after,
        all[all.iter().position(|key| key == "a/c/5").unwrap() + 1..]
    );
    assert_eq!(
        keys(world.client.list_objects_v2().prefix("nothing")).await,
        [""; 0]
    );
}

#[tokio::test]
async fn a_delimiter_folds_what_is_below_it() {
    let (world, _) = filled().await;
    for page in [1, 2, 1_000] {
        let list = world.client.list_objects_v2().delimiter("/").max_keys(page);
        assert_eq!(keys(list).await, ["a", "a/", "b", "z/"], "{page}");
    }
    let list = world.client.list_objects_v2().delimiter("/").prefix("z");
    assert_eq!(keys(list).await, ["z/"]);
}
