//! Waiting for verdicts.
//!
//! Owns how often the server is asked, and saying what is waited for. Does not own the verdicts.
//!
//! Always: waiting ends when nothing has moved for so long that nothing will.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use super::Stop;
use crate::client::{Client, Totals};
use crate::progress::{Screen, Stage};
use crate::text::{counted, plain};

const OFTENEST: Duration = Duration::from_millis(250);
const SELDOMEST: Duration = Duration::from_secs(2);
/// After this long without a change, the reason is said, and again as often.
const REMARK: Duration = Duration::from_secs(30);
/// After this long without a change, waiting ends. The check of one very large file takes long.
pub(crate) const PATIENCE: Duration = Duration::from_hours(1);

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
    patience: Duration,
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
        if moved.elapsed() >= patience {
            let are = if totals.checking == 1 { "is" } else { "are" };
            return Err(Stop::Stuck(format!(
                "{} {are} still being checked, and nothing has moved for an hour",
                counted(totals.checking, "file")
            )));
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;
    use crate::client::{Patience, Token};
    use crate::fake::{Fake, Faults};
    use crate::progress::Unit;

    #[tokio::test]
    async fn checks_that_do_not_end_are_said_and_not_called_an_absent_server() {
        let faults = Faults {
            checking: 3,
            ..Faults::default()
        };
        let fake = Fake::start(faults).await;
        let screen = Screen::recording();
        let url = format!("{}/graphql", fake.url()).parse().unwrap();
        let patience = Patience::new(screen.clone(), Duration::from_secs(1));
        let client = Client::new(url, Token::Fixed("good".into()), patience).unwrap();
        let stage = screen.stage("checking", Unit::Files);
        let waiting = until_decided(&client, "transfer_1", &stage, &screen, OFTENEST);
        let failure = super::super::stopped(&client, waiting.await.unwrap_err());
        assert_eq!(
            failure.to_string(),
            "3 files are still being checked, and nothing has moved for an hour\n  \
             `whyWaiting` of these versions says what for; the same command again goes on from here"
        );
    }
}
