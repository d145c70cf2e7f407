//! What follows from the results under a policy. Pure.
//!
//! Always: nothing passes while a required check has no result; the most severe finding decides
//! (quarantine, then reject, then review, then accept); malware is never waived.

use contract::checks::{ANTIVIRUS, CHECKSUM, FORMAT};

use super::{
    Check, Status,
    evidence::{Evidence, FormatEvidence, findings},
    is_open, required,
};
use crate::{
    collections::{PolicyAction, Rules},
    versions::Outcome,
};

/// A current check, as far as a decision depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// CHECKSUM, ANTIVIRUS, FORMAT, or a further kind.
    pub kind: String,
    /// How it ended.
    pub status: Status,
    /// Whether a named person waived it.
    pub waived: bool,
    /// For people.
    pub detail: Option<String>,
    /// Which bytes were looked at.
    pub etag: Option<String>,
    /// What FORMAT found.
    pub format: Option<FormatEvidence>,
}

impl From<&Check> for Facts {
    fn from(check: &Check) -> Self {
        let evidence: Evidence = check
            .evidence
            .clone()
            .and_then(|evidence| serde_json::from_value(evidence).ok())
            .unwrap_or_default();
        Self {
            kind: check.kind.clone(),
            status: check.status,
            waived: check.waiver.is_some(),
            detail: check.detail.clone(),
            etag: evidence.object_etag,
            format: evidence.format,
        }
    }
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighed {
    /// Not all required checks have a result.
    Wait {
        /// Those that were never begun: the policy has changed.
        missing: Vec<String>,
    },
    /// All have.
    Decided(Decided),
}

/// A decision and what spoke for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// How.
    pub outcome: Outcome,
    /// What spoke for it.
    pub reasons: Vec<String>,
    /// What stays with an accepted version.
    pub warnings: Vec<String>,
}

/// Weighs the current checks of a version under the rules in force.
pub fn decide(rules: &Rules, checks: &[Facts]) -> Weighed {
    let required = required(rules);
    let missing: Vec<String> = required
        .iter()
        .filter(|kind| !checks.iter().any(|check| check.kind == **kind))
        .map(|&kind| kind.to_owned())
        .collect();
    let weighty: Vec<&Facts> = checks
        .iter()
        .filter(|check| required.contains(&check.kind.as_str()))
        .collect();
    if !missing.is_empty() || weighty.iter().any(|check| is_open(check.status)) {
        return Weighed::Wait { missing };
    }
    let mut scales = Scales::default();
    for check in &weighty {
        scales.put(rules, check);
    }
    if !same_bytes(&weighty) {
        scales.weigh(
            Weight::Review,
            "the bytes changed while they were checked".into(),
        );
    }
    Weighed::Decided(scales.decided())
}

/// Whether all results are about the same bytes.
pub fn same_bytes(checks: &[&Facts]) -> bool {
    let mut etags = checks.iter().filter_map(|check| check.etag.as_deref());
    let first = etags.next();
    etags.all(|etag| Some(etag) == first)
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    #[default]
    Accept,
    Review,
    Reject,
    Quarantine,
}

#[derive(Default)]
struct Scales {
    heaviest: Weight,
    reasons: Vec<(Weight, String)>,
    warnings: Vec<String>,
}

impl Scales {
    fn weigh(&mut self, weight: Weight, reason: String) {
        self.heaviest = self.heaviest.max(weight);
        self.reasons.push((weight, reason));
    }

    fn act(&mut self, action: PolicyAction, text: String) {
        match action {
            PolicyAction::Accept => {}
            PolicyAction::Warn => self.warnings.push(text),
            PolicyAction::Ask => self.weigh(Weight::Review, text),
            PolicyAction::Reject => self.weigh(Weight::Reject, text),
        }
    }

    fn put(&mut self, rules: &Rules, check: &Facts) {
        let text = describe(check);
        let malware = check.kind == ANTIVIRUS && check.status == Status::Failed;
        if check.waived && !malware {
            self.warnings.push(format!("waived: {text}"));
            return;
        }
        match (check.kind.as_str(), check.status) {
            (ANTIVIRUS, Status::Failed) => self.weigh(Weight::Quarantine, text),
            (ANTIVIRUS, Status::Inconclusive) => self.not_scanned(rules.on_not_scanned, check),
            (_, Status::Failed) => self.weigh(Weight::Reject, text),
            (_, Status::Passed) => {}
            (_, Status::Inconclusive | Status::Pending | Status::Running) => {
                self.weigh(Weight::Review, text);
            }
        }
        if check.kind == FORMAT
            && check.status == Status::Passed
            && let Some(format) = &check.format
        {
            // The policy may have changed since: what it says now counts as well.
            for finding in findings(rules, format) {
                self.act(finding.action, finding.text);
            }
        }
    }

    fn not_scanned(&mut self, action: PolicyAction, check: &Facts) {
        let text = format!(
            "not scanned: {}",
            check
                .detail
                .as_deref()
                .unwrap_or("the antivirus engine could not tell")
        );
        match action {
            // Taking it silently would let people believe that it was scanned.
            PolicyAction::Accept => self.act(PolicyAction::Warn, text),
            action => self.act(action, text),
        }
    }

    fn decided(self) -> Decided {
        let outcome = match self.heaviest {
            Weight::Accept => Outcome::Accept,
            Weight::Review => Outcome::Review,
            Weight::Reject => Outcome::Reject,
            Weight::Quarantine => Outcome::Quarantine,
        };
        let mut reasons = self.reasons;
        reasons.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let mut reasons: Vec<String> = reasons.into_iter().map(|(_, reason)| reason).collect();
        if reasons.is_empty() {
            reasons.push("every required check passed or is taken by the policy".into());
        }
        Decided {
            outcome,
            reasons,
            warnings: self.warnings,
        }
    }
}

fn describe(check: &Facts) -> String {
    let what = match (check.kind.as_str(), check.status) {
        (ANTIVIRUS, Status::Failed) => "malware".to_owned(),
        (ANTIVIRUS, Status::Inconclusive) => "not scanned".to_owned(),
        (CHECKSUM, Status::Failed) => "the bytes are not those that were declared".to_owned(),
        (kind, Status::Failed) => format!("{kind} failed"),
        (kind, Status::Inconclusive) => format!("{kind} could not tell"),
        (kind, status) => format!("{kind} {}", super::name(status)),
    };
    match &check.detail {
        Some(detail) => format!("{what}: {detail}"),
        None => what,
    }
}
