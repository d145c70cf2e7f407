//! A clock that steps, for one process: libfaketime stands between it and the system's.

use std::path::{Path, PathBuf};

/// Where Debian has it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// What a process takes for the time: the system's, and so many seconds more or less.
#[derive(Debug, Clone)]
pub struct SteppingClock {
    file: PathBuf,
}

impl SteppingClock {
    /// One that goes right; `None` where libfaketime is not installed.
    pub fn new(file: PathBuf) -> Option<Self> {
        let clock = Path::new(LIBRARY).is_file().then_some(Self { file })?;
        clock.step(0);
        Some(clock)
    }

    /// So many seconds off from now on.
    pub fn step(&self, seconds: i64) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}s\n")).expect("a file is written");
        // A process never reads half of it.
        std::fs::rename(next, &self.file).expect("a file takes the place of another");
    }

    /// What a process is started with to go by it. How long it waits for something is not changed by a step.
    pub fn settings(&self) -> [(&'static str, String); 6] {
        [
            ("LD_PRELOAD", LIBRARY.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DISABLE_SHM", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

/// Removes what libfaketime leaves of a process that was killed.
pub(crate) fn forget(process: u32) {
    for name in ["faketime_shm", "sem.faketime_sem"] {
        // Most processes have none.
        drop(std::fs::remove_file(format!("/dev/shm/{name}_{process}")));
    }
}
