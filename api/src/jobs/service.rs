//! What else can be done with jobs: looking at them, ending them, and finding them again after a restart.

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

/// At the start of the embedded system: whoever had a message or a lease has gone with the process, so all
/// jobs that had not ended are to be announced again, on the attempt that they were on.
pub async fn recover_embedded(app: &App) -> Result<u64, Error> {
    let unit = app.begin_internal().await?;
    let recovered = store::make_ready(&unit, &[Status::Published, Status::Leased], None).await?;
    unit.commit().await?;
    if recovered > 0 {
        tracing::info!(jobs = recovered, "going on with what was under way");
        app.jobs_waiting().notify_one();
    }
    Ok(recovered)
}
