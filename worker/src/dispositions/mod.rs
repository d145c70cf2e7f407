//! Moving the bytes of a version to where the API's decision puts them.
//!
//! Owns the order: copy, then delete, then report. Does not own the decision.
//!
//! Always: only the content that was checked is moved (`copy-source-if-match`); running it again,
//! from any point, comes to the same end.

use crate::client::{
    DispositionOutcome, DispositionReport, DispositionWork, Lease, ObjectLocation,
};
use crate::deps::Deps;
use crate::job::{JobError, accepted};
use crate::objects::ObjectError;

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
        // An earlier run may have come so far that only the report is missing.
        Err(ObjectError::Missing) => match objects.head(&work.target).await? {
            Some(target) if target.size == work.size => Ok(Moved::Here(target.etag)),
            Some(target) => Err(JobError::Fail(format!(
                "the source is gone, and the target has {} bytes instead of {}",
                target.size, work.size
            ))),
            None => Err(JobError::Fail(
                "the object is neither at its source nor at its target".to_owned(),
            )),
        },
        Err(error) => Err(error.into()),
    }
}

fn same_place(one: &ObjectLocation, other: &ObjectLocation) -> bool {
    one.bucket == other.bucket && one.key == other.key
}
