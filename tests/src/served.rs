//! The program in processes of its own, as a user runs it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The built `muniment` program.
pub fn muniment() -> PathBuf {
    program("muniment")
}

/// A program of ours that was built beside the tests.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let found = own
        .ancestors()
        .map(|folder| folder.join(name))
        .find(|program| program.is_file());
    found.expect("the program is not built: run `cargo build` first, as tests/run does")
}

/// `muniment serve` in a process of its own.
pub struct Served {
    child: Child,
    /// The GraphQL endpoint.
    pub url: String,
    data: PathBuf,
    // Held open: what is printed after the address must find a reader.
    _stdout: BufReader<ChildStdout>,
}

impl Served {
    /// Starts one over a data folder, on a free port.
    pub fn start(data: &Path) -> Self {
        Self::start_at(data, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts one at an address.
    pub fn start_at(data: &Path, listen: SocketAddr) -> Self {
        let mut child = Command::new(muniment())
            .args(["serve", "--listen", &listen.to_string(), "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let url = stdout
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let begin = line.find("http://")?;
                let end = line[begin..].find("/graphql")? + begin + "/graphql".len();
                Some(line[begin..end].to_owned())
            })
            .expect("it says its address");
        Self {
            child,
            url,
            data: data.to_owned(),
            _stdout: stdout,
        }
    }

    /// A token of an archivist of all bodies.
    pub fn token(&self) -> String {
        let output = Command::new(muniment())
            .args(["token", "--role", "ARCHIVIST", "--data"])
            .arg(&self.data)
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    }

    /// `muniment transfer` of a folder to it; not started yet.
    pub fn transfer(&self, folder: &Path, token: &str) -> Command {
        let mut command = Command::new(muniment());
        command
            .arg("transfer")
            .arg(folder)
            .args(["--server", &self.url, "--token", token]);
        command
    }

    /// The most memory that it ever had, in bytes; only Linux tells, elsewhere it is said.
    pub fn peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let peak = status.ok().and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        if peak.is_none() {
            eprintln!("skipped: this system does not tell how much memory a process had");
        }
        peak.map(|kibibytes| kibibytes * 1024)
    }

    /// SIGTERM; answers whether it then ended well. Panics when it takes longer than that.
    pub fn terminate(mut self, longest: Duration) -> bool {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(asked.is_ok_and(|status| status.success()));
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status.success();
            }
            assert!(began.elapsed() < longest, "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already gone is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a program printed.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a program said of its doings.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
