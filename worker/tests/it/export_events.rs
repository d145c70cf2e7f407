//! The events in a package.

use worker::client::{ExportEvent, ExportReport};

use crate::{
    exports::{REFERENCE, item, package, request},
    world::{Bag, World},
};

fn happened(world: &World, count: u64) {
    let events = (0..count).map(|leaf| ExportEvent {
        entry: format!("{{\"id\":\"event_{leaf}\",\"record\":\"record_1\"}}"),
        leaf,
        proof: vec!["ab".repeat(32); 3],
    });
    world.api.state().events.extend(events);
}

#[tokio::test]
async fn a_package_carries_its_events_with_proofs_checkpoint_and_key() {
    let mut world = World::new().await;
    item(&world, 1, "data/a.txt", b"a").await;
    happened(&world, 1_207);
    let job = request(&world).await;
    world.work().await;
    let first = package(&world, job).await;
    let bag = Bag::read(REFERENCE, &first);
    bag.assert_complete();
    let lines: Vec<&str> = bag.text("muniment/events.jsonl").lines().collect();
    assert_eq!(lines.len(), 1_207);
    let hash = "ab".repeat(32);
    assert_eq!(
        lines[7],
        format!(
            "{{\"event\":{{\"id\":\"event_7\",\"record\":\"record_1\"}},\"leaf\":7,\"proof\":[\"{hash}\",\"{hash}\",\"{hash}\"]}}"
        )
    );
    assert_eq!(
        bag.text("muniment/checkpoint.txt"),
        "a log\n1\nroot\n\nsignature\n"
    );
    assert_eq!(bag.text("muniment/checkpoint-key.txt"), "a log+1+key\n");
    let asked = world.api.state().calls["exportEvents"];
    assert_eq!(asked, 3, "few events are asked for once");
    // However they are read.
    world.config.export.keep = 0;
    world.config.export.page = 100;
    world.work_again().await;
    assert!(first == package(&world, job).await, "the bytes differ");
    assert_eq!(world.api.state().calls["exportEvents"], asked + 2 * 13);
}

#[tokio::test]
async fn a_package_without_events_has_no_files_for_them() {
    let world = World::new().await;
    item(&world, 1, "data/a.txt", b"a").await;
    let job = request(&world).await;
    world.work().await;
    let bag = Bag::read(REFERENCE, &package(&world, job).await);
    assert!(!bag.files.keys().any(|path| path.starts_with("muniment/")));
    assert!(!world.api.state().calls.contains_key("exportEvents"));
}

#[tokio::test]
async fn a_proof_that_is_none_fails_the_export() {
    let world = World::new().await;
    item(&world, 1, "data/a.txt", b"a").await;
    happened(&world, 2);
    world.api.state().events[1].proof[0] = "x".into();
    let job = request(&world).await;
    world.work().await;
    let expected = ExportReport::Failed {
        error: "event 1 has a proof that is none".to_owned(),
    };
    assert_eq!(world.api.job(job).exports, [expected]);
}
