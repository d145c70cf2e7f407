//! Waiting for verdicts.
//!
//! Owns how often the server is asked, and saying what is waited for. Does not own the verdicts.
//!
//! Always: waiting ends when nothing has moved for [`PATIENCE`].

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use super::Stop;
use crate::client::{Client, ClientError, Totals};
use crate::progress::{Screen, Stage};
use crate::text::{counted, plain};

const OFTENEST: Duration = Duration::from_millis(250);
const SELDOMEST: Duration = Duration::from_secs(2);
/// After this long without a change, the reason is said, and again as often.
const REMARK: Duration = Duration::from_secs(30);
/// After this long without a change, waiting ends. The check of one very large file takes long.
const PATIENCE: Duration = Duration::from_hours(1);

/// Shows how far the checks are, until it is dropped.
pub(crate) async fn follow(client: &Client, transfer: &str, stage: &Stage) -> Infallible {
    loop {
        tokio::time::sleep(SELDOMEST).await;
        // An error here is the main work's to tell.
        if let Ok(totals) = client.totals(transfer).await {
            show(&totals, stage);
        }
    }
}

/// Waits until nothing of a transfer is being checked.
pub(crate) async fn until_decided(
    client: &Client,
    transfer: &str,
    stage: &Stage,
    screen: &Screen,
) -> Result<Totals, Stop> {
    let mut last = Totals::default();
    let mut pause = OFTENEST;
    let mut moved = Instant::now();
    let mut remarked = moved;
    loop {
        let totals = client.totals(transfer).await?;
        show(&totals, stage);
        if totals.checking == 0 {
            return Ok(totals);
        }
        if totals == last {
            pause = (pause * 3 / 2).min(SELDOMEST);
        } else {
            last = totals;
            pause = OFTENEST;
            moved = Instant::now();
            remarked = moved;
        }
        if moved.elapsed() >= PATIENCE {
            return Err(ClientError::Transport(format!(
                "{} still being checked, and nothing has moved for an hour",
                counted(totals.checking, "file")
            ))
            .into());
        }
        if remarked.elapsed() >= REMARK {
            remarked = Instant::now();
            remark(client, transfer, &totals, screen).await?;
        }
        tokio::time::sleep(pause).await;
    }
}

async fn remark(
    client: &Client,
    transfer: &str,
    totals: &Totals,
    screen: &Screen,
) -> Result<(), Stop> {
    for waiting in client.waiting(transfer).await? {
        let why = waiting.why.as_deref().unwrap_or("no reason given");
        screen.say(format!(
            "waiting for {}, such as {}: {}",
            counted(totals.checking, "file"),
            plain(&waiting.path),
            plain(why)
        ));
    }
    Ok(())
}

fn show(totals: &Totals, stage: &Stage) {
    let undone = totals.checking + totals.awaiting_upload;
    stage.set(totals.versions.saturating_sub(undone), totals.versions);
}
