//! The fault harness: a deposit under everything that may go wrong, and an audit from outside.
//!
//! Owns what goes wrong and what must hold afterwards. Does not own the processes and services (`services`).
//!
//! Always: which faults come, in which order and at which moments, follows from the seed; which request meets them
//! does not, since processes and network have no seed. Everything ends with the run.

mod arrows;
mod audit;
mod depositor;
mod fleet;
mod proxy;
mod schedule;
mod source;
mod wire;

use std::{
    collections::BTreeMap,
    fmt, io,
    time::{Duration, Instant},
};

use api::auth::Role;
use runtime::shutdown::Shutdown;
use serde_json::json;

use crate::Client;

use self::{
    depositor::{Deposited, Depositor},
    fleet::{Effect, Fleet},
    schedule::{Fault, Planned, schedule},
};

pub use self::{
    arrows::KILLS,
    audit::Audit,
    proxy::{Blow, Hook, Proxy, Rates, SLOW_DOWN, Strike, Struck, When},
};

/// How many files a round of faults is for.
const FILES_A_ROUND: usize = 400;
/// How many violations are told of a run; what goes wrong often goes wrong in one way.
const TOLD: usize = 50;
/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the faults follow from.
    pub seed: u64,
    /// How many files are deposited.
    pub files: usize,
    /// How long a round of faults takes: each comes once in it, for every 400 files.
    pub round: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    seed: u64,
    audit: Audit,
    declared: usize,
    retries: usize,
    internal: usize,
    faults: BTreeMap<String, usize>,
    proxied: usize,
    overwritten: usize,
    took: Duration,
    notes: Vec<String>,
}

impl Outcome {
    /// What must not be.
    pub fn violations(&self) -> &[String] {
        &self.audit.violations
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        writeln!(
            f,
            "seed {}: {} versions, {} in {:.0?}",
            self.seed,
            self.declared,
            if self.violations().is_empty() {
                "no violation"
            } else {
                "VIOLATED"
            },
            self.took
        )?;
        writeln!(f, "  faults: {faults} of a schedule {:?}", self.faults)?;
        writeln!(
            f,
            "  and {} requests and messages refused, cut or unanswered, {} objects overwritten; the depositor asked again {} times, {} times after INTERNAL",
            self.proxied, self.overwritten, self.retries, self.internal
        )?;
        writeln!(
            f,
            "  ends: versions {:?}, jobs {:?}, packages {:?}, {} events",
            self.audit.ends, self.audit.jobs, self.audit.exports, self.audit.events
        )?;
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        for violation in self.violations().iter().take(TOLD) {
            writeln!(f, "  VIOLATION: {violation}")?;
        }
        match self.violations().len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}

/// Tells what came of each seed; `again` is with what options it is run again. Answers the exit status: 0 no violation,
/// 1 a violation, 2 it could not be run.
pub fn conclude(
    outcomes: impl IntoIterator<Item = Option<Outcome>>,
    again: &str,
    out: &mut impl io::Write,
) -> u8 {
    let mut violated = Vec::new();
    let mut seeds = 0;
    for outcome in outcomes {
        let Some(outcome) = outcome else { return 2 };
        seeds += 1;
        // Whoever does not listen any longer does not need it.
        drop(write!(out, "{outcome}"));
        if !outcome.violations().is_empty() {
            violated.push(outcome.seed);
        }
    }
    if violated.is_empty() {
        drop(writeln!(out, "{seeds} seeds without a violation"));
        return 0;
    }
    for seed in violated {
        drop(writeln!(out, "again: tests/faults --seed {seed} {again}"));
    }
    1
}

/// What has been done to a fleet.
struct Done {
    seed: u64,
    began: Instant,
    faults: BTreeMap<String, usize>,
    /// What was to happen and did not.
    missing: Vec<String>,
}

/// Runs one seed; `None` where a service is not installed, which was said.
pub async fn run(options: Options) -> Option<Outcome> {
    let Options { seed, files, round } = options;
    let (mut fleet, began) = (start(seed).await?, Instant::now());
    fleet.begin();
    let rounds = files.div_ceil(FILES_A_ROUND);
    let span = round * u32::try_from(rounds).unwrap_or(u32::MAX);
    let depositor = Depositor::new(fleet.client(Role::Contributor), seed, files, span);
    let depositing = {
        let depositor = depositor.clone();
        Shutdown::new().spawn("depositor", async move { depositor.deposit().await })
    };
    let faults = disturb(&mut fleet, &schedule(seed, rounds, round)).await;
    fleet.calm();
    let deposited = match supervised(&mut fleet, depositing).await {
        Ok(Ok(deposited)) => deposited,
        Ok(Err(_)) | Err(_) => Err("it broke off".to_owned()),
    };
    let missing = never_came(&faults, fleet.proxied());
    let done = Done {
        seed,
        began,
        faults,
        missing: missing.into_iter().collect(),
    };
    Some(judge(fleet, &depositor, deposited, done).await)
}

/// Kills at so many arrows of the flow ([`KILLS`]: at each, before and after), one after another; `None` where a service
/// is not installed, which was said.
pub async fn run_arrows(seed: u64, kills: usize) -> Option<Outcome> {
    let (mut fleet, began) = (start(seed).await?, Instant::now());
    let of = |role| Depositor::new(fleet.client(role), seed, 0, Duration::ZERO);
    let (depositor, archivist) = (of(Role::Contributor), of(Role::Archivist));
    let (deposited, missing) = match arrows::some(kills, &mut fleet, &depositor, &archivist).await {
        Ok((transfer, missing)) => (Ok(depositor.deposited(transfer, 0)), missing),
        Err(problem) => (Err(problem), Vec::new()),
    };
    let kills = kills - missing.len();
    let done = Done {
        seed,
        began,
        faults: [("KillAtArrow".to_owned(), kills)].into(),
        missing,
    };
    Some(judge(fleet, &depositor, deposited, done).await)
}

/// Everything runs, and there is a collection.
async fn start(seed: u64) -> Option<Fleet> {
    let fleet = Fleet::start(seed).await?;
    let admin = Depositor::new(fleet.client(Role::Admin), seed, 0, Duration::ZERO);
    let create = "mutation { createCollection(input: {code: \"MAPS\", title: \"Maps\", body: \"WO\", clientMutationKey: \"maps\"}) { collection { id } } }";
    let created = admin.ask(create, json!({})).await;
    created.expect("before anything goes wrong, nothing does");
    Some(fleet)
}

/// Waits for the end of all that was begun, and audits it.
async fn judge(
    mut fleet: Fleet,
    depositor: &Depositor,
    deposited: Result<Deposited, String>,
    done: Done,
) -> Outcome {
    let archivist = fleet.client(Role::Archivist);
    let (mut audit, deposited, overwritten) = match deposited {
        Ok(mut deposited) => {
            let rested = supervised(&mut fleet, end(depositor, &archivist, &mut deposited)).await;
            let overwritten = fleet.overwritten();
            let services = &fleet.services;
            let mut audit = audit::audit(&archivist, services, &deposited, &overwritten).await;
            audit.violations.extend(rested.err());
            (audit, deposited, overwritten.len())
        }
        Err(problem) => {
            let audit = Audit {
                violations: vec![format!("the depositor could not go on: {problem}")],
                ..Audit::default()
            };
            (audit, Deposited::default(), 0)
        }
    };
    audit.violations.extend(fleet.said_wrong());
    audit.violations.extend(done.missing);
    let mut notes = Vec::new();
    if !fleet.has_disk() {
        notes.push("no disk was filled: only root may mount one".to_owned());
    }
    if !fleet.has_clock() {
        notes.push("no clock stepped: libfaketime is not installed".to_owned());
    }
    if !audit.violations.is_empty() {
        notes.push(format!("the logs are kept in {}", fleet.logs().display()));
    }
    let outcome = Outcome {
        seed: done.seed,
        audit,
        declared: deposited.declared.len(),
        retries: deposited.retries,
        internal: deposited.internal,
        faults: done.faults,
        proxied: fleet.proxied(),
        overwritten,
        took: done.began.elapsed(),
        notes,
    };
    fleet.end().await;
    outcome
}

/// Waits until all that was begun has ended, and for a package of everything after it.
async fn end(
    depositor: &Depositor,
    archivist: &Client,
    deposited: &mut Deposited,
) -> Result<(), String> {
    audit::rest(archivist).await?;
    deposited.whole = depositor
        .export(&deposited.transfer, "of everything")
        .await?;
    audit::rest(archivist).await
}

/// A run in which little went wrong shows little. A full disk has PostgreSQL start again, too.
fn never_came(faults: &BTreeMap<String, usize>, proxied: usize) -> Option<String> {
    let sorts = [
        "KillApi",
        "KillWorker",
        "StopApi",
        "StopWorker",
        "BreakWire",
        "DoubleApi",
        "LoseObjects",
        "KillClamd",
    ];
    let mut missing: Vec<&str> = sorts
        .into_iter()
        .filter(|sort| !faults.contains_key(*sort))
        .collect();
    if !faults.contains_key("RestartPostgres") && !faults.contains_key("FillDisk") {
        missing.push("RestartPostgres");
    }
    (!missing.is_empty() || proxied == 0).then(|| {
        format!("the run shows nothing: {missing:?} never came, {proxied} requests met a fault")
    })
}

/// Carries a schedule out, and mends all that it broke; answers how often each fault came.
async fn disturb(fleet: &mut Fleet, schedule: &[Planned]) -> BTreeMap<String, usize> {
    let began = Instant::now();
    let mut lasting: Vec<(Instant, Fault)> = Vec::new();
    let mut done = BTreeMap::<String, usize>::new();
    let mut schedule = schedule.iter();
    let mut next = schedule.next();
    while next.is_some() || !lasting.is_empty() {
        let now = Instant::now();
        if let Some(planned) = next.filter(|planned| began + planned.at <= now) {
            let effect = fleet.break_(planned.fault).await;
            if effect != Effect::None {
                let name = format!("{:?}", planned.fault);
                let name = name.split('(').next().unwrap_or_default().to_owned();
                *done.entry(name).or_default() += 1;
            }
            if effect == Effect::Lasting {
                lasting.push((now + planned.lasts, planned.fault));
            }
            next = schedule.next();
        }
        let over: Vec<Fault> = lasting
            .iter()
            .filter(|(until, _)| *until <= now)
            .map(|(_, fault)| *fault)
            .collect();
        lasting.retain(|(until, _)| *until > now);
        for fault in over {
            fleet.mend(fault).await;
        }
        fleet.supervise();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    done
}

/// Waits for something while the processes are looked after.
async fn supervised<T>(fleet: &mut Fleet, what: impl Future<Output = T>) -> T {
    let mut what = std::pin::pin!(what);
    let mut timer = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            done = &mut what => return done,
            _ = timer.tick() => fleet.supervise(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(seed: u64, violations: &[&str]) -> Outcome {
        Outcome {
            seed,
            audit: Audit {
                violations: violations.iter().map(|&one| one.to_owned()).collect(),
                ..Audit::default()
            },
            ..Outcome::default()
        }
    }

    /// The exit status, and what is told.
    fn concluded(outcomes: Vec<Option<Outcome>>) -> (u8, String) {
        let mut told = Vec::new();
        let status = conclude(outcomes, "--files 50", &mut told);
        (status, String::from_utf8(told).expect("UTF-8"))
    }

    #[test]
    fn a_violation_is_named_and_makes_the_exit_status_1() {
        let (status, told) = concluded(vec![
            Some(outcome(6, &[])),
            Some(outcome(7, &["a.txt is lost"])),
            Some(outcome(8, &[])),
        ]);
        assert_eq!(status, 1);
        assert!(told.contains("seed 7: 0 versions, VIOLATED"), "{told}");
        assert!(told.contains("VIOLATION: a.txt is lost"), "{told}");
        assert!(
            told.ends_with("again: tests/faults --seed 7 --files 50\n"),
            "{told}"
        );
    }

    #[test]
    fn without_a_violation_the_exit_status_is_0_and_without_a_run_2() {
        let (status, told) = concluded(vec![Some(outcome(1, &[])), Some(outcome(2, &[]))]);
        assert_eq!(status, 0);
        assert!(told.ends_with("2 seeds without a violation\n"), "{told}");
        assert_eq!(concluded(vec![Some(outcome(1, &[])), None]).0, 2);
    }
}
