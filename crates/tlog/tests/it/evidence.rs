//! Entries in a package.

use serde_json::{Value, json};
use tlog::{Checkpoint, Evidence, EvidenceError, Seen, canonical, inclusion, line};

use super::Tree;

/// The events of two records, and their lines.
fn package() -> (Checkpoint, Vec<String>) {
    let mut events: Vec<Value> = Vec::new();
    for record in ["record_a", "record_b"] {
        let mut last: Vec<(String, u64, Option<String>)> = Vec::new();
        for (number, subject) in ["record", "version", "version", "record", "version"]
            .into_iter()
            .enumerate()
        {
            let subject = format!("{subject}_of_{record}");
            let known = last.iter().rev().find(|(of, ..)| *of == subject);
            let (sequence, previous) = known.map_or((1, None), |(_, sequence, hash)| {
                (sequence + 1, hash.clone())
            });
            let mut event = json!({
                "id": format!("event_{record}_{number}"), "record": record, "subject": subject, "sequence": sequence,
            });
            if let Some(previous) = previous {
                event["previous"] = previous.into();
            }
            let hash = hex::encode(tlog::leaf(canonical(&event).unwrap().as_bytes()));
            last.push((subject, sequence, Some(hash)));
            events.push(event);
        }
    }
    let texts: Vec<String> = events
        .iter()
        .map(|event| canonical(event).unwrap())
        .collect();
    let tree = Tree::of(texts.iter().map(|text| text.as_bytes().to_vec()));
    let size = tree.frontier.size();
    let lines = (0..size).zip(&texts).map(|(leaf, text)| {
        let proof = tree.hashes(inclusion(leaf, size));
        line(text, leaf, &proof)
    });
    let checkpoint = Checkpoint {
        origin: "log".into(),
        size,
        root: tree.frontier.root(),
    };
    (checkpoint, lines.collect())
}

fn errors(checkpoint: &Checkpoint, lines: &[String]) -> (Vec<EvidenceError>, Seen) {
    let mut evidence = Evidence::new(checkpoint.clone());
    let errors = lines
        .iter()
        .filter_map(|line| evidence.add(line).err())
        .collect();
    (errors, evidence.seen())
}

#[test]
fn what_is_whole_passes() {
    let (checkpoint, lines) = package();
    let seen = Seen {
        events: 10,
        records: 2,
    };
    assert_eq!(errors(&checkpoint, &lines), (Vec::new(), seen));
}

#[test]
fn each_edit_removal_and_reordering_is_found_and_named() {
    let (checkpoint, lines) = package();
    for place in 0..lines.len() {
        let mut edited = lines.clone();
        edited[place] = edited[place].replacen("\"id\":\"", "\"id\":\"x", 1);
        let (found, _) = errors(&checkpoint, &edited);
        assert!(
            matches!(&found[0], EvidenceError::NotInTree(event) if event.starts_with('x')),
            "{found:?}"
        );
    }
    // The last of a chain cannot be missed without the log itself: places 3, 4 and 8, 9.
    for place in [0, 1, 2, 5, 6, 7] {
        let mut removed = lines.clone();
        removed.remove(place);
        let (found, _) = errors(&checkpoint, &removed);
        assert!(
            matches!(found[..], [EvidenceError::OutOfOrder { .. }, ..]),
            "{place}: {found:?}"
        );
    }
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    assert!(!errors(&checkpoint, &swapped).0.is_empty());
    let mut doubled = lines.clone();
    doubled.insert(1, lines[0].clone());
    assert_eq!(errors(&checkpoint, &doubled).0.len(), 1);
    let other = Checkpoint {
        root: tlog::leaf(b"another tree"),
        ..checkpoint
    };
    assert_eq!(errors(&other, &lines).1.events, 0);
}

#[test]
fn a_line_that_readers_may_take_differently_is_refused() {
    let (checkpoint, lines) = package();
    let doubled = lines[0].replacen("\"id\":", "\"id\":\"event_x\",\"id\":", 1);
    let spaced = lines[0].replacen("\"id\":", "\"id\": ", 1);
    for line in [
        &doubled,
        &spaced,
        "",
        "{}",
        "[]",
        "{\"event\":{},\"leaf\":0,\"proof\":[]}",
    ] {
        assert_eq!(
            errors(&checkpoint, &[line.to_owned().clone()]).0,
            [EvidenceError::Malformed],
            "{line}"
        );
    }
}
