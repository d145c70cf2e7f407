//! The machine of versions, checks and jobs with two workers, explored whole: every order of deliveries, doubled and
//! lost messages, lost answers, crashes, leases that run out, and bytes that somebody overwrites.
//!
//! The steps of versions and jobs are those of the API (`versions::next`, `jobs::next`); what a transaction holds
//! together is written down here. Three defects can be switched on, and each is found: so the exploration can fail.

use std::collections::{HashMap, VecDeque};

use api::{
    jobs::{self, Status as JobStatus},
    versions::{self, Disposition, Outcome, Status},
};

/// What is left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// A result that is reported again is written again.
    ReportsAreNotIdempotent,
    /// Whatever stands at the source is copied.
    CopiesWithoutIfMatch,
    /// The job is written after the transaction that it belongs to.
    JobOutsideTheTransaction,
}

/// Content, and with it its `ETag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Bytes {
    /// As declared.
    Declared,
    /// Somebody's malware.
    Evil,
}

/// What is to be done.
const CHECK: usize = 0;
const MOVE: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Job {
    state: (JobStatus, i32),
    /// Of the lease that was given last.
    token: u8,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// It has a check, and perhaps read the object.
    Checking {
        token: u8,
        read: Option<Bytes>,
    },
    /// It moves what had this `ETag`.
    Moving {
        token: u8,
        etag: Bytes,
        to: Disposition,
        step: Step,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Copy,
    Delete,
    ReportDone,
    ReportChanged,
    Fail,
}

/// How often what may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Luck {
    crashes: u8,
    lost_messages: u8,
    doubled_messages: u8,
    lost_answers: u8,
    overwrites: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    version: Status,
    disposition: Option<Disposition>,
    /// The bytes that the one result is about, and how often it was written.
    result: Option<Bytes>,
    written: u8,
    /// Each change of the version's status, as events have it.
    events: Vec<(Status, Status)>,
    jobs: [Option<Job>; 2],
    messages: [u8; 2],
    tokens: u8,
    workers: [Phase; 2],
    incoming: Option<Bytes>,
    records: Option<Bytes>,
    quarantine: Option<Bytes>,
    /// A job that is still to be written: only with a defect.
    owed: bool,
    luck: Luck,
}

const ATTEMPTS: i32 = 2;

impl World {
    fn new() -> Self {
        Self {
            version: Status::AwaitingUpload,
            disposition: None,
            result: None,
            written: 0,
            events: Vec::new(),
            jobs: [None, None],
            messages: [0, 0],
            tokens: 0,
            workers: [Phase::Idle, Phase::Idle],
            incoming: Some(Bytes::Declared),
            records: None,
            quarantine: None,
            owed: false,
            luck: Luck {
                crashes: 1,
                lost_messages: 1,
                doubled_messages: 1,
                lost_answers: 1,
                overwrites: 1,
            },
        }
    }

    fn target(&mut self, to: Disposition) -> &mut Option<Bytes> {
        match to {
            Disposition::Accept => &mut self.records,
            Disposition::Quarantine => &mut self.quarantine,
        }
    }

    /// One step of the version, with its event.
    fn happens(&mut self, input: versions::Input) {
        let Ok(after) = versions::next(self.version, input) else {
            return;
        };
        if after != self.version {
            self.events.push((self.version, after));
        }
        self.version = after;
    }

    /// One step of a job; `false` where it makes no sense.
    fn step(&mut self, which: usize, input: jobs::Input) -> bool {
        let Some(job) = &mut self.jobs[which] else {
            return false;
        };
        let (status, attempt) = job.state;
        let state = jobs::State {
            status,
            attempt,
            max_attempts: ATTEMPTS,
        };
        let Some(after) = jobs::next(state, input) else {
            return false;
        };
        job.state = (after.status, after.attempt);
        true
    }

    fn lease(&mut self, which: usize) -> u8 {
        self.tokens += 1;
        let token = self.tokens;
        if let Some(job) = &mut self.jobs[which] {
            job.token = token;
        }
        token
    }

    fn is_live(&self, which: usize, token: u8) -> bool {
        self.jobs[which].is_some_and(|job| job.token == token && job.state.0 == JobStatus::Leased)
    }

    /// It had the job last, which has ended or gone back.
    fn is_past(&self, which: usize, token: u8) -> bool {
        self.jobs[which].is_some_and(|job| job.token == token && job.state.0 != JobStatus::Leased)
    }

    /// An attempt has failed; the last one brings the version where people see it.
    fn attempt_fails(&mut self, which: usize, input: jobs::Input) {
        if self.step(which, input)
            && self.jobs[which].is_some_and(|job| job.state.0 == JobStatus::Dead)
        {
            let then = match which {
                CHECK => versions::Input::Decided(Outcome::Review),
                _ => versions::Input::MoveFailed,
            };
            self.happens(then);
        }
    }
}

/// Every world that may come next, and by what.
fn successors(world: &World, defect: Defect) -> Vec<(String, World)> {
    let mut next = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut World)| {
        let mut after = world.clone();
        change(&mut after);
        if after != *world {
            next.push((what, after));
        }
    };
    if world.version == Status::AwaitingUpload {
        add("the upload is complete".into(), &|w| {
            w.happens(versions::Input::Uploaded);
            if defect == Defect::JobOutsideTheTransaction {
                w.owed = true;
            } else {
                w.jobs[CHECK] = Some(new_job());
            }
        });
    }
    if world.owed {
        add("the job is written afterwards".into(), &|w| {
            w.owed = false;
            w.jobs[CHECK] = Some(new_job());
        });
        if world.luck.crashes > 0 {
            add("the API crashes".into(), &|w| {
                w.owed = false;
                w.luck.crashes -= 1;
            });
        }
    }
    if world.luck.overwrites > 0 {
        add("somebody overwrites the upload".into(), &|w| {
            w.luck.overwrites -= 1;
            w.incoming = Some(Bytes::Evil);
        });
    }
    for which in [CHECK, MOVE] {
        add(format!("job {which} is announced"), &|w| {
            if w.step(which, jobs::Input::Publish) {
                w.messages[which] = (w.messages[which] + 1).min(2);
            }
        });
        if world.luck.lost_messages > 0 && world.messages[which] > 0 {
            add(format!("a message of job {which} is lost"), &|w| {
                w.luck.lost_messages -= 1;
                w.messages[which] -= 1;
            });
        }
        if world.luck.doubled_messages > 0 && world.messages[which] == 1 {
            add(format!("a message of job {which} is doubled"), &|w| {
                w.luck.doubled_messages -= 1;
                w.messages[which] += 1;
            });
        }
        if world.messages[which] == 0 {
            add(format!("nobody came for job {which}"), &|w| {
                w.step(which, jobs::Input::Unclaimed);
            });
        }
        add(format!("the lease of job {which} runs out"), &|w| {
            if w.jobs[which].is_some_and(|job| job.state.0 == JobStatus::Leased) {
                w.attempt_fails(which, jobs::Input::LeaseExpired);
            }
        });
    }
    for worker in [0, 1] {
        for (what, after) in turns(world, worker, defect) {
            next.push((format!("worker {worker} {what}"), after));
        }
    }
    next
}

fn new_job() -> Job {
    Job {
        state: (JobStatus::Ready, 1),
        token: 0,
    }
}

/// What a worker may do next, or what may happen to it.
#[expect(clippy::too_many_lines, reason = "one arm a phase")]
fn turns(world: &World, worker: usize, defect: Defect) -> Vec<(&'static str, World)> {
    let mut turns = Vec::new();
    let phase = world.workers[worker];
    if phase == Phase::Idle {
        for which in [CHECK, MOVE] {
            if world.messages[which] > 0 {
                turns.extend(claims(world, worker, which));
            }
        }
        return turns;
    }
    let mut to = |what, change: &dyn Fn(&mut World)| {
        let mut after = world.clone();
        change(&mut after);
        turns.push((what, after));
    };
    if world.luck.crashes > 0 {
        to("crashes", &|w| {
            w.luck.crashes -= 1;
            w.workers[worker] = Phase::Idle;
        });
    }
    match phase {
        Phase::Idle => {}
        Phase::Checking { token, read: None } => to("reads the object", &|w| {
            if w.incoming.is_some() {
                let read = w.incoming;
                w.workers[worker] = Phase::Checking { token, read };
            } else {
                if w.is_live(CHECK, token) {
                    w.attempt_fails(CHECK, jobs::Input::Retry);
                }
                w.workers[worker] = Phase::Idle;
            }
        }),
        Phase::Checking {
            token,
            read: Some(read),
        } => {
            to("reports its results", &|w| {
                report(w, worker, token, read, defect);
            });
            if world.luck.lost_answers > 0 {
                to("reports its results, and the answer is lost", &|w| {
                    report(w, worker, token, read, defect);
                    w.luck.lost_answers -= 1;
                    w.workers[worker] = phase;
                });
            }
        }
        Phase::Moving {
            token,
            etag,
            to: place,
            step,
        } => {
            let goes_on = |w: &mut World, step| {
                w.workers[worker] = Phase::Moving {
                    token,
                    etag,
                    to: place,
                    step,
                };
            };
            match step {
                Step::Copy => to("copies", &|w| {
                    let source = w.incoming;
                    let step = match source {
                        Some(found) if found == etag || defect == Defect::CopiesWithoutIfMatch => {
                            *w.target(place) = Some(found);
                            Step::Delete
                        }
                        Some(_) => Step::ReportChanged,
                        None if w.target(place).is_some() => Step::ReportDone,
                        None => Step::Fail,
                    };
                    goes_on(w, step);
                }),
                Step::Delete => to("deletes the original", &|w| {
                    w.incoming = None;
                    goes_on(w, Step::ReportDone);
                }),
                Step::ReportDone | Step::ReportChanged => {
                    let moved = step == Step::ReportDone;
                    to("reports the move", &|w| {
                        moves(w, token, moved);
                        w.workers[worker] = Phase::Idle;
                    });
                    if world.luck.lost_answers > 0 {
                        to("reports the move, and the answer is lost", &|w| {
                            moves(w, token, moved);
                            w.luck.lost_answers -= 1;
                        });
                    }
                }
                Step::Fail => to("gives up", &|w| {
                    if w.is_live(MOVE, token) {
                        w.attempt_fails(MOVE, jobs::Input::GiveUp);
                    }
                    w.workers[worker] = Phase::Idle;
                }),
            }
        }
    }
    turns
}

fn claims(world: &World, worker: usize, which: usize) -> Vec<(&'static str, World)> {
    let mut after = world.clone();
    after.messages[which] -= 1;
    if !after.step(which, jobs::Input::Claim) {
        // Another has it, or its job has ended: either way it is announced anew when it is due.
        return vec![("finds nothing to do", after)];
    }
    let token = after.lease(which);
    let phase = if which == CHECK {
        Phase::Checking { token, read: None }
    } else {
        let Some((etag, to)) = after.result.zip(after.disposition) else {
            return Vec::new();
        };
        Phase::Moving {
            token,
            etag,
            to,
            step: Step::Copy,
        }
    };
    let mut turns = Vec::new();
    if world.luck.lost_answers > 0 {
        let mut lost = after.clone();
        lost.luck.lost_answers -= 1;
        turns.push(("claims, and the answer is lost", lost));
    }
    after.workers[worker] = phase;
    turns.push(("claims", after));
    turns
}

/// `reportChecks`: result, decision, event and the job that follows in one transaction.
fn report(w: &mut World, worker: usize, token: u8, read: Bytes, defect: Defect) {
    w.workers[worker] = Phase::Idle;
    let live = w.is_live(CHECK, token);
    let again = defect == Defect::ReportsAreNotIdempotent && w.is_past(CHECK, token);
    if (live && w.result.is_none()) || again {
        w.result = Some(read);
        w.written += 1;
        w.step(CHECK, jobs::Input::Complete);
        let (outcome, disposition) = match read {
            Bytes::Declared => (Outcome::Accept, Disposition::Accept),
            Bytes::Evil => (Outcome::Quarantine, Disposition::Quarantine),
        };
        w.happens(versions::Input::Decided(outcome));
        w.disposition = Some(disposition);
        w.jobs[MOVE] = Some(new_job());
        w.step(MOVE, jobs::Input::Claim);
        let token = w.lease(MOVE);
        w.workers[worker] = Phase::Moving {
            token,
            etag: read,
            to: disposition,
            step: Step::Copy,
        };
    } else if w.is_past(CHECK, token) && w.result == Some(read) {
        // It never heard the answer: the move that follows is answered again, while nobody else has it.
        let follows = w.jobs[MOVE].filter(|job| job.state.0 == JobStatus::Leased);
        if let (Some(job), Some(to)) = (follows, w.disposition) {
            w.workers[worker] = Phase::Moving {
                token: job.token,
                etag: read,
                to,
                step: Step::Copy,
            };
        }
    }
}

/// `reportDispositions`.
fn moves(w: &mut World, token: u8, moved: bool) {
    if !w.is_live(MOVE, token) {
        return;
    }
    w.step(MOVE, jobs::Input::Complete);
    let Some(to) = w.disposition else { return };
    if moved {
        w.happens(versions::Input::Moved(to));
    } else {
        w.happens(versions::Input::MoveFailed);
    }
}

fn is_end(status: Status) -> bool {
    !matches!(status, Status::AwaitingUpload | Status::Checking)
}

fn is_open(job: Option<Job>) -> bool {
    job.is_some_and(|job| !matches!(job.state.0, JobStatus::Done | JobStatus::Dead))
}

/// What must hold in every world; the number is that of the invariant in ARCHITECTURE.md.
fn violation(world: &World) -> Option<&'static str> {
    let follow = world.events.windows(2).all(|pair| pair[0].1 == pair[1].0);
    let last = world
        .events
        .last()
        .map_or(Status::AwaitingUpload, |event| event.1);
    if !follow || last != world.version {
        return Some("2: the events do not tell of each transition once");
    }
    let jobs = [world.jobs[CHECK], world.jobs[MOVE]];
    if world.version == Status::Checking && !jobs.into_iter().any(is_open) && !world.owed {
        return Some("2, 3: a version is CHECKING, and no job will ever end that");
    }
    if world.written > 1 {
        return Some("4: a result is written twice");
    }
    if is_end(world.version) && jobs.into_iter().any(is_open) {
        return Some("5: a version has ended, and a job goes on");
    }
    if world.version == Status::Accepted
        && (world.records != Some(Bytes::Declared) || world.result != Some(Bytes::Declared))
    {
        return Some("6: what is downloadable is not what was checked");
    }
    None
}

/// All worlds there are; the first violation, with the way to it.
fn explore(defect: Defect) -> Result<usize, String> {
    let mut numbers = HashMap::from([(World::new(), 0)]);
    let mut worlds = vec![(World::new(), None::<(usize, String)>)];
    let mut predecessors: Vec<Vec<usize>> = vec![Vec::new()];
    let mut queue = VecDeque::from([0]);
    let mut ends = Vec::new();
    while let Some(number) = queue.pop_front() {
        let world = worlds[number].0.clone();
        if let Some(violation) = violation(&world) {
            return Err(way(&worlds, number, violation));
        }
        if is_end(world.version) && !world.jobs.into_iter().any(is_open) {
            ends.push(number);
        }
        for (what, after) in successors(&world, defect) {
            let next = *numbers.entry(after.clone()).or_insert_with(|| {
                worlds.push((after, Some((number, what))));
                predecessors.push(Vec::new());
                queue.push_back(worlds.len() - 1);
                worlds.len() - 1
            });
            predecessors[next].push(number);
        }
    }
    // From everywhere there is a way to an end, so nothing waits for ever.
    let mut reaches = vec![false; worlds.len()];
    while let Some(number) = ends.pop() {
        if !std::mem::replace(&mut reaches[number], true) {
            ends.extend(&predecessors[number]);
        }
    }
    match reaches.iter().position(|reaches| !reaches) {
        Some(number) => Err(way(&worlds, number, "5: from here there is no end")),
        None => Ok(worlds.len()),
    }
}

fn way(worlds: &[(World, Option<(usize, String)>)], number: usize, violation: &str) -> String {
    let mut steps = Vec::new();
    let mut at = number;
    while let Some((from, what)) = &worlds[at].1 {
        steps.push(what.as_str());
        at = *from;
    }
    steps.reverse();
    format!(
        "{violation}, after: {}\n{:?}",
        steps.join("; "),
        worlds[number].0
    )
}

#[test]
fn no_order_of_faults_loses_doubles_or_releases_anything() {
    let worlds = explore(Defect::None).unwrap_or_else(|violation| panic!("{violation}"));
    eprintln!("{worlds} worlds");
    assert!(worlds > 10_000, "{worlds} worlds are not all of them");
}

#[test]
fn each_defect_that_is_put_in_is_found() {
    for (defect, invariant) in [
        (
            Defect::ReportsAreNotIdempotent,
            "4: a result is written twice",
        ),
        (
            Defect::CopiesWithoutIfMatch,
            "6: what is downloadable is not what was checked",
        ),
        (
            Defect::JobOutsideTheTransaction,
            "2, 3: a version is CHECKING, and no job",
        ),
    ] {
        let violation = explore(defect).expect_err("the defect is found");
        eprintln!("{defect:?}: {violation}");
        assert!(violation.starts_with(invariant), "{defect:?}: {violation}");
    }
}
