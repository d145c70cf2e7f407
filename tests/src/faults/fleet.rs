//! The processes of a run: two APIs, two workers, and what is between them and the services.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use api::auth::Role;
use runtime::shutdown::Shutdown;

use super::{
    proxy::{Blow, Hook, Proxy, Rates, SLOW_DOWN, Strike, Struck},
    schedule::Fault,
    wire::Wire,
};
use crate::{
    Client, Disk, For, Mood, Process, Services, SteppingClock, Way, carry, process::free_port,
};

/// How much room PostgreSQL has.
const ROOM: &str = "1g";
/// What goes wrong at any moment, beside the schedule.
const ALWAYS: Rates = Rates {
    refuse: 0.01,
    lose: 0.03,
    cut: 0.01,
    double: 0.02,
};
/// The same of the wire to PostgreSQL.
const WIRE: f64 = 0.003;
/// What SQS says.
const QUEUE_DOWN: &str =
    "{\"__type\":\"com.amazonaws.sqs#ServiceUnavailable\",\"message\":\"on purpose\"}";

/// What requests come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Api,
    Objects,
    Queue,
}

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Apis,
    Workers,
}

/// What came of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// What it is about was gone already, or may not be done here.
    None,
    /// It is over.
    Once,
    /// It lasts until [`Fleet::mend`].
    Lasting,
}

/// Everything that runs.
pub(super) struct Fleet {
    pub(super) services: Services,
    overwritten: Arc<Mutex<BTreeSet<String>>>,
    disk: Option<Disk>,
    disk_is_full: bool,
    clamd_is_down: bool,
    /// That of the second API.
    clock: Option<SteppingClock>,
    jobs: (String, String),
    uploads: (String, String),
    ports: [u16; 2],
    apis: Vec<Process>,
    workers: Vec<Process>,
    objects: Proxy,
    queue: Proxy,
    gate: Proxy,
    wire: Wire,
    carriers: Shutdown,
}

impl Fleet {
    /// Starts all; `None` where a service is not installed, which was said.
    pub(super) async fn start(seed: u64) -> Option<Self> {
        let place = tempfile::tempdir().ok()?.keep();
        let disk = Disk::mount(&place.join("disk"), ROOM);
        let home = if disk.is_some() {
            place.join("disk/postgres")
        } else {
            place.join("postgres")
        };
        std::fs::create_dir(&home).ok()?;
        let mut services = Services::start_with(move || testdb::Cluster::start_in(home)).await?;
        let jobs = (
            services.queue("jobs").await,
            services.queue("delivered").await,
        );
        let uploads = (
            services.queue("told").await,
            services.queue("uploads").await,
        );
        services.announce_uploads(&uploads.0, Way::Queue).await;
        let overwritten = Arc::<Mutex<BTreeSet<String>>>::default();
        let behind = vec![services.aws().trim_start_matches("http://").to_owned()];
        let hook = overwriting(services.s3().clone(), overwritten.clone());
        let objects = Proxy::start(behind.clone(), seed, SLOW_DOWN, Some(hook)).await;
        let queue = Proxy::start(behind, seed + 1, QUEUE_DOWN, None).await;
        let ports = [free_port(), free_port()];
        let apis = ports.map(|port| format!("127.0.0.1:{port}")).to_vec();
        let gate = Proxy::start(apis, seed + 2, "the gate is down", None).await;
        services.set(For::Both, "MUNIMENT_S3_ENDPOINT", objects.url().to_owned());
        services.set(For::Both, "MUNIMENT_SQS_ENDPOINT", queue.url().to_owned());
        // Nothing here needs the patience of production.
        // Long enough for up to ten copies of what was announced to be worked off.
        services.set(For::Api, "MUNIMENT_REPUBLISH_AFTER", "20s".to_owned());
        services.set(For::Worker, "MUNIMENT_LEASE", "10s".to_owned());
        services.migrate();
        let wire = Wire::start(services.cluster().socket(), seed + 4).await;
        services.reach_database_at(wire.port());
        let carriers = Shutdown::new();
        // What tells of an upload is lost only together with the client: it is found when the ticket ends.
        for ((from, to), lost) in [(jobs.clone(), 0.1), (uploads.clone(), 0.0)] {
            let mood = Mood {
                copies: 2..=10,
                lost,
                late: Duration::from_secs(4),
            };
            let carried = carry(services.sqs().clone(), from, to, seed + 3, mood);
            drop(carriers.spawn("carrier", carried));
        }
        let clock = SteppingClock::new(services.folder().join("clock"));
        let mut fleet = Self {
            services,
            clock,
            overwritten,
            disk,
            disk_is_full: false,
            clamd_is_down: false,
            jobs,
            uploads,
            ports,
            apis: Vec::new(),
            workers: Vec::new(),
            objects,
            queue,
            gate,
            wire,
            carriers,
        };
        for nth in 0..2 {
            let api = fleet.api(nth);
            fleet.apis.push(api);
            let worker = fleet.worker(nth);
            fleet.workers.push(worker);
        }
        Some(fleet)
    }

    fn api(&mut self, nth: usize) -> Process {
        for (name, value) in self.clock.iter().flat_map(SteppingClock::settings) {
            if nth == 1 {
                self.services.set(For::Api, name, value);
            } else {
                self.services.unset(&[name]);
            }
        }
        self.services
            .api_at(&format!("api-{nth}"), self.ports[nth], &self.jobs.0)
    }

    fn worker(&self, nth: usize) -> Process {
        let gate = format!("{}/graphql", self.gate.url());
        let name = format!("worker-{nth}");
        self.services
            .worker_without_waiting(&name, &gate, &self.jobs.1, Some(&self.uploads.1))
    }

    /// Whether the disk can be filled here.
    pub(super) fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Whether a clock can step here.
    pub(super) fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// The versions whose bytes somebody changed after their checks.
    pub(super) fn overwritten(&self) -> BTreeSet<String> {
        let all = self.overwritten.lock();
        all.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many faults the proxies made.
    pub(super) fn proxied(&self) -> usize {
        self.objects.faults() + self.queue.faults() + self.gate.faults() + self.wire.faults()
    }

    /// A client who comes through the gate, as everybody does.
    pub(super) fn client(&self, role: Role) -> Client {
        let url = format!("{}/graphql", self.gate.url());
        let subject = format!("{role:?}").to_lowercase();
        self.services.client(&url, &subject, role, &["WO"])
    }

    /// Has something happen at the first request of a kind that comes through a gate.
    pub(super) fn strike(&self, gate: Gate, strike: Strike) -> Struck {
        let proxy = match gate {
            Gate::Api => &self.gate,
            Gate::Objects => &self.objects,
            Gate::Queue => &self.queue,
        };
        proxy.strike(strike)
    }

    /// What kills all of them at once; answers whether it did.
    pub(super) fn blow(&self, who: Who) -> Blow {
        let all = match who {
            Who::Apis => &self.apis,
            Who::Workers => &self.workers,
        };
        let killers: Vec<_> = all.iter().map(Process::killer).collect();
        Arc::new(move || killers.iter().all(|kill| kill()))
    }

    /// Those that were killed are started again.
    pub(super) fn revive(&mut self, who: Who) {
        let all = match who {
            Who::Apis => &mut self.apis,
            Who::Workers => &mut self.workers,
        };
        all.iter_mut().for_each(Process::kill);
        self.supervise();
    }

    /// From now on something may go wrong at any moment.
    pub(super) fn begin(&self) {
        for proxy in [&self.objects, &self.queue, &self.gate] {
            proxy.misbehave(ALWAYS);
        }
        self.wire.misbehave(WIRE);
    }

    /// From now on nothing does.
    pub(super) fn calm(&self) {
        for proxy in [&self.objects, &self.queue, &self.gate] {
            proxy.misbehave(Rates::default());
        }
        self.wire.misbehave(0.0);
    }

    /// Starts what has ended, as whatever keeps processes in production does.
    pub(super) fn supervise(&mut self) {
        for nth in 0..2 {
            if self.apis[nth].has_ended() {
                self.apis[nth] = self.api(nth);
            }
            if self.workers[nth].has_ended() {
                self.workers[nth] = self.worker(nth);
            }
        }
    }

    /// Has something go wrong; answers what came of it.
    pub(super) async fn break_(&mut self, fault: Fault) -> Effect {
        match fault {
            Fault::KillApi(nth) => self.apis[nth].kill(),
            Fault::KillWorker(nth) => self.workers[nth].kill(),
            Fault::StopApi(nth) => self.apis[nth].ask_to_stop(),
            Fault::StopWorker(nth) => self.workers[nth].ask_to_stop(),
            Fault::FreezeWorker(nth) => self.workers[nth].freeze(),
            Fault::FreezeApi(nth) => self.apis[nth].freeze(),
            Fault::RestartPostgres if !self.disk_is_full => self.restart_postgres(),
            Fault::FillDisk => match &self.disk {
                Some(disk) if disk.fill() => self.disk_is_full = true,
                _ => return Effect::None,
            },
            Fault::StepClock(seconds) => match &self.clock {
                Some(clock) => clock.step(seconds),
                None => return Effect::None,
            },
            Fault::RefuseObjects => self.objects.misbehave(rates(0.5, 0.0, 0.0)),
            Fault::LoseObjects => self.objects.misbehave(rates(0.0, 0.3, 0.0)),
            Fault::CutObjects => self.objects.misbehave(rates(0.0, 0.0, 0.3)),
            Fault::BreakWire => self.wire.misbehave(0.05),
            Fault::LoseApi => self.gate.misbehave(rates(0.0, 0.3, 0.0)),
            Fault::DoubleApi => self.gate.misbehave(Rates {
                double: 1.0,
                ..Rates::default()
            }),
            Fault::RefuseApi => self.gate.misbehave(rates(0.3, 0.0, 0.1)),
            Fault::BreakQueue => self.queue.misbehave(rates(0.3, 0.3, 0.0)),
            Fault::KillClamd if !self.clamd_is_down => {
                self.services.stop_clamd();
                self.clamd_is_down = true;
            }
            Fault::FreezeClamd if !self.clamd_is_down => {
                if let Some(clamd) = self.services.clamd() {
                    clamd.freeze();
                }
            }
            Fault::RestartPostgres | Fault::KillClamd | Fault::FreezeClamd => {
                return Effect::None;
            }
        }
        match fault {
            Fault::KillApi(_)
            | Fault::KillWorker(_)
            | Fault::StopApi(_)
            | Fault::StopWorker(_)
            | Fault::RestartPostgres => Effect::Once,
            _ => Effect::Lasting,
        }
    }

    /// Ends what lasts.
    pub(super) async fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::FreezeWorker(nth) => self.workers[nth].thaw(),
            Fault::FreezeApi(nth) => self.apis[nth].thaw(),
            Fault::FillDisk => {
                if let Some(disk) = &self.disk
                    && self.disk_is_full
                {
                    disk.grow(ROOM);
                    self.disk_is_full = false;
                    // It may have ended for want of room.
                    self.restart_postgres();
                }
            }
            Fault::StepClock(_) => {
                if let Some(clock) = &self.clock {
                    clock.step(0);
                }
            }
            Fault::RefuseObjects | Fault::LoseObjects | Fault::CutObjects => {
                self.objects.misbehave(ALWAYS);
            }
            Fault::LoseApi | Fault::DoubleApi | Fault::RefuseApi => self.gate.misbehave(ALWAYS),
            Fault::BreakQueue => self.queue.misbehave(ALWAYS),
            Fault::BreakWire => self.wire.misbehave(WIRE),
            Fault::KillClamd if self.clamd_is_down => {
                self.services.start_clamd();
                self.clamd_is_down = false;
            }
            Fault::FreezeClamd => {
                if let Some(clamd) = self.services.clamd() {
                    clamd.thaw();
                }
            }
            Fault::KillApi(_)
            | Fault::KillWorker(_)
            | Fault::StopApi(_)
            | Fault::StopWorker(_)
            | Fault::KillClamd
            | Fault::RestartPostgres => {}
        }
    }

    fn restart_postgres(&self) {
        let cluster = self.services.cluster();
        tokio::task::block_in_place(|| cluster.restart());
    }

    /// What the processes said, to be kept.
    pub(super) fn logs(&self) -> std::path::PathBuf {
        let kept = std::env::temp_dir().join(format!("muniment-faults-{}", std::process::id()));
        drop(std::fs::create_dir_all(&kept));
        for entry in std::fs::read_dir(self.services.folder())
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "log")
            {
                drop(std::fs::copy(entry.path(), kept.join(entry.file_name())));
            }
        }
        kept
    }

    /// What no process may have said, whatever went wrong around it: that it does not know itself.
    pub(super) fn said_wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for name in ["api-0", "api-1", "worker-0", "worker-1"] {
            let log = std::fs::read_to_string(self.services.folder().join(format!("{name}.log")));
            for line in log.unwrap_or_default().lines() {
                if line.contains("internal error") || line.contains("panicked") {
                    wrong.push(format!("{name} said: {line:.400}"));
                }
            }
        }
        wrong
    }

    /// Messages are carried no longer, and processes end.
    pub(super) async fn end(mut self) {
        self.carriers.drain(Duration::ZERO).await;
        self.workers.clear();
        self.apis.clear();
        // PostgreSQL ends before its disk goes.
        let disk = self.disk.take();
        drop(self);
        drop(disk);
    }
}

fn rates(refuse: f64, lose: f64, cut: f64) -> Rates {
    Rates {
        refuse,
        lose,
        cut,
        double: 0.0,
    }
}

/// Somebody who writes other bytes over what was checked, right before it is moved: one object of forty.
fn overwriting(s3: aws_sdk_s3::Client, done: Arc<Mutex<BTreeSet<String>>>) -> Hook {
    Arc::new(move |method, headers| {
        let source = headers
            .get("x-amz-copy-source")
            .filter(|_| *method == axum::http::Method::PUT)
            .and_then(|source| source.to_str().ok())
            .and_then(|source| source.trim_start_matches('/').split_once('/'))
            .filter(|(bucket, key)| *bucket == "incoming" && chosen(key))
            .map(|(_, key)| key.to_owned());
        let (s3, done) = (s3.clone(), done.clone());
        Box::pin(async move {
            let Some(key) = source else { return };
            let first = done
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key.clone());
            if first {
                let body = aws_sdk_s3::primitives::ByteStream::from_static(b"other bytes");
                let put = s3.put_object().bucket("incoming").key(key).body(body);
                put.send().await.expect("the object is overwritten");
            }
        })
    })
}

fn chosen(key: &str) -> bool {
    let sum: u32 = key.bytes().map(u32::from).sum();
    sum.is_multiple_of(40)
}
