//! Reading again what is kept.

use worker::client::{FailureKind, FixityWork, Measured, ObjectLocation, Work};

use crate::world::{Status, World, noise, sha256, sha512};

fn work(bucket: &str, key: &str) -> Work {
    Work::Fixity(FixityWork {
        object: ObjectLocation {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            etag: None,
        },
    })
}

#[tokio::test]
async fn what_stands_there_is_measured_whatever_was_expected() {
    let mut world = World::new().await;
    world.config.read.range = 700_000;
    for (number, length) in [(1, 0), (2, 1), (3, 5_000), (4, 3_000_000)] {
        let bytes = noise(length);
        let key = format!("version_{number}");
        let etag = world.put("records", &key, &bytes).await.etag;
        let job = world.job(number, work("records", &key)).await;
        world.work().await;
        world.work_again().await;
        let reports = world.api.job(job).fixity;
        assert_eq!(reports.len(), 2, "run twice, it says the same twice");
        for report in reports {
            let measured = Measured {
                size: length as u64,
                sha256: sha256(&bytes),
                sha512: sha512(&bytes),
            };
            assert_eq!(report.measured, Some(measured));
            assert_eq!(report.object_etag, etag);
            assert!(report.engine.starts_with("muniment-worker "));
        }
    }
}

#[tokio::test]
async fn an_object_that_is_gone_is_reported_as_missing() {
    let world = World::new().await;
    // Another key with the same beginning is not the object.
    world.put("records", "version_10", b"x").await;
    let job = world.job(1, work("records", "version_1")).await;
    world.work().await;
    let report = world.api.job(job).fixity.remove(0);
    assert_eq!(report.measured, None);
}

#[tokio::test]
async fn a_store_without_the_bucket_has_not_lost_the_object() {
    let world = World::new().await;
    let job = world.job(1, work("nowhere", "version_1")).await;
    world
        .work_until(|api| !api.job(job).failures.is_empty())
        .await;
    let job = world.api.job(job);
    assert!(job.fixity.is_empty(), "{job:#?}");
    assert_ne!(job.status, Status::Done);
    let (kind, reason) = &job.failures[0];
    assert_eq!(*kind, FailureKind::Retry);
    assert!(reason.contains("its bucket is not there"), "{reason}");
}
