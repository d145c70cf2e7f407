//! Content is what the client said, or it is not taken.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};

use crate::world::{BUCKET, MIB, World, bytes, code};

const HELLO_SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
const HELLO_MD5: &str = "XUFAKrxLKna5cZ2REBfFkg==";

#[tokio::test]
async fn a_put_with_the_right_checksum_is_taken_and_keeps_it() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put.body(ByteStream::from_static(b"hello"));
    let put = put
        .checksum_sha256(HELLO_SHA256)
        .content_md5(HELLO_MD5)
        .send()
        .await
        .unwrap();
    assert_eq!(put.checksum_sha256(), Some(HELLO_SHA256));
    let head = world.client.head_object().bucket(BUCKET).key("object");
    let head = head
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(head.checksum_sha256(), Some(HELLO_SHA256));
}

#[tokio::test]
async fn a_put_refused_for_its_checksum_leaves_the_old_object() {
    let world = World::new().await;
    for old in [bytes(10), bytes(MIB)] {
        for new in [b"hullo".to_vec(), bytes(2 * MIB)] {
            world.put("object", old.clone()).await;
            let chunks = world.chunks();
            let put = || world.client.put_object().bucket(BUCKET).key("object");
            let by_sha256 = put().checksum_sha256(HELLO_SHA256);
            let by_md5 = put().content_md5(HELLO_MD5);
            for put in [by_sha256, by_md5] {
                let put = put.body(ByteStream::from(new.clone())).send().await;
                assert_eq!(code(&put.unwrap_err()), "BadDigest");
            }
            assert!(world.get("object").await.unwrap() == old);
            assert_eq!(world.chunks(), chunks);
        }
    }
}

/// A client that adds checksums of its own accord, as AWS's SDKs do by default.
fn checksumming(client: &Client) -> Client {
    let config = client.config().to_builder();
    let always = RequestChecksumCalculation::WhenSupported;
    Client::from_conf(config.request_checksum_calculation(always).build())
}

#[tokio::test]
async fn every_algorithm_is_verified_and_kept() {
    use ChecksumAlgorithm::{Crc32, Crc32C, Crc64Nvme, Sha1, Sha256};
    let world = World::new().await;
    for algorithm in [Crc32, Crc32C, Crc64Nvme, Sha1, Sha256] {
        let put = checksumming(&world.client)
            .put_object()
            .bucket(BUCKET)
            .key("object");
        let put = put.checksum_algorithm(algorithm.clone());
        put.body(ByteStream::from_static(b"hello"))
            .send()
            .await
            .unwrap();
        let got = world.client.get_object().bucket(BUCKET).key("object");
        let got = got
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .unwrap();
        let sums = [
            got.checksum_crc32(),
            got.checksum_crc32_c(),
            got.checksum_crc64_nvme(),
            got.checksum_sha1(),
            got.checksum_sha256(),
        ];
        assert_eq!(sums.iter().flatten().count(), 1, "{algorithm:?}");
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");
    }
    let put = || world.client.put_object().bucket(BUCKET).key("object");
    for put in [
        put().checksum_crc32("AAAAAA=="),
        put().checksum_crc32_c("AAAAAA=="),
        put().checksum_crc64_nvme("AAAAAAAAAAA="),
        put().checksum_sha1("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ] {
        let put = put.body(ByteStream::from_static(b"other")).send().await;
        assert_eq!(code(&put.unwrap_err()), "BadDigest");
    }
    assert_eq!(world.get("object").await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_checksum_that_follows_the_body_is_verified_too() {
    let world = World::new().await;
    let body = bytes(MIB);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &body).unwrap();
    // Of a stream the SDK does not know the checksum beforehand, so it sends it as a trailer.
    let put = checksumming(&world.client)
        .put_object()
        .bucket(BUCKET)
        .key("object");
    let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256);
    let put = put.body(ByteStream::from_path(file.path()).await.unwrap());
    let put = put.send().await.unwrap();
    assert!(put.checksum_sha256().is_some());
    assert!(world.get("object").await.unwrap() == body);
}

#[tokio::test]
async fn overwriting_a_checksummed_object_forgets_its_checksum() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put
        .body(ByteStream::from_static(b"hello"))
        .checksum_sha256(HELLO_SHA256);
    put.send().await.unwrap();
    world.put("object", "other").await;
    let got = world.client.get_object().bucket(BUCKET).key("object");
    let got = got
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(got.checksum_sha256(), None);
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"other");
}

#[tokio::test]
async fn an_upload_in_parts_over_a_checksummed_object_can_be_read() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put
        .body(ByteStream::from_static(b"hello"))
        .checksum_sha256(HELLO_SHA256);
    put.send().await.unwrap();
    let created = world
        .client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("object");
    let id = created.send().await.unwrap().upload_id.unwrap();
    let part = world
        .client
        .upload_part()
        .bucket(BUCKET)
        .key("object")
        .upload_id(&id);
    let part = part
        .part_number(1)
        .body(ByteStream::from_static(b"parts"))
        .send()
        .await
        .unwrap();
    let part = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(part.e_tag)
        .build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let done = world
        .client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("object");
    done.upload_id(id)
        .multipart_upload(parts)
        .send()
        .await
        .unwrap();
    let got = world.client.get_object().bucket(BUCKET).key("object");
    let got = got
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"parts");
}
