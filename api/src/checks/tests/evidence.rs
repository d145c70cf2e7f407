//! From what was measured to a result.

use contract::checks::{ANTIVIRUS, CHECKSUM, FORMAT};

use crate::{
    checks::{
        Status,
        evidence::{
            Checksum, Claimed, Evidence, FormatEvidence, FormatMatch, Reported, findings,
            kept_format, result,
        },
    },
    collections::{PolicyAction, Rules},
    jobs::tests::shop::{Shop, pdf},
    versions::Version,
};

async fn version() -> Version {
    Shop::new().await.uploaded("a.pdf").await
}

fn reported<'a>(kind: &'a str, claimed: Claimed, evidence: &'a Evidence) -> Reported<'a> {
    Reported {
        kind,
        claimed,
        bytes_looked: 10,
        detail: None,
        evidence,
    }
}

type Change = fn(&mut Checksum);

#[tokio::test]
async fn a_checksum_is_compared_here_whatever_the_worker_says() {
    let version = version().await;
    let right = Checksum {
        size: 10,
        sha256: "AB".repeat(32),
        sha512: "ef".repeat(64),
    };

    let cases: [(&str, Change, Status); 5] = [
        ("as declared, in upper case", |_| (), Status::Passed),
        ("a byte more", |measured| measured.size += 1, Status::Failed),
        (
            "another digest",
            |measured| measured.sha256 = "ac".repeat(32),
            Status::Failed,
        ),
        (
            "no digest",
            |measured| measured.sha256 = "x".repeat(64),
            Status::Inconclusive,
        ),
        (
            "a short digest",
            |measured| measured.sha512.truncate(64),
            Status::Inconclusive,
        ),
    ];
    for (what, change, expected) in cases {
        let mut measured = right.clone();
        change(&mut measured);
        let evidence = Evidence {
            checksum: Some(measured),
            ..Evidence::default()
        };
        for claimed in [Claimed::Passed, Claimed::Failed] {
            let (status, _) = result(
                &Rules::default(),
                &version,
                reported(CHECKSUM, claimed, &evidence),
            );
            assert_eq!(status, expected, "{what}, {claimed:?}");
        }
    }
    let nothing = Evidence::default();
    let (status, _) = result(
        &Rules::default(),
        &version,
        reported(CHECKSUM, Claimed::Passed, &nothing),
    );
    assert_eq!(status, Status::Inconclusive);
}

#[tokio::test]
async fn a_wrong_checksum_is_told_with_both_values() {
    let version = version().await;
    let evidence = Evidence {
        checksum: Some(Checksum {
            size: 11,
            sha256: "cd".repeat(32),
            sha512: "ef".repeat(64),
        }),
        ..Evidence::default()
    };
    let (_, detail) = result(
        &Rules::default(),
        &version,
        reported(CHECKSUM, Claimed::Passed, &evidence),
    );
    let (declared, measured) = ("ab".repeat(32), "cd".repeat(32));
    let expected =
        format!("declared: 10 bytes, SHA-256 {declared}; measured: 11 bytes, SHA-256 {measured}");
    assert_eq!(detail, Some(expected));
}

#[tokio::test]
async fn antivirus_passes_only_on_every_byte() {
    let version = version().await;
    let nothing = Evidence::default();
    for (claimed, bytes_looked, expected) in [
        (Claimed::Passed, 10, Status::Passed),
        (Claimed::Passed, 9, Status::Inconclusive),
        (Claimed::Passed, 11, Status::Inconclusive),
        (Claimed::Passed, 0, Status::Inconclusive),
        (Claimed::Failed, 3, Status::Failed),
        (Claimed::Inconclusive, 10, Status::Inconclusive),
    ] {
        let reported = Reported {
            bytes_looked,
            ..reported(ANTIVIRUS, claimed, &nothing)
        };
        let (status, _) = result(&Rules::default(), &version, reported);
        assert_eq!(status, expected, "{claimed:?} {bytes_looked}");
    }
}

#[test]
fn each_finding_has_its_own_action() {
    let known = FormatEvidence {
        matches: vec![pdf()],
        ..FormatEvidence::default()
    };
    let rules = Rules {
        denied_puids: vec!["fmt/111".into()],
        on_empty: PolicyAction::Reject,
        on_encrypted: PolicyAction::Ask,
        on_archive: PolicyAction::Warn,
        on_unidentified: PolicyAction::Accept,
        on_extension_mismatch: PolicyAction::Ask,
        ..Rules::default()
    };
    let denied = FormatMatch {
        puid: "fmt/111".into(),
        ..pdf()
    };
    let cases: [(&str, FormatEvidence, &[PolicyAction]); 9] = [
        ("nothing odd", known.clone(), &[]),
        (
            "empty",
            FormatEvidence {
                empty: true,
                ..FormatEvidence::default()
            },
            &[PolicyAction::Reject],
        ),
        (
            "only a mark",
            FormatEvidence {
                bom_only: true,
                ..FormatEvidence::default()
            },
            &[PolicyAction::Reject],
        ),
        (
            "encrypted",
            FormatEvidence {
                encrypted: true,
                ..known.clone()
            },
            &[PolicyAction::Ask],
        ),
        (
            "archive",
            FormatEvidence {
                archive: true,
                ..known.clone()
            },
            &[PolicyAction::Warn],
        ),
        (
            "unidentified",
            FormatEvidence::default(),
            &[PolicyAction::Accept],
        ),
        (
            "mismatch",
            FormatEvidence {
                extension_mismatch: true,
                ..known.clone()
            },
            &[PolicyAction::Ask],
        ),
        (
            "denied",
            FormatEvidence {
                matches: vec![denied.clone()],
                ..known.clone()
            },
            &[PolicyAction::Reject],
        ),
        (
            "denied among several",
            FormatEvidence {
                matches: vec![pdf(), denied],
                ..known
            },
            &[PolicyAction::Warn, PolicyAction::Reject],
        ),
    ];
    for (what, format, expected) in cases {
        let actions: Vec<PolicyAction> = findings(&rules, &format)
            .into_iter()
            .map(|finding| finding.action)
            .collect();
        assert_eq!(actions, expected, "{what}");
    }
}

#[test]
fn a_list_of_allowed_formats_takes_no_others() {
    let rules = Rules {
        allowed_puids: vec!["fmt/18".into()],
        ..Rules::default()
    };
    let refused = |matches: Vec<FormatMatch>| {
        let format = FormatEvidence {
            matches,
            ..FormatEvidence::default()
        };
        findings(&rules, &format)
            .iter()
            .any(|finding| finding.action == PolicyAction::Reject)
    };
    let other = FormatMatch {
        puid: "fmt/19".into(),
        ..pdf()
    };
    assert!(!refused(vec![pdf()]));
    assert!(!refused(vec![other.clone(), pdf()]));
    assert!(refused(vec![other]));
    assert!(refused(Vec::new()));
}

#[tokio::test]
async fn a_format_fails_only_if_the_policy_refuses_it() {
    let version = version().await;
    for (action, expected) in [
        (PolicyAction::Accept, Status::Passed),
        (PolicyAction::Warn, Status::Passed),
        (PolicyAction::Ask, Status::Passed),
        (PolicyAction::Reject, Status::Failed),
    ] {
        let rules = Rules {
            on_archive: action,
            ..Rules::default()
        };
        let evidence = Evidence {
            format: Some(FormatEvidence {
                matches: vec![pdf()],
                archive: true,
                ..FormatEvidence::default()
            }),
            ..Evidence::default()
        };
        let (status, detail) = result(
            &rules,
            &version,
            reported(FORMAT, Claimed::Failed, &evidence),
        );
        assert_eq!(status, expected, "{action:?}");
        assert!(
            detail.is_some_and(|detail| detail.contains("fmt/18") && detail.contains("archive"))
        );
    }
}

#[test]
fn the_best_match_is_kept_with_what_is_odd_about_it() {
    let format = FormatEvidence {
        matches: vec![pdf()],
        extension_mismatch: true,
        ..FormatEvidence::default()
    };
    let kept = kept_format(&Rules::default(), &format).expect("there is a match");
    assert_eq!(
        (kept.puid.as_str(), kept.extension_mismatch),
        ("fmt/18", true)
    );
    assert_eq!(kept.warnings, ["the extension belongs to another format"]);
    assert_eq!(
        kept_format(&Rules::default(), &FormatEvidence::default()),
        None
    );
}
