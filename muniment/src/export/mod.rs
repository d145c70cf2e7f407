//! `muniment export`: accepted content as a `BagIt` bag.
//!
//! Owns what is selected, waiting for the package and saving it; `transfer --bag` saves by the
//! same way. Does not own what a bag is (`bagit`) or how it is made (the worker).

mod destination;
mod download;
mod save;

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use runtime::clock::{Clock, SystemClock};

pub(crate) use destination::{check as check_destination, is_part_of};
pub(crate) use save::{Saved, save};

use crate::client::{Client, Selection, Target};
use crate::failure::{Failure, Outcome};
use crate::interrupt;
use crate::output;
use crate::progress::Screen;
use crate::text::plain;

/// The options of `muniment export`.
#[derive(Debug, Clone, Args)]
#[command(
    group = ArgGroup::new("selection").required(true).args(["transfer", "collection", "record"]),
    after_help = "\
A bag contains what was accepted, and nothing else. It is written to a file beside OUT, compared
with the digest that the server says, put in place of OUT, and validated.

Exit status: 0 the bag is saved and valid; 2 it is saved and not valid; 1 it could not be saved.

Examples:
  muniment export --transfer transfer_01kaghq8z2f4v9x7m3n5p6r8st -o bag.tar
  muniment export --collection DEFAULT -o everything.tar --server http://127.0.0.1:8080 --token \"$TOKEN\""
)]
pub(crate) struct Arguments {
    /// A transfer, by its id
    #[arg(long, value_name = "ID")]
    transfer: Option<String>,

    /// A collection, by its code
    #[arg(long, value_name = "CODE")]
    collection: Option<String>,

    /// A record, by its id; may be given many times
    #[arg(long, value_name = "ID")]
    record: Vec<String>,

    /// The file to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    target: Target,
}

/// Carries the command out.
pub(crate) async fn run(arguments: &Arguments, screen: &Screen) -> Result<Outcome, Failure> {
    check_destination(&arguments.output)?;
    let session = interrupt::or(arguments.target.connect(screen)).await?;
    let work = async {
        let selection = selection(&session.client, arguments).await?;
        let saving = save(&session.client, &selection, &arguments.output, screen);
        tokio::select! {
            saved = saving => saved,
            never = screen.lines() => match never {},
        }
    };
    let result = session.unless_broken(work).await;
    screen.clear();
    interrupt::unless_again(session.close()).await;
    let saved = result?;
    if arguments.json {
        output::line(saved.json(&arguments.output))?;
    } else {
        output::text(&saved.text(&arguments.output))?;
    }
    Ok(if saved.problems.is_empty() {
        Outcome::Good
    } else {
        Outcome::NotAllGood
    })
}

async fn selection(client: &Client, arguments: &Arguments) -> Result<Selection, Failure> {
    if let Some(id) = &arguments.transfer {
        return Ok(Selection::Transfer(id.clone()));
    }
    let Some(code) = &arguments.collection else {
        return Ok(Selection::Records(arguments.record.clone()));
    };
    let found = client
        .collection(code)
        .await
        .map_err(|error| client.explain(&error, SystemClock.now()))?;
    found
        .map(|collection| Selection::Collection(collection.id))
        .ok_or_else(|| {
            Failure::new(format!(
                "there is no collection {}, or this token may not see it",
                plain(code)
            ))
        })
}
