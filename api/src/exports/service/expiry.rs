//! How long a package may be fetched, and what becomes of it afterwards.
//!
//! Always: no URL outlives the package; bytes are removed before the export is EXPIRED, so that one whose
//! bytes could not be removed is met again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contract::{
    ExportId,
    objects::{Place, export_key},
};

use futures::{StreamExt as _, stream};

use crate::{
    App, Error,
    exports::{Export, Input, Status, store},
    object_store::{self, Signed},
};

/// How many one call looks at.
const BATCH: u64 = 100;

/// How many are removed at the same time.
const AT_ONCE: usize = 8;

/// The longest that a URL may be valid, in seconds.
const MAX_SECONDS: i32 = 3_600;

/// A URL from which the package can be fetched, and until when; `None` while there is none, or no more.
pub async fn download(
    app: &App,
    row: &Export,
    expires_in: Option<i32>,
) -> Result<Option<(Signed, DateTime<Utc>)>, Error> {
    let wanted = match expires_in {
        None => app.limits().download,
        Some(seconds @ 1..=MAX_SECONDS) => Duration::from_secs(u64::from(seconds.unsigned_abs())),
        Some(_) => {
            let message = format!("a URL is valid for 1 to {MAX_SECONDS} seconds");
            return Err(Error::input("expiresIn", message));
        }
    };
    let now = app.clock().now();
    let Some(valid_for) = validity(row, now, wanted) else {
        return Ok(None);
    };
    let key = export_key(ExportId(row.id));
    let file_name = format!("{}.tar", row.reference);
    let signed = app
        .objects()
        .sign_get(Place::Exports, &key, &file_name, valid_for)
        .await?;
    Ok(Some((signed, object_store::expiry(now, valid_for))))
}

fn validity(row: &Export, now: DateTime<Utc>, wanted: Duration) -> Option<Duration> {
    let left = match (row.status, row.expires_at) {
        (Status::Ready, Some(until)) => until - now,
        _ => return None,
    };
    // A signature is valid for whole seconds.
    let seconds = u64::try_from(left.num_seconds())
        .ok()
        .filter(|&seconds| seconds > 0)?;
    Some(wanted.min(Duration::from_secs(seconds)))
}

/// When a package that is ready now is removed.
pub(super) fn end(app: &App, now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::from_std(app.limits().export_kept).unwrap_or(TimeDelta::days(365))
}

/// Removes packages that were kept long enough, a bounded number of them, and says how many. One that cannot
/// be removed now does not hold up the others.
pub async fn expire(app: &App) -> Result<usize, Error> {
    let found = store::outlived(app.database(), app.clock().now(), BATCH).await?;
    let mut removals = stream::iter(found)
        .map(|row| remove(app, row))
        .buffer_unordered(AT_ONCE);
    let mut removed = 0;
    while let Some(done) = removals.next().await {
        match done {
            Ok(done) => removed += usize::from(done),
            Err(error) => tracing::warn!(?error, "a package that was removed is not EXPIRED yet"),
        }
    }
    Ok(removed)
}

/// Removes one; answers whether it did.
async fn remove(app: &App, row: Export) -> Result<bool, Error> {
    let key = export_key(ExportId(row.id));
    if let Err(error) = app.objects().discard(Place::Exports, &key, None).await {
        tracing::warn!(export = %ExportId(row.id), ?error, "an expired package could not be removed");
        return Ok(false);
    }
    let mut unit = app.begin_internal().await?;
    let Some(row) = store::load_for_update(&unit, row.id).await? else {
        return Ok(false);
    };
    if row.status != Status::Ready {
        return Ok(false);
    }
    super::step(&mut unit, row, Input::Expire, "export.expired").await?;
    unit.commit().await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn export(status: Status, seconds_left: Option<i64>) -> Export {
        let at = DateTime::UNIX_EPOCH;
        Export {
            id: Uuid::nil(),
            status,
            format: String::new(),
            reference: String::new(),
            selection: serde_json::Value::Null,
            transfer_id: None,
            requested_by: String::new(),
            files: 0,
            bytes: 0,
            files_done: 0,
            bytes_done: 0,
            as_of: at,
            size: None,
            sha256: None,
            error: None,
            created_at: at,
            finished_at: None,
            verified_at: None,
            expires_at: seconds_left.map(|left| at + TimeDelta::seconds(left)),
            tree_size: None,
        }
    }

    #[test]
    fn no_url_outlives_its_package() {
        for (status, left, valid) in [
            (Status::Ready, Some(100), Some(60)),
            (Status::Ready, Some(10), Some(10)),
            (Status::Ready, Some(0), None),
            (Status::Ready, Some(-5), None),
            (Status::Running, Some(100), None),
            (Status::Expired, Some(100), None),
            (Status::Ready, None, None),
        ] {
            let row = export(status, left);
            assert_eq!(
                validity(&row, DateTime::UNIX_EPOCH, Duration::from_mins(1)),
                valid.map(Duration::from_secs),
                "{status:?} {left:?}"
            );
        }
    }
}
