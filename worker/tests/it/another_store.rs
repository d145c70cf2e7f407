//! An object store that we did not write: the emulator that `tests/run` starts.

use contract::VersionId;
use runtime::aws::{Access, Keys};
use runtime::s3::{S3Settings, client};
use uuid::Uuid;
use worker::client::{DispositionOutcome, DispositionWork, ObjectLocation, Work};

use crate::world::{World, noise};

/// Its client; `None` where it was not started, which is said.
async fn another_store() -> Option<aws_sdk_s3::Client> {
    let Some(folder) = std::env::var_os("MUNIMENT_TEST_SHARED") else {
        eprintln!("skipped: MUNIMENT_TEST_SHARED names no services; tests/run starts them");
        return None;
    };
    let endpoint = std::fs::read_to_string(std::path::Path::new(&folder).join("aws")).unwrap();
    let settings = S3Settings {
        access: Access {
            region: Some("us-east-1".into()),
            endpoint: Some(endpoint.trim().to_owned()),
            keys: Some(Keys {
                access_key: "test".into(),
                secret_key: "test".to_owned().into(),
            }),
            ..Access::default()
        },
        path_style: true,
        kms_key: None,
    };
    Some(client(&settings).await)
}

#[tokio::test]
async fn an_object_too_large_for_one_copy_goes_in_parts_encrypted_and_only_if_it_is_unchanged() {
    const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";
    let Some(s3) = another_store().await else {
        return;
    };
    let mut world = World::new().await;
    world.s3 = s3;
    world.config.copy.single = 1_000;
    world.config.copy.part = 5 * 1024 * 1024;
    world.config.kms_key = Some(KEY.to_owned());
    let (incoming, records) = (
        format!("in-{}", Uuid::new_v4().simple()),
        format!("kept-{}", Uuid::new_v4().simple()),
    );
    for bucket in [&incoming, &records] {
        world
            .s3
            .create_bucket()
            .bucket(bucket)
            .send()
            .await
            .unwrap();
    }
    let bytes = noise(12 * 1024 * 1024 + 3);
    for (number, changed) in [(1, false), (2, true)] {
        let key = VersionId(Uuid::from_u128(number)).to_string();
        let mut source = world.put(&incoming, &key, &bytes).await;
        if changed {
            source.etag = Some("\"0123456789abcdef0123456789abcdef\"".to_owned());
        }
        let work = DispositionWork {
            size: bytes.len() as u64,
            target: ObjectLocation {
                bucket: records.clone(),
                key: key.clone(),
                etag: None,
            },
            source,
        };
        let job = world.job(number, Work::Disposition(work)).await;
        world.work().await;
        let report = world.api.job(job).dispositions.remove(0);
        let stored = world.get(&records, &key).await;
        if changed {
            assert_eq!(report.outcome, DispositionOutcome::ContentChanged);
            assert_eq!(stored, None);
        } else {
            assert_eq!(report.outcome, DispositionOutcome::Done);
            assert!(stored.as_deref() == Some(bytes.as_slice()), "other bytes");
            let head = world.s3.head_object().bucket(&records).key(&key);
            let head = head.send().await.unwrap();
            assert_eq!(head.ssekms_key_id(), Some(KEY));
            assert_eq!(world.get(&incoming, &key).await, None);
        }
    }
}
