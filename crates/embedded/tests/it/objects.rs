//! Putting, reading and deleting.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{BUCKET, MIB, World, bytes, client, code, keys};

#[tokio::test]
async fn what_was_put_is_got_whatever_its_size() {
    let world = World::new().await;
    for size in [0, 1, 10_000, 65_536, 65_537, 3 * MIB + 7] {
        let body = bytes(size);
        world.put("object", body.clone()).await;
        assert!(world.get("object").await.unwrap() == body, "{size} bytes");
    }
}

#[tokio::test]
async fn the_etag_is_the_md5_of_the_content() {
    let world = World::new().await;
    assert_eq!(
        world.put("a", "hello").await,
        "\"5d41402abc4b2a76b9719d911017c592\""
    );
    assert_eq!(
        world.put("b", "").await,
        "\"d41d8cd98f00b204e9800998ecf8427e\""
    );
}

#[tokio::test]
async fn a_range_is_answered_with_just_its_bytes() {
    let world = World::new().await;
    for size in [1_000, MIB] {
        let body = bytes(size);
        world.put("object", body.clone()).await;
        for (range, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-99", 10..100),
            ("bytes=900-", 900..size),
            ("bytes=-5", size - 5..size),
            ("bytes=0-99999999", 0..size),
        ] {
            let got = world
                .client
                .get_object()
                .bucket(BUCKET)
                .key("object")
                .range(range);
            let got = got.send().await.unwrap();
            let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
            assert_eq!(got.content_range(), Some(&*content_range));
            let part = got.body.collect().await.unwrap().to_vec();
            assert!(part == body[expected], "{range} of {size}");
        }
    }
}

#[tokio::test]
async fn a_range_outside_the_object_is_refused() {
    let world = World::new().await;
    world.put("object", "abc").await;
    let got = world
        .client
        .get_object()
        .bucket(BUCKET)
        .key("object")
        .range("bytes=3-");
    assert_eq!(code(&got.send().await.unwrap_err()), "InvalidRange");
}

#[tokio::test]
async fn headers_and_metadata_come_back() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put.body(ByteStream::from_static(b"abc"));
    let put = put.content_type("text/csv").content_disposition("inline");
    put.metadata("reference", "ABC-1").send().await.unwrap();
    let head = world.client.head_object().bucket(BUCKET).key("object");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/csv"));
    assert_eq!(head.content_disposition(), Some("inline"));
    assert_eq!(head.content_length(), Some(3));
    assert_eq!(head.metadata().unwrap()["reference"], "ABC-1");
    assert!(head.last_modified().is_some());
}

#[tokio::test]
async fn keys_of_every_kind_work() {
    let world = World::new().await;
    let long = "k".repeat(1_024);
    let wide = "é".repeat(512);
    let keys = [
        "a b+c%20d",
        "../../etc/passwd",
        "/leading",
        "a//b",
        "trailing/",
        ".",
        "..",
        "ÄÖ\u{202e}x",
        "A",
        "a",
        "e\u{301}",
        "é",
        "q?x=1&y#z",
        "tab\there",
        "'\"<>&",
        "con",
        &long,
        &wide,
    ];
    for key in keys {
        world.put(key, key).await;
    }
    for key in keys {
        assert_eq!(world.get(key).await.unwrap(), key.as_bytes(), "{key}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused() {
    let world = World::new().await;
    let put = world
        .client
        .put_object()
        .bucket(BUCKET)
        .key("k".repeat(1_025));
    assert_eq!(code(&put.send().await.unwrap_err()), "KeyTooLongError");
}

#[tokio::test]
async fn what_is_not_there_is_said_by_its_code() {
    let world = World::new().await;
    assert_eq!(world.get("absent").await, Err("NoSuchKey".to_owned()));
    let head = world
        .client
        .head_object()
        .bucket(BUCKET)
        .key("absent")
        .send()
        .await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    let got = world
        .client
        .get_object()
        .bucket("nowhere")
        .key("absent")
        .send()
        .await;
    assert_eq!(code(&got.unwrap_err()), "NoSuchBucket");
    let put = world
        .client
        .put_object()
        .bucket("nowhere")
        .key("absent")
        .send()
        .await;
    assert_eq!(code(&put.unwrap_err()), "NoSuchBucket");
    let bucket = world.client.head_bucket().bucket("nowhere").send().await;
    assert!(bucket.unwrap_err().into_service_error().is_not_found());
}

#[tokio::test]
async fn creating_a_bucket_again_leaves_what_is_in_it() {
    let world = World::new().await;
    world.put("object", "abc").await;
    world
        .client
        .create_bucket()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    assert_eq!(world.get("object").await.unwrap(), b"abc");
}

#[tokio::test]
async fn deleting_is_repeatable_and_leaves_no_file() {
    let world = World::new().await;
    world.put("object", bytes(MIB)).await;
    for _ in 0..2 {
        world
            .client
            .delete_object()
            .bucket(BUCKET)
            .key("object")
            .send()
            .await
            .unwrap();
    }
    assert_eq!(world.get("object").await, Err("NoSuchKey".to_owned()));
    assert_eq!(world.chunks(), 0);
}

#[tokio::test]
async fn many_are_deleted_in_one_request() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        world.put(key, key).await;
    }
    let object = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder().objects(object("a")).objects(object("b"));
    let delete = delete.objects(object("absent")).build().unwrap();
    let deleted = world.client.delete_objects().bucket(BUCKET).delete(delete);
    let deleted = deleted.send().await.unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (3, 0));
    assert!(world.get("a").await.is_err() && world.get("c").await.is_ok());
}

#[tokio::test]
async fn replacing_an_object_deletes_what_it_was() {
    let world = World::new().await;
    world.put("object", bytes(MIB)).await;
    world.put("object", bytes(2 * MIB)).await;
    assert_eq!(world.chunks(), 1);
    world.put("object", "small").await;
    assert_eq!(world.chunks(), 0);
}

#[tokio::test]
async fn a_reader_gets_the_whole_of_what_was_deleted_meanwhile() {
    let world = World::new().await;
    let body = bytes(8 * MIB);
    world.put("object", body.clone()).await;
    let got = world
        .client
        .get_object()
        .bucket(BUCKET)
        .key("object")
        .send()
        .await
        .unwrap();
    world
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("object")
        .send()
        .await
        .unwrap();
    assert!(got.body.collect().await.unwrap().to_vec() == body);
}

#[tokio::test]
async fn only_who_has_the_keys_is_served() {
    let world = World::new().await;
    world.put("object", "abc").await;
    let mut wrong = keys();
    wrong.secret_key = "guess".into();
    let stranger = client(&world.server.endpoint(), wrong).await;
    let got = stranger
        .get_object()
        .bucket(BUCKET)
        .key("object")
        .send()
        .await;
    assert_eq!(code(&got.unwrap_err()), "SignatureDoesNotMatch");
    let address = format!("{}/{BUCKET}/object", world.server.endpoint());
    assert_eq!(reqwest::get(address).await.unwrap().status(), 403);
}

#[tokio::test]
async fn an_object_that_is_too_large_is_refused_before_it_is_sent() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put.content_length((5 << 30) + 1);
    let config = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let request = put.presigned(config).await.unwrap();
    let path = request.uri().split_once(BUCKET).unwrap().1;
    let address = world.server.address();
    let head = format!(
        "PUT /{BUCKET}{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
        (5_u64 << 30) + 1
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
}

#[tokio::test]
async fn what_was_put_is_there_after_a_restart() {
    let world = World::new().await;
    world.put("small", "abc").await;
    world.put("large", bytes(MIB)).await;
    let world = world.restart().await;
    assert_eq!(world.get("small").await.unwrap(), b"abc");
    assert!(world.get("large").await.unwrap() == bytes(MIB));
}
