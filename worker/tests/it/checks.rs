//! Checks, from the claim to the report.

use std::sync::Arc;

use worker::checks::antivirus::NoEngine;
use worker::client::{CheckResult, CheckWork, Evidence, FailureKind, ResultStatus, Work};

use crate::world::{Down, Infected, Status, Trusting, World, noise, sha256, sha512};

fn result<'a>(results: &'a [CheckResult], kind: &str) -> &'a CheckResult {
    results.iter().find(|result| result.kind == kind).unwrap()
}

/// The results of one check, run to its end.
async fn results(world: &World, work: CheckWork) -> Vec<CheckResult> {
    let job = world.job(1, Work::Check(work)).await;
    world.work().await;
    world.api.job(job).checks.remove(0).results
}

const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

fn eicar() -> Vec<u8> {
    [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-",
        "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat()
    .into_bytes()
}

#[tokio::test]
async fn one_pass_gives_digests_format_and_an_honest_scan() {
    let world = World::new().await;
    let work = world.check(7, "pixel.gif", GIF).await;
    let job = world.job(1, Work::Check(work.clone())).await;
    let left = world.work().await;
    assert_eq!((left.visible, left.in_flight), (0, 0));
    let report = world.api.job(job).checks.remove(0);
    assert_eq!(Some(report.object_etag), work.object.etag);
    let checksum = result(&report.results, "CHECKSUM");
    assert_eq!(checksum.status, ResultStatus::Passed);
    let digests = Evidence::Checksum {
        size: GIF.len() as u64,
        sha256: sha256(GIF),
        sha512: sha512(GIF),
    };
    assert_eq!(checksum.evidence, digests);
    let Evidence::Format(format) = &result(&report.results, "FORMAT").evidence else {
        panic!("no format");
    };
    assert_eq!(format.matches[0].puid, "fmt/4");
    assert!(!format.extension_mismatch);
    let scan = result(&report.results, "ANTIVIRUS");
    assert_eq!(
        (scan.status, scan.bytes_looked),
        (ResultStatus::Inconclusive, 0)
    );
}

#[tokio::test]
async fn large_and_small_objects_are_seen_alike() {
    let world = World::new().await;
    for (number, length) in [0, 1, 256 * 1024, 256 * 1024 + 1, 3_000_001]
        .into_iter()
        .enumerate()
    {
        let mut bytes = noise(length);
        bytes.splice(
            ..length.min(GIF.len()),
            GIF[..length.min(GIF.len())].iter().copied(),
        );
        let number = number as u128 + 1;
        let work = world.check(number, "file.gif", &bytes).await;
        let job = world.job(number, Work::Check(work)).await;
        world.work().await;
        let results = world.api.job(job).checks.remove(0).results;
        let expected = Evidence::Checksum {
            size: length as u64,
            sha256: sha256(&bytes),
            sha512: sha512(&bytes),
        };
        assert_eq!(result(&results, "CHECKSUM").evidence, expected, "{length}");
        let Evidence::Format(format) = &result(&results, "FORMAT").evidence else {
            panic!("no format");
        };
        let known = pronom::Signatures::builtin().identify_bytes("file.gif", &bytes);
        let puids = |list: Vec<&String>| list.into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(
            puids(format.matches.iter().map(|one| &one.puid).collect()),
            puids(known.matches.iter().map(|one| &one.puid).collect()),
            "{length}"
        );
        assert_eq!(format.empty, length == 0);
    }
}

#[tokio::test]
async fn an_object_longer_than_a_range_is_put_together_from_its_ranges() {
    let mut world = World::new().await;
    world.config.read.range = 70_001;
    let bytes = noise(1_000_000);
    let work = world.check(1, "noise.bin", &bytes).await;
    let results = results(&world, work).await;
    assert_eq!(result(&results, "CHECKSUM").status, ResultStatus::Passed);
}

#[tokio::test]
async fn other_bytes_than_declared_fail_the_checksum_with_the_digest_that_was_found() {
    let world = World::new().await;
    let mut work = world.check(1, "a.txt", b"changed").await;
    work.sha256 = sha256(b"declared");
    let results = results(&world, work).await;
    let checksum = result(&results, "CHECKSUM");
    assert_eq!(checksum.status, ResultStatus::Failed);
    assert!(
        checksum
            .detail
            .as_ref()
            .unwrap()
            .contains(&sha256(b"changed"))
    );
}

#[tokio::test]
async fn the_test_file_is_found_without_an_engine() {
    let world = World::new().await;
    let work = world.check(1, "eicar.com", &eicar()).await;
    let results = results(&world, work).await;
    let scan = result(&results, "ANTIVIRUS");
    assert_eq!(scan.status, ResultStatus::Failed);
    assert_eq!(scan.detail.as_deref(), Some("Eicar-Test-Signature"));
}

#[tokio::test]
async fn what_is_encrypted_is_not_called_clean_by_any_engine() {
    let mut world = World::new().await;
    world.scanner = Arc::new(Trusting);
    let plain = zip(&[("secret.txt", b"a secret")]);
    let mut encrypted = plain.clone();
    let directory = plain
        .windows(4)
        .rposition(|at| at == b"PK\x01\x02")
        .unwrap();
    encrypted[6] |= 1;
    encrypted[directory + 8] |= 1;
    for (number, bytes, alone, expected) in [
        (1, &plain, false, ResultStatus::Passed),
        (2, &encrypted, false, ResultStatus::Inconclusive),
        (3, &encrypted, true, ResultStatus::Inconclusive),
    ] {
        let mut work = world.check(number, "a.zip", bytes).await;
        if alone {
            work.checks.retain(|check| check.kind == "ANTIVIRUS");
        }
        let job = world.job(number, Work::Check(work)).await;
        world.work().await;
        let results = world.api.job(job).checks.remove(0).results;
        assert_eq!(results.len(), if alone { 1 } else { 3 });
        let scan = result(&results, "ANTIVIRUS");
        assert_eq!(scan.status, expected);
        let why = scan.detail.as_deref().unwrap_or_default();
        assert_eq!(
            why.starts_with("encrypted"),
            expected != ResultStatus::Passed
        );
    }
}

#[tokio::test]
async fn only_the_checks_that_were_asked_for_are_reported() {
    let mut world = World::new().await;
    world.scanner = Arc::new(Infected);
    let mut work = world.check(1, "a.txt", b"text").await;
    work.checks.retain(|check| check.kind == "FORMAT");
    let results = results(&world, work).await;
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].kind, "FORMAT");
}

#[tokio::test]
async fn identifying_alone_sees_that_the_bytes_are_no_longer_those_that_were_declared() {
    let world = World::new().await;
    let mut work = world.check(1, "a.txt", b"changed").await;
    work.checks.retain(|check| check.kind == "FORMAT");
    work.sha256 = sha256(b"declared");
    let results = results(&world, work).await;
    assert_eq!(results[0].status, ResultStatus::Inconclusive);
    let detail = results[0].detail.as_ref().unwrap();
    assert!(detail.contains(&sha256(b"changed")), "{detail}");
}

#[tokio::test]
async fn an_engine_that_is_away_is_waited_for_and_only_the_last_attempt_is_inconclusive() {
    let mut world = World::new().await;
    world.scanner = Arc::new(Down);
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    for attempt in 1..=2 {
        world
            .work_until(|api| api.job(job).failures.len() == attempt)
            .await;
        let said = world.api.job(job);
        let (kind, reason) = &said.failures[attempt - 1];
        assert_eq!(*kind, FailureKind::Retry);
        assert_eq!(reason, "clamd was not reached");
        assert!(said.checks.is_empty());
        world.announce(job).await;
    }
    world.work().await;
    let results = world.api.job(job).checks.remove(0).results;
    let scan = result(&results, "ANTIVIRUS");
    assert_eq!(scan.status, ResultStatus::Inconclusive);
    assert_eq!(result(&results, "CHECKSUM").status, ResultStatus::Passed);
}

#[tokio::test]
async fn an_object_that_is_not_there_is_tried_again_and_told_on_the_last_attempt() {
    let mut world = World::new().await;
    world.scanner = Arc::new(NoEngine);
    let mut work = world.check(1, "a.txt", b"text").await;
    work.object.key = "elsewhere".to_owned();
    let job = world.job(1, Work::Check(work)).await;
    for attempt in 1..=2 {
        world
            .work_until(|api| api.job(job).failures.len() == attempt)
            .await;
        let failure = &world.api.job(job).failures[attempt - 1];
        assert_eq!(failure.0, FailureKind::Retry, "{}", failure.1);
        world.announce(job).await;
    }
    world.work().await;
    let results = world.api.job(job).checks.remove(0).results;
    assert_eq!(results.len(), 3);
    assert!(
        results
            .iter()
            .all(|result| result.status == ResultStatus::Inconclusive)
    );
    assert!(results[0].detail.as_ref().unwrap().contains("not there"));
}

#[tokio::test]
async fn an_object_that_was_replaced_is_not_taken_for_the_one_that_was_uploaded() {
    let world = World::new().await;
    let work = world.check(1, "a.txt", b"uploaded").await;
    world.put("incoming", &work.object.key, b"replaced").await;
    let job = world.job(1, Work::Check(work)).await;
    world
        .work_until(|api| api.job(job).failures.len() == 1)
        .await;
    assert!(world.api.job(job).failures[0].1.contains("changed"));
    assert!(world.api.job(job).checks.is_empty());
}

#[tokio::test]
async fn a_check_that_runs_twice_reports_the_same() {
    let world = World::new().await;
    let work = world.check(1, "pixel.gif", GIF).await;
    let job = world.job(1, Work::Check(work)).await;
    world.work().await;
    world.work_again().await;
    let job = world.api.job(job);
    assert_eq!(job.status, Status::Done);
    let evidence = |at: usize| {
        let results = job.checks[at].results.iter();
        let told = results.map(|r| {
            (
                r.kind.clone(),
                r.status,
                r.evidence.clone(),
                r.detail.clone(),
            )
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(evidence(0), evidence(1));
}

#[tokio::test]
async fn many_small_files_are_all_reported_and_share_requests() {
    const FILES: u32 = 60;
    let world = World::new().await;
    for number in 1..=FILES {
        let work = world
            .check(number.into(), "a.txt", &noise(number as usize))
            .await;
        world.job(number.into(), Work::Check(work)).await;
    }
    let left = world.work().await;
    assert_eq!((left.visible, left.in_flight), (0, 0));
    let state = world.api.state();
    assert!(state.jobs.values().all(|job| job.checks.len() == 1));
    assert!(state.calls["claimJobs"] < FILES, "claimed one by one");
}

/// A ZIP of stored entries.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    fn le16(value: usize) -> [u8; 2] {
        u16::try_from(value).unwrap().to_le_bytes()
    }
    fn le32(value: usize) -> [u8; 4] {
        u32::try_from(value).unwrap().to_le_bytes()
    }
    fn crc32(bytes: &[u8]) -> u32 {
        let step = |crc: u32, byte: &u8| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        };
        !bytes.iter().fold(!0, step)
    }
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        common.extend(crc32(bytes).to_le_bytes());
        common.extend(le32(bytes.len()));
        common.extend(le32(bytes.len()));
        common.extend(le16(name.len()));
        common.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(le32(archive.len()));
        directory.extend(name.as_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(common);
        archive.extend(name.as_bytes());
        archive.extend(*bytes);
    }
    let begin = archive.len();
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(le16(entries.len()));
    archive.extend(le16(entries.len()));
    archive.extend(le32(directory.len()));
    archive.extend(le32(begin));
    archive.extend([0, 0]);
    archive
}

#[tokio::test]
async fn what_stands_in_the_middle_of_a_large_container_is_fetched_again() {
    let filler = noise(4_000_000);
    let types = br#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let bytes = zip(&[
        ("word/media/one.bin", &filler),
        ("[Content_Types].xml", types),
        ("word/document.xml", b"<w:document/>"),
        ("word/media/two.bin", &filler),
    ]);
    let known = pronom::Signatures::builtin().identify_bytes("a.docx", &bytes);
    assert_eq!(known.matches[0].puid, "fmt/412", "{known:?}");
    let world = World::new().await;
    let work = world.check(1, "a.docx", &bytes).await;
    let results = results(&world, work).await;
    let format = result(&results, "FORMAT");
    assert_eq!(format.status, ResultStatus::Passed);
    let Evidence::Format(evidence) = &format.evidence else {
        panic!("no format");
    };
    assert_eq!(evidence.matches[0].puid, "fmt/412");
}
