//! Processes that end with the test that started them.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long one may take to start, or to stop.
const START: Duration = Duration::from_mins(1);

/// A process that ends with the test.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    pub(crate) port: u16,
}

impl Process {
    /// Where it says what is not ready.
    pub fn readyz(&self) -> String {
        format!("http://127.0.0.1:{}/readyz", self.port)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_some())
    }

    /// Asks it to stop, and does not wait.
    pub fn ask_to_stop(&self) {
        self.signal("-TERM");
    }

    /// Has it stand still.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        // One that has ended by itself needs no signal.
        drop(sent);
    }

    /// What kills it (`kill -9`), from anywhere; answers whether it was there to be killed.
    pub(crate) fn killer(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let id = self.child.id().to_string();
        move || {
            let sent = Command::new("kill").args(["-KILL", &id]).status();
            sent.is_ok_and(|status| status.success())
        }
    }

    pub(crate) fn start(name: &str, folder: &Path, port: u16, command: &mut Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log can be written");
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("one more handle"))
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            child,
            name: name.to_owned(),
            log,
            port,
        }
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to stop, and waits until it has; answers whether it ended well.
    pub fn stop(&mut self) -> bool {
        self.ask_to_stop();
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status.success();
            }
            assert!(began.elapsed() < START, "{} does not stop", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_for(&mut self, what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(
                ended.is_none() && began.elapsed() < START,
                "{} does not start: {}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        crate::clock::forget(self.child.id());
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            for line in tail.into_iter().rev() {
                eprintln!("{}: {line}", self.name);
            }
        }
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
