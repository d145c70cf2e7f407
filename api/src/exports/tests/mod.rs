//! Exports over a database: helpers.

mod asking;
mod events;
mod pinning;
mod work;

use std::time::Duration;

use contract::{CollectionId, ExportId, JobId, RecordId, TransferId, messages::JOBS_QUEUE};
use entity::{check, event, export_item, job};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _,
};
use uuid::Uuid;

use super::{
    Export, Selection, Status,
    service::{self, New, Report},
    store::{self, Filter},
};
use crate::{
    Error,
    auth::{Caller, Role},
    jobs::reported::ReportStatus,
    page::Args,
    records::Record,
    testing::{World, archivist, caller, contributor, reader},
    transfers::Transfer,
    versions,
};

fn of_transfer(transfer: &Transfer) -> Selection {
    Selection::TransferId(TransferId(transfer.id))
}

fn of_records(records: &[&Record]) -> Selection {
    Selection::RecordIds(records.iter().map(|record| RecordId(record.id)).collect())
}

fn worker() -> Caller {
    caller("worker", Role::Worker, &[])
}

async fn request(world: &World, by: &Caller, selection: Selection) -> Result<Export, Error> {
    service::request(&world.app, by, None, New { selection }).await
}

async fn paths(world: &World, export: &Export) -> Vec<String> {
    let rows = export_item::Entity::find()
        .filter(export_item::Column::ExportId.eq(export.id))
        .order_by_asc(export_item::Column::Position)
        .all(world.app.database())
        .await
        .unwrap();
    for (place, row) in rows.iter().enumerate() {
        assert_eq!(row.position, i64::try_from(place).unwrap());
    }
    rows.into_iter().map(|row| row.payload_path).collect()
}

async fn job_of(world: &World, export: &Export) -> job::Model {
    let jobs = job::Entity::find().filter(job::Column::SubjectId.eq(export.id));
    jobs.one(world.app.database()).await.unwrap().unwrap()
}

/// Leases the export's job for a minute, as claiming does.
async fn claim(world: &World, export: &Export) -> JobId {
    let job = job_of(world, export).await;
    let mut unit = world.app.begin(&worker()).await.unwrap();
    service::work_for_claim(&mut unit, export.id)
        .await
        .unwrap()
        .unwrap();
    let leased = job::Model {
        status: job::Status::Leased,
        lease_token: Some("token".into()),
        lease_expires_at: Some(unit.now() + chrono::TimeDelta::seconds(60)),
        ..job.clone()
    };
    leased
        .into_active_model()
        .reset_all()
        .update(unit.db())
        .await
        .unwrap();
    unit.commit().await.unwrap();
    JobId(job.id)
}

async fn report(world: &World, job: JobId, report: Report) -> (ReportStatus, bool) {
    let reported = service::report(&world.app, &worker(), job, "token", report)
        .await
        .unwrap();
    (reported.outcome, reported.cancelled)
}

async fn read(world: &World, export: &Export) -> Export {
    store::load(world.app.database(), export.id)
        .await
        .unwrap()
        .unwrap()
}

async fn actions(world: &World, export: &Export) -> Vec<String> {
    let events = event::Entity::find()
        .filter(event::Column::SubjectId.eq(export.id))
        .order_by_asc(event::Column::Id);
    let events = events.all(world.app.database()).await.unwrap();
    events.into_iter().map(|event| event.action).collect()
}

fn ready() -> Report {
    Report::Ready {
        size: 4096,
        sha256: "EF".repeat(32),
    }
}
