//! What can be watched.
//!
//! Always: an announcement only says "read again"; what is sent was read under the viewer's own access rule
//! at that moment, so a permission that was lost ends what is seen; a stream ends with the token, or with the
//! API key that was revoked.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_graphql::{Context, ID, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use contract::{ExportId, RecordId, TransferId};
use futures::{Stream, stream};

use super::{
    context::{app, caller},
    errors::Result,
    ids::parse,
};
use crate::{
    App, Error, api_keys,
    auth::Caller,
    changes::{Change, Listener},
    exports::{self, graphql::ExportObject},
    records,
    tasks::{
        self, Task,
        graphql::{TaskFilter, TaskObject},
    },
    transfers::{
        self, Totals,
        graphql::{TransferObject, TransferTotalsObject},
    },
    versions::{self, graphql::VersionObject},
};

/// At most so often does a progress change.
const PACE: Duration = Duration::from_millis(300);

/// The most tasks that are told anew after announcements were missed.
const MISSED_TASKS: u64 = 500;

/// How far a transfer is.
#[derive(SimpleObject)]
pub(super) struct TransferProgress {
    /// The transfer.
    transfer: TransferObject,
    /// How many versions are in which state.
    totals: TransferTotalsObject,
    /// When this was read.
    at: DateTime<Utc>,
}

/// Everything that can be watched.
pub struct Subscriptions;

struct Watch<S> {
    app: App,
    caller: Arc<Caller>,
    listener: Listener,
    state: S,
}

impl<S> Watch<S> {
    fn begin(ctx: &Context<'_>, state: S) -> std::result::Result<Self, Error> {
        let app = app(ctx)?.clone();
        let caller = Arc::new(caller(ctx)?.clone());
        Ok(Self {
            listener: app.changes().listen(),
            app,
            caller,
            state,
        })
    }

    /// The next change that matters; `None` when the token has ended, or the API key.
    async fn next(&mut self, matters: impl Fn(&Change) -> bool) -> Option<Change> {
        loop {
            let left = (self.caller.actor.expires_at - self.app.clock().now())
                .to_std()
                .ok()?;
            let change = tokio::time::timeout(left, self.listener.next())
                .await
                .ok()??;
            if change == Change::Missed || matters(&change) {
                return self.is_still_taken().await.then_some(change);
            }
        }
    }
}

impl<S> Watch<S> {
    /// Whether what the caller has shown is still good. A database that does not say so now is asked again: only a
    /// token or key that has ended ends a subscription.
    async fn is_still_taken(&self) -> bool {
        loop {
            let actor = &self.caller.actor;
            let Err(error) = api_keys::service::still_taken(&self.app, actor).await else {
                return true;
            };
            if matches!(error, Error::Unauthenticated(_))
                || actor.expires_at <= self.app.clock().now()
            {
                return false;
            }
            tracing::warn!(
                ?error,
                "whether an API key is still good cannot be read now"
            );
            tokio::time::sleep(PACE).await;
        }
    }
}

#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// How far a transfer is: now, and whenever it changes, a few times a second at most.
    async fn transfer_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which transfer.")] id: ID,
    ) -> Result<impl Stream<Item = Result<TransferProgress>>> {
        let id: TransferId = parse(&id, "id")?;
        let watch = Watch::begin(ctx, (id, true, None::<(i32, Totals)>))?;
        progress(&watch.app, &watch.caller, id).await?;
        Ok(stream::unfold(watch, |mut watch| async move {
            loop {
                let (id, first, last) = watch.state;
                if !first {
                    watch.next(|change| *change == Change::Transfer(id)).await?;
                    // Many changes make one progress.
                    tokio::time::sleep(PACE).await;
                    while let Some(Some(_)) =
                        futures::FutureExt::now_or_never(watch.listener.next())
                    {
                    }
                }
                let progress = progress(&watch.app, &watch.caller, id).await;
                let now = progress
                    .as_ref()
                    .ok()
                    .map(|progress| (progress.transfer.0.revision, progress.totals.0));
                watch.state = (id, false, now);
                if first || now != last {
                    return Some((progress.map_err(Into::into), watch));
                }
            }
        }))
    }

    /// The versions of a record, each when it changes.
    async fn version_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which record.")] record_id: ID,
    ) -> Result<impl Stream<Item = Result<VersionObject>>> {
        let record: RecordId = parse(&record_id, "recordId")?;
        let watch = Watch::begin(ctx, ())?;
        records::store::lookup(watch.app.database(), &watch.caller.actor, record.0)
            .await
            .map_err(Error::from)?
            .ok_or(Error::NotFound("record"))?;
        Ok(stream::unfold(watch, move |mut watch| async move {
            loop {
                let change = watch
                    .next(|change| matches!(change, Change::Version(_, of) if *of == record))
                    .await?;
                let id = match change {
                    Change::Version(id, _) => id.0,
                    // Which ones is not known: the newest is what matters.
                    _ => match newest(&watch, record).await {
                        Ok(Some(id)) => id,
                        Ok(None) => continue,
                        Err(error) => return Some((Err(error.into()), watch)),
                    },
                };
                let found =
                    versions::store::lookup(watch.app.database(), &watch.caller.actor, id).await;
                match found {
                    Ok(Some(row)) => return Some((Ok(VersionObject(row)), watch)),
                    Ok(None) => {}
                    Err(error) => return Some((Err(Error::from(error).into()), watch)),
                }
            }
        }))
    }

    /// The tasks that you may see, each when it changes.
    async fn task_changed(
        &self,
        ctx: &Context<'_>,
        filter: Option<TaskFilter>,
    ) -> Result<impl Stream<Item = Result<TaskObject>>> {
        let filter = Arc::new(filter.unwrap_or_default().parse("filter")?);
        let since = app(ctx)?.clock().now();
        let watch = Watch::begin(ctx, (filter, since, VecDeque::new()))?;
        Ok(stream::unfold(watch, |mut watch| async move {
            loop {
                if let Some(row) = watch.state.2.pop_front() {
                    return Some((Ok(TaskObject(row)), watch));
                }
                let change = watch
                    .next(|change| matches!(change, Change::Task(_)))
                    .await?;
                let (db, actor) = (watch.app.database(), &watch.caller.actor);
                let now = watch.app.clock().now();
                let found = match change {
                    Change::Task(id) => tasks::store::lookup(db, actor, id.0)
                        .await
                        .map(|row| row.into_iter().collect()),
                    // Which ones is not known: those that changed since the last that was told.
                    _ => tasks::store::changed_since(db, actor, watch.state.1, MISSED_TASKS).await,
                };
                match found {
                    Ok(rows) => {
                        let rows: Vec<Task> = rows;
                        watch.state.1 = now;
                        let matching = rows.into_iter().filter(|row| watch.state.0.matches(row));
                        watch.state.2 = matching.collect();
                    }
                    Err(error) => return Some((Err(Error::from(error).into()), watch)),
                }
            }
        }))
    }

    /// An export: now, and whenever it changes.
    async fn export_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<impl Stream<Item = Result<ExportObject>>> {
        let id: ExportId = parse(&id, "id")?;
        let watch = Watch::begin(ctx, true)?;
        export(&watch, id).await?;
        Ok(stream::unfold(watch, move |mut watch| async move {
            if !watch.state {
                watch.next(|change| *change == Change::Export(id)).await?;
            }
            watch.state = false;
            let found = export(&watch, id).await;
            Some((found.map_err(Into::into), watch))
        }))
    }
}

/// The newest version of a record, if its watcher may still see it.
async fn newest<S>(
    watch: &Watch<S>,
    record: RecordId,
) -> std::result::Result<Option<uuid::Uuid>, Error> {
    let found = records::store::lookup(watch.app.database(), &watch.caller.actor, record.0).await?;
    Ok(found.map(|record| record.newest_version_id))
}

async fn progress(
    app: &App,
    caller: &Caller,
    id: TransferId,
) -> std::result::Result<TransferProgress, Error> {
    let transfer = transfers::service::find(app, caller, id)
        .await?
        .ok_or(Error::NotFound("transfer"))?;
    let totals = transfers::store::totals(app.database(), &[id.0]).await?;
    Ok(TransferProgress {
        transfer: TransferObject(transfer),
        totals: TransferTotalsObject(
            totals
                .get(&id.0)
                .copied()
                .unwrap_or_default()
                .seen_in(&caller.actor.scope()),
        ),
        at: app.clock().now(),
    })
}

async fn export<S>(watch: &Watch<S>, id: ExportId) -> std::result::Result<ExportObject, Error> {
    exports::store::lookup(watch.app.database(), &watch.caller.actor, id.0)
        .await?
        .map(ExportObject)
        .ok_or(Error::NotFound("export"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use futures::poll;
    use sea_orm::ConnectionTrait as _;

    use super::*;
    use crate::{
        auth::{Credential, Role},
        testing::{World, caller},
    };

    #[tokio::test]
    async fn a_database_that_fails_for_a_moment_ends_no_subscription() {
        let world = World::new().await;
        let mut admin = caller("admin", Role::Admin, &[]);
        let new = api_keys::service::New {
            name: "key".into(),
            roles: vec![Role::Reader],
            bodies: vec!["OWN".into()],
            expires_at: world.app.clock().now() + chrono::TimeDelta::days(1),
        };
        let (key, _) = api_keys::service::create(&world.app, &admin, None, new)
            .await
            .unwrap();
        admin.actor.credential = Credential::ApiKey(key.id.into());
        admin.actor.expires_at = DateTime::<Utc>::MAX_UTC;
        let database = world.app.database();
        let rename = async |from: &str, to: &str| {
            let sql = format!("ALTER TABLE {from} RENAME TO {to}");
            database.execute_unprepared(&sql).await.unwrap();
        };
        let mut watch = Watch {
            app: world.app.clone(),
            caller: Arc::new(admin),
            listener: world.app.changes().listen(),
            state: (),
        };
        rename("api_key", "hidden").await;
        let mut next = std::pin::pin!(watch.next(|_| true));
        assert!(poll!(&mut next).is_pending());
        world.app.changes().announce(Change::Missed);
        let failed = tokio::time::timeout(PACE / 2, &mut next).await;
        assert!(failed.is_err(), "it ended, or was let through unasked");
        rename("hidden", "api_key").await;
        assert_eq!(next.await, Some(Change::Missed));
    }
}
