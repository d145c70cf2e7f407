//! From what was seen to what is reported. Pure.
//!
//! Always: exactly the checks that were asked for are reported; a scan that did not cover every
//! byte, or whose engine could not look into what is encrypted, is not passed.

use chrono::{DateTime, Utc};
use contract::checks::{ANTIVIRUS, CHECKSUM, FORMAT};

use super::antivirus::{Scan, Verdict};
use super::format::Format;
use super::pass::Seen;
use crate::client::{CheckResult, CheckWork, EngineInfo, Evidence, ResultStatus};

/// When the look began and ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) started: DateTime<Utc>,
    pub(super) finished: DateTime<Utc>,
}

/// The engines of this build.
#[derive(Debug, Clone)]
pub(super) struct Engines {
    pub(super) format: EngineInfo,
    pub(super) antivirus: EngineInfo,
}

struct Finding {
    status: ResultStatus,
    engine: EngineInfo,
    bytes_looked: u64,
    detail: Option<String>,
    evidence: Evidence,
}

/// The results of an object that was seen.
pub(super) fn of(
    work: &CheckWork,
    seen: &Seen,
    engines: &Engines,
    times: Times,
) -> Vec<CheckResult> {
    results(work, times, |kind| match kind {
        CHECKSUM => Some(checksum(work, seen)),
        ANTIVIRUS => seen.scan.as_ref().map(|scan| antivirus(scan, seen)),
        FORMAT => seen
            .format
            .as_ref()
            .map(|format| of_format(work, seen, format, &engines.format)),
        _ => None,
    })
}

/// The results of an object that could not be read, when it is not going to be tried again.
pub(super) fn of_unreadable(
    work: &CheckWork,
    why: &str,
    engines: &Engines,
    times: Times,
) -> Vec<CheckResult> {
    results(work, times, |kind| {
        let engine = match kind {
            CHECKSUM => digester(),
            ANTIVIRUS => engines.antivirus.clone(),
            FORMAT => engines.format.clone(),
            _ => return None,
        };
        Some(Finding {
            status: ResultStatus::Inconclusive,
            engine,
            bytes_looked: 0,
            detail: Some(why.to_owned()),
            evidence: Evidence::None,
        })
    })
}

fn results(
    work: &CheckWork,
    times: Times,
    find: impl Fn(&str) -> Option<Finding>,
) -> Vec<CheckResult> {
    let results = work.checks.iter().filter_map(|check| {
        let finding = find(&check.kind)?;
        Some(CheckResult {
            kind: check.kind.clone(),
            run: check.run,
            status: finding.status,
            engine: finding.engine,
            bytes_looked: finding.bytes_looked,
            detail: finding.detail,
            started_at: times.started,
            finished_at: times.finished,
            evidence: finding.evidence,
        })
    });
    results.collect()
}

fn digester() -> EngineInfo {
    EngineInfo {
        name: "Muniment".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        signatures: None,
    }
}

fn checksum(work: &CheckWork, seen: &Seen) -> Finding {
    let difference = seen.digests.difference(work.size, &work.sha256, None);
    Finding {
        status: if difference.is_none() {
            ResultStatus::Passed
        } else {
            ResultStatus::Failed
        },
        engine: digester(),
        bytes_looked: seen.digests.size,
        detail: difference,
        evidence: Evidence::Checksum {
            size: seen.digests.size,
            sha256: seen.digests.sha256.clone(),
            sha512: seen.digests.sha512.clone(),
        },
    }
}

fn antivirus(scan: &Scan, seen: &Seen) -> Finding {
    let format = seen.format.as_ref();
    let encrypted = format.is_some_and(|format| format.evidence.encrypted);
    let (status, detail) = match &scan.verdict {
        // clamd says so only where it is told to (`AlertEncrypted`).
        Verdict::Clean if encrypted => (
            ResultStatus::Inconclusive,
            Some("encrypted: the engine cannot look inside".to_owned()),
        ),
        Verdict::Clean if scan.bytes_looked == seen.digests.size => (ResultStatus::Passed, None),
        Verdict::Clean => (
            ResultStatus::Inconclusive,
            Some("the engine did not look at every byte".to_owned()),
        ),
        Verdict::Infected(name) => (ResultStatus::Failed, Some(name.clone())),
        Verdict::Inconclusive(why) | Verdict::Unavailable(why) => {
            (ResultStatus::Inconclusive, Some(why.clone()))
        }
    };
    Finding {
        status,
        engine: scan.engine.clone(),
        bytes_looked: scan.bytes_looked,
        detail,
        evidence: Evidence::None,
    }
}

fn of_format(work: &CheckWork, seen: &Seen, format: &Format, engine: &EngineInfo) -> Finding {
    let size = seen.digests.size;
    // Who identifies again what was kept for long is the first to see that it has changed.
    let changed = (!work.checks.iter().any(|check| check.kind == CHECKSUM))
        .then(|| seen.digests.difference(work.size, &work.sha256, None))
        .flatten();
    let trouble = changed.or_else(|| format.container_error.clone());
    let status = if trouble.is_some() {
        ResultStatus::Inconclusive
    } else if format.evidence.matches.is_empty() {
        ResultStatus::Failed
    } else {
        ResultStatus::Passed
    };
    Finding {
        status,
        engine: engine.clone(),
        bytes_looked: size,
        detail: trouble,
        evidence: Evidence::Format(format.evidence.clone()),
    }
}
