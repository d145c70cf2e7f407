//! Conditional requests.

use aws_sdk_s3::primitives::ByteStream;

use crate::world::{BUCKET, World, code};

#[tokio::test]
async fn of_racing_writers_that_want_a_new_object_exactly_one_wins() {
    let world = World::new().await;
    let put = |n: usize| {
        let put = world
            .client
            .put_object()
            .bucket(BUCKET)
            .key("object")
            .if_none_match("*");
        put.body(ByteStream::from(vec![0; n])).send()
    };
    let results = futures::future::join_all((0..16).map(put)).await;
    let won: Vec<usize> = (0..16).filter(|n| results[*n].is_ok()).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(world.get("object").await.unwrap().len(), won[0]);
    let lost = results.iter().filter_map(|result| result.as_ref().err());
    assert!(lost.map(code).all(|code| code == "PreconditionFailed"));
}

#[tokio::test]
async fn a_writer_replaces_only_what_it_has_seen() {
    let world = World::new().await;
    let seen = world.put("object", "one").await;
    let put = |etag: &str| {
        let put = world
            .client
            .put_object()
            .bucket(BUCKET)
            .key("object")
            .if_match(etag);
        put.body(ByteStream::from_static(b"two")).send()
    };
    put(&seen).await.unwrap();
    assert_eq!(code(&put(&seen).await.unwrap_err()), "PreconditionFailed");
    world
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("object")
        .send()
        .await
        .unwrap();
    assert_eq!(code(&put(&seen).await.unwrap_err()), "NoSuchKey");
}

#[tokio::test]
async fn a_delete_takes_only_what_it_has_seen() {
    let world = World::new().await;
    let seen = world.put("object", "one").await;
    world.put("object", "two").await;
    let delete = world
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("object")
        .if_match(&seen);
    assert_eq!(
        code(&delete.send().await.unwrap_err()),
        "PreconditionFailed"
    );
    assert_eq!(world.get("object").await.unwrap(), b"two");
}

#[tokio::test]
async fn a_reader_hears_whether_it_has_the_object_already() {
    let world = World::new().await;
    let etag = world.put("object", "one").await;
    let get = || world.client.get_object().bucket(BUCKET).key("object");
    assert_eq!(
        code(&get().if_none_match(&etag).send().await.unwrap_err()),
        "304"
    );
    assert_eq!(
        code(&get().if_match("\"other\"").send().await.unwrap_err()),
        "PreconditionFailed"
    );
    assert!(get().if_match(&etag).send().await.is_ok());
    assert!(get().if_none_match("\"other\"").send().await.is_ok());
}
