//! A small disk of a test's own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{stderr, stdout};

/// A disk in memory that is as large as one likes.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one; only root may, elsewhere it is said.
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(at).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                eprintln!(
                    "skipped: no small disk may be mounted here: {}",
                    stderr(&output)
                );
                None
            }
            Err(error) => {
                eprintln!("skipped: no small disk can be mounted here: {error}");
                None
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it larger.
    pub fn grow(&self, size: &str) {
        let grown = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(&self.0)
            .status();
        assert!(
            grown.is_ok_and(|status| status.success()),
            "it is remounted"
        );
    }

    /// Makes it as small as what is on it: nothing more can be written. `false`: what was written meanwhile is more.
    pub fn fill(&self) -> bool {
        let used = Command::new("df")
            .args(["--output=used", "-k"])
            .arg(&self.0)
            .output()
            .map(|output| stdout(&output))
            .unwrap_or_default();
        let used = used.lines().last().unwrap_or_default().trim().to_owned();
        let filled = Command::new("mount")
            .args(["-o", &format!("remount,size={used}k")])
            .arg(&self.0)
            .stderr(std::process::Stdio::null())
            .status();
        filled.is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
