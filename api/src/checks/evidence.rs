//! From what a worker measured to a result.
//!
//! Owns which result the evidence gives. Does not own what follows from the results (`decision`).
//!
//! Always: the API derives the result itself: a worker's word is not taken for CHECKSUM and FORMAT, and
//! ANTIVIRUS passes only if the engine looked at every byte.

use contract::checks::{ANTIVIRUS, CHECKSUM, FORMAT};
use serde::{Deserialize, Serialize};

use super::Status;
use crate::{
    collections::{PolicyAction, Rules},
    versions::{Basis, Format, Version},
};

/// What a worker says of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "ResultStatus")]
pub enum Claimed {
    /// Looked at all, found nothing against it.
    Passed,
    /// Found something against it.
    Failed,
    /// Could not tell.
    Inconclusive,
}

/// What was measured or found, as it is kept with a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Which bytes were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_etag: Option<String>,
    /// What CHECKSUM measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// What FORMAT found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatEvidence>,
}

/// Measured size and digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checksum {
    /// In bytes.
    pub size: i64,
    /// 64 hex digits.
    pub sha256: String,
    /// 128 hex digits.
    pub sha512: String,
}

impl Checksum {
    /// Whether these are digests at all.
    pub fn is_well_formed(&self) -> bool {
        let hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        self.size >= 0 && hex(&self.sha256, 64) && hex(&self.sha512, 128)
    }
}

/// What format identification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a finding of its own"
)]
pub struct FormatEvidence {
    /// The formats that it may be, best first.
    pub matches: Vec<FormatMatch>,
    /// The extension belongs to another format.
    pub extension_mismatch: bool,
    /// The content is encrypted.
    pub encrypted: bool,
    /// It is an archive of further files.
    pub archive: bool,
    /// There are no bytes.
    pub empty: bool,
    /// There is a byte order mark and nothing else.
    pub bom_only: bool,
    /// It looks like text.
    pub text: bool,
}

/// A format that it may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FormatMatch {
    /// PRONOM unique identifier.
    pub puid: String,
    /// Its name in PRONOM.
    pub name: String,
    /// Its version in PRONOM, or empty.
    pub version: String,
    /// Its media type in PRONOM, or empty.
    pub media_type: String,
    /// What it was recognised by.
    pub basis: Basis,
}

/// Something about a format that the policy has a say in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What the policy does about it.
    pub action: PolicyAction,
    /// What it is, for people.
    pub text: String,
}

/// What the policy has to say about a format.
pub fn findings(rules: &Rules, format: &FormatEvidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |holds: bool, action: PolicyAction, text: &str| {
        if holds {
            findings.push(Finding {
                action,
                text: text.to_owned(),
            });
        }
    };
    let empty = format.empty || format.bom_only;
    found(format.empty, rules.on_empty, "the file is empty");
    found(
        format.bom_only && !format.empty,
        rules.on_empty,
        "the file holds a byte order mark and nothing else",
    );
    found(
        format.encrypted,
        rules.on_encrypted,
        "the content is encrypted",
    );
    let unidentified = format.matches.is_empty() && !empty;
    let unknown = if format.text {
        "no format was recognised; it looks like text"
    } else {
        "no format was recognised"
    };
    found(unidentified, rules.on_unidentified, unknown);
    found(
        format.archive,
        rules.on_archive,
        "it is an archive, and what is in it was not looked at",
    );
    found(
        format.extension_mismatch,
        rules.on_extension_mismatch,
        "the extension belongs to another format",
    );
    found(
        format.matches.len() > 1,
        PolicyAction::Warn,
        &format!("several formats match: {}", puids(format)),
    );
    let denied = |puid: &String| rules.denied_puids.contains(puid);
    let allowed = |puid: &String| rules.allowed_puids.contains(puid);
    for wrong in format.matches.iter().filter(|found| denied(&found.puid)) {
        found(
            true,
            PolicyAction::Reject,
            &format!("the policy denies {} ({})", wrong.puid, wrong.name),
        );
    }
    found(
        !rules.allowed_puids.is_empty()
            && !empty
            && !format.matches.iter().any(|found| allowed(&found.puid)),
        PolicyAction::Reject,
        "its format is not among those that the policy allows",
    );
    findings
}

/// What a worker reported of one check, as far as the result depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// CHECKSUM, ANTIVIRUS, FORMAT, or a further kind.
    pub kind: &'a str,
    /// What the worker says.
    pub claimed: Claimed,
    /// How many bytes were looked at.
    pub bytes_looked: i64,
    /// For people.
    pub detail: Option<&'a str>,
    /// What was measured or found.
    pub evidence: &'a Evidence,
}

/// The result that the evidence gives, with a text for people.
pub fn result(
    rules: &Rules,
    version: &Version,
    reported: Reported<'_>,
) -> (Status, Option<String>) {
    match reported.kind {
        CHECKSUM => checksum(version, reported),
        FORMAT => format(rules, reported),
        ANTIVIRUS => antivirus(version, reported),
        _ => (said(reported.claimed), reported.detail.map(str::to_owned)),
    }
}

fn said(claimed: Claimed) -> Status {
    match claimed {
        Claimed::Passed => Status::Passed,
        Claimed::Failed => Status::Failed,
        Claimed::Inconclusive => Status::Inconclusive,
    }
}

fn undecided(detail: Option<&str>, otherwise: &str) -> (Status, Option<String>) {
    (
        Status::Inconclusive,
        Some(detail.unwrap_or(otherwise).to_owned()),
    )
}

fn checksum(version: &Version, reported: Reported<'_>) -> (Status, Option<String>) {
    let measured = match &reported.evidence.checksum {
        Some(measured) if reported.claimed != Claimed::Inconclusive => measured,
        _ => return undecided(reported.detail, "the bytes could not be read"),
    };
    if !measured.is_well_formed() {
        return undecided(None, "the worker reported something that is no digest");
    }
    let same =
        measured.size == version.size && measured.sha256.eq_ignore_ascii_case(&version.sha256);
    if same {
        return (
            Status::Passed,
            Some("size and SHA-256 are as declared".into()),
        );
    }
    let detail = format!(
        "declared: {} bytes, SHA-256 {}; measured: {} bytes, SHA-256 {}",
        version.size, version.sha256, measured.size, measured.sha256
    );
    (Status::Failed, Some(detail))
}

fn format(rules: &Rules, reported: Reported<'_>) -> (Status, Option<String>) {
    let format = match &reported.evidence.format {
        Some(format) if reported.claimed != Claimed::Inconclusive => format,
        _ => return undecided(reported.detail, "the content could not be read"),
    };
    let findings = findings(rules, format);
    let refused = findings
        .iter()
        .any(|finding| finding.action == PolicyAction::Reject);
    let mut texts: Vec<String> = Vec::new();
    if let Some(best) = format.matches.first() {
        let name = format!("{} {} {}", best.puid, best.name, best.version);
        texts.push(name.trim_end().to_owned());
    }
    texts.extend(findings.into_iter().map(|finding| finding.text));
    let status = if refused {
        Status::Failed
    } else {
        Status::Passed
    };
    (status, (!texts.is_empty()).then(|| texts.join("; ")))
}

fn antivirus(version: &Version, reported: Reported<'_>) -> (Status, Option<String>) {
    let detail = reported.detail.map(str::to_owned);
    match reported.claimed {
        Claimed::Passed if reported.bytes_looked == version.size => (Status::Passed, detail),
        Claimed::Passed => (
            Status::Inconclusive,
            Some(format!(
                "the engine looked at {} of {} bytes{}",
                reported.bytes_looked,
                version.size,
                reported
                    .detail
                    .map(|detail| format!("; {detail}"))
                    .unwrap_or_default()
            )),
        ),
        Claimed::Failed => (Status::Failed, detail),
        Claimed::Inconclusive => undecided(reported.detail, "the engine could not tell"),
    }
}

/// The format as it is kept with a version; `None` where none was recognised.
pub fn kept_format(rules: &Rules, format: &FormatEvidence) -> Option<Format> {
    let best = format.matches.first()?;
    Some(Format {
        puid: best.puid.clone(),
        name: best.name.clone(),
        version: best.version.clone(),
        media_type: best.media_type.clone(),
        basis: best.basis,
        extension_mismatch: format.extension_mismatch,
        warnings: findings(rules, format)
            .into_iter()
            .filter(|finding| finding.action != PolicyAction::Accept)
            .map(|finding| finding.text)
            .collect(),
    })
}

fn puids(format: &FormatEvidence) -> String {
    let puids: Vec<&str> = format
        .matches
        .iter()
        .map(|found| found.puid.as_str())
        .collect();
    puids.join(", ")
}
