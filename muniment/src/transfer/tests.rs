//! The whole command against a fake server.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use sha2::{Digest, Sha256};

use super::ledger::Account;
use super::tally::Tally;
use super::{Arguments, incomplete, run};
use crate::cli::{Cli, Command};
use crate::client::VersionStatus;
use crate::failure::{Failure, Outcome};
use crate::fake::{Fake, Faults};
use crate::progress::Screen;

/// A folder and a server.
struct Stage {
    folder: tempfile::TempDir,
    fake: Fake,
}

/// How a run ended, and what was said meanwhile.
struct Ended {
    result: Result<Outcome, Failure>,
    said: Vec<String>,
}

impl Stage {
    async fn new(files: &[(&str, &[u8])], faults: Faults) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join("in").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let fake = Fake::start(faults).await;
        Self { folder, fake }
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    fn bag(&self) -> PathBuf {
        self.folder.path().join("out.tar")
    }

    async fn transfer(&self, more: &[&str]) -> Ended {
        self.run(&self.input(), "good", more).await
    }

    async fn run(&self, folder: &Path, token: &str, more: &[&str]) -> Ended {
        let screen = Screen::recording();
        let mut line = vec!["muniment", "transfer", folder.to_str().unwrap()];
        line.extend(["--server", self.fake.url(), "--token", token]);
        line.extend(more);
        let result = run(&arguments(&line), &screen).await;
        let said = screen.recorded();
        Ended { result, said }
    }

    /// Each file's newest version is accepted and has the file's bytes.
    fn arrived(&self) -> bool {
        let walk = walkdir::WalkDir::new(self.input()).into_iter();
        let files = walk
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file());
        let world = self.fake.world();
        files.into_iter().all(|entry| {
            let path = entry.path().strip_prefix(self.input()).unwrap();
            world.accepted(path.to_str().unwrap()) == Some(fs::read(entry.path()).unwrap())
        })
    }
}

impl Ended {
    fn failure(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }
}

fn arguments(line: &[&str]) -> Arguments {
    match Cli::try_parse_from(line).unwrap().command {
        Command::Transfer(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

const FILES: [(&str, &[u8]); 4] = [
    ("a.txt", b"a"),
    ("deep/er/b.txt", b"bb"),
    ("empty", b""),
    // Above the fake's limit for one request.
    ("large.bin", &[7; 3_333]),
];

#[tokio::test]
async fn every_byte_of_a_folder_arrives() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    let ended = stage.transfer(&["--submit"]).await;
    assert_eq!(ended.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    let world = stage.fake.world();
    assert_eq!(world.count("AddRecords"), 1);
    assert_eq!(world.count("SubmitTransfer"), 1);
}

#[tokio::test]
async fn many_files_take_few_requests() {
    let names: Vec<String> = (0..1_000).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), name.as_bytes()))
        .collect();
    let stage = Stage::new(&files, Faults::default()).await;
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    let world = stage.fake.world();
    assert!(world.count("AddRecords") < 100);
    assert!(world.count("CompleteUploads") < 200);
    assert_eq!(world.uploads, 1_000);
}

#[tokio::test]
async fn the_same_command_again_uploads_nothing() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    stage.transfer(&[]).await.result.unwrap();
    let uploads = stage.fake.world().uploads;
    let again = stage.transfer(&[]).await;
    assert_eq!(again.result, Ok(Outcome::Good));
    assert!(again.said[0].starts_with("going on with transfer T-1"));
    assert_eq!(stage.fake.world().uploads, uploads);
}

#[tokio::test]
async fn a_file_that_changed_between_runs_becomes_a_new_version() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    stage.transfer(&[]).await.result.unwrap();
    fs::write(stage.input().join("a.txt"), "another").unwrap();
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    assert_eq!(stage.fake.world().records["a.txt"].len(), 2);
}

#[tokio::test]
async fn faults_that_pass_change_nothing_in_the_end() {
    let faults = Faults {
        unavailable: 2,
        slow_down: 2,
        expired: 2,
        lost: 2,
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    let ended = stage.transfer(&[]).await;
    assert_eq!(ended.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    let said = ended.said.join("\n");
    assert!(said.contains("trying again for up to 2 minutes"), "{said}");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_announced_anew() {
    let mut stage = Stage::new(&FILES, Faults::default()).await;
    let file = stage.input().join("a.txt");
    change_before_upload(
        &mut stage,
        vec![Box::new(move || fs::write(file, "b").unwrap())],
    );
    let ended = stage.transfer(&[]).await;
    assert_eq!(ended.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    let statuses = statuses(&stage, "a.txt");
    assert_eq!(statuses, ["REJECTED", "ACCEPTED"]);
    assert!(
        ended
            .said
            .iter()
            .any(|line| line.starts_with("a.txt changed while it was read"))
    );
}

#[tokio::test]
async fn a_large_file_that_changes_while_it_is_read_is_announced_anew() {
    let mut stage = Stage::new(&FILES, Faults::default()).await;
    let file = stage.input().join("large.bin");
    let change = move || fs::write(file, [8; 2_222]).unwrap();
    change_before_upload(&mut stage, vec![Box::new(change)]);
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    assert_eq!(statuses(&stage, "large.bin"), ["REJECTED", "ACCEPTED"]);
}

#[tokio::test]
async fn a_file_that_keeps_changing_is_given_up_and_the_rest_arrives() {
    let mut stage = Stage::new(&[("a.txt", b"a")], Faults::default()).await;
    let change = |text: &'static str| -> Box<dyn FnOnce() + Send> {
        let file = stage.input().join("a.txt");
        Box::new(move || fs::write(file, text).unwrap())
    };
    let changes = vec![change("bb"), change("ccc")];
    change_before_upload(&mut stage, changes);
    let ended = stage.transfer(&[]).await;
    assert_eq!(ended.result, Ok(Outcome::NotAllGood));
    assert_eq!(statuses(&stage, "a.txt"), ["REJECTED", "AWAITING_UPLOAD"]);

    // It settles on what was announced last.
    fs::write(stage.input().join("a.txt"), "bb").unwrap();
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    assert_eq!(statuses(&stage, "a.txt"), ["REJECTED", "ACCEPTED"]);
}

#[tokio::test]
async fn a_file_that_vanishes_before_its_upload_is_accepted_when_it_is_back() {
    let mut stage = Stage::new(&FILES, Faults::default()).await;
    let file = stage.input().join("a.txt");
    change_before_upload(
        &mut stage,
        vec![Box::new(move || fs::remove_file(file).unwrap())],
    );
    accepted_when_it_is_back(&stage).await;
}

#[tokio::test]
async fn a_file_that_vanishes_in_mid_upload_is_accepted_when_it_is_back() {
    let stage = Stage::new(&[("a.txt", b"a")], Faults::default()).await;
    let file = stage.input().join("a.txt");
    stage.fake.world().faults.during_upload =
        vec![Box::new(move || fs::remove_file(file).unwrap())];
    accepted_when_it_is_back(&stage).await;
}

async fn accepted_when_it_is_back(stage: &Stage) {
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::NotAllGood));
    assert_eq!(statuses(stage, "a.txt"), ["AWAITING_UPLOAD"]);
    fs::write(stage.input().join("a.txt"), "a").unwrap();
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    assert_eq!(statuses(stage, "a.txt"), ["ACCEPTED"]);
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
}

#[tokio::test]
async fn a_version_whose_bytes_never_came_is_announced_again() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    stage.transfer(&[]).await.result.unwrap();
    {
        // As an earlier version of this program left it.
        let mut world = stage.fake.world();
        let version = &mut world.records.get_mut("a.txt").unwrap()[0];
        version.status = "REJECTED";
        version.parts.clear();
    }
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
    assert_eq!(statuses(&stage, "a.txt"), ["REJECTED", "ACCEPTED"]);
}

#[tokio::test]
async fn a_ticket_that_is_refused_concerns_one_file_only() {
    let faults = Faults {
        no_ticket: 1,
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    let ended = stage.transfer(&[]).await;
    assert_eq!(ended.result, Ok(Outcome::NotAllGood));
    assert_eq!(statuses(&stage, "large.bin"), ["AWAITING_UPLOAD"]);
    assert_eq!(statuses(&stage, "a.txt"), ["ACCEPTED"]);
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
}

#[tokio::test]
async fn an_upload_whose_time_has_run_out_does_not_end_the_run() {
    let faults = Faults {
        no_address: true,
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::NotAllGood));
    stage.fake.world().faults.no_address = false;
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
}

#[tokio::test]
async fn a_confirmation_that_is_put_off_is_repeated_without_the_bytes() {
    let faults = Faults {
        unconfirmed: 2,
        ..Faults::default()
    };
    let stage = Stage::new(&[("a.txt", b"a")], faults).await;
    let ended = stage.transfer(&[]).await;
    assert_eq!(ended.result, Ok(Outcome::Good));
    assert_eq!(stage.fake.world().uploads, 1);
    assert_eq!(stage.fake.world().count("CompleteUploads"), 3);
    assert!(
        ended.said[1].starts_with("uploads cannot be confirmed: not now (UNAVAILABLE)"),
        "{:?}",
        ended.said
    );
}

#[tokio::test]
async fn a_confirmation_that_is_put_off_for_ever_fails_the_file_and_the_rest_arrives() {
    let faults = Faults {
        unconfirmed: u32::MAX,
        ..Faults::default()
    };
    let stage = Stage::new(&[("a.txt", b"a")], faults).await;
    let ended = stage.transfer(&["--patience", "1"]).await;
    assert_eq!(ended.result, Ok(Outcome::NotAllGood));
    stage.fake.world().faults.unconfirmed = 0;
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
}

#[tokio::test]
async fn a_file_that_the_api_refuses_does_not_stop_the_others() {
    let faults = Faults {
        refused: Some("a.txt".to_owned()),
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::NotAllGood));
    assert_eq!(stage.fake.world().records.len(), FILES.len() - 1);
}

#[tokio::test]
async fn a_full_store_ends_the_run_and_the_next_one_goes_on() {
    let faults = Faults {
        full: 1,
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    let failure = stage.transfer(&[]).await.failure();
    assert!(failure.contains("no space left"), "{failure}");
    assert!(failure.contains("the same command again"), "{failure}");
    assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
    assert!(stage.arrived());
}

#[tokio::test]
async fn a_bag_is_saved_although_the_connection_breaks() {
    let faults = Faults {
        cut: 2,
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    let package = package();
    stage.fake.world().package.clone_from(&package);
    let bag = stage.bag();
    let ended = stage.transfer(&["--bag", bag.to_str().unwrap()]).await;
    assert_eq!(ended.result, Ok(Outcome::Good));
    assert_eq!(fs::read(bag).unwrap(), package);
}

#[tokio::test]
async fn a_bag_is_saved_however_often_the_connection_breaks_if_something_came() {
    // Each break halves what is missing: of enough that something comes before each.
    let faults = Faults {
        cut: 7,
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    let package = package_of(&vec![7; 64 << 20]);
    stage.fake.world().package.clone_from(&package);
    let bag = stage.bag();
    let ended = stage.transfer(&["--bag", bag.to_str().unwrap()]).await;
    assert_eq!(ended.result, Ok(Outcome::Good));
    assert_eq!(fs::read(bag).unwrap(), package);
}

#[tokio::test]
async fn a_bag_that_is_not_what_the_server_made_is_not_saved() {
    let faults = Faults {
        wrong_digest: true,
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    stage.fake.world().package = package();
    let bag = stage.bag();
    let ended = stage.transfer(&["--bag", bag.to_str().unwrap()]).await;
    assert!(
        ended.failure().contains("nothing is saved"),
        "{}",
        ended.failure()
    );
    assert!(!bag.exists());
}

#[tokio::test]
async fn a_bag_that_is_not_valid_is_kept_and_not_called_good() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    let mut package = package();
    let payload = package
        .windows(3)
        .position(|bytes| bytes == b"abc")
        .unwrap();
    package[payload] = b'x';
    stage.fake.world().package = package;
    let bag = stage.bag();
    let ended = stage.transfer(&["--bag", bag.to_str().unwrap()]).await;
    assert_eq!(ended.result, Ok(Outcome::NotAllGood));
    assert!(bag.exists());
}

#[tokio::test]
async fn what_cannot_be_transferred_is_said_before_anything_is_asked() {
    let stage = Stage::new(&[], Faults::default()).await;
    let root = stage.folder.path();
    fs::create_dir(stage.input()).unwrap();
    fs::write(root.join("file"), "").unwrap();
    for (folder, said) in [
        ("absent", "is not there"),
        ("file", "is no folder"),
        ("in", "no file"),
    ] {
        let failure = stage.run(&root.join(folder), "good", &[]).await.failure();
        assert!(failure.contains(said), "{failure}");
    }
    assert!(stage.fake.world().asked.is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_said_with_its_expiry() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    // {"exp":1767225600}
    let expired = "e30.eyJleHAiOjE3NjcyMjU2MDB9.c2ln";
    let failure = stage.run(&stage.input(), expired, &[]).await.failure();
    assert!(
        failure.contains("the token expired at 2026-01-01 00:00:00 UTC"),
        "{failure}"
    );
    let failure = stage.run(&stage.input(), "bad", &[]).await.failure();
    assert!(failure.contains("does not take this token"), "{failure}");
}

#[tokio::test]
async fn a_collection_that_is_not_there_is_named() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    let failure = stage.transfer(&["--collection", "NOPE"]).await.failure();
    assert!(failure.contains("no collection NOPE"), "{failure}");
}

#[tokio::test]
async fn a_token_with_a_line_end_is_taken_and_one_with_others_is_refused_at_once() {
    let stage = Stage::new(&FILES, Faults::default()).await;
    let folder = stage.input();
    assert_eq!(
        stage.run(&folder, "good\r\n", &[]).await.result,
        Ok(Outcome::Good)
    );
    for token in ["go\nod", "go od", "gööd"] {
        let ended = stage.run(&folder, token, &[]).await;
        let failure = ended.failure();
        assert!(
            failure.contains("characters that no token has"),
            "{failure}"
        );
        assert!(!failure.contains(token), "a secret is not shown: {failure}");
        assert!(ended.said.is_empty(), "{:?}", ended.said);
    }
}

#[tokio::test]
async fn a_transfer_is_handed_in_only_when_every_file_is_there() {
    let faults = Faults {
        refused: Some("a.txt".to_owned()),
        ..Faults::default()
    };
    let stage = Stage::new(&FILES, faults).await;
    let ended = stage.transfer(&["--submit"]).await;
    assert_eq!(ended.result, Ok(Outcome::NotAllGood));
    assert_eq!(stage.fake.world().count("SubmitTransfer"), 0);
    stage.fake.world().faults.refused = None;
    let ended = stage.transfer(&["--submit"]).await;
    assert_eq!(ended.result, Ok(Outcome::Good));
    assert_eq!(stage.fake.world().count("SubmitTransfer"), 1);
}

#[test]
fn whatever_is_missing_holds_a_transfer_back() {
    let complete = (Account::default(), Tally::default());
    assert_eq!(incomplete(&complete.0, &complete.1), None);
    let unread = Account {
        unread: 2,
        ..Account::default()
    };
    let awaiting = Tally {
        not_accepted: vec![
            (VersionStatus::Rejected, 3),
            (VersionStatus::AwaitingUpload, 1),
        ],
        ..Tally::default()
    };
    assert_eq!(
        incomplete(&unread, &awaiting).as_deref(),
        Some("2 files left out unread, 1 file not uploaded")
    );
}

#[tokio::test]
async fn a_folder_in_which_everything_is_left_out_says_what_and_why() {
    let mut files = vec![("Thumbs.db".to_owned(), b"")];
    files.extend((0..11).map(|number| (format!("{number:02}/.DS_Store"), b"")));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let stage = Stage::new(&files, Faults::default()).await;
    let failure = stage.transfer(&[]).await.failure();
    assert!(
        failure.contains("there is no file to transfer"),
        "{failure}"
    );
    assert!(failure.contains("left out: 12\n"), "{failure}");
    assert!(
        failure.contains("    00/.DS_Store: made by the system for itself\n"),
        "{failure}"
    );
    assert!(failure.ends_with("and 2 more"), "{failure}");
}

#[tokio::test]
async fn a_status_that_is_new_to_this_program_is_not_called_accepted() {
    for files in [3, 100] {
        let names: Vec<String> = (0..files).map(|number| format!("{number}.txt")).collect();
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .map(|name| (name.as_str(), name.as_bytes()))
            .collect();
        let stage = Stage::new(&files, Faults::default()).await;
        assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::Good));
        {
            let mut world = stage.fake.world();
            world.records.get_mut("1.txt").unwrap()[0].status = "EMBARGOED";
        }
        assert_eq!(stage.transfer(&[]).await.result, Ok(Outcome::NotAllGood));
    }
}

fn change_before_upload(stage: &mut Stage, changes: Vec<Box<dyn FnOnce() + Send>>) {
    stage.fake.world().faults.before_upload = changes;
}

fn statuses(stage: &Stage, path: &str) -> Vec<&'static str> {
    let world = stage.fake.world();
    world.records[path]
        .iter()
        .map(|version| version.status)
        .collect()
}

/// A valid bag of one file, as tar.
fn package() -> Vec<u8> {
    package_of(b"abc")
}

fn package_of(payload: &[u8]) -> Vec<u8> {
    let digest = hex::encode(Sha256::digest(payload));
    let manifest = format!("{digest}  data/abc\n");
    let mut tar = Vec::new();
    for (name, bytes) in [
        ("E-1/bagit.txt", bagit::BAGIT_TXT.as_bytes()),
        ("E-1/data/abc", payload),
        ("E-1/manifest-sha256.txt", manifest.as_bytes()),
    ] {
        tar.extend(bagit::file_header(name, bytes.len() as u64, 0));
        tar.extend(bytes);
        tar.extend(std::iter::repeat_n(
            0,
            bytes.len().next_multiple_of(512) - bytes.len(),
        ));
    }
    tar.extend([0; 1024]);
    tar
}
