//! Uploads that the object store itself tells of, so that a client that vanishes after its last byte loses
//! nothing.
//!
//! Always: what is told is looked at; telling it again, late or in another order is harmless; what is no
//! upload of ours is passed over; bytes that come after their version was abandoned are removed, since nobody will
//! ever ask for them.

use std::collections::HashMap;

use contract::{
    VersionId,
    objects::{Place, version_key},
};
use futures::{StreamExt as _, stream};
use uuid::Uuid;

use super::{
    Status, Version, store,
    uploads::{Look, Seen, look_at_all, write_down},
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
};

/// The most uploads of one report.
pub const MAX_REPORTED: usize = 100;
/// How many objects are removed at the same time.
const AT_ONCE: usize = 16;

/// An object that the store tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// What became of one report.
#[derive(Debug)]
pub enum Reported {
    /// It is there, and checks are queued.
    Applied(Version),
    /// It was known already.
    AlreadyApplied(Version),
    /// It is no upload that anybody awaits.
    Unknown,
    /// It is not there, or not whole; the client goes on with it.
    Incomplete(Version, String),
    /// It could not be looked at now: tell it again.
    Later(Error),
}

/// Takes a report; one answer an object, in the order told.
pub async fn report(app: &App, caller: &Caller, stored: &[Stored]) -> Result<Vec<Reported>, Error> {
    caller.may(Action::Work, &Resource::default())?;
    crate::graphql::ids::check_count(stored.len(), "input.uploads", MAX_REPORTED)?;
    let ids: Vec<Option<Uuid>> = stored
        .iter()
        .map(|stored| version_of(app, stored))
        .collect();
    let known: Vec<Uuid> = ids.iter().flatten().copied().collect();
    let rows = store::load_many(app.database(), &known).await?;
    let waiting = rows
        .values()
        .filter(|row| row.status == Status::AwaitingUpload)
        .map(|row| (row.clone(), Seen::Uploaded))
        .collect();
    let looks = look_at_all(app, waiting).await;
    let mut unit = app.begin(caller).await?;
    let changed = write_down(&mut unit, &looks).await?;
    unit.commit().await?;
    let removed = remove_what_is_late(app, &rows).await;
    let answer = |id: Option<Uuid>| {
        let Some(row) = id.and_then(|id| rows.get(&id)) else {
            return Reported::Unknown;
        };
        match removed.get(&row.id) {
            Some(Ok(())) => return Reported::Unknown,
            Some(Err(error)) => return Reported::Later(error.clone()),
            None => {}
        }
        match (changed.get(&row.id), looks.get(&row.id)) {
            (Some((true, row)), _) => Reported::Applied(row.clone()),
            (Some((false, row)), _) => Reported::AlreadyApplied(row.clone()),
            (None, Some(Look::Missing(message))) => {
                Reported::Incomplete(row.clone(), message.clone())
            }
            (None, Some(Look::Failed(error))) => Reported::Later(error.clone()),
            (None, _) => Reported::AlreadyApplied(row.clone()),
        }
    };
    Ok(ids.into_iter().map(answer).collect())
}

/// Removes what came for versions that had been abandoned by then.
async fn remove_what_is_late(
    app: &App,
    rows: &HashMap<Uuid, Version>,
) -> HashMap<Uuid, Result<(), Error>> {
    let late = rows.values().filter(|row| row.status == Status::Abandoned);
    let late: Vec<Uuid> = late.map(|row| row.id).collect();
    stream::iter(late)
        .map(|id| async move {
            let key = version_key(VersionId(id));
            let removed = app.objects().discard(Place::Incoming, &key, None).await;
            (id, removed)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// The version whose bytes an object would be. Keys are made of our ids, and only of them.
fn version_of(app: &App, stored: &Stored) -> Option<Uuid> {
    if stored.bucket != app.objects().bucket(Place::Incoming) {
        return None;
    }
    let id: VersionId = stored.key.parse().ok()?;
    Some(id.0)
}

/// Looks whether uploads whose time has run out are there after all, and lets those go on. Answers the others;
/// what could not be looked at is left for the next pass.
pub async fn take_what_is_there(app: &App, rows: Vec<Version>) -> Result<Vec<Uuid>, Error> {
    let waiting = rows.into_iter().map(|row| (row, Seen::Uploaded)).collect();
    let looks: HashMap<Uuid, Look> = look_at_all(app, waiting).await;
    let mut unit = app.begin_internal().await?;
    write_down(&mut unit, &looks).await?;
    unit.commit().await?;
    Ok(looks
        .into_iter()
        .filter(|(_, look)| matches!(look, Look::Missing(_)))
        .map(|(id, _)| id)
        .collect())
}
