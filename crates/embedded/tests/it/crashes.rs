//! What a crash leaves behind.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use embedded::objects::{ObjectServer, OpenError, StartError};
use runtime::shutdown::Shutdown;

use crate::world::{BUCKET, MIB, World, bytes, keys};

/// Waits for what the server does in the background.
async fn until(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "it did not happen");
        tokio::task::yield_now().await;
    }
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[tokio::test]
async fn leftovers_are_swept_and_nothing_else() {
    let world = World::new().await;
    world.put("object", bytes(MIB)).await;
    world.put("copied", bytes(2 * MIB)).await;
    let copy = world.client.copy_object().bucket(BUCKET).key("copy");
    copy.copy_source(format!("{BUCKET}/copied"))
        .send()
        .await
        .unwrap();
    let created = world
        .client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("parts");
    let id = created.send().await.unwrap().upload_id.unwrap();
    let part = world
        .client
        .upload_part()
        .bucket(BUCKET)
        .key("parts")
        .upload_id(id);
    let part = part.part_number(1).body(ByteStream::from_static(b"part"));
    part.send().await.unwrap();

    let dir = world.path().to_owned();
    std::fs::write(dir.join("chunks").join("0".repeat(32)), "orphan").unwrap();
    std::fs::write(dir.join("tmp").join("half-written"), "half").unwrap();
    assert_eq!(world.chunks(), 5);

    let world = world.restart().await;
    until(|| world.chunks() == 4).await;
    assert_eq!(files(&dir.join("tmp")), 0);
    assert!(world.get("object").await.unwrap() == bytes(MIB));
    assert!(world.get("copy").await.unwrap() == bytes(2 * MIB));
}

#[tokio::test]
async fn nothing_is_swept_while_an_entry_cannot_be_read() {
    let world = World::new().await;
    world.put("object", bytes(MIB)).await;
    let dir = world.path().to_owned();
    std::fs::write(dir.join("chunks").join("0".repeat(32)), "orphan").unwrap();
    std::fs::write(dir.join("buckets").join(BUCKET).join("broken"), "{").unwrap();
    let world = world.restart().await;
    assert!(world.get("object").await.unwrap() == bytes(MIB));
    let world = world.restart().await;
    assert_eq!(world.chunks(), 2);
}

#[tokio::test]
async fn a_missing_or_shortened_chunk_is_an_error_and_not_a_short_object() {
    let world = World::new().await;
    world.put("object", bytes(MIB)).await;
    let chunk = std::fs::read_dir(world.path().join("chunks"))
        .unwrap()
        .next()
        .unwrap();
    let chunk = chunk.unwrap().path();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&chunk)
        .unwrap()
        .set_len(1_000)
        .unwrap();
    assert_eq!(world.get("object").await, Err("InternalError".to_owned()));
    std::fs::remove_file(&chunk).unwrap();
    assert_eq!(world.get("object").await, Err("InternalError".to_owned()));
    world.put("object", "again").await;
    assert_eq!(world.get("object").await.unwrap(), b"again");
}

#[tokio::test]
async fn a_damaged_entry_is_an_error_and_can_be_replaced() {
    let world = World::new().await;
    world.put("object", "abc").await;
    let bucket = world.path().join("buckets").join(BUCKET);
    let entry = std::fs::read_dir(bucket)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for damaged in ["", "{", "{\"id\":1}\nabc", "\u{0}"] {
        std::fs::write(&entry, damaged).unwrap();
        assert_eq!(
            world.get("object").await,
            Err("InternalError".to_owned()),
            "{damaged}"
        );
    }
    world.put("object", "again").await;
    assert_eq!(world.get("object").await.unwrap(), b"again");
}

#[tokio::test]
async fn a_put_that_breaks_off_leaves_nothing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new().await;
    world.put("object", "old").await;
    let put = world
        .client
        .put_object()
        .bucket(BUCKET)
        .key("object")
        .content_length(1_000_000);
    let config = aws_sdk_s3::presigning::PresigningConfig::expires_in(Duration::from_mins(1));
    let request = put.presigned(config.unwrap()).await.unwrap();
    let path = request.uri().split_once(BUCKET).unwrap().1;
    let mut stream = tokio::net::TcpStream::connect(world.server.address())
        .await
        .unwrap();
    let head = format!(
        "PUT /{BUCKET}{path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000000\r\n\r\n",
        world.server.address()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes(600_000)).await.unwrap();
    until(|| world.chunks() == 1).await;
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    until(|| world.chunks() == 0).await;
    assert_eq!(world.get("object").await.unwrap(), b"old");
}

#[tokio::test]
async fn a_folder_in_use_or_of_another_format_is_refused() {
    let world = World::new().await;
    let start = |dir: std::path::PathBuf| async move {
        let any_port = ([127, 0, 0, 1], 0).into();
        ObjectServer::start(&dir, any_port, &keys(), &Shutdown::new()).await
    };
    let refused = start(world.path().to_owned()).await;
    assert!(matches!(refused, Err(StartError::Open(OpenError::InUse))));
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("format"), "muniment objects 2\n").unwrap();
    let refused = start(other.path().to_owned()).await;
    assert!(matches!(refused, Err(StartError::Open(OpenError::Format))));
}

#[tokio::test]
async fn a_port_in_use_is_said() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let taken = world.server.address();
    let refused = ObjectServer::start(dir.path(), taken, &keys(), &Shutdown::new()).await;
    assert!(matches!(refused, Err(StartError::Listen(address, _)) if address == taken));
}
