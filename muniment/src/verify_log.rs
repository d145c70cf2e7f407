//! `muniment verify-log`: was an event edited, removed or reordered?
//!
//! Owns what is looked at and how the findings are told. Does not own the look (`api::checkpoints::audit`).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use api::checkpoints::{
    audit::{self, Against, Finding, Totals},
    store,
};
use clap::Args;
use serde_json::json;
use tlog::{Checkpoint, VerifierKey};

use crate::failure::{Failure, Outcome};
use crate::progress::{Screen, Stage, Unit};
use crate::text::{counted, grouped};
use crate::{output, system};

/// The options of `muniment verify-log`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Looks at the database that MUNIMENT_DATABASE_URL names, else at the one in the data folder; a
running system may be using it. Every event must be the one that was sealed, in its place in the
chain of its subject and in the Merkle tree over all events, and every checkpoint must be signed.

Who can write to the database and has the key can make another log. Against that, keep a checkpoint
elsewhere (--keep) and hold the log to it later (--since); every exported bag has one too.

Exit status: 0 the log is intact; 2 it was tampered with, and each finding is told; 1 it could not
be looked at.

Examples:
  muniment verify-log --keep /mnt/elsewhere/checkpoint.txt
  muniment verify-log --since /mnt/elsewhere/checkpoint.txt
  MUNIMENT_DATABASE_URL=postgres://muniment@db/muniment muniment verify-log --key /etc/muniment/checkpoint-key.p8")]
pub(crate) struct Arguments {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// Key that may have signed: its file or public half; may be given many times (the data folder's
    /// or `MUNIMENT_CHECKPOINT_KEY` unless given)
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,

    /// Checkpoint that was kept elsewhere; may be given many times
    #[arg(long, value_name = "FILE")]
    since: Vec<PathBuf>,

    /// Write the newest checkpoint here, if the log is intact
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,

    /// Print each finding and the result as a line of JSON
    #[arg(long)]
    json: bool,
}

/// Carries the command out.
pub(crate) async fn run(arguments: &Arguments, screen: &Screen) -> Result<Outcome, Failure> {
    let opened = system::open_log(&arguments.data, arguments.key.is_empty()).await?;
    let mut keys: Vec<VerifierKey> = opened.key.into_iter().collect();
    for text in &arguments.key {
        keys.push(key(text)?);
    }
    let mut kept = Vec::new();
    for file in &arguments.since {
        kept.push(checkpoint(file, &keys)?);
    }
    let newest = newest(&opened.database).await?;
    let mut teller = Teller {
        stage: screen.stage("verifying events", Unit::Files),
        screen,
        json: arguments.json,
        failed: None,
    };
    let against = Against { keys, kept };
    let totals = tokio::select! {
        totals = audit::audit(&opened.database, &against, &mut teller) => totals.map_err(unreadable)?,
        never = screen.lines() => match never {},
    };
    screen.clear();
    if let Some(failure) = teller.failed {
        return Err(failure);
    }
    if arguments.json {
        output::line(as_json(&totals))?;
    } else {
        output::line(in_words(&totals))?;
    }
    if totals.findings > 0 {
        return Ok(Outcome::NotAllGood);
    }
    if let Some(file) = &arguments.keep {
        let note = newest.ok_or_else(|| {
            Failure::new("there is no checkpoint to keep yet").hint(
                "events are sealed soon after they happen, while a server runs: run the same command again then",
            )
        })?;
        keep(file, &note).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    }
    Ok(Outcome::Good)
}

/// Writes a checkpoint so that the file holds the old one or the new one, whole, whatever happens.
fn keep(file: &Path, note: &str) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let mut new = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    new.write_all(note.as_bytes())?;
    readable(new.as_file())?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// As any other file that is written here: a checkpoint is no secret, and temporary files are closed to others.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

/// Before the look, so that what is kept was looked at.
async fn newest(database: &api::app::DatabaseConnection) -> Result<Option<String>, Failure> {
    let newest = store::latest(database).await;
    let newest = newest.map_err(|error| unreadable(error.into()))?;
    Ok(newest.map(|row| row.note))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn unreadable(error: api::Error) -> Failure {
    Failure::new(format!("the log of events could not be read: {error:?}"))
}

/// The key that an option means: its public half, or a file with either half.
pub(crate) fn key(text: &str) -> Result<VerifierKey, Failure> {
    if let Ok(key) = VerifierKey::parse(text) {
        return Ok(key);
    }
    let wrong = |error| Failure::new(format!("--key {text}: {error}"));
    if let Ok(public) = std::fs::read_to_string(text)
        && let Ok(key) = VerifierKey::parse(&public)
    {
        return Ok(key);
    }
    let key = api::checkpoints::key::configured(text).map_err(wrong)?;
    Ok(key.verifier().clone())
}

fn checkpoint(file: &Path, keys: &[VerifierKey]) -> Result<Checkpoint, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::new(format!("--since {}: {error}", file.display()))
    };
    let note = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    Checkpoint::open(&note, keys).map_err(|error| {
        wrong(&error)
            .hint("a checkpoint that nobody vouches for shows nothing; name its key with --key")
    })
}

struct Teller<'a> {
    stage: Stage,
    screen: &'a Screen,
    json: bool,
    failed: Option<Failure>,
}

impl audit::Listener for Teller<'_> {
    fn found(&mut self, finding: Finding) {
        self.screen.clear();
        let told = if self.json {
            output::line(json!({"code": finding.code(), "message": finding.to_string()}))
        } else {
            output::line(&finding)
        };
        if let Err(failure) = told {
            self.failed.get_or_insert(failure);
        }
    }

    fn progress(&mut self, done: u64, of: u64) {
        self.stage.set(done, of);
    }
}

fn in_words(totals: &Totals) -> String {
    let verdict = match totals.findings {
        0 => "the log is intact".to_owned(),
        findings => format!(
            "THE LOG WAS TAMPERED WITH, {}",
            counted(findings, "finding")
        ),
    };
    let waiting = match totals.waiting {
        0 => String::new(),
        waiting => format!(", {} not sealed yet", grouped(waiting)),
    };
    format!(
        "{verdict}: {} of {}, {} in the tree{waiting}, {}",
        counted(totals.events, "event"),
        counted(totals.subjects, "subject"),
        grouped(totals.leaves),
        counted(totals.checkpoints, "checkpoint"),
    )
}

fn as_json(totals: &Totals) -> serde_json::Value {
    json!({
        "intact": totals.findings == 0,
        "findings": totals.findings,
        "events": totals.events,
        "subjects": totals.subjects,
        "leaves": totals.leaves,
        "waiting": totals.waiting,
        "checkpoints": totals.checkpoints,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_replaces_the_one_before_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kept.txt");
        let former = folder.path().join("former.txt");
        keep(&file, "the first, which is longer").unwrap();
        // What has the old file open, or is another name of it, keeps the old one.
        std::fs::hard_link(&file, &former).unwrap();
        keep(&file, "the second").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "the second");
        let former = std::fs::read_to_string(former).unwrap();
        assert_eq!(former, "the first, which is longer");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
