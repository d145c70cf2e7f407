//! Runs and schedules on the wire.

use async_graphql::{
    Context, ID, InputObject, Object, OneofObject, SimpleObject, connection::Connection,
};
use chrono::{DateTime, Utc};
use contract::FixityRunId;

use super::{
    super::{FixityRun, Schedule, Selection, outstanding, runs, service, store},
    FixityCheckObject, FixityOutcome,
};
use crate::{
    Error,
    collections::graphql::CollectionObject,
    graphql::{
        context::{app, caller, loaders},
        errors::Result,
        ids::{id, parse},
        scalars::BigInt,
    },
    page::Args,
};

/// How often what a collection keeps is read again and compared.
#[derive(SimpleObject)]
#[graphql(name = "FixitySchedule")]
pub struct FixityScheduleObject {
    /// When so many days have passed since it was last verified, or accepted; null: never.
    every_days: Option<i32>,
    /// At most so many bytes in 24 hours, what was longest not verified first, but at least one file; null: no limit.
    bytes_per_day: Option<BigInt>,
}

impl From<Schedule> for FixityScheduleObject {
    fn from(schedule: Schedule) -> Self {
        Self {
            every_days: schedule.every_days,
            bytes_per_day: schedule.bytes_per_day.map(BigInt),
        }
    }
}

/// What somebody wanted to have verified at once, and how far that is.
#[derive(Clone)]
pub struct FixityRunObject(pub FixityRun);

/// What somebody wanted to have verified at once, and how far that is.
#[Object(name = "FixityRun")]
impl FixityRunObject {
    /// `fixityrun_…`
    pub async fn id(&self) -> ID {
        id(FixityRunId(self.0.id))
    }

    /// What was selected, as it was asked for: `{"recordId": …}`, `{"transferId": …}`, `{"collectionId": …}`,
    /// `{"exportId": …}` or `"everything"`.
    async fn selection(&self) -> &serde_json::Value {
        &self.0.selection
    }

    /// Subject of who asked.
    async fn asked_by(&self) -> &str {
        &self.0.asked_by
    }

    /// How many kept versions and packages are to be verified.
    async fn asked(&self) -> BigInt {
        BigInt(self.0.asked)
    }

    /// Their sizes in bytes, summed.
    async fn bytes(&self) -> BigInt {
        BigInt(self.0.bytes)
    }

    /// How many are what was accepted.
    async fn verified(&self) -> BigInt {
        BigInt(self.0.verified)
    }

    /// How many are something else.
    async fn mismatched(&self) -> BigInt {
        BigInt(self.0.mismatched)
    }

    /// How many are not there.
    async fn missing(&self) -> BigInt {
        BigInt(self.0.missing)
    }

    /// How many could not be read: they are neither good nor damaged.
    async fn unreadable(&self) -> BigInt {
        BigInt(self.0.unreadable)
    }

    /// How many have not ended.
    async fn outstanding(&self) -> BigInt {
        BigInt(outstanding(&self.0))
    }

    /// What it waits for; null once it has ended.
    async fn why_waiting(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        if self.0.finished_at.is_some() {
            return Ok(None);
        }
        Ok(loaders(ctx)?.run_waits(self.0.id).await?)
    }

    /// Its checks, newest first: all, or those with one of these `outcomes`.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn checks(
        &self,
        ctx: &Context<'_>,
        outcomes: Option<Vec<FixityOutcome>>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, FixityCheckObject>> {
        let filter = store::Filter {
            run: Some(self.0.id),
            outcomes: outcomes.map(|list| list.into_iter().map(Into::into).collect()),
            ..store::Filter::default()
        };
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = store::checks(app(ctx)?.database(), filter, &args).await?;
        Ok(page.connection(FixityCheckObject))
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When the last of it had ended.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }
}

/// What is to be verified.
#[derive(OneofObject)]
pub(crate) enum FixitySelection {
    /// Every kept version of a record.
    RecordId(ID),
    /// What is kept of a transfer, and its packages.
    TransferId(ID),
    /// What is kept of a collection, and its packages.
    CollectionId(ID),
    /// The package of an export.
    ExportId(ID),
    /// All that is kept: true.
    Everything(bool),
}

impl FixitySelection {
    fn parse(self, path: &str) -> std::result::Result<Selection, Error> {
        Ok(match self {
            Self::RecordId(id) => Selection::RecordId(parse(&id, &format!("{path}.recordId"))?),
            Self::TransferId(id) => {
                Selection::TransferId(parse(&id, &format!("{path}.transferId"))?)
            }
            Self::CollectionId(id) => {
                Selection::CollectionId(parse(&id, &format!("{path}.collectionId"))?)
            }
            Self::ExportId(id) => Selection::ExportId(parse(&id, &format!("{path}.exportId"))?),
            Self::Everything(true) => Selection::Everything,
            Self::Everything(false) => {
                let message = "everything is true, or left out";
                return Err(Error::input(format!("{path}.everything"), message));
            }
        })
    }
}

/// What is to be verified at once.
#[derive(InputObject)]
pub(crate) struct VerifyNowInput {
    /// The same key replays the first answer for 30 days.
    client_mutation_key: Option<String>,
    /// What is to be verified.
    selection: FixitySelection,
}

/// The run that was asked for: `node(id)` says how far it is.
#[derive(SimpleObject)]
pub(crate) struct VerifyNowPayload {
    /// The run.
    run: FixityRunObject,
}

/// A new schedule.
#[derive(InputObject)]
pub(crate) struct SetFixityScheduleInput {
    /// Of which collection.
    collection_id: ID,
    /// The revision of the collection that you have read.
    expected_revision: i32,
    /// 1 to 3650; null: never.
    every_days: Option<i32>,
    /// At least 1; null: no limit.
    bytes_per_day: Option<BigInt>,
}

/// The collection with its new schedule.
#[derive(SimpleObject)]
pub(crate) struct SetFixitySchedulePayload {
    /// The collection.
    collection: CollectionObject,
}

/// Queries about runs.
#[derive(Default)]
pub struct RunQuery;

#[Object]
impl RunQuery {
    /// What was asked to be verified, newest first. Admins and archivists may.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn fixity_runs(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, FixityRunObject>> {
        let args = Args {
            first,
            after,
            last,
            before,
        };
        let page = service::runs(app(ctx)?, caller(ctx)?, &args).await?;
        Ok(page.connection(FixityRunObject))
    }
}

/// Mutations of runs and schedules.
#[derive(Default)]
pub struct RunMutation;

#[Object]
impl RunMutation {
    /// Has what is kept read again and compared now, whenever that was done last. Admins and archivists may.
    async fn verify_now(
        &self,
        ctx: &Context<'_>,
        input: VerifyNowInput,
    ) -> Result<VerifyNowPayload> {
        let selection = input.selection.parse("input.selection")?;
        let key = input.client_mutation_key;
        let run = runs::verify_now(app(ctx)?, caller(ctx)?, key.as_deref(), selection).await?;
        Ok(VerifyNowPayload {
            run: FixityRunObject(run),
        })
    }

    /// Sets how often what a collection keeps is verified. Admins and archivists may.
    async fn set_fixity_schedule(
        &self,
        ctx: &Context<'_>,
        input: SetFixityScheduleInput,
    ) -> Result<SetFixitySchedulePayload> {
        let id = parse(&input.collection_id, "input.collectionId")?;
        let new = Schedule {
            every_days: input.every_days,
            bytes_per_day: input.bytes_per_day.map(|bytes| bytes.0),
        };
        let row = service::set_schedule(app(ctx)?, caller(ctx)?, id, input.expected_revision, new)
            .await?;
        Ok(SetFixitySchedulePayload {
            collection: CollectionObject(row),
        })
    }
}
