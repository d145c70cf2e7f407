//! How quick the object server is: `cargo run --release -p embedded --example measure_objects [folder]`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use embedded::objects::ObjectServer;
use futures::{StreamExt, TryStreamExt};
use runtime::aws::{Access, Keys};
use runtime::s3::S3Settings;
use runtime::shutdown::Shutdown;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const BUCKET: &str = "measure";
const SMALL: usize = 10_000;
const PART: usize = 64 << 20;
const PARTS: i32 = 16;

#[tokio::main]
async fn main() -> Outcome {
    let dir = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(dir)?;
    let keys = Keys {
        access_key: "measure".to_owned(),
        secret_key: "measure".into(),
    };
    let shutdown = Shutdown::new();
    let listen = ([127, 0, 0, 1], 0).into();
    let server = ObjectServer::start(dir.path(), listen, &keys, &shutdown).await?;
    let access = Access {
        endpoint: Some(server.endpoint()),
        keys: Some(keys),
        ..Access::default()
    };
    let settings = S3Settings {
        access,
        path_style: true,
        kms_key: None,
    };
    let client = runtime::s3::client(&settings).await;
    client.create_bucket().bucket(BUCKET).send().await?;
    small(&client).await?;
    huge(&client, dir.path()).await?;
    large(&client).await?;
    shutdown.drain(Duration::from_secs(5)).await;
    Ok(())
}

async fn small(client: &Client) -> Outcome {
    for at_once in [1, 8, 32] {
        let start = Instant::now();
        let puts = futures::stream::iter(0..2_000).map(|n| {
            let put = client
                .put_object()
                .bucket(BUCKET)
                .key(format!("{at_once}/{n}"));
            put.body(ByteStream::from(vec![7; SMALL])).send()
        });
        puts.buffer_unordered(at_once)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        say(
            &format!("put 10 kB, {at_once} at once"),
            2_000.0,
            "objects/s",
            start,
        )?;
    }
    let start = Instant::now();
    let gets = futures::stream::iter(0..2_000).map(|n| async move {
        let get = client.get_object().bucket(BUCKET).key(format!("8/{n}"));
        let body = get.send().await?.body;
        body.collect().await?;
        Ok::<(), Box<dyn std::error::Error>>(())
    });
    gets.buffer_unordered(8)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    say("get 10 kB, 8 at once", 2_000.0, "objects/s", start)?;
    let start = Instant::now();
    let copies = futures::stream::iter(0..2_000).map(|n| {
        let copy = client.copy_object().bucket(BUCKET).key(format!("copy/{n}"));
        copy.copy_source(format!("{BUCKET}/8/{n}")).send()
    });
    copies
        .buffer_unordered(8)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    say("copy 10 kB, 8 at once", 2_000.0, "objects/s", start)?;
    let start = Instant::now();
    let listed = client
        .list_objects_v2()
        .bucket(BUCKET)
        .into_paginator()
        .send();
    let pages = listed.collect::<Vec<_>>().await;
    say(
        &format!("list 8,000 in {} pages", pages.len()),
        8_000.0,
        "objects/s",
        start,
    )
}

/// One request in each direction, streamed from and to nowhere.
async fn huge(client: &Client, dir: &Path) -> Outcome {
    let path = dir.join("huge");
    std::fs::File::create(&path)?.set_len(3 << 30)?;
    let start = Instant::now();
    let put = client.put_object().bucket(BUCKET).key("huge");
    let body = ByteStream::read_from()
        .path(&path)
        .buffer_size(1 << 20)
        .build()
        .await?;
    put.body(body).send().await?;
    say("put 3 GiB", 3_072.0, "MiB/s", start)?;
    let start = Instant::now();
    let mut body = client
        .get_object()
        .bucket(BUCKET)
        .key("huge")
        .send()
        .await?
        .body;
    while body.try_next().await?.is_some() {}
    say("get 3 GiB", 3_072.0, "MiB/s", start)?;
    client
        .delete_object()
        .bucket(BUCKET)
        .key("huge")
        .send()
        .await?;
    Ok(())
}

async fn large(client: &Client) -> Outcome {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let mib = (PART >> 20) as f64 * f64::from(PARTS);
    let start = Instant::now();
    let created = client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("large")
        .send()
        .await?;
    let id = created.upload_id.unwrap_or_default();
    let mut parts = CompletedMultipartUpload::builder();
    for number in 1..=PARTS {
        let part = client
            .upload_part()
            .bucket(BUCKET)
            .key("large")
            .upload_id(&id);
        let part = part
            .part_number(number)
            .body(ByteStream::from(vec![7; PART]));
        let etag = part.send().await?.e_tag;
        parts = parts.parts(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(etag)
                .build(),
        );
    }
    say("put parts of 64 MiB", mib, "MiB/s", start)?;
    let start = Instant::now();
    let done = client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("large")
        .upload_id(&id);
    done.multipart_upload(parts.build()).send().await?;
    say("complete", 1.0, "uploads/s", start)?;
    let start = Instant::now();
    let copy = client.copy_object().bucket(BUCKET).key("copy");
    copy.copy_source(format!("{BUCKET}/large")).send().await?;
    say("copy 1 GiB", 1.0, "objects/s", start)?;
    let start = Instant::now();
    let mut body = client
        .get_object()
        .bucket(BUCKET)
        .key("copy")
        .send()
        .await?
        .body;
    let mut length = 0;
    while let Some(bytes) = body.try_next().await? {
        length += bytes.len();
    }
    assert_eq!(length >> 20, (PART >> 20) * usize::try_from(PARTS)?);
    say("get 1 GiB", mib, "MiB/s", start)
}

fn say(what: &str, amount: f64, unit: &str, start: Instant) -> Outcome {
    let seconds = start.elapsed().as_secs_f64();
    let rate = amount / seconds;
    writeln!(
        std::io::stdout(),
        "{what}: {seconds:.2} s, {rate:.0} {unit}"
    )?;
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM"))
    {
        writeln!(std::io::stdout(), "  {peak}")?;
    }
    Ok(())
}
