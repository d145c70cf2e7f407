//! `muniment fixity`: whether what is kept is still what was accepted.
//!
//! Owns what is selected, waiting for the end, and telling what was found. Does not own the reading (the
//! worker) or the comparison (the API).
//!
//! Always: it ends with 0 only if everything that was asked for was read and found to be what was accepted;
//! waiting ends after [`Arguments::wait`], whatever happens.

mod tell;

use std::time::Duration;

use clap::{ArgGroup, Args};
use runtime::clock::{Clock, SystemClock};
use runtime::ids::{Ids, SystemIds};
use tokio::time::Instant;

use crate::client::{Client, ClientError, FixityRun, FixitySelection, Target};
use crate::failure::{Failure, Outcome};
use crate::interrupt;
use crate::output;
use crate::progress::{Screen, Stage, Unit};
use crate::text::plain;
use tell::Told;

const OFTENEST: Duration = Duration::from_millis(200);
const SELDOMEST: Duration = Duration::from_secs(2);
const REMARK: Duration = Duration::from_secs(30);

/// The most findings that are told one by one.
const MOST: usize = 1_000;

/// The options of `muniment fixity`.
#[derive(Debug, Clone, Args)]
#[command(
    group = ArgGroup::new("selection").args(["record", "transfer", "collection", "export", "run"]),
    after_help = "\
Every kept file is read from its first byte to its last, and its size, SHA-256 and SHA-512 are compared
with what was accepted; packages that are kept are compared with what was made. Without a selection,
everything is. What is damaged can no longer be downloaded, and a task is opened on its record.

Exit status: 0 everything is what was accepted; 2 something is not, or is gone: each is named;
1 it could not be carried out, or something could not be read in time: it is neither good nor damaged.

Examples:
  muniment fixity
  muniment fixity --collection DEFAULT --wait 86400
  muniment fixity --transfer transfer_01kaghq8z2f4v9x7m3n5p6r8st --json
  muniment fixity --record record_01kaghq8z2f4v9x7m3n5p6r8st --server http://127.0.0.1:8080 --token \"$TOKEN\""
)]
pub(crate) struct Arguments {
    /// A record, by its id
    #[arg(long, value_name = "ID")]
    record: Option<String>,

    /// A transfer, by its id: its files, and its packages
    #[arg(long, value_name = "ID")]
    transfer: Option<String>,

    /// A collection, by its code: its files, and its packages
    #[arg(long, value_name = "CODE")]
    collection: Option<String>,

    /// A package, by the id of its export
    #[arg(long, value_name = "ID")]
    export: Option<String>,

    /// A run that was asked for before, by its id: waits for it again
    #[arg(long, value_name = "ID")]
    run: Option<String>,

    /// How many seconds to wait for the end
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    wait: u32,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    target: Target,
}

/// Carries the command out.
pub(crate) async fn run(arguments: &Arguments, screen: &Screen) -> Result<Outcome, Failure> {
    let session = interrupt::or(arguments.target.connect(screen)).await?;
    let work = async {
        let verifying = verify(&session.client, arguments, screen);
        tokio::select! {
            told = verifying => told,
            never = screen.lines() => match never {},
        }
    };
    let result = session.unless_broken(work).await;
    screen.clear();
    interrupt::unless_again(session.close()).await;
    let told = result?;
    if arguments.json {
        output::line(told.json())?;
    } else {
        output::text(&told.text())?;
    }
    told.outcome()
}

async fn verify(client: &Client, arguments: &Arguments, screen: &Screen) -> Result<Told, Failure> {
    let explain = |error: ClientError| client.explain(&error, SystemClock.now());
    let until = Instant::now() + Duration::from_secs(arguments.wait.into());
    let run = if let Some(id) = &arguments.run {
        client.fixity_run(id).await.map_err(explain)?
    } else {
        let selection = selection(client, arguments).await?;
        let key = SystemIds.uuid7().to_string();
        client.verify_now(&selection, key).await.map_err(explain)?
    };
    let stage = screen.stage("verifying", Unit::Files);
    let run = ended(client, run, until, &stage, screen).await?;
    let wrong = run.mismatched + run.missing + run.unreadable;
    let findings = if wrong > 0 {
        let found = client.fixity_findings(&run.id, MOST).await;
        found.map_err(explain)?
    } else {
        Vec::new()
    };
    Ok(Told { run, findings })
}

/// Waits until a run has ended, or the time has.
async fn ended(
    client: &Client,
    mut run: FixityRun,
    until: Instant,
    stage: &Stage,
    screen: &Screen,
) -> Result<FixityRun, Failure> {
    let mut pause = OFTENEST;
    let mut remarked = Instant::now();
    loop {
        stage.set(run.asked.saturating_sub(run.outstanding), run.asked);
        if run.finished || Instant::now() >= until {
            return Ok(run);
        }
        if remarked.elapsed() >= REMARK {
            remarked = Instant::now();
            let why = run.why_waiting.as_deref().unwrap_or("no reason given");
            screen.say(format!("waiting for {}: {}", run.id, plain(why)));
        }
        tokio::time::sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        let next = client
            .fixity_run(&run.id)
            .await
            .map_err(|error| client.explain(&error, SystemClock.now()))?;
        pause = if next.outstanding == run.outstanding {
            (pause * 3 / 2).min(SELDOMEST)
        } else {
            OFTENEST
        };
        run = next;
    }
}

async fn selection(client: &Client, arguments: &Arguments) -> Result<FixitySelection, Failure> {
    if let Some(id) = &arguments.record {
        return Ok(FixitySelection::Record(id.clone()));
    }
    if let Some(id) = &arguments.transfer {
        return Ok(FixitySelection::Transfer(id.clone()));
    }
    if let Some(id) = &arguments.export {
        return Ok(FixitySelection::Export(id.clone()));
    }
    let Some(code) = &arguments.collection else {
        return Ok(FixitySelection::Everything);
    };
    let found = client
        .collection(code)
        .await
        .map_err(|error| client.explain(&error, SystemClock.now()))?;
    found
        .map(|collection| FixitySelection::Collection(collection.id))
        .ok_or_else(|| {
            Failure::new(format!(
                "there is no collection {}, or this token may not see it",
                plain(code)
            ))
        })
}
