//! Packages, from the claim to the bag.

use std::time::Duration;

use chrono::DateTime;
use contract::{ExportId, JobId, RecordId, VersionId};
use serde_json::json;
use uuid::Uuid;
use worker::client::{
    CheckStatus, ExportEvidence, ExportItem, ExportReport, ExportWork, ItemCheck, ItemFormat,
    ObjectLocation, Work,
};

use crate::world::{Bag, FakeApi, Status, World, noise, sha256, sha512};

pub(crate) const REFERENCE: &str = "MUN-2026-B2K4";

/// Stores a file as accepted, and lists it.
pub(crate) async fn item(
    world: &World,
    number: u128,
    payload_path: &str,
    bytes: &[u8],
) -> ExportItem {
    let version = VersionId(Uuid::from_u128(number));
    let object = world.put("records", &version.to_string(), bytes).await;
    let path = payload_path.trim_start_matches("data/").to_owned();
    let item = ExportItem {
        record: RecordId(Uuid::from_u128(number + 1_000)),
        record_reference: format!("R-{number}"),
        description: String::new(),
        metadata: json!({}),
        file_name: path.rsplit('/').next().unwrap().to_owned(),
        path,
        payload_path: payload_path.to_owned(),
        version,
        size: bytes.len() as u64,
        sha256: sha256(bytes),
        sha512: sha512(bytes),
        last_modified: DateTime::from_timestamp(1_700_000_000, 0),
        object,
        format: Some(ItemFormat {
            puid: "fmt/4".to_owned(),
            name: "Graphics Interchange Format".to_owned(),
        }),
        format_check: None,
        antivirus_check: Some(ItemCheck {
            status: CheckStatus::Inconclusive,
            engine: Some("none".to_owned()),
            engine_version: Some("0.1.0".to_owned()),
            signature_version: None,
            coverage: Some((0, bytes.len() as u64)),
            detail: Some("no engine configured".to_owned()),
        }),
        extension_mismatch: false,
    };
    let mut state = world.api.state();
    state.items.push(item.clone());
    state
        .items
        .sort_by(|a, b| a.payload_path.cmp(&b.payload_path));
    item
}

fn export(world: &World) -> ExportWork {
    let state = world.api.state();
    let export = ExportId(Uuid::from_u128(1));
    ExportWork {
        export,
        reference: REFERENCE.to_owned(),
        target: ObjectLocation {
            bucket: "exports".to_owned(),
            key: format!("{export}.tar"),
            etag: None,
        },
        files: state.items.len() as u64,
        as_of: DateTime::from_timestamp(1_763_600_000, 0).unwrap(),
        bag_info: vec![
            ("Source-Organization".to_owned(), "Archive".to_owned()),
            ("External-Description".to_owned(), "two\r\nlines".to_owned()),
            ("Payload-Oxum".to_owned(), "9.9".to_owned()),
            ("Contact-Name".to_owned(), String::new()),
        ],
        evidence: (!state.events.is_empty()).then(|| ExportEvidence {
            checkpoint: "a log\n1\nroot\n\nsignature\n".to_owned(),
            checkpoint_key: "a log+1+key".to_owned(),
        }),
    }
}

pub(crate) async fn request(world: &World) -> JobId {
    let work = export(world);
    world.job(50, Work::Export(work)).await
}

/// The package's bytes, which must be those that the report speaks of.
pub(crate) async fn package(world: &World, job: JobId) -> Vec<u8> {
    let key = export(world).target.key;
    let bytes = world.get("exports", &key).await.unwrap();
    let report = world.api.job(job).exports.pop();
    let expected = ExportReport::Ready {
        size: bytes.len() as u64,
        sha256: sha256(&bytes),
    };
    assert_eq!(report, Some(expected));
    bytes
}

/// What is left at the target, also of uploads that were not completed.
async fn leftovers(world: &World) -> usize {
    let objects = world.s3.list_objects_v2().bucket("exports").send();
    let objects = objects.await.unwrap().key_count.unwrap_or_default();
    usize::try_from(objects).unwrap() + world.unfinished_uploads()
}

#[tokio::test]
async fn a_bag_holds_what_was_accepted_and_its_manifests_agree() {
    let world = World::new().await;
    item(&world, 1, "data/minutes/May.txt", b"may").await;
    item(&world, 2, "data/minutes/2024/June.txt", b"").await;
    item(&world, 3, "data/ünïcode 'name'.gif", &noise(5_000)).await;
    let job = request(&world).await;
    let left = world.work().await;
    assert_eq!((left.visible, left.in_flight), (0, 0));
    let bag = Bag::read(REFERENCE, &package(&world, job).await);
    bag.assert_complete();
    assert_eq!(bag.files["data/minutes/May.txt"], b"may");
    assert_eq!(bag.files["data/ünïcode 'name'.gif"], noise(5_000));
    let tags: Vec<&str> = bag.order.iter().take(10).map(String::as_str).collect();
    assert_eq!(
        tags,
        [
            "bagit.txt",
            "bag-info.txt",
            "manifest-sha256.txt",
            "manifest-sha512.txt",
            "file-metadata.csv",
            "file-ffid.csv",
            "file-av.csv",
            "tagmanifest-sha256.txt",
            "tagmanifest-sha512.txt",
            "data/",
        ]
    );
    assert_eq!(
        bag.text("bag-info.txt"),
        "Source-Organization: Archive\nExternal-Description: two lines\n\
         Bagging-Date: 2025-11-20\nBag-Software-Agent: Muniment\nPayload-Oxum: 5003.3\n"
    );
}

#[tokio::test]
async fn the_csv_files_say_what_is_known_and_quote_what_must_be() {
    let world = World::new().await;
    let mut one = item(&world, 1, "data/a/b/x.txt", b"x").await;
    one.metadata = json!({
        "legal_status": "Public Record(s)",
        "note": "=cmd()|'/C calc'!A0",
        "language": ["English", "Welsh"],
        "title_closed": "a \"quoted\", title\r\nof two lines",
        "closure_period": 25,
    });
    one.description = "words".to_owned();
    one.format_check = Some(ItemCheck {
        status: CheckStatus::Passed,
        engine: Some("Muniment pronom".to_owned()),
        engine_version: Some("0.1.0".to_owned()),
        signature_version: Some("V122/20250101".to_owned()),
        coverage: None,
        detail: None,
    });
    world.api.state().items[0] = one;
    item(&world, 2, "data/a/c.txt", b"c").await;
    let job = request(&world).await;
    world.work().await;
    let bag = Bag::read(REFERENCE, &package(&world, job).await);
    let mut metadata = csv::Reader::from_reader(bag.text("file-metadata.csv").as_bytes());
    let rows: Vec<csv::StringRecord> = metadata.records().map(Result::unwrap).collect();
    let paths: Vec<&str> = rows.iter().map(|row| &row[4]).collect();
    assert_eq!(
        paths,
        ["data/a", "data/a/b", "data/a/b/x.txt", "data/a/c.txt"]
    );
    let headers = metadata.headers().unwrap().clone();
    let cell = |row: usize, column: &str| {
        let at = headers.iter().position(|header| header == column).unwrap();
        rows[row][at].to_owned()
    };
    for (column, expected) in [
        ("file_reference", "R-1"),
        ("file_type", "File"),
        ("file_size", "1"),
        ("legal_status", "Public Record(s)"),
        ("note", "=cmd()|'/C calc'!A0"),
        ("language", "English|Welsh"),
        ("title_closed", "a \"quoted\", title\r\nof two lines"),
        ("closure_period", "25"),
        ("description", "words"),
        ("date_last_modified", "2023-11-14T22:13:20Z"),
        ("UUID", "00000000-0000-0000-0000-000000000001"),
        ("original_filepath", ""),
    ] {
        assert_eq!(cell(2, column), expected, "{column}");
    }
    assert_eq!(cell(0, "file_type"), "Folder");
    assert!(bag.text("file-ffid.csv").contains(
        "data/a/b/x.txt,txt,fmt/4,Graphics Interchange Format,false,Muniment pronom,0.1.0,V122,20250101\n"
    ));
    assert!(
        bag.text("file-av.csv")
            .contains("data/a/c.txt,none,0.1.0,,INCONCLUSIVE,0,1,no engine configured\n")
    );
}

#[tokio::test]
async fn names_that_a_manifest_cannot_hold_are_encoded_there_and_kept_in_the_archive() {
    let world = World::new().await;
    let names = ["data/100%.txt", "data/a\r\nb.txt", "data/%0A.txt"];
    for (number, name) in (1..).zip(names) {
        item(&world, number, name, name.as_bytes()).await;
    }
    let job = request(&world).await;
    world.work().await;
    let bag = Bag::read(REFERENCE, &package(&world, job).await);
    bag.assert_complete();
    for name in names {
        assert_eq!(bag.files[name], name.as_bytes());
    }
    let manifest = bag.text("manifest-sha256.txt");
    assert_eq!(manifest.lines().count(), 3);
    assert!(manifest.contains("  data/a%0D%0Ab.txt\n"));
    assert!(manifest.contains("  data/%250A.txt\n"));
}

#[tokio::test]
async fn a_selection_without_files_gives_an_empty_bag() {
    let world = World::new().await;
    let job = request(&world).await;
    world.work().await;
    let bag = Bag::read(REFERENCE, &package(&world, job).await);
    bag.assert_complete();
    assert_eq!(bag.text("manifest-sha256.txt"), "");
    assert_eq!(bag.text("file-av.csv").lines().count(), 1);
}

#[tokio::test]
async fn the_same_selection_gives_the_same_bytes_however_it_is_read() {
    let mut world = World::new().await;
    for number in 1..=23 {
        let path = format!("data/folder-{}/file {number:02}.bin", number / 5);
        let size = usize::try_from(number * 1_000).unwrap();
        item(&world, number, &path, &noise(size)).await;
    }
    let job = request(&world).await;
    world.work().await;
    let first = package(&world, job).await;
    // Nothing kept, small pages, nothing fetched ahead.
    world.config.export.keep = 0;
    world.config.export.page = 3;
    world.config.export.small = 7_000;
    world.config.export.ahead = 2;
    world.work_again().await;
    assert!(first == package(&world, job).await, "the bytes differ");
    assert!(world.api.state().calls["exportItems"] > 8 * 7);
    Bag::read(REFERENCE, &first).assert_complete();
}

#[tokio::test]
async fn a_large_package_goes_in_parts() {
    let mut world = World::new().await;
    world.config.export.part = 5 * 1024 * 1024;
    item(&world, 1, "data/large.bin", &noise(13_000_000)).await;
    item(&world, 2, "data/small.bin", b"small").await;
    let job = request(&world).await;
    world.work().await;
    let bag = Bag::read(REFERENCE, &package(&world, job).await);
    bag.assert_complete();
    assert!(bag.files["data/large.bin"] == noise(13_000_000));
    assert_eq!(leftovers(&world).await, 1);
}

#[tokio::test]
async fn a_file_that_is_not_what_was_accepted_fails_the_export_by_name() {
    let large = noise(3_000_000);
    let mut flipped = large.clone();
    flipped[2_999_999] ^= 1;
    for (accepted, stored) in [
        (b"accepted".to_vec(), b"tampered".to_vec()),
        (b"accepted".to_vec(), b"accept".to_vec()),
        (b"accepted".to_vec(), b"accepted and more".to_vec()),
        (large.clone(), flipped),
        (large.clone(), large[1..].to_vec()),
    ] {
        let world = World::new().await;
        item(&world, 1, "data/a.txt", b"fine").await;
        let bad = item(&world, 2, "data/bad.bin", &accepted).await;
        world.put("records", &bad.object.key, &stored).await;
        let job = request(&world).await;
        let left = world.work().await;
        let Some(ExportReport::Failed { error }) = world.api.job(job).exports.pop() else {
            panic!("it did not fail");
        };
        assert!(error.starts_with("data/bad.bin"), "{error}");
        assert!(!error.contains("data/a.txt"));
        assert_eq!(leftovers(&world).await, 0);
        assert_eq!((left.visible, left.in_flight), (0, 0));
    }
}

#[tokio::test]
async fn a_file_that_is_gone_fails_the_export_by_name() {
    let world = World::new().await;
    let gone = item(&world, 1, "data/gone.txt", b"gone").await;
    let delete = world.s3.delete_object().bucket("records");
    delete.key(&gone.object.key).send().await.unwrap();
    let job = request(&world).await;
    world.work().await;
    let reports = world.api.job(job).exports;
    let expected = ExportReport::Failed {
        error: "data/gone.txt: the object is not there".to_owned(),
    };
    assert_eq!(reports, [expected]);
}

#[tokio::test]
async fn a_path_that_leaves_the_bag_fails_the_export() {
    let world = World::new().await;
    let mut bad = item(&world, 1, "data/a", b"a").await;
    bad.payload_path = "data/../../etc/passwd".to_owned();
    world.api.state().items[0] = bad;
    let job = request(&world).await;
    world.work().await;
    let reports = world.api.job(job).exports;
    assert!(
        matches!(&reports[..], [ExportReport::Failed { .. }]),
        "{reports:?}"
    );
    assert_eq!(leftovers(&world).await, 0);
}

#[tokio::test]
async fn more_files_than_announced_fail_the_export() {
    let world = World::new().await;
    item(&world, 1, "data/a", b"a").await;
    let mut work = export(&world);
    work.files = 2;
    let job = world.job(50, Work::Export(work)).await;
    world.work().await;
    let reports = world.api.job(job).exports;
    assert!(
        matches!(&reports[..], [ExportReport::Failed { .. }]),
        "{reports:?}"
    );
}

#[tokio::test]
async fn an_export_that_is_cancelled_leaves_nothing_behind() {
    // It hears of it when it tells its progress, or when its lease is extended.
    for (progress_every, lease) in [
        (Duration::from_millis(1), Duration::from_secs(20)),
        (Duration::from_hours(1), Duration::from_millis(300)),
    ] {
        let mut world = World::new().await;
        world.config.export.progress_every = progress_every;
        world.config.lease = lease;
        item(&world, 1, "data/large.bin", &noise(8_000_000)).await;
        let job = request(&world).await;
        world.api.change(job, |job| job.cancelled = true);
        world.work().await;
        let job = world.api.job(job);
        assert_eq!(job.status, Status::Done);
        assert_eq!(job.failures, []);
        assert_eq!(leftovers(&world).await, 0);
    }
}

#[tokio::test]
async fn an_export_that_is_handed_back_leaves_nothing_behind() {
    let mut world = World::new().await;
    world.config.grace = Duration::ZERO;
    for number in 1..=40 {
        item(
            &world,
            number,
            &format!("data/{number:02}"),
            &noise(500_000),
        )
        .await;
    }
    let job = request(&world).await;
    let on_its_way = |api: &FakeApi| {
        let told = api.job(job).exports;
        told.iter()
            .any(|report| matches!(report, ExportReport::Progress { .. }))
    };
    world.work_until(on_its_way).await;
    let stopped = world.api.job(job);
    assert_eq!(stopped.failures.len(), 1, "it was too quick: {stopped:?}");
    assert_eq!(leftovers(&world).await, 0);
    world.announce(job).await;
    world.work().await;
    Bag::read(REFERENCE, &package(&world, job).await).assert_complete();
}

#[tokio::test]
async fn exports_never_take_the_place_of_checks() {
    let mut world = World::new().await;
    world.config.jobs = 1;
    world.config.exports = 1;
    item(&world, 1, "data/a", b"a").await;
    let mut exports = Vec::new();
    for number in 100..103 {
        let mut work = export(&world);
        work.target.key = format!("{number}.tar");
        exports.push(world.job(number, Work::Export(work)).await);
    }
    let work = world.check(7, "a.txt", b"text").await;
    let check = world.job(1, Work::Check(work)).await;
    let left = world.work().await;
    assert_eq!((left.visible, left.in_flight), (0, 0));
    assert_eq!(world.api.job(check).status, Status::Done);
    for export in exports {
        let export = world.api.job(export);
        assert_eq!((export.status, export.attempt), (Status::Done, 1));
    }
}
