//! Uploads in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};

use crate::world::{BUCKET, MIB, World, bytes, code};

struct Upload<'a> {
    world: &'a World,
    id: String,
}

impl<'a> Upload<'a> {
    async fn begin(world: &'a World) -> Self {
        let created = world
            .client
            .create_multipart_upload()
            .bucket(BUCKET)
            .key("object");
        let created = created.content_type("text/csv").send().await.unwrap();
        Self {
            world,
            id: created.upload_id.unwrap(),
        }
    }

    async fn part(&self, number: i32, body: impl Into<Vec<u8>>) -> CompletedPart {
        let part = self.world.client.upload_part().bucket(BUCKET).key("object");
        let part = part.upload_id(&self.id).part_number(number);
        let part = part
            .body(ByteStream::from(body.into()))
            .send()
            .await
            .unwrap();
        named(number, part.e_tag())
    }

    async fn copy(&self, number: i32, range: &str) -> Result<CompletedPart, String> {
        let part = self
            .world
            .client
            .upload_part_copy()
            .bucket(BUCKET)
            .key("object");
        let part = part.upload_id(&self.id).part_number(number);
        let part = part
            .copy_source(format!("{BUCKET}/source"))
            .copy_source_range(range);
        let part = part.send().await.map_err(|error| code(&error))?;
        Ok(named(number, part.copy_part_result().unwrap().e_tag()))
    }

    async fn complete(&self, parts: impl Into<Vec<CompletedPart>>) -> Result<String, String> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.into()))
            .build();
        let done = self
            .world
            .client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("object");
        let done = done
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await;
        done.map(|done| done.e_tag.unwrap())
            .map_err(|error| code(&error))
    }
}

fn named(number: i32, etag: Option<&str>) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(etag.map(str::to_owned))
        .build()
}

#[tokio::test]
async fn parts_become_one_object_in_the_order_of_their_numbers() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    let body = bytes(11 * MIB);
    let (third, first) = (
        upload.part(3, &body[10 * MIB..]).await,
        upload.part(1, &body[..5 * MIB]).await,
    );
    let second = upload.part(2, &body[5 * MIB..10 * MIB]).await;
    let etag = upload.complete([first, second, third]).await.unwrap();
    assert!(etag.ends_with("-3\""), "{etag}");
    assert!(world.get("object").await.unwrap() == body);
    let range = world.client.get_object().bucket(BUCKET).key("object");
    let range = range.range("bytes=5242870-5242889").send().await.unwrap();
    assert_eq!(range.content_type(), Some("text/csv"));
    let across = range.body.collect().await.unwrap().to_vec();
    assert_eq!(across, body[5_242_870..5_242_890]);
    assert_eq!(world.chunks(), 3);
}

#[tokio::test]
async fn the_etag_is_that_of_s3() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    let part = upload.part(1, "hello").await;
    // The MD5 of the 16 bytes of MD5("hello").
    let etag = upload.complete([part]).await.unwrap();
    assert_eq!(etag, "\"62109206880d38a4010a98e11243924a-1\"");
}

#[tokio::test]
async fn a_part_sent_again_takes_the_place_of_the_first() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    let old = upload.part(1, "old").await;
    let new = upload.part(1, "new").await;
    assert_eq!(world.chunks(), 1);
    assert_eq!(upload.complete([old]).await, Err("InvalidPart".to_owned()));
    upload.complete([new]).await.unwrap();
    assert_eq!(world.get("object").await.unwrap(), b"new");
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused_and_the_upload_goes_on() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    let small = upload.part(1, "small").await;
    let last = upload.part(2, "last").await;
    let wrong = named(1, Some("\"00000000000000000000000000000000\""));
    let absent = named(3, Some("\"00000000000000000000000000000000\""));
    for (parts, expected) in [
        (vec![small.clone(), last.clone()], "EntityTooSmall"),
        (vec![last.clone(), small.clone()], "InvalidPartOrder"),
        (vec![small.clone(), small.clone()], "InvalidPartOrder"),
        (vec![wrong, last.clone()], "InvalidPart"),
        (vec![absent], "InvalidPart"),
        (vec![], "MalformedXML"),
    ] {
        let refused = upload.complete(parts).await.unwrap_err();
        let empty = expected == "MalformedXML" && refused == "InvalidRequest";
        assert!(refused == expected || empty, "{refused} for {expected}");
    }
    upload.complete([last]).await.unwrap();
}

#[tokio::test]
async fn of_two_that_complete_an_upload_at_once_one_does() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    let part = upload.part(1, "abc").await;
    let both = tokio::join!(upload.complete([part.clone()]), upload.complete([part]));
    let refused = [both.0, both.1]
        .into_iter()
        .filter_map(Result::err)
        .collect::<Vec<_>>();
    assert_eq!(refused, ["NoSuchUpload"]);
    assert_eq!(world.get("object").await.unwrap(), b"abc");
}

#[tokio::test]
async fn an_object_that_must_be_new_is_refused_at_the_end() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    let part = upload.part(1, "abc").await;
    world.put("object", "first").await;
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let done = world
        .client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("object");
    let done = done
        .upload_id(&upload.id)
        .multipart_upload(parts)
        .if_none_match("*");
    assert_eq!(code(&done.send().await.unwrap_err()), "PreconditionFailed");
    assert_eq!(world.get("object").await.unwrap(), b"first");
}

#[tokio::test]
async fn parts_are_listed_page_by_page() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    for number in [7, 1, 3] {
        upload
            .part(number, vec![0; usize::try_from(number).unwrap()])
            .await;
    }
    let pages = world
        .client
        .list_parts()
        .bucket(BUCKET)
        .key("object")
        .upload_id(&upload.id);
    let mut pages = pages.max_parts(2).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        found.extend(
            page.parts()
                .iter()
                .map(|part| (part.part_number(), part.size())),
        );
    }
    assert_eq!(found, [1, 3, 7].map(|n| (Some(n), Some(i64::from(n)))));
}

#[tokio::test]
async fn an_aborted_upload_is_gone_with_its_parts() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    let part = upload.part(1, "abc").await;
    let abort = world
        .client
        .abort_multipart_upload()
        .bucket(BUCKET)
        .key("object");
    abort.upload_id(&upload.id).send().await.unwrap();
    assert_eq!(
        upload.complete([part]).await,
        Err("NoSuchUpload".to_owned())
    );
    assert_eq!(world.chunks(), 0);
}

#[tokio::test]
async fn an_upload_of_another_key_or_a_made_up_one_is_not_there() {
    let world = World::new().await;
    let upload = Upload::begin(&world).await;
    for (key, id) in [("other", &*upload.id), ("object", "../tmp"), ("object", "")] {
        let part = world
            .client
            .upload_part()
            .bucket(BUCKET)
            .key(key)
            .upload_id(id);
        let part = part
            .part_number(1)
            .body(ByteStream::from_static(b"x"))
            .send()
            .await;
        assert!(part.is_err(), "{key} {id}");
    }
}

#[tokio::test]
async fn parts_may_be_copied_from_an_object() {
    let world = World::new().await;
    let body = bytes(12 * MIB);
    world.put("source", body.clone()).await;
    let upload = Upload::begin(&world).await;
    let first = upload.copy(1, "bytes=100-7340131").await.unwrap();
    let second = upload.copy(2, "bytes=7340132-12582911").await.unwrap();
    assert_eq!(
        upload.copy(3, "bytes=0-12582912").await,
        Err("InvalidRange".to_owned())
    );
    upload.complete([first, second]).await.unwrap();
    world
        .client
        .delete_object()
        .bucket(BUCKET)
        .key("source")
        .send()
        .await
        .unwrap();
    assert!(world.get("object").await.unwrap() == body[100..]);
}

#[tokio::test]
async fn a_copied_part_has_the_etag_of_its_bytes() {
    let world = World::new().await;
    let body = bytes(MIB);
    world.put("source", body.clone()).await;
    let upload = Upload::begin(&world).await;
    for (range, expected) in [
        ("bytes=0-1048575", &body[..]),
        ("bytes=9-99", &body[9..100]),
    ] {
        let sent = upload.part(1, expected).await;
        assert_eq!(upload.copy(1, range).await.unwrap().e_tag(), sent.e_tag());
    }
}

#[tokio::test]
async fn the_checksum_of_an_object_in_parts_is_that_of_their_checksums() {
    let world = World::new().await;
    let created = world
        .client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("object");
    let created = created
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send()
        .await
        .unwrap();
    let upload = Upload {
        world: &world,
        id: created.upload_id.unwrap(),
    };
    let part = upload.part(1, "hello").await;
    upload.complete([part]).await.unwrap();
    let head = world.client.head_object().bucket(BUCKET).key("object");
    let head = head
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    // base64(sha256(sha256("hello"))) and the number of parts.
    assert_eq!(
        head.checksum_sha256(),
        Some("lZXJ35AHUUjrBoYDZd8zWEt1v/eCpRDGzUiDpBmDPVA=-1")
    );
}
