//! A unit of work: one transaction with its events, jobs and totals.
//!
//! Always: a state change, its event and the job that it causes are committed together or not at all
//! (invariant 2); nothing is announced before the commit; no network call is made while a unit is open.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use contract::{AnyId, JobId, TransferId};
use entity::{job, mutation_key, transfer_total, version};
use runtime::telemetry::trace;
use sea_orm::{
    ActiveEnum,
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::{
    App, Error,
    changes::Change,
    events::{self, Event},
};

/// How many rows go into one INSERT: both databases bound the number of parameters.
const ROWS: usize = 500;
/// Beyond so many changes of one unit, who watches is told to read again.
const MOST_CHANGES: usize = 1_000;

/// The total that counts records, beside those that count versions by status.
pub(crate) const RECORDS: &str = "RECORDS";

/// Something that happened, to be written down.
#[derive(Debug, Default)]
pub struct Happened {
    /// What, as `noun.verb`.
    pub action: &'static str,
    /// Where the subject belongs.
    pub collection_id: Option<Uuid>,
    /// Which record it concerns.
    pub record_id: Option<Uuid>,
    /// What was.
    pub before: Option<Value>,
    /// What is.
    pub after: Option<Value>,
}

/// A job to be done.
#[derive(Debug)]
pub struct NewJob {
    /// What sort of work.
    pub kind: job::Kind,
    /// The queue that announces it.
    pub queue: String,
    /// The version, export or fixity check.
    pub subject_id: Uuid,
    /// Jobs of one lane share their turn.
    pub lane: Uuid,
    /// Leased from the start to whoever caused it: token, until when, to whom.
    pub lease: Option<(String, DateTime<Utc>, String)>,
}

/// One transaction, on behalf of somebody.
pub struct Unit {
    app: App,
    transaction: DatabaseTransaction,
    writer: Option<OwnedMutexGuard<()>>,
    agent: String,
    request_id: Option<String>,
    now: DateTime<Utc>,
    events: Vec<Event>,
    jobs: Vec<job::ActiveModel>,
    totals: BTreeMap<(Uuid, String), (i64, i64)>,
    changes: Vec<Change>,
}

impl Unit {
    pub(crate) fn new(
        app: App,
        transaction: DatabaseTransaction,
        writer: Option<OwnedMutexGuard<()>>,
        agent: String,
        request_id: Option<String>,
    ) -> Self {
        let now = app.clock().now().trunc_subsecs(6);
        Self {
            app,
            transaction,
            writer,
            agent,
            request_id,
            now,
            events: Vec::new(),
            jobs: Vec::new(),
            totals: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// The transaction, for the stores.
    pub fn db(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// The handles.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The time of this unit.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Who does it.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Says on whose behalf the rest of this unit is done, as a worker's name.
    pub fn set_agent(&mut self, agent: String) {
        self.agent = agent;
    }

    /// A new id.
    pub fn id(&self) -> Uuid {
        self.app.ids().uuid7()
    }

    /// Writes down what happened. Numbers that databases print differently become texts.
    pub fn event(&mut self, subject: impl Into<AnyId>, happened: Happened) {
        let subject = subject.into();
        let settled = |value: Option<Value>| {
            value.map(|mut value| {
                tlog::settle(&mut value);
                value
            })
        };
        self.events.push(Event {
            id: self.id(),
            at: self.now,
            agent: self.agent.clone(),
            action: happened.action.to_owned(),
            subject_type: subject.prefix().to_owned(),
            subject_id: subject.uuid(),
            collection_id: happened.collection_id,
            record_id: happened.record_id,
            before: settled(happened.before),
            after: settled(happened.after),
            request_id: self.request_id.clone(),
            sequence: None,
            previous: None,
            hash: None,
        });
    }

    /// Puts a job into the table; it is announced after the commit.
    pub fn job(&mut self, new: NewJob) -> JobId {
        let id = self.id();
        let attempts = i32::from(self.app.limits().attempts);
        let (status, token, until, worker) = match new.lease {
            Some((token, until, worker)) => {
                (job::Status::Leased, Some(token), Some(until), Some(worker))
            }
            None => (job::Status::Ready, None, None, None),
        };
        self.jobs.push(job::ActiveModel {
            id: Set(id),
            kind: Set(new.kind),
            queue: Set(new.queue),
            subject_id: Set(new.subject_id),
            lane: Set(new.lane),
            status: Set(status),
            attempt: Set(1),
            max_attempts: Set(attempts),
            not_before: Set(self.now),
            published_at: Set(None),
            lease_token: Set(token),
            lease_expires_at: Set(until),
            lost_workers: Set(0),
            worker: Set(worker),
            last_error: Set(None),
            traceparent: Set(trace::current()),
            created_at: Set(self.now),
            updated_at: Set(self.now),
        });
        JobId(id)
    }

    /// Announces a change after the commit.
    pub fn changed(&mut self, change: Change) {
        if self.changes.len() > MOST_CHANGES {
            return;
        }
        if self.changes.len() == MOST_CHANGES {
            self.changes.push(Change::Missed);
        } else if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Counts a version of a transfer out of one status and into another.
    pub fn count_version(
        &mut self,
        transfer: Uuid,
        from: Option<version::Status>,
        to: Option<version::Status>,
        bytes: i64,
    ) {
        if let Some(from) = from {
            self.count(transfer, from.to_value(), -1, -bytes);
        }
        if let Some(to) = to {
            self.count(transfer, to.to_value(), 1, bytes);
        }
        self.changed(Change::Transfer(TransferId(transfer)));
    }

    /// Counts new records of a transfer.
    pub fn count_records(&mut self, transfer: Uuid, records: i64) {
        self.count(transfer, RECORDS.to_owned(), records, 0);
    }

    fn count(&mut self, transfer: Uuid, bucket: String, count: i64, bytes: i64) {
        let total = self.totals.entry((transfer, bucket)).or_default();
        total.0 += count;
        total.1 += bytes;
    }

    /// Claims a `clientMutationKey`. `Some`: it was used before for the same input, and this was the answer.
    /// Used for another input it is a conflict.
    pub async fn replay(
        &self,
        mutation: &str,
        key: Option<&str>,
        input: &impl Serialize,
    ) -> Result<Option<Value>, Error> {
        let Some(key) = key else { return Ok(None) };
        if key.is_empty() || key.len() > 200 {
            return Err(Error::input(
                "input.clientMutationKey",
                "a key has 1 to 200 bytes",
            ));
        }
        let text = serde_json::to_string(&(mutation, input))
            .map_err(|error| Error::Internal(error.to_string()))?;
        let digest = hex::encode(Sha256::digest(text));
        let row = mutation_key::ActiveModel {
            subject: Set(self.agent.clone()),
            key: Set(key.to_owned()),
            input_digest: Set(digest.clone()),
            result: Set(Value::Null),
            created_at: Set(self.now),
        };
        let inserted = mutation_key::Entity::insert(row)
            .on_conflict(
                OnConflict::columns([mutation_key::Column::Subject, mutation_key::Column::Key])
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(&self.transaction)
            .await?;
        if inserted == 1 {
            return Ok(None);
        }
        let known = mutation_key::Entity::find_by_id((self.agent.clone(), key.to_owned()))
            .one(&self.transaction)
            .await?;
        match known {
            Some(known) if known.input_digest == digest => Ok(Some(known.result)),
            _ => Err(Error::Conflict(
                "this clientMutationKey was used for another input".into(),
            )),
        }
    }

    /// Keeps the answer of a mutation for its key.
    pub async fn remember(&self, key: Option<&str>, result: impl Serialize) -> Result<(), Error> {
        let Some(key) = key else { return Ok(()) };
        let result =
            serde_json::to_value(result).map_err(|error| Error::Internal(error.to_string()))?;
        mutation_key::Entity::update_many()
            .col_expr(mutation_key::Column::Result, Expr::value(result))
            .filter(mutation_key::Column::Subject.eq(self.agent.as_str()))
            .filter(mutation_key::Column::Key.eq(key))
            .exec(&self.transaction)
            .await?;
        Ok(())
    }

    /// Commits everything, then announces it.
    pub async fn commit(mut self) -> Result<(), Error> {
        let jobs = !self.jobs.is_empty();
        for chunk in chunks(std::mem::take(&mut self.jobs)) {
            job::Entity::insert_many(chunk)
                .exec_without_returning(&self.transaction)
                .await?;
        }
        self.save_totals().await?;
        self.save_events().await?;
        let changes = self.app.changes().clone();
        changes.notify(&self.transaction, &self.changes).await?;
        self.transaction.commit().await?;
        drop(self.writer);
        for change in self.changes {
            changes.announce(change);
        }
        if jobs {
            self.app.jobs_waiting().notify_one();
        }
        Ok(())
    }

    /// Last, because nobody else adds to the same chains until the commit.
    async fn save_events(&mut self) -> Result<(), Error> {
        let mut events = std::mem::take(&mut self.events);
        events::chain::link(&self.transaction, &mut events).await?;
        Ok(events::store::insert_many(&self.transaction, events).await?)
    }

    /// In the order of their keys, and after all other rows, so that two units never wait for each other's.
    async fn save_totals(&mut self) -> Result<(), Error> {
        let rows: Vec<_> = std::mem::take(&mut self.totals)
            .into_iter()
            .filter(|(_, total)| *total != (0, 0))
            .map(
                |((transfer_id, bucket), (count, bytes))| transfer_total::ActiveModel {
                    transfer_id: Set(transfer_id),
                    bucket: Set(bucket),
                    count: Set(count),
                    bytes: Set(bytes),
                },
            )
            .collect();
        let added = |column: transfer_total::Column, excluded: &'static str| {
            Expr::col((transfer_total::Entity, column)).add(Expr::cust(excluded))
        };
        for chunk in chunks(rows) {
            transfer_total::Entity::insert_many(chunk)
                .on_conflict(
                    OnConflict::columns([
                        transfer_total::Column::TransferId,
                        transfer_total::Column::Bucket,
                    ])
                    .value(
                        transfer_total::Column::Count,
                        added(transfer_total::Column::Count, "excluded.count"),
                    )
                    .value(
                        transfer_total::Column::Bytes,
                        added(transfer_total::Column::Bytes, "excluded.bytes"),
                    )
                    .to_owned(),
                )
                .exec_without_returning(&self.transaction)
                .await?;
        }
        Ok(())
    }
}

/// Forgets the answers to keys that were used before `before`, the oldest first, about `most` of them; answers how
/// many.
pub(crate) async fn forget_answers(
    app: &App,
    before: DateTime<Utc>,
    most: u64,
) -> Result<u64, Error> {
    let nth_oldest = async |nth: u64| {
        mutation_key::Entity::find()
            .select_only()
            .column(mutation_key::Column::CreatedAt)
            .filter(mutation_key::Column::CreatedAt.lt(before))
            .order_by_asc(mutation_key::Column::CreatedAt)
            .offset(nth)
            .limit(1)
            .into_tuple::<DateTime<Utc>>()
            .one(app.database())
            .await
    };
    if nth_oldest(0).await?.is_none() {
        return Ok(0);
    }
    let last = nth_oldest(most.saturating_sub(1)).await?.unwrap_or(before);
    let unit = app.begin_internal().await?;
    let gone = mutation_key::Entity::delete_many()
        .filter(mutation_key::Column::CreatedAt.lte(last))
        .exec(unit.db())
        .await?;
    unit.commit().await?;
    Ok(gone.rows_affected)
}

/// Splits rows into INSERTs that both databases take.
pub(crate) fn chunks<T>(rows: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = rows.by_ref().take(ROWS).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// Reads the answer that was kept for a `clientMutationKey`.
pub fn answered<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Error> {
    serde_json::from_value(answer).map_err(|error| Error::Internal(error.to_string()))
}

/// Refuses a change that was made on an older revision than there is.
pub fn check_revision(actual: i32, expected: Option<i32>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != actual => Err(Error::Precondition(format!(
            "this was changed meanwhile: it is at revision {actual}, not {expected}; read it again"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;
