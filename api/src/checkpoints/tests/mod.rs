//! The log over a database: helpers.

mod auditing;
mod proving;
mod racing;
mod sealing;

use entity::{event, event_leaf};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, QueryOrder as _};

use super::{
    audit::{Against, Finding, Listener, Totals, audit},
    service, store,
};
use crate::{
    App,
    events::Event,
    testing::{World, archivist},
    unit::Happened,
};

/// Remembers what was found.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Listener for Findings {
    fn found(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    fn progress(&mut self, done: u64, of: u64) {
        assert!(done <= of);
    }
}

async fn look_against(world: &World, kept: &[&str]) -> (Vec<Finding>, Totals) {
    let keys = vec![world.app.checkpoint_key().verifier().clone()];
    let kept = kept
        .iter()
        .map(|note| tlog::Checkpoint::open(note, &keys).unwrap())
        .collect();
    let mut findings = Findings::default();
    let against = Against { keys, kept };
    let totals = audit(world.app.database(), &against, &mut findings)
        .await
        .unwrap();
    assert_eq!(totals.findings, findings.0.len() as u64);
    (findings.0, totals)
}

async fn look(world: &World) -> Vec<Finding> {
    look_against(world, &[]).await.0
}

/// Writes events about something, one a unit.
async fn happen(app: &App, subject: u128, times: u64) {
    for number in 0..times {
        let mut unit = app.begin(&archivist()).await.unwrap();
        let subject = contract::RecordId(uuid::Uuid::from_u128(subject));
        unit.event(
            subject,
            Happened {
                action: "record.updated",
                record_id: Some(subject.0),
                after: Some(
                    serde_json::json!({"number": number, "width": 1.5, "z": [1, {"a": "é"}]}),
                ),
                ..Happened::default()
            },
        );
        unit.commit().await.unwrap();
    }
}

async fn seal(world: &World) -> usize {
    service::seal(&world.app, 1).await.unwrap()
}

/// A log of 23 events in three trees, of which 20 are about two records, and the newest checkpoint.
async fn log(world: &World) -> String {
    for (subject, times) in [(1, 7), (2, 7), (1, 6)] {
        happen(&world.app, subject, times).await;
        seal(world).await;
    }
    let newest = store::latest(world.app.database()).await.unwrap().unwrap();
    newest.note
}

async fn events(world: &World) -> Vec<Event> {
    let events = event::Entity::find()
        .order_by_asc(event::Column::SubjectId)
        .order_by_asc(event::Column::Sequence);
    events.all(world.app.database()).await.unwrap()
}

/// Those of one record.
async fn of(world: &World, subject: u128) -> Vec<Event> {
    let mut events = events(world).await;
    events.retain(|event| event.subject_id.as_u128() == subject);
    events
}

async fn leaves(world: &World) -> Vec<event_leaf::Model> {
    let leaves = event_leaf::Entity::find().order_by_asc(event_leaf::Column::Position);
    leaves.all(world.app.database()).await.unwrap()
}

/// What somebody does who can write to the database.
async fn sql(world: &World, statement: &str) {
    let done = world.app.database().execute_unprepared(statement).await;
    assert!(done.unwrap().rows_affected() > 0, "{statement}");
}

/// An id as SQL writes it.
fn quoted(world: &World, id: uuid::Uuid) -> String {
    match world.app.database().get_database_backend() {
        sea_orm::DbBackend::Postgres => format!("'{id}'"),
        _ => format!("x'{}'", id.simple()),
    }
}

fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(Finding::code).collect()
}
