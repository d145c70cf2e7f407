//! No room left.

use std::path::Path;
use std::process::Command;

use aws_sdk_s3::primitives::ByteStream;

use crate::world::{BUCKET, MIB, World, bytes, code};

/// A file system of 8 MiB, where this user may make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(dir.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_harms_nothing() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    };
    let world = World::over(disk.path()).await;
    world
        .client
        .create_bucket()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    world.put("object", bytes(4 * MIB)).await;
    let put = world.client.put_object().bucket(BUCKET).key("object");
    let put = put
        .body(ByteStream::from(bytes(6 * MIB)))
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&put), "InsufficientStorage");
    assert_eq!(put.raw_response().unwrap().status().as_u16(), 507);
    assert!(world.get("object").await.unwrap() == bytes(4 * MIB));
    assert_eq!(
        std::fs::read_dir(disk.path().join("chunks"))
            .unwrap()
            .count(),
        1
    );
    world.put("object", bytes(3 * MIB)).await;
    assert!(world.get("object").await.unwrap() == bytes(3 * MIB));
}
