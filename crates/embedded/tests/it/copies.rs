//! Copying on the server.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MetadataDirective;

use crate::world::{BUCKET, MIB, World, bytes, code};

#[tokio::test]
async fn a_copy_shares_the_bytes_and_outlives_its_source() {
    let world = World::new().await;
    for body in [bytes(100), bytes(3 * MIB)] {
        let put = world
            .client
            .put_object()
            .bucket(BUCKET)
            .key("from")
            .content_type("text/csv");
        let put = put
            .body(ByteStream::from(body.clone()))
            .send()
            .await
            .unwrap();
        let copy = world.client.copy_object().bucket(BUCKET).key("to/päth %41");
        let copy = copy
            .copy_source(format!("{BUCKET}/from"))
            .send()
            .await
            .unwrap();
        assert_eq!(copy.copy_object_result().unwrap().e_tag(), put.e_tag());
        world
            .client
            .delete_object()
            .bucket(BUCKET)
            .key("from")
            .send()
            .await
            .unwrap();
        assert!(world.get("to/päth %41").await.unwrap() == body);
        let head = world.client.head_object().bucket(BUCKET).key("to/päth %41");
        assert_eq!(head.send().await.unwrap().content_type(), Some("text/csv"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_takes_no_room() {
    use std::os::unix::fs::MetadataExt;
    let world = World::new().await;
    world.put("from", bytes(MIB)).await;
    let copy = world.client.copy_object().bucket(BUCKET).key("to");
    copy.copy_source(format!("{BUCKET}/from"))
        .send()
        .await
        .unwrap();
    let files = std::fs::read_dir(world.path().join("chunks")).unwrap();
    let mut inodes: Vec<u64> = files
        .map(|file| file.unwrap().metadata().unwrap().ino())
        .collect();
    inodes.dedup();
    assert_eq!((world.chunks(), inodes.len()), (2, 1));
}

#[tokio::test]
async fn content_that_changed_since_it_was_seen_is_not_copied() {
    let world = World::new().await;
    let seen = world.put("from", "one").await;
    let copy = || {
        let copy = world.client.copy_object().bucket(BUCKET).key("to");
        copy.copy_source(format!("{BUCKET}/from"))
            .copy_source_if_match(&seen)
            .send()
    };
    copy().await.unwrap();
    world.put("from", "two").await;
    assert_eq!(code(&copy().await.unwrap_err()), "PreconditionFailed");
    assert_eq!(world.get("to").await.unwrap(), b"one");
    world
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("from")
        .send()
        .await
        .unwrap();
    assert_eq!(code(&copy().await.unwrap_err()), "NoSuchKey");
}

#[tokio::test]
async fn a_copy_may_have_metadata_of_its_own() {
    let world = World::new().await;
    world.put("object", "abc").await;
    let copy = || {
        let copy = world.client.copy_object().bucket(BUCKET).key("object");
        copy.copy_source(format!("{BUCKET}/object"))
    };
    assert_eq!(code(&copy().send().await.unwrap_err()), "InvalidRequest");
    let replaced = copy()
        .metadata_directive(MetadataDirective::Replace)
        .metadata("a", "b");
    replaced.send().await.unwrap();
    let head = world
        .client
        .head_object()
        .bucket(BUCKET)
        .key("object")
        .send()
        .await
        .unwrap();
    assert_eq!(head.metadata().unwrap()["a"], "b");
    assert_eq!(world.get("object").await.unwrap(), b"abc");
}
