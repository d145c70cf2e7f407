//! Moving the bytes of a version to where the API's decision puts them.
//!
//! Owns the order: copy, then delete, then report. Does not own the decision.
//!
//! Always: only the content that was checked is moved (`copy-source-if-match`); running it again,
//! from any point, comes to the same end; a source is said to be gone only if the store does not list it.

use crate::client::{
    DispositionOutcome, DispositionReport, DispositionWork, Lease, ObjectLocation,
};
use crate::deps::Deps;
use crate::job::{JobError, accepted};
use crate::objects::{Head, ObjectError};

/// Moves the bytes and reports where they are.
pub(crate) async fn run(
    deps: &Deps,
    lease: &Lease,
    work: &DispositionWork,
) -> Result<(), JobError> {
    let moved = carry(deps, work).await?;
    let report = match moved {
        Moved::Here(etag) => DispositionReport {
            lease: lease.key.clone(),
            outcome: DispositionOutcome::Done,
            etag: Some(etag),
            detail: None,
        },
        Moved::Changed => DispositionReport {
            lease: lease.key.clone(),
            outcome: DispositionOutcome::ContentChanged,
            etag: None,
            detail: Some("the object was changed after it was checked".to_owned()),
        },
    };
    accepted(&deps.disposition_reports.submit(report).await?)
}

enum Moved {
    /// The bytes stand at the target only, under this `ETag`.
    Here(String),
    /// The source has other bytes. It is left where it is.
    Changed,
}

async fn carry(deps: &Deps, work: &DispositionWork) -> Result<Moved, JobError> {
    let Some(etag) = &work.source.etag else {
        return Err(JobError::Fail(
            "the source has no ETag to hold it to".to_owned(),
        ));
    };
    if same_place(&work.source, &work.target) {
        return Err(JobError::Fail("source and target are the same".to_owned()));
    }
    let objects = &deps.objects;
    let copied = objects
        .copy(
            &work.source,
            etag,
            &work.target,
            work.size,
            &deps.config.copy,
        )
        .await;
    match copied {
        Ok(copied) => {
            objects.delete(&work.source).await?;
            Ok(Moved::Here(copied))
        }
        Err(ObjectError::Changed) => Ok(Moved::Changed),
        Err(error) if error.may_mean_missing() => settle(deps, work, &error).await,
        Err(error) => Err(error.into()),
    }
}

/// What to make of a copy that found something missing: an earlier run may have come so far that only the deletion
/// or the report is missing, an answer may have been lost, or a bucket be set up wrongly.
async fn settle(
    deps: &Deps,
    work: &DispositionWork,
    said: &ObjectError,
) -> Result<Moved, JobError> {
    let objects = &deps.objects;
    let listed = objects.is_listed(&work.source).await.map_err(|error| {
        JobError::Retry(format!(
            "the object was not copied ({said}), nor its source listed: {error}"
        ))
    })?;
    match (listed, target(deps, work).await?) {
        (true, Some(target)) if target.size == work.size => {
            objects.delete(&work.source).await?;
            Ok(Moved::Here(target.etag))
        }
        (true, _) => Err(JobError::Retry(format!(
            "the object was not copied, but its source is listed: {said}"
        ))),
        (false, Some(target)) if target.size == work.size => Ok(Moved::Here(target.etag)),
        (false, Some(target)) => Err(JobError::Fail(format!(
            "the source is gone, and the target has {} bytes instead of {}",
            target.size, work.size
        ))),
        (false, None) => Err(JobError::Fail(
            "the object is neither at its source nor at its target".to_owned(),
        )),
    }
}

/// What stands at the target; `None` where nothing does.
async fn target(deps: &Deps, work: &DispositionWork) -> Result<Option<Head>, JobError> {
    match deps.objects.head(&work.target).await {
        Err(error) if error.may_mean_missing() => {
            match deps.objects.is_listed(&work.target).await {
                Ok(false) => Ok(None),
                Ok(true) | Err(_) => Err(error.into()),
            }
        }
        found => Ok(found?),
    }
}

fn same_place(one: &ObjectLocation, other: &ObjectLocation) -> bool {
    one.bucket == other.bucket && one.key == other.key
}
