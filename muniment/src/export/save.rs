//! From a selection to a valid bag on disk.
//!
//! Owns asking for the package, waiting for it, and telling what was saved.
//!
//! Always: waiting ends when nothing has moved for [`PATIENCE`], and the package is called off.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::clock::{Clock, SystemClock};
use runtime::ids::{Ids, SystemIds};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::destination::Destination;
use super::download::download;
use crate::client::{Client, ClientError, Export, ExportStatus, Selection};
use crate::failure::Failure;
use crate::progress::{Screen, Stage, Unit};
use crate::text::{counted, plain, size};

const OFTENEST: Duration = Duration::from_millis(250);
const SELDOMEST: Duration = Duration::from_secs(2);
const REMARK: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_hours(1);

/// A bag that was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saved {
    reference: String,
    files: u64,
    size: u64,
    sha256: String,
    /// What is wrong with it; empty if it is valid.
    pub(crate) problems: Vec<String>,
}

/// Has a package made and saves it as `out`.
pub(crate) async fn save(
    client: &Client,
    selection: &Selection,
    out: &Path,
    screen: &Screen,
) -> Result<Saved, Failure> {
    let explain = |error: ClientError| client.explain(&error, SystemClock.now());
    let destination = Destination::begin(out)?;
    let key = SystemIds.uuid7().to_string();
    let requested = client
        .request_export(selection, key)
        .await
        .map_err(explain)?;
    let packing = screen.stage("packing", Unit::Bytes);
    let export = ready(client, requested, &packing, screen).await?;
    let saving = screen.stage("saving", Unit::Bytes);
    saving.set(0, export.size.unwrap_or(0));
    let (size, sha256) = download(client, &export, destination, &saving).await?;
    let problems = problems(out.to_owned(), screen).await?;
    Ok(Saved {
        reference: export.reference,
        files: export.files,
        size,
        sha256,
        problems,
    })
}

async fn ready(
    client: &Client,
    mut export: Export,
    stage: &Stage,
    screen: &Screen,
) -> Result<Export, Failure> {
    let mut pause = OFTENEST;
    let mut moved = Instant::now();
    let mut remarked = moved;
    loop {
        stage.set(export.bytes_done, export.bytes);
        match export.status {
            ExportStatus::Ready => return Ok(export),
            ExportStatus::Failed => {
                let why = export.error.as_deref().unwrap_or("no reason given");
                return Err(Failure::new(format!(
                    "no bag could be made: {}",
                    plain(why)
                )));
            }
            ExportStatus::Cancelled => return Err(Failure::new("the bag was called off")),
            ExportStatus::Expired => return Err(Failure::new("the bag is deleted already")),
            ExportStatus::Queued | ExportStatus::Running | ExportStatus::Unknown => {}
        }
        if moved.elapsed() >= PATIENCE {
            // Nobody waits for it any more; if it cannot be called off, it expires.
            let _ = client.cancel_export(&export.id).await;
            return Err(Failure::new("nothing has moved on the bag for an hour"));
        }
        if remarked.elapsed() >= REMARK {
            remarked = Instant::now();
            let why = export.why_waiting.as_deref().unwrap_or("no reason given");
            screen.say(format!("waiting for the bag: {}", plain(why)));
        }
        tokio::time::sleep(pause).await;
        let next = client
            .export(&export.id)
            .await
            .map_err(|error| client.explain(&error, SystemClock.now()))?;
        if (next.status, next.bytes_done) == (export.status, export.bytes_done) {
            pause = (pause * 3 / 2).min(SELDOMEST);
        } else {
            pause = OFTENEST;
            moved = Instant::now();
            remarked = moved;
        }
        export = next;
    }
}

/// What is wrong with a bag on disk.
async fn problems(out: PathBuf, screen: &Screen) -> Result<Vec<String>, Failure> {
    let stage = screen.stage("validating", Unit::Bytes);
    let validating = tokio::task::spawn_blocking(move || {
        bagit::validate(&out, &mut |progress| {
            stage.set(progress.bytes, progress.total_bytes);
        })
    });
    let report = validating
        .await
        .map_err(|_| Failure::new("validation was ended"))?
        .map_err(|error| Failure::new(format!("the bag could not be validated: {error}")))?;
    if report.is_valid() {
        return Ok(Vec::new());
    }
    Ok(report.problems.iter().map(ToString::to_string).collect())
}

impl Saved {
    /// In a line.
    pub(crate) fn describe(&self) -> String {
        let verdict = if self.problems.is_empty() {
            "valid"
        } else {
            "NOT VALID"
        };
        format!(
            "BagIt bag {}, {}, {}, {verdict}, SHA-256 {}",
            plain(&self.reference),
            counted(self.files, "file"),
            size(self.size),
            self.sha256
        )
    }

    /// What is wrong with it, a line each.
    pub(crate) fn problem_lines(&self, text: &mut String) -> std::fmt::Result {
        self.problems
            .iter()
            .try_for_each(|problem| writeln!(text, "  {problem}"))
    }

    /// Everything, for a person.
    pub(super) fn text(&self, out: &Path) -> String {
        let mut text = format!("{}: {}\n", plain(&out.to_string_lossy()), self.describe());
        let _ = self.problem_lines(&mut text);
        text
    }

    /// Everything, for a program.
    pub(crate) fn json(&self, out: &Path) -> Value {
        json!({
            "path": out.to_string_lossy(),
            "reference": self.reference,
            "files": self.files,
            "size": self.size,
            "sha256": self.sha256,
            "valid": self.problems.is_empty(),
            "problems": self.problems,
        })
    }
}
