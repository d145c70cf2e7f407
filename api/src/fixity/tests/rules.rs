//! What is compared with what, and what is due.

use chrono::DateTime;

use crate::fixity::{
    Digests, Expected, Finding, FixityRun, Outcome, Schedule, Stage, count, has_ended, judge,
    outstanding, within,
};

fn digests(size: i64, sha256: &str, sha512: &str) -> Digests {
    Digests {
        size,
        sha256: sha256.into(),
        sha512: (!sha512.is_empty()).then(|| sha512.into()),
    }
}

#[test]
fn a_judgement_says_which_of_the_three_witnesses_disagrees() {
    let good = || digests(3, "aa", "bb");
    let bad = || digests(3, "ff", "ee");
    let of = |row: Digests, checked: Option<Digests>, measured: Digests| {
        let (outcome, detail) = judge(&Expected { row, checked }, &Finding::Measured(measured));
        (outcome, detail.unwrap_or_default())
    };
    for (row, checked, measured, outcome, says) in [
        (good(), Some(good()), good(), Outcome::Match, ""),
        (
            good(),
            None,
            good(),
            Outcome::Mismatch,
            "the result of its CHECKSUM check is gone or cannot be read",
        ),
        (
            digests(3, "aa", ""),
            Some(good()),
            good(),
            Outcome::Match,
            "",
        ),
        (
            good(),
            Some(good()),
            bad(),
            Outcome::Mismatch,
            "the object is not what was accepted: SHA-256 ff instead of aa, SHA-512 ee instead of bb",
        ),
        (
            good(),
            None,
            digests(4, "aa", "bb"),
            Outcome::Mismatch,
            "the object is not what was accepted: 4 bytes instead of 3",
        ),
        // Only one of two digests of the row was touched.
        (
            digests(3, "aa", "00"),
            Some(good()),
            good(),
            Outcome::Mismatch,
            "what the database says of it has been changed: SHA-512 bb instead of 00",
        ),
        (
            digests(3, "00", "bb"),
            Some(good()),
            good(),
            Outcome::Mismatch,
            "what the database says of it has been changed: SHA-256 aa instead of 00",
        ),
        (
            good(),
            Some(digests(3, "00", "bb")),
            good(),
            Outcome::Mismatch,
            "the result of its CHECKSUM check has been changed: SHA-256 aa instead of 00",
        ),
        // Both were touched alike: the object is still not what they say.
        (
            bad(),
            Some(bad()),
            good(),
            Outcome::Mismatch,
            "not what was accepted",
        ),
    ] {
        let (found, detail) = of(row, checked, measured);
        assert_eq!(found, outcome, "{detail}");
        assert!(detail.contains(says), "{detail}");
        assert_eq!(detail.is_empty(), says.is_empty(), "{detail}");
    }
    let expected = Expected {
        row: good(),
        checked: None,
    };
    assert_eq!(judge(&expected, &Finding::Missing).0, Outcome::Missing);
}

#[test]
fn a_days_bytes_are_kept_to_unless_one_file_is_larger() {
    for (budget, spent, sizes, fits) in [
        (None, 5, &[1, 2, 3][..], 3),
        (Some(10), 0, &[4, 4, 4], 2),
        (Some(10), 4, &[4, 4], 1),
        (Some(10), 10, &[1], 0),
        (Some(10), 0, &[50, 1], 1),
        (Some(10), 1, &[50, 1], 0),
        // Nothing is free of charge, so that a day's number of files has an end too.
        (Some(2), 0, &[0, 0, 0], 2),
    ] {
        let found = within(budget, spent, sizes.iter().copied());
        assert_eq!(found, fits, "{budget:?} {spent} {sizes:?}");
    }
}

#[test]
fn a_schedule_that_makes_no_sense_is_refused() {
    for (every_days, bytes_per_day, fits) in [
        (Some(90), None, true),
        (None, None, true),
        (Some(1), Some(1), true),
        (Some(0), None, false),
        (Some(3_651), None, false),
        (Some(90), Some(0), false),
    ] {
        let schedule = Schedule {
            every_days,
            bytes_per_day,
        };
        assert_eq!(schedule.check("input").is_ok(), fits, "{schedule:?}");
    }
}

#[test]
fn a_run_ends_when_all_of_it_has_ended_and_none_is_counted_that_is_gone() {
    let mut run = FixityRun {
        id: uuid::Uuid::nil(),
        selection: serde_json::Value::Null,
        asked_by: String::new(),
        stage: Stage::Versions,
        after_id: None,
        asked: 4,
        bytes: 0,
        scheduled: 3,
        verified: 0,
        mismatched: 0,
        missing: 0,
        unreadable: 0,
        created_at: DateTime::UNIX_EPOCH,
        finished_at: None,
    };
    for outcome in [Outcome::Match, Outcome::Mismatch, Outcome::Unreadable] {
        count(&mut run, outcome);
    }
    assert_eq!(outstanding(&run), 1);
    assert!(!has_ended(&run), "one is not in the table yet");
    (run.stage, run.scheduled) = (Stage::Done, 4);
    assert!(!has_ended(&run));
    count(&mut run, Outcome::NotKept);
    assert!(has_ended(&run));
    assert_eq!(outstanding(&run), 0);
}
