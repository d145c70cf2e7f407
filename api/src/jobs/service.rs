//! What else can be done with jobs: looking at them, ending them, and finding them again after a restart.

use chrono::TimeDelta;

use super::{
    Input, Job, Status, step,
    store::{self, Filter},
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    page::{Args, Page},
    unit::Unit,
};

/// A page of jobs, newest first.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    args: &Args,
) -> Result<Page<Job>, Error> {
    caller.may(Action::ReadJobs, &Resource::default())?;
    store::list(app.database(), filter, args).await
}

/// The worker has done it. The job must be under a live lease.
pub async fn finish(unit: &mut Unit, mut job: Job) -> Result<Job, Error> {
    if !step(&mut job, Input::Complete, unit.now()) {
        return Err(Error::Internal(format!("job {} is not leased", job.id)));
    }
    job.last_error = None;
    Ok(store::update(unit, job).await?)
}

/// At the start of the embedded system: whoever had a message or a lease has gone with the process. What was
/// announced is to be announced again; what was under way has lost an attempt, because it may be what ended
/// the process.
pub async fn recover_embedded(app: &App) -> Result<u64, Error> {
    // Longer than any lease holds.
    let whenever = app.clock().now() + TimeDelta::days(365);
    let cut_off = super::reconciler::end_leases(app, whenever, |_| {
        "the process ended while it was under way".to_owned()
    })
    .await?;
    let unit = app.begin_internal().await?;
    let announced = store::make_ready(&unit, &[Status::Published], None).await?;
    unit.commit().await?;
    let recovered = announced + cut_off as u64;
    if recovered > 0 {
        tracing::info!(jobs = recovered, "going on with what was under way");
        app.jobs_waiting().notify_one();
    }
    Ok(recovered)
}
