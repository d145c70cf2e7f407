//! Services that we did not write: ministack (S3 and SQS) and clamd.

use std::{net::SocketAddr, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    Process,
    process::{free_port, listens},
};

/// Where Debian has it.
const CLAMD: &str = "/usr/sbin/clamd";
/// The EICAR test file as a signature of clamd's (type 0: any file, at any offset).
const SIGNATURE: &str = "Eicar-Test-Signature:0:*:58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a\n";

/// Starts ministack and clamd; answers where they are. `None` where one is not installed, which is said.
pub fn start_others(folder: &Path) -> Option<(String, SocketAddr, Vec<Process>)> {
    let Some(ministack) = std::env::var_os("MUNIMENT_TEST_MINISTACK") else {
        eprintln!("skipped: MUNIMENT_TEST_MINISTACK names no `ministack`; tests/run installs it");
        return None;
    };
    if !Path::new(CLAMD).is_file() {
        eprintln!("skipped: clamd is not installed; tests/run installs Debian's clamav-daemon");
        return None;
    }
    let (aws, emulator) = start_ministack(folder, Path::new(&ministack));
    let port = free_port();
    configure_clamd(folder, port);
    let scanner = start_clamd(folder, port);
    let clamd = SocketAddr::from(([127, 0, 0, 1], port));
    Some((aws, clamd, vec![emulator, scanner]))
}

fn start_ministack(folder: &Path, program: &Path) -> (String, Process) {
    let port = free_port();
    let mut command = Command::new(program);
    command
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("SERVICES", "s3,sqs,sns,events")
        .env("AUTH", "true")
        .env("HOME", folder)
        .current_dir(folder);
    let mut process = Process::start("ministack", folder, port, &mut command);
    process.wait_for(|| listens(port));
    (format!("http://127.0.0.1:{port}"), process)
}

/// clamd alone; `None` where it is not installed, which is said.
pub struct Scanner {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Scanner {
    /// Starts one that knows the EICAR test file.
    pub fn start() -> Option<Self> {
        if !Path::new(CLAMD).is_file() {
            eprintln!("skipped: clamd is not installed; tests/run installs Debian's clamav-daemon");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        configure_clamd(folder.path(), port);
        let process = start_clamd(folder.path(), port);
        Some(Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            _process: process,
            _folder: folder,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn configure_clamd(folder: &Path, port: u16) {
    let signatures = folder.join("signatures");
    std::fs::create_dir(&signatures).expect("a folder");
    std::fs::write(signatures.join("test.ndb"), SIGNATURE).expect("a signature is written");
    let configuration = format!(
        "Foreground yes\nDatabaseDirectory {}\nTCPSocket {port}\nTCPAddr 127.0.0.1\nStreamMaxLength 4095M\n\
         MaxScanSize 4095M\nMaxFileSize 2047M\nAlertExceedsMax yes\nAlertEncrypted yes\n",
        signatures.display()
    );
    std::fs::write(folder.join("clamd.conf"), configuration).expect("a configuration is written");
}

fn start_clamd(folder: &Path, port: u16) -> Process {
    let mut process = start_clamd_process(folder, port);
    process.wait_for(|| listens(port));
    process
}

pub(crate) fn start_clamd_process(folder: &Path, port: u16) -> Process {
    let mut command = Command::new(CLAMD);
    command.arg("--config-file").arg(folder.join("clamd.conf"));
    Process::start("clamd", folder, port, &mut command)
}
