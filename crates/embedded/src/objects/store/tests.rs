#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use runtime::clock::ManualClock;
use runtime::ids::SeededIds;
use tempfile::TempDir;

use super::{
    Checksums, Condition, Content, Expected, Headers, Intake, Listed, NewUpload, PartRef, Query,
    Replacement, SourceCondition, Store, StoreError, Tag, Target,
};

const KEYS: [&str; 3] = ["a", "b/c", "B/C"];
/// Either side of what an index entry holds itself.
const SIZES: [usize; 4] = [0, 100, 64 << 10, (64 << 10) + 1];

fn open(dir: &Path, seed: u64) -> Arc<Store> {
    let clock = Arc::new(ManualClock::default());
    let store = Store::open(dir, clock, Arc::new(SeededIds::new(seed))).unwrap();
    store.create_bucket("bucket").unwrap();
    store
}

fn target(key: &str) -> Target {
    Target {
        bucket: "bucket".to_owned(),
        key: key.to_owned(),
    }
}

fn content(store: &Arc<Store>, body: &[u8]) -> Content {
    let mut intake = Intake::object(store, []);
    intake.push(&[Bytes::copy_from_slice(body)]).unwrap();
    intake.finish(&Expected::default()).unwrap()
}

fn put(store: &Arc<Store>, key: &str, body: &[u8]) {
    let content = content(store, body);
    store
        .put(
            &target(key),
            Headers::default(),
            content,
            &Condition::default(),
        )
        .unwrap();
}

fn copy(store: &Arc<Store>, from: &str, to: &str) -> Result<(), StoreError> {
    let condition = SourceCondition::default();
    let headers = Replacement::Replace(Headers::default());
    store
        .copy(&target(from), &target(to), &condition, headers)
        .map(|_| ())
}

fn get(store: &Arc<Store>, key: &str) -> Option<Vec<u8>> {
    let reading = store.open_object(&target(key)).ok()?;
    let blocks = reading.blocks(0..reading.entry.size).unwrap();
    Some(blocks.flat_map(|block| block.read().unwrap()).collect())
}

fn listed(store: &Store) -> Vec<String> {
    let query = Query {
        max: 1_000,
        ..Query::default()
    };
    let listing = store.list("bucket", &query).unwrap();
    let keys = listing.items.into_iter().map(|item| match item {
        Listed::Object(entry) => entry.key,
        Listed::Prefix(prefix) => prefix,
    });
    keys.collect()
}

fn chunk_files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("chunks")).unwrap().count()
}

#[derive(Debug, Clone)]
enum Step {
    Put(&'static str, usize, u8),
    Copy(&'static str, &'static str),
    Delete(&'static str),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::sample::select(&KEYS[..]);
    let size = proptest::sample::select(&SIZES[..]);
    prop_oneof![
        (key(), size, any::<u8>()).prop_map(|(key, size, fill)| Step::Put(key, size, fill)),
        (key(), key()).prop_map(|(from, to)| Step::Copy(from, to)),
        key().prop_map(Step::Delete),
        Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_holds_what_a_map_would_and_no_file_more(
        steps in proptest::collection::vec(step(), 1..12),
    ) {
        let dir = TempDir::new().unwrap();
        let mut seed = 0;
        let mut store = open(dir.path(), seed);
        let mut model: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put(key, size, fill) => {
                    let body = vec![fill; size];
                    put(&store, key, &body);
                    model.insert(key, body);
                }
                Step::Copy(from, to) => {
                    prop_assert_eq!(copy(&store, from, to).is_ok(), model.contains_key(from));
                    if let Some(body) = model.get(from).cloned() {
                        model.insert(to, body);
                    }
                }
                Step::Delete(key) => {
                    store.delete(&target(key), &Condition::default()).unwrap();
                    model.remove(key);
                }
                Step::Reopen => {
                    drop(store);
                    seed += 1;
                    store = open(dir.path(), seed);
                    prop_assert_eq!(store.sweep().unwrap().chunks, 0);
                }
            }
        }
        for key in KEYS {
            prop_assert!(get(&store, key) == model.get(key).cloned());
        }
        let mut keys: Vec<&str> = model.keys().copied().collect();
        keys.sort_unstable();
        prop_assert_eq!(listed(&store), keys);
        let large = model.values().filter(|body| body.len() > 64 << 10).count();
        prop_assert_eq!(chunk_files(dir.path()), large);
    }
}

#[test]
fn what_was_taken_in_and_never_put_leaves_no_file() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), 0);
    let body = vec![7; SIZES[3]];
    drop(content(&store, &body));
    let mut unfinished = Intake::object(&store, []);
    unfinished.push(&[Bytes::from(body)]).unwrap();
    assert_eq!(chunk_files(dir.path()), 1);
    drop(unfinished);
    assert_eq!(chunk_files(dir.path()), 0);
}

#[test]
fn a_body_of_another_length_than_was_said_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), 0);
    for length in [2, 4] {
        let mut intake = Intake::object(&store, []);
        intake.push(&[Bytes::from_static(b"abc")]).unwrap();
        let expected = Expected {
            length: Some(length),
            ..Expected::default()
        };
        assert!(matches!(
            intake.finish(&expected),
            Err(StoreError::Invalid(_))
        ));
    }
}

fn upload(store: &Arc<Store>) -> String {
    let upload = NewUpload::new(target("object"), Headers::default(), None);
    let id = store.create_upload(upload).unwrap();
    let mut intake = Intake::part(store, None);
    intake.push(&[Bytes::from_static(b"part")]).unwrap();
    let content = intake.finish(&Expected::default()).unwrap();
    store.put_part(&id, &target("object"), 1, content).unwrap();
    id
}

#[test]
fn an_upload_that_nobody_completes_is_taken_back_in_time() {
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::default());
    let ids = Arc::new(SeededIds::new(0));
    let store = Store::open(dir.path(), Arc::<ManualClock>::clone(&clock), ids).unwrap();
    store.create_bucket("bucket").unwrap();
    let id = upload(&store);
    for (days, uploads, chunks) in [(7, 0, 1), (1, 1, 0)] {
        clock.advance(Duration::from_hours(24 * days));
        assert_eq!(store.sweep().unwrap().uploads, uploads);
        assert_eq!(chunk_files(dir.path()), chunks);
    }
    assert!(matches!(
        store.upload(&id, &target("object")),
        Err(StoreError::NoSuchUpload)
    ));
}

#[test]
fn a_crash_while_completing_an_upload_leaves_the_object_whole_when_the_upload_goes() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), 0);
    let id = upload(&store);
    let uploads = dir.path().join("uploads").join(&id);
    let kept = dir.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    for file in ["upload", "00001"] {
        std::fs::copy(uploads.join(file), kept.join(file)).unwrap();
    }
    let (parts, _) = store.list_parts(&id, &target("object"), 0, 10).unwrap();
    let part = PartRef {
        number: 1,
        etag: parts[0].etag.clone(),
        checksums: Checksums::default(),
    };
    store
        .complete(&id, &target("object"), &[part], &Condition::default())
        .unwrap();
    // As if the process had been killed before the upload was removed.
    std::fs::rename(&kept, &uploads).unwrap();
    drop(store);
    let store = open(dir.path(), 1);
    store.abort(&id, &target("object")).unwrap();
    assert_eq!(get(&store, "object").unwrap(), b"part");
}

#[test]
fn a_reader_of_what_is_replaced_meanwhile_keeps_its_bytes_and_then_gives_the_room_back() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), 0);
    let old = vec![1; SIZES[3]];
    put(&store, "a", &old);
    let first = store.open_object(&target("a")).unwrap();
    let second = store.open_object(&target("a")).unwrap();
    put(&store, "a", b"new");
    drop(first);
    let blocks = second.blocks(0..second.entry.size).unwrap();
    let read: Vec<u8> = blocks.flat_map(|block| block.read().unwrap()).collect();
    assert!(read == old);
    assert_eq!(chunk_files(dir.path()), 1);
    drop(second);
    assert_eq!(chunk_files(dir.path()), 0);
}

/// The window is a few microseconds, so there are many rounds.
#[test]
fn of_racing_writers_of_a_new_object_one_wins_every_time() {
    const WRITERS: usize = 4;
    let dir = TempDir::new().unwrap();
    let store = open(dir.path(), 0);
    let new = Condition {
        if_none_match: Some(Tag::Any),
        ..Condition::default()
    };
    for round in 0..200 {
        let target = target(&round.to_string());
        let start = Barrier::new(WRITERS);
        let write = || {
            let content = content(&store, b"x");
            start.wait();
            store
                .put(&target, Headers::default(), content, &new)
                .is_ok()
        };
        let won = std::thread::scope(|scope| {
            let writers = [(); WRITERS].map(|()| scope.spawn(write));
            writers.map(|writer| writer.join().unwrap())
        });
        assert_eq!(
            won.into_iter().filter(|won| *won).count(),
            1,
            "round {round}"
        );
    }
}
