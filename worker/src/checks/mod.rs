//! Looking at the bytes of a version, once, for everything that is wanted of them.
//!
//! Owns the one pass (`pass`), the virus scan ([`antivirus`]), format identification (`format`)
//! and the report. Does not own what follows from a result: the API decides.
//!
//! Always: an object that could not be read, or an engine that did not answer, is reported as such
//! only when no attempt is left, and never while the store answers nobody;
//! a report carries the `ETag` of the content that was seen.

pub mod antivirus;
mod format;
mod pass;
mod random_access;
mod results;
mod window;

use contract::checks::{ANTIVIRUS, FORMAT};

use crate::client::{CheckReport, CheckWork, Claim, Lease};
use crate::deps::Deps;
use crate::job::{JobError, accepted};
use pass::{PassError, Wanted};
use results::{Engines, Times};

/// Runs the checks and reports them. Answers the disposition that is to follow at once.
pub(crate) async fn run(
    deps: &Deps,
    lease: &Lease,
    work: &CheckWork,
) -> Result<Option<Claim>, JobError> {
    let started = deps.clock.now();
    let wants = |kind: &str| work.checks.iter().any(|check| check.kind == kind);
    let wanted = Wanted {
        antivirus: wants(ANTIVIRUS),
        // It tells what is encrypted, which no engine can look into.
        format: wants(FORMAT) || wants(ANTIVIRUS),
    };
    let seen = pass::look(deps, work, wanted).await;
    let times = Times {
        started,
        finished: deps.clock.now(),
    };
    let report = match seen {
        Ok(seen) => {
            if !lease.is_last_attempt() {
                answered(seen.scan.as_ref())?;
            }
            let engines = Engines {
                format: format::engine(deps.signatures),
                antivirus: seen
                    .scan
                    .as_ref()
                    .map_or_else(no_engine, |scan| scan.engine.clone()),
            };
            CheckReport {
                lease: lease.key.clone(),
                results: results::of(work, &seen, &engines, times),
                object_etag: seen.etag,
            }
        }
        Err(error @ PassError::Unreadable(_)) if lease.is_last_attempt() => {
            if deps.objects.are_away().await {
                return Err(JobError::NotNow(error.to_string()));
            }
            let engines = Engines {
                format: format::engine(deps.signatures),
                antivirus: no_engine(),
            };
            CheckReport {
                lease: lease.key.clone(),
                object_etag: work.object.etag.clone().unwrap_or_default(),
                results: results::of_unreadable(work, &error.to_string(), &engines, times),
            }
        }
        Err(error) => return Err(error.into()),
    };
    let outcome = deps.check_reports.submit(report).await?;
    accepted(&outcome.report)?;
    Ok(outcome.next)
}

/// Whether another attempt could learn more: an engine that is away may come back.
fn answered(scan: Option<&antivirus::Scan>) -> Result<(), JobError> {
    match scan.map(|scan| &scan.verdict) {
        Some(antivirus::Verdict::Unavailable(why)) => Err(JobError::Retry(why.clone())),
        _ => Ok(()),
    }
}

/// Who looked, where nobody did.
fn no_engine() -> antivirus::EngineInfo {
    antivirus::EngineInfo {
        name: "none".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        signatures: None,
    }
}
