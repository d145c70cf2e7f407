//! What follows from results under a policy.

use contract::checks::{ANTIVIRUS, BUILT_IN, CHECKSUM, FORMAT};
use proptest::prelude::*;

use crate::{
    checks::{Decided, Facts, Status, Weighed, decide, evidence::FormatEvidence, required},
    collections::{PolicyAction, Rules},
    jobs::tests::shop::pdf,
    versions::Outcome,
};

fn fact(kind: &str, status: Status) -> Facts {
    Facts {
        kind: kind.into(),
        status,
        waived: false,
        detail: None,
        etag: Some("e".into()),
        format: None,
    }
}

fn passed() -> Vec<Facts> {
    BUILT_IN.map(|kind| fact(kind, Status::Passed)).into()
}

fn with(kind: &str, change: impl FnOnce(&mut Facts)) -> Vec<Facts> {
    let mut facts = passed();
    if let Some(fact) = facts.iter_mut().find(|fact| fact.kind == kind) {
        change(fact);
    } else {
        let mut fact = fact(kind, Status::Passed);
        change(&mut fact);
        facts.push(fact);
    }
    facts
}

fn decided(rules: &Rules, facts: &[Facts]) -> Option<Decided> {
    match decide(rules, facts) {
        Weighed::Decided(decided) => Some(decided),
        Weighed::Wait { .. } => None,
    }
}

fn outcome(rules: &Rules, facts: &[Facts]) -> Option<Outcome> {
    decided(rules, facts).map(|decided| decided.outcome)
}

fn needs_ocr() -> Rules {
    let mut rules = Rules::default();
    rules.required_checks.push("OCR".into());
    rules
}

#[test]
fn each_result_has_its_consequence() {
    use Status as S;
    for (kind, status, expected) in [
        (CHECKSUM, S::Passed, Some(Outcome::Accept)),
        (CHECKSUM, S::Failed, Some(Outcome::Reject)),
        (CHECKSUM, S::Inconclusive, Some(Outcome::Review)),
        (CHECKSUM, S::Pending, None),
        (CHECKSUM, S::Running, None),
        (ANTIVIRUS, S::Passed, Some(Outcome::Accept)),
        (ANTIVIRUS, S::Failed, Some(Outcome::Quarantine)),
        (ANTIVIRUS, S::Inconclusive, Some(Outcome::Review)),
        (ANTIVIRUS, S::Running, None),
        (FORMAT, S::Failed, Some(Outcome::Reject)),
        (FORMAT, S::Inconclusive, Some(Outcome::Review)),
        ("OCR", S::Passed, Some(Outcome::Accept)),
        ("OCR", S::Failed, Some(Outcome::Reject)),
        ("OCR", S::Inconclusive, Some(Outcome::Review)),
        ("OCR", S::Pending, None),
    ] {
        let rules = if kind == "OCR" {
            needs_ocr()
        } else {
            Rules::default()
        };
        let facts = with(kind, |fact| fact.status = status);
        assert_eq!(outcome(&rules, &facts), expected, "{kind} {status:?}");
    }
}

#[test]
fn what_was_not_scanned_is_the_policys_business_and_never_silent() {
    for (action, expected, warnings) in [
        (PolicyAction::Accept, Outcome::Accept, 1),
        (PolicyAction::Warn, Outcome::Accept, 1),
        (PolicyAction::Ask, Outcome::Review, 0),
        (PolicyAction::Reject, Outcome::Reject, 0),
    ] {
        let rules = Rules {
            on_not_scanned: action,
            ..Rules::default()
        };
        let facts = with(ANTIVIRUS, |fact| {
            fact.status = Status::Inconclusive;
            fact.detail = Some("no engine".into());
        });
        let decided = decided(&rules, &facts).expect("all results are there");
        assert_eq!(
            (decided.outcome, decided.warnings.len()),
            (expected, warnings),
            "{action:?}"
        );
        let said = decided.warnings.first().or(decided.reasons.first());
        assert_eq!(
            said.map(String::as_str),
            Some("not scanned: no engine"),
            "{action:?}"
        );
    }
}

#[test]
fn the_most_severe_finding_decides() {
    let mut facts = passed();
    facts[0].status = Status::Failed;
    facts[1].status = Status::Failed;
    facts[2].status = Status::Inconclusive;
    let decided = decided(&Rules::default(), &facts).expect("all results are there");
    assert_eq!(decided.outcome, Outcome::Quarantine);
    assert_eq!(decided.reasons[0], "malware");
    assert_eq!(decided.reasons.len(), 3);
}

#[test]
fn a_required_check_that_was_never_begun_is_missing() {
    let missing = |rules: &Rules, facts: &[Facts]| match decide(rules, facts) {
        Weighed::Wait { missing } => missing,
        Weighed::Decided(decided) => panic!("decided: {decided:?}"),
    };
    assert_eq!(missing(&needs_ocr(), &passed()), ["OCR"]);
    assert_eq!(missing(&Rules::default(), &[]), BUILT_IN);
    // The built-in ones cannot be left out.
    let careless = Rules {
        required_checks: vec![CHECKSUM.into()],
        ..Rules::default()
    };
    assert_eq!(missing(&careless, &passed()[..1]), [ANTIVIRUS, FORMAT]);
}

#[test]
fn a_waiver_covers_everything_but_malware() {
    for (kind, status, expected) in [
        (CHECKSUM, Status::Failed, Outcome::Accept),
        (FORMAT, Status::Failed, Outcome::Accept),
        (ANTIVIRUS, Status::Inconclusive, Outcome::Accept),
        (ANTIVIRUS, Status::Failed, Outcome::Quarantine),
    ] {
        let facts = with(kind, |fact| {
            fact.status = status;
            fact.waived = true;
        });
        assert_eq!(
            outcome(&Rules::default(), &facts),
            Some(expected),
            "{kind} {status:?}"
        );
    }
}

#[test]
fn results_about_different_bytes_are_no_acceptance() {
    let facts = with(ANTIVIRUS, |fact| fact.etag = Some("other".into()));
    assert_eq!(outcome(&Rules::default(), &facts), Some(Outcome::Review));
}

#[test]
fn a_check_that_the_policy_does_not_need_is_not_waited_for() {
    let facts = with("OCR", |fact| fact.status = Status::Pending);
    assert_eq!(outcome(&Rules::default(), &facts), Some(Outcome::Accept));
}

#[test]
fn a_policy_that_became_stricter_counts_for_results_that_are_there() {
    let facts = with(FORMAT, |fact| {
        fact.format = Some(FormatEvidence {
            encrypted: true,
            ..FormatEvidence::default()
        });
    });
    for (action, expected) in [
        (PolicyAction::Accept, Outcome::Accept),
        (PolicyAction::Warn, Outcome::Accept),
        (PolicyAction::Ask, Outcome::Review),
        (PolicyAction::Reject, Outcome::Reject),
    ] {
        let rules = Rules {
            on_encrypted: action,
            ..Rules::default()
        };
        assert_eq!(outcome(&rules, &facts), Some(expected), "{action:?}");
    }
}

#[test]
fn each_finding_about_a_format_is_decided_as_the_policy_says() {
    type Find = fn(&mut FormatEvidence);
    type Set = fn(&mut Rules, PolicyAction);
    let findings: [(&str, Find, Set); 6] = [
        (
            "encrypted",
            |found| found.encrypted = true,
            |rules, action| rules.on_encrypted = action,
        ),
        (
            "empty",
            |found| found.empty = true,
            |rules, action| rules.on_empty = action,
        ),
        (
            "byte order mark",
            |found| found.bom_only = true,
            |rules, action| rules.on_empty = action,
        ),
        (
            "archive",
            |found| found.archive = true,
            |rules, action| rules.on_archive = action,
        ),
        (
            "no format",
            |found| found.matches.clear(),
            |rules, action| rules.on_unidentified = action,
        ),
        (
            "extension",
            |found| found.extension_mismatch = true,
            |rules, action| rules.on_extension_mismatch = action,
        ),
    ];
    for (what, find, set) in findings {
        for (action, expected, said) in [
            (PolicyAction::Accept, Outcome::Accept, false),
            (PolicyAction::Warn, Outcome::Accept, true),
            (PolicyAction::Ask, Outcome::Review, true),
            (PolicyAction::Reject, Outcome::Reject, true),
        ] {
            let mut rules = Rules::default();
            set(&mut rules, action);
            let facts = with(FORMAT, |fact| {
                let mut found = FormatEvidence {
                    matches: vec![pdf()],
                    ..FormatEvidence::default()
                };
                find(&mut found);
                fact.format = Some(found);
            });
            let decided = decided(&rules, &facts).expect("all results are there");
            assert_eq!(decided.outcome, expected, "{what} {action:?}");
            let texts = [decided.reasons, decided.warnings].concat().join("; ");
            assert_eq!(texts.contains(what), said, "{what} {action:?}: {texts}");
        }
    }
}

#[test]
fn a_format_is_decided_by_its_identifier() {
    for (denied, allowed, expected) in [
        ("", "", Outcome::Accept),
        ("fmt/18", "", Outcome::Reject),
        ("fmt/19", "", Outcome::Accept),
        ("", "fmt/18", Outcome::Accept),
        ("", "fmt/19", Outcome::Reject),
        // What is denied is denied, wherever else it stands.
        ("fmt/18", "fmt/18", Outcome::Reject),
    ] {
        let list = |puid: &str| match puid {
            "" => Vec::new(),
            puid => vec![puid.to_owned()],
        };
        let rules = Rules {
            denied_puids: list(denied),
            allowed_puids: list(allowed),
            ..Rules::default()
        };
        let facts = with(FORMAT, |fact| {
            fact.format = Some(FormatEvidence {
                matches: vec![pdf()],
                ..FormatEvidence::default()
            });
        });
        assert_eq!(
            outcome(&rules, &facts),
            Some(expected),
            "denied {denied}, allowed {allowed}"
        );
    }
}

fn any_status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Pending),
        Just(Status::Running),
        Just(Status::Passed),
        Just(Status::Failed),
        Just(Status::Inconclusive),
    ]
}

fn any_action() -> impl Strategy<Value = PolicyAction> {
    prop_oneof![
        Just(PolicyAction::Accept),
        Just(PolicyAction::Warn),
        Just(PolicyAction::Ask),
        Just(PolicyAction::Reject),
    ]
}

fn any_fact() -> impl Strategy<Value = Facts> {
    let kind = prop_oneof![
        Just(CHECKSUM),
        Just(ANTIVIRUS),
        Just(FORMAT),
        Just("OCR"),
        Just("OTHER")
    ];
    (kind, any_status(), any::<bool>(), 0_u8..3).prop_map(|(kind, status, waived, etag)| Facts {
        waived,
        etag: (etag > 0).then(|| etag.to_string()),
        ..fact(kind, status)
    })
}

proptest! {
    #[test]
    fn accept_only_if_every_required_check_passed_was_waived_or_the_policy_takes_it(
        facts in proptest::collection::vec(any_fact(), 0..8),
        needs_more: bool,
        on_not_scanned in any_action(),
    ) {
        let base = if needs_more { needs_ocr() } else { Rules::default() };
        let rules = Rules { on_not_scanned, ..base };
        if outcome(&rules, &facts) != Some(Outcome::Accept) {
            return Ok(());
        }
        let taken = matches!(on_not_scanned, PolicyAction::Accept | PolicyAction::Warn);
        for kind in required(&rules) {
            let of_kind: Vec<&Facts> = facts.iter().filter(|fact| fact.kind == kind).collect();
            prop_assert!(!of_kind.is_empty());
            for fact in of_kind {
                let malware = kind == ANTIVIRUS && fact.status == Status::Failed;
                let not_scanned = kind == ANTIVIRUS && fact.status == Status::Inconclusive;
                prop_assert!(!malware);
                prop_assert!(
                    fact.status == Status::Passed || fact.waived || (not_scanned && taken),
                    "{fact:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_decided_while_a_required_check_is_open(
        facts in proptest::collection::vec(any_fact(), 0..8),
    ) {
        let rules = Rules::default();
        let open = facts.iter().any(|fact| {
            BUILT_IN.contains(&fact.kind.as_str())
                && matches!(fact.status, Status::Pending | Status::Running)
        });
        if open {
            prop_assert_eq!(outcome(&rules, &facts), None);
        }
    }

    #[test]
    fn another_bad_result_never_makes_it_better(
        facts in proptest::collection::vec(any_fact(), 3..8),
        more in any_fact(),
    ) {
        let rank = |outcome| match outcome {
            Outcome::Accept => 0,
            Outcome::Review => 1,
            Outcome::Reject => 2,
            Outcome::Quarantine => 3,
        };
        let rules = needs_ocr();
        let mut worse = facts.clone();
        worse.push(more);
        if let (Some(before), Some(after)) = (outcome(&rules, &facts), outcome(&rules, &worse)) {
            prop_assert!(rank(after) >= rank(before));
        }
    }
}
