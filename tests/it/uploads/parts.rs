//! Parts of a large file: missing, cut, sent twice, in the wrong order, too many.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use api::{
    App, Error, Parts,
    auth::{Actor, Caller, Credential, Role},
    object_store::{Buckets, ObjectStore},
    versions::uploads::{Completed, Seen, complete},
};
use runtime::{clock::SystemClock, ids::SystemIds};
use tests::faults::{Hook, Proxy};

use super::*;

#[tokio::test]
async fn parts_that_are_missing_cut_or_sent_twice_do_not_make_a_file() {
    const SIZE: usize = (16 << 20) + 5_000;
    let world = World::start_with(|settings| settings.limits.single_put = 1_000).await;
    let client = world.contributor();
    let bytes: Vec<u8> = (0..SIZE).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (id, parts) = in_parts(&client, "film.bin", &bytes).await;
    let (one, two) = (&parts["missing"][0], &parts["missing"][1]);
    let (first, second) = bytes.split_at(16 << 20);

    assert_eq!(
        completed(&client, &id).await,
        "UploadMissing",
        "no part is there"
    );
    // A part in the other's place has the wrong length, and one byte less or more has it too.
    for (part, wrong) in [
        (one, second),
        (two, first),
        (two, &second[1..]),
        (two, &bytes[SIZE - 5_001..]),
    ] {
        let status = put_wrong(&client, part, wrong).await;
        assert!((400..500).contains(&status), "{status}");
    }
    assert!(client.put(two, second.to_vec()).await.is_success());
    let missing = client.complete(std::slice::from_ref(&id)).await.remove(0);
    assert_eq!(missing["__typename"], "UploadMissing");
    assert!(
        missing["message"]
            .to_string()
            .contains("1 parts are missing"),
        "{missing}"
    );
    let again = client.send(PARTS, json!({"id": id})).await.ok()["uploadParts"].clone();
    assert_eq!(
        (&again["present"], &again["missing"][0]["number"]),
        (&json!(1), &json!(1))
    );

    // Twice: the last one counts, whichever of them was wrong.
    let mut wrong = second.to_vec();
    wrong[0] ^= 1;
    assert!(client.put(two, wrong).await.is_success());
    assert!(client.put(one, first.to_vec()).await.is_success());
    assert!(client.put(two, second.to_vec()).await.is_success());
    assert_eq!(completed(&client, &id).await, "UploadCompleted");
    assert_eq!(downloaded(&client, &id).await.len(), SIZE);
    for part in [one, two] {
        let status = put_wrong(&client, part, first).await;
        assert!((400..500).contains(&status), "the upload is over: {status}");
    }
    assert!(downloaded(&client, &id).await == bytes);
}

#[tokio::test]
async fn the_address_of_a_part_is_of_no_use_with_another_upload_or_key() {
    let world = World::start_with(|settings| settings.limits.single_put = 1_000).await;
    let client = world.contributor();
    let contents = [vec![1_u8; 2_000], vec![2_u8; 2_000]];
    let mut uploads = Vec::new();
    for (name, bytes) in ["one.bin", "two.bin"].into_iter().zip(&contents) {
        let (id, parts) = in_parts(&client, name, bytes).await;
        uploads.push((id, parts["missing"][0].clone()));
    }
    let url = |index: usize| uploads[index].1["url"].as_str().unwrap();
    let upload = |index: usize| {
        let rest = url(index).split("uploadId=").nth(1).unwrap();
        rest.split('&').next().unwrap()
    };
    for (own, other) in [(0, 1), (1, 0)] {
        let headers = headers_of(&uploads[own].1);
        let swapped = url(own).replace(upload(own), upload(other));
        let moved = url(own).replace(&uploads[own].0, &uploads[other].0);
        let both = moved.replace(upload(own), upload(other));
        for changed in [swapped, moved, both] {
            assert_ne!(changed, url(own));
            let bytes = &contents[own];
            let status = send(&client, Method::PUT, &changed, &headers, bytes).await;
            assert_eq!(status, 403, "{changed}");
        }
    }
    for ((id, part), bytes) in uploads.iter().zip(&contents) {
        assert_eq!(
            completed(&client, id).await,
            "UploadMissing",
            "nothing came"
        );
        assert!(client.put(part, bytes.clone()).await.is_success());
        assert_eq!(completed(&client, id).await, "UploadCompleted");
        assert_eq!(downloaded(&client, id).await, *bytes);
    }
}

/// The API's handles, over an object store before which somebody stands.
async fn behind(world: &World, proxy: &Proxy) -> App {
    let app = world.system().app();
    let client = world.s3(Some(proxy.url())).await;
    App::new(Parts {
        database: app.database().clone(),
        objects: ObjectStore::new(client, Buckets::with_prefix("")),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        limits: app.limits().clone(),
        checkpoint_key: Arc::clone(app.checkpoint_key()),
        further_checks: BTreeSet::new(),
    })
}

#[tokio::test]
async fn a_part_that_is_replaced_while_the_upload_is_completed_is_asked_for_again_and_is_right() {
    let world = World::start_with(|settings| settings.limits.single_put = 1_000).await;
    let client = world.contributor();
    let bytes = vec![7_u8; 2_000];
    let (id, parts) = in_parts(&client, "film.bin", &bytes).await;
    let part = parts["missing"][0].clone();
    let mut wrong = bytes.clone();
    wrong[0] ^= 1;
    assert!(client.put(&part, wrong).await.is_success());

    // Once the parts are listed, before the upload is completed of them, the right one comes.
    let replaced = Arc::new(AtomicBool::default());
    let hook: Hook = {
        let (client, bytes, replaced) = (client.clone(), bytes.clone(), Arc::clone(&replaced));
        Arc::new(move |method, _| {
            let first = *method == Method::POST && !replaced.swap(true, Ordering::SeqCst);
            let (client, part, bytes) = (client.clone(), part.clone(), bytes.clone());
            Box::pin(async move {
                if first {
                    assert!(client.put(&part, bytes).await.is_success());
                }
            })
        })
    };
    let proxy = Proxy::start(vec![world.store()], 1, "", Some(hook)).await;
    let app = behind(&world, &proxy).await;
    let caller = Caller {
        actor: Actor {
            subject: "connie".into(),
            name: None,
            roles: vec![Role::Contributor],
            bodies: vec!["LOCAL".into()],
            expires_at: chrono::DateTime::<chrono::Utc>::MAX_UTC,
            credential: Credential::Embedded,
        },
        request_id: "replaced".into(),
    };
    let version: VersionId = id.parse().unwrap();
    let outcomes = complete(&app, &caller, vec![Ok((version, Seen::Uploaded))]).await;
    let outcome = outcomes.unwrap().remove(0);
    assert!(
        matches!(outcome, Completed::Refused(0, Error::Unavailable(_))),
        "{outcome:?}"
    );
    assert!(replaced.load(Ordering::SeqCst));
    assert_eq!(completed(&client, &id).await, "UploadCompleted");
    assert_eq!(downloaded(&client, &id).await, bytes);
}

#[tokio::test]
async fn parts_in_the_wrong_order_are_rejected_for_their_checksum() {
    let world = World::start_with(|settings| settings.limits.single_put = 1_000).await;
    let client = world.contributor();
    let bytes: Vec<u8> = (0..32_usize << 20)
        .map(|n| u8::try_from(n >> 24).unwrap())
        .collect();
    let (id, parts) = in_parts(&client, "film.bin", &bytes).await;
    let (first, second) = bytes.split_at(16 << 20);
    assert!(
        client
            .put(&parts["missing"][0], second.to_vec())
            .await
            .is_success()
    );
    assert!(
        client
            .put(&parts["missing"][1], first.to_vec())
            .await
            .is_success()
    );
    assert_eq!(completed(&client, &id).await, "UploadCompleted");
    let version = client.decided(&id).await;
    assert_eq!(version["status"], "REJECTED", "{version:#}");
    assert_eq!(version["download"], Value::Null);
}

#[tokio::test]
async fn part_10001_and_part_0_are_refused_by_the_store() {
    let world = World::start_with(|settings| settings.limits.single_put = 1_000).await;
    let client = world.contributor();
    let bytes = vec![7_u8; 2_000];
    let (id, parts) = in_parts(&client, "a.bin", &bytes).await;
    let url = parts["missing"][0]["url"].as_str().unwrap();
    let headers = headers_of(&parts["missing"][0]);
    for number in ["10001", "0", "-1", "2"] {
        let other = url.replace("partNumber=1&", &format!("partNumber={number}&"));
        assert_ne!(other, url);
        let status = send(&client, Method::PUT, &other, &headers, &bytes).await;
        assert_eq!(status, 403, "part {number} was not signed");
    }
    // Nor does a signature help.
    let key = objects::version_key(id.parse::<VersionId>().unwrap());
    let store = world.system().app().objects().clone();
    let upload = url.split("uploadId=").nth(1).unwrap();
    let upload = upload.split('&').next().unwrap();
    for number in [10_001, 0, -1] {
        let signed = store
            .sign_part(&key, upload, number, 2_000, Duration::from_mins(1))
            .await
            .unwrap();
        let status = send(&client, Method::PUT, &signed.url, &signed.headers, &bytes).await;
        assert_eq!(status, 400, "part {number}");
    }
    assert!(
        client
            .put(&parts["missing"][0], bytes.clone())
            .await
            .is_success()
    );
    assert_eq!(completed(&client, &id).await, "UploadCompleted");
    assert_eq!(downloaded(&client, &id).await, bytes);
}
