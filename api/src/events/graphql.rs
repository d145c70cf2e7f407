//! Events on the wire: parse, ask the store, wrap.

use async_graphql::{Context, ID, InputObject, Object, connection::Connection};
use chrono::{DateTime, Utc};
use contract::{AnyId, EventId};
use serde_json::Value;
use uuid::Uuid;

use super::{Event, store};
use crate::{
    Error,
    checkpoints::as_row,
    graphql::{
        context::{app, caller, loaders},
        errors::Result,
        ids::{id, parse_option},
        scalars::BigInt,
    },
    page::Args,
};

/// What happened.
#[derive(Clone)]
pub struct EventObject(pub Event);

/// What happened.
#[Object(name = "Event")]
impl EventObject {
    /// `event_…`
    pub async fn id(&self) -> ID {
        id(EventId(self.0.id))
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// Who: a person's subject, or software with its version.
    async fn agent(&self) -> &str {
        &self.0.agent
    }

    /// What, as `noun.verb`.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// To what, of any type.
    async fn subject_id(&self) -> Result<ID> {
        let subject = AnyId::from_parts(&self.0.subject_type, self.0.subject_id);
        let subject = subject.ok_or_else(|| {
            let event = EventId(self.0.id);
            Error::Internal(format!(
                "event {event} is about an unknown {}",
                self.0.subject_type
            ))
        })?;
        Ok(id(subject))
    }

    /// What was.
    async fn before(&self) -> Option<&Value> {
        self.0.before.as_ref()
    }

    /// What is.
    async fn after(&self) -> Option<&Value> {
        self.0.after.as_ref()
    }

    /// In which request.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Its number among the events of its subject: 1, 2, …
    async fn sequence(&self) -> Option<BigInt> {
        self.0.sequence.map(BigInt)
    }

    /// The hash of the event before it of the same subject, 64 hex digits; null for the first.
    async fn previous(&self) -> Option<String> {
        self.0.previous.as_ref().map(hex::encode)
    }

    /// The hash over all of this, 64 hex digits: its leaf in the tree over all events.
    async fn hash(&self) -> Option<String> {
        self.0.hash.as_ref().map(hex::encode)
    }

    /// Its place in the tree over all events; null for the few seconds until it is there.
    async fn leaf_index(&self, ctx: &Context<'_>) -> Result<Option<BigInt>> {
        let place = loaders(ctx)?.leaf(self.0.id).await?;
        Ok(place.map(|place| BigInt(as_row(place))))
    }
}

/// Narrows a list of events.
#[derive(InputObject, Default)]
pub struct EventFilter {
    /// About this, of any type.
    subject_id: Option<ID>,
    /// What, as `noun.verb`.
    action: Option<String>,
    /// From then on.
    since: Option<DateTime<Utc>>,
    /// Before then.
    until: Option<DateTime<Utc>>,
}

impl EventFilter {
    /// As the store takes it.
    pub fn parse(self, path: &str) -> std::result::Result<store::Filter, Error> {
        Ok(store::Filter {
            subject: parse_option(self.subject_id.as_ref(), &format!("{path}.subjectId"))?,
            record: None,
            action: self.action,
            since: self.since,
            until: self.until,
        })
    }
}

/// A page of the events that the viewer may see, newest first.
pub async fn list_events(
    ctx: &Context<'_>,
    filter: store::Filter,
    args: &Args,
) -> Result<Connection<String, EventObject>> {
    let (db, actor) = (app(ctx)?.database(), &caller(ctx)?.actor);
    let page = store::list(db, actor, filter, args).await?;
    Ok(page.connection(EventObject))
}

/// The same of one record, its versions and its tasks.
pub async fn list_events_of_record(
    ctx: &Context<'_>,
    record: Uuid,
    args: &Args,
) -> Result<Connection<String, EventObject>> {
    let filter = store::Filter {
        record: Some(record),
        ..store::Filter::default()
    };
    list_events(ctx, filter, args).await
}

/// Queries about events.
#[derive(Default)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// What happened, newest first, as far as you may know.
    #[graphql(complexity = "crate::page::cost(first, last, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        filter: Option<EventFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Connection<String, EventObject>> {
        let filter = filter.unwrap_or_default().parse("filter")?;
        list_events(
            ctx,
            filter,
            &Args {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }
}
