//! The events that go into a package: those of its records, with proofs that they are in a signed tree.
//!
//! Always: what goes into a package is fixed when it is begun, by the size of the tree; the same events have the same
//! proofs, for the tree is the smallest signed one that holds them.

use contract::JobId;

use super::work::leased;
use crate::{
    App, Error,
    auth::Caller,
    checkpoints::{
        self,
        service::{Inclusion, show},
        store::After,
    },
    exports::{Export, store},
    jobs,
    unit::Unit,
};

/// The most events that one page of an export holds.
const MAX_EVENTS: i32 = 500;
/// A page ends after so many bytes of events.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// By what the events of a package are proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The signed tree.
    pub checkpoint: String,
    /// Whose signature it is.
    pub checkpoint_key: String,
}

/// Puts events into the tree before exports are begun, so that a package holds what happened so far.
pub async fn seal_for(app: &App, jobs: &[JobId]) -> Result<(), Error> {
    if !jobs::store::any_export(app.database(), jobs.iter().map(|job| job.0)).await? {
        return Ok(());
    }
    // Checks that are claimed together with an export do not depend on it.
    if let Err(error) = checkpoints::service::seal(app, checkpoints::service::ALL).await {
        tracing::error!(?error, "events do not come into the tree");
    }
    Ok(())
}

/// By what the events of an export are proved; `None`: it has none.
pub(super) async fn of(unit: &Unit, row: &Export) -> Result<Option<Evidence>, Error> {
    let Some(size) = row.tree_size else {
        return Ok(None);
    };
    let checkpoint = checkpoints::store::of_size(unit.db(), checkpoints::from_row(size)).await?;
    Ok(checkpoint.map(|checkpoint| Evidence {
        checkpoint: checkpoint.note,
        checkpoint_key: unit.app().checkpoint_key().verifier().to_string(),
    }))
}

/// One page of the events of an export.
#[derive(Debug)]
pub struct EventPage {
    /// Each with its cursor, in the order of the bag and then of their chains.
    pub events: Vec<(String, Inclusion)>,
    /// Whether there is more before.
    pub has_previous: bool,
    /// Whether there is more after.
    pub has_next: bool,
}

/// The next events of an export.
pub async fn events(
    app: &App,
    caller: &Caller,
    job: JobId,
    token: &str,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<EventPage, Error> {
    let limit = super::work::limit(first, MAX_EVENTS)?;
    let place = after.map_or(Ok(After::NOTHING), |cursor| {
        place(cursor).ok_or_else(|| Error::input("after", "this is not a cursor of this list"))
    })?;
    let job = leased(app, caller, job, token).await?;
    let db = app.database();
    let none = EventPage {
        events: Vec::new(),
        has_previous: after.is_some(),
        has_next: false,
    };
    let size = store::load(db, job.subject_id).await?;
    let Some(size) = size.and_then(|row| row.tree_size) else {
        return Ok(none);
    };
    let checkpoint = checkpoints::store::of_size(db, checkpoints::from_row(size))
        .await?
        .ok_or_else(|| Error::Internal(format!("the checkpoint of {size} events is gone")))?;
    let fetched = u64::try_from(limit + 1).unwrap_or_default();
    let mut placed =
        checkpoints::store::of_export(db, job.subject_id, size, place, fetched).await?;
    let room = usize::try_from(limit).unwrap_or_default();
    let mut has_next = placed.len() > room;
    placed.truncate(room);
    let mut events = Vec::with_capacity(placed.len());
    let mut bytes = 0;
    for (placed, shown) in show(db, &checkpoint, placed).await? {
        if bytes > PAGE_BYTES {
            has_next = true;
            break;
        }
        bytes += shown.entry.len();
        let sequence = placed.event.sequence.unwrap_or_default();
        let cursor = format!("{}.{sequence}.{}", placed.item, placed.leaf);
        events.push((cursor, shown));
    }
    Ok(EventPage {
        events,
        has_next,
        ..none
    })
}

fn place(cursor: &str) -> Option<After> {
    let mut numbers = cursor
        .split('.')
        .map(|text| i64::try_from(text.parse::<u64>().ok()?).ok());
    let place = After {
        item: numbers.next()??,
        sequence: numbers.next()??,
        leaf: numbers.next()??,
    };
    numbers.next().is_none().then_some(place)
}
