//! Addresses that were signed in advance, as browsers and the CLI use them.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use reqwest::{Method, Response};

use crate::world::{BUCKET, World};

const HELLO_SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

fn minutes(minutes: u64) -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_mins(minutes)).unwrap()
}

async fn signed_put(world: &World) -> PresignedRequest {
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put.content_length(5).checksum_sha256(HELLO_SHA256);
    put.presigned(minutes(5)).await.unwrap()
}

async fn send(request: &PresignedRequest, body: Option<&'static str>) -> Response {
    let method = Method::from_bytes(request.method().as_bytes()).unwrap();
    let mut sent = reqwest::Client::new().request(method, request.uri());
    for (name, value) in request.headers() {
        if name != "content-length" {
            sent = sent.header(name, value);
        }
    }
    sent.body(body.unwrap_or_default()).send().await.unwrap()
}

#[tokio::test]
async fn a_signed_put_takes_just_the_content_that_was_signed() {
    let world = World::new().await;
    let request = signed_put(&world).await;
    let wrong = send(&request, Some("hullo")).await;
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("BadDigest"));
    assert_eq!(send(&request, Some("hello, too long")).await.status(), 403);
    assert!(world.get("object").await.is_err());
    assert_eq!(send(&request, Some("hello")).await.status(), 200);
    assert_eq!(world.get("object").await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_checksum_in_the_signed_address_counts_like_a_header() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put.customize().mutate_request(|request| {
        let uri = format!(
            "{}&x-amz-checksum-sha256={}",
            request.uri(),
            HELLO_SHA256.replace('+', "%2B").replace('=', "%3D")
        );
        request.set_uri(uri).unwrap();
    });
    let request = put.presigned(minutes(5)).await.unwrap();
    let wrong = send(&request, Some("hullo")).await;
    assert_eq!(
        (
            wrong.status().as_u16(),
            wrong.text().await.unwrap().contains("BadDigest")
        ),
        (400, true)
    );
    assert_eq!(send(&request, Some("hello")).await.status(), 200);
}

#[tokio::test]
async fn what_is_changed_in_a_signed_address_makes_it_void() {
    let world = World::new().await;
    world.put("object", "abc").await;
    world.put("other", "abc").await;
    let get = world.client.get_object().bucket(BUCKET).key("object");
    let request = get.presigned(minutes(5)).await.unwrap();
    let uri = request.uri().to_owned();
    let get = |uri: String| async { reqwest::get(uri).await.unwrap().status().as_u16() };
    assert_eq!(get(uri.clone()).await, 200);
    for changed in [
        uri.replace("/object", "/other"),
        uri.replace("X-Amz-Expires=300", "X-Amz-Expires=3000"),
        format!("{uri}&response-content-type=text/html"),
    ] {
        assert_eq!(get(changed).await, 403);
    }
    let deleted = reqwest::Client::new().delete(&uri).send().await.unwrap();
    assert_eq!(deleted.status(), 403);
}

#[tokio::test]
async fn a_header_of_s3_that_was_not_signed_makes_no_copy_of_a_put() {
    let world = World::new().await;
    world.put("secret", "of another").await;
    let request = signed_put(&world).await;
    for (name, value) in [
        ("x-amz-copy-source", "/bucket/secret"),
        ("X-Amz-Copy-Source", &format!("{BUCKET}/secret")),
        ("x-amz-acl", "public-read"),
        ("x-amz-meta-note", "more"),
    ] {
        let mut sent = reqwest::Client::new()
            .put(request.uri())
            .header(name, value);
        for (name, value) in request.headers() {
            if name != "content-length" {
                sent = sent.header(name, value);
            }
        }
        let answer = sent.body("hello").send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name}");
        assert!(answer.text().await.unwrap().contains("not signed"));
        assert!(world.get("object").await.is_err(), "{name}");
    }
    assert_eq!(send(&request, Some("hello")).await.status(), 200);
    assert_eq!(world.get("object").await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_signed_address_ends_when_it_says() {
    let world = World::new().await;
    world.put("object", "abc").await;
    let get = world.client.get_object().bucket(BUCKET).key("object");
    let earlier = SystemTime::now() - Duration::from_mins(10);
    let config = PresigningConfig::builder().start_time(earlier);
    let config = config.expires_in(Duration::from_mins(5)).build().unwrap();
    let answer = send(&get.presigned(config).await.unwrap(), None).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("expired"));
}

#[tokio::test]
async fn a_download_is_named_by_the_address() {
    let world = World::new().await;
    world.put("object", "abc").await;
    let get = world.client.get_object().bucket(BUCKET).key("object");
    let get = get.response_content_type("application/pdf");
    let get = get.response_content_disposition("attachment; filename=\"a.pdf\"");
    let answer = send(&get.presigned(minutes(5)).await.unwrap(), None).await;
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/pdf");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"a.pdf\""
    );
}

#[tokio::test]
async fn a_part_is_sent_to_a_signed_address() {
    let world = World::new().await;
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
        .upload_id(id);
    let part = part.part_number(1).checksum_sha256(HELLO_SHA256);
    let request = part.presigned(minutes(5)).await.unwrap();
    assert_eq!(send(&request, Some("hullo")).await.status(), 400);
    let answer = send(&request, Some("hello")).await;
    assert_eq!(
        answer.headers()["etag"],
        "\"5d41402abc4b2a76b9719d911017c592\""
    );
}

#[tokio::test]
async fn a_browser_on_another_page_may_send_and_read() {
    let world = World::new().await;
    let request = signed_put(&world).await;
    let client = reqwest::Client::new();
    let asked = client.request(Method::OPTIONS, request.uri());
    let asked = asked.header("origin", "https://records.example");
    let asked = asked.header("access-control-request-method", "PUT");
    let asked = asked.header("access-control-request-headers", "x-amz-checksum-sha256");
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert!(
        answer.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap()
            .contains("PUT")
    );
}
