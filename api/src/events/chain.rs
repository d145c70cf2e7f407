//! Chains: each event carries a hash over its content and over the hash of the one before it of the same subject.
//!
//! Owns the canonical text of an event and how events get their places. What is hashed is
//! `0x00` and the event as canonical JSON (RFC 8785), which is also its leaf in the tree over all events
//! (`checkpoints`). Times have six decimals and are UTC; ids stand in their public form; what is absent is left out.
//!
//! Always: two events of a subject never have the same place, in whatever processes they were written.

use std::collections::{BTreeSet, HashMap};

use chrono::SecondsFormat;
use contract::{AnyId, CollectionId, EventId, RecordId};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Event, store};
use crate::{App, Error, checkpoints};

/// The form of the text that is hashed.
const FORM: &str = "muniment-event/1";
/// Chains are locked in so many groups: few enough that a unit never takes many locks.
const GROUPS: u8 = 32;
/// How many events of an older version get their places in one transaction.
const BATCH: u64 = 500;

/// The event as the text that is hashed.
pub fn canonical(event: &Event) -> String {
    let mut text = Map::new();
    let mut say = |name: &str, value: Value| {
        if !value.is_null() {
            text.insert(name.to_owned(), value);
        }
    };
    say("form", FORM.into());
    say("id", EventId(event.id).to_string().into());
    say(
        "at",
        event.at.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
    );
    say("agent", event.agent.clone().into());
    say("action", event.action.clone().into());
    say("subject", subject(event).into());
    let collection = event.collection_id.map(CollectionId);
    say("collection", collection.map(|id| id.to_string()).into());
    let record = event.record_id.map(RecordId);
    say("record", record.map(|id| id.to_string()).into());
    say("before", event.before.clone().unwrap_or_default());
    say("after", event.after.clone().unwrap_or_default());
    say("request", event.request_id.clone().into());
    say("sequence", event.sequence.into());
    say("previous", event.previous.as_ref().map(hex::encode).into());
    let mut value = Value::Object(text);
    tlog::settle(&mut value);
    // A settled value has a canonical text.
    tlog::canonical(&value).unwrap_or_else(|error| error.to_string())
}

/// What it is about, as text.
pub fn subject(event: &Event) -> String {
    let (kind, id) = (&event.subject_type, event.subject_id);
    match AnyId::from_parts(kind, id) {
        Some(id) => id.to_string(),
        None => format!("{kind}_{id}"),
    }
}

/// The hash of an event, whatever it says of itself.
pub fn hash(event: &Event) -> tlog::Hash {
    tlog::leaf(canonical(event).as_bytes())
}

/// Number and hash of the last event of a chain.
type Last = (i64, Option<Vec<u8>>);

/// The last event of a chain.
pub struct Head {
    /// Of what, and its type.
    pub subject: (Uuid, String),
    /// Its number.
    pub sequence: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// Gives events their places at the ends of their chains, in their order. Until the transaction ends, nobody else
/// adds to these chains.
pub async fn link(db: &impl ConnectionTrait, events: &mut [Event]) -> Result<(), Error> {
    let mut subjects = Vec::new();
    let mut groups = BTreeSet::new();
    let mut heads: HashMap<(Uuid, String), Last> = HashMap::new();
    for event in events.iter() {
        let subject = (event.subject_id, event.subject_type.clone());
        groups.insert(event.subject_id.as_bytes()[15] % GROUPS);
        if heads.insert(subject.clone(), (0, None)).is_none() {
            subjects.push(subject);
        }
    }
    if subjects.is_empty() {
        return Ok(());
    }
    store::lock_chains(db, &groups).await?;
    for head in store::heads(db, &subjects).await? {
        heads.insert(head.subject, (head.sequence, Some(head.hash)));
    }
    for event in events {
        let subject = (event.subject_id, event.subject_type.clone());
        let head = heads.entry(subject).or_default();
        event.sequence = Some(head.0 + 1);
        event.previous = head.1.take();
        event.hash = None;
        let hash = hash(event).to_vec();
        event.hash = Some(hash.clone());
        *head = (head.0 + 1, Some(hash));
    }
    Ok(())
}

/// Gives all events of an older version their places, oldest first. Answers how many there were.
pub async fn adopt(app: &App) -> Result<usize, Error> {
    let mut adopted = 0;
    while store::any_unchained(app.database()).await? {
        let unit = app.begin_internal().await?;
        checkpoints::store::lock_tree(unit.db()).await?;
        let mut rows = store::unchained(unit.db(), BATCH).await?;
        link(unit.db(), &mut rows).await?;
        adopted += rows.len();
        store::adopt(unit.db(), rows).await?;
        unit.commit().await?;
    }
    Ok(adopted)
}
