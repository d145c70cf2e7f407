//! The verdicts of a transfer, counted and fetched.
//!
//! Owns which of them are fetched one by one. Does not own how they are shown (`table`).
//!
//! Always: a record counts once, by its newest version; memory does not grow with the number
//! of files.

use crate::client::{Client, ClientError, Totals, Verdict, VersionStatus};

/// Up to this many files, the table has a row for each.
pub(crate) const ALL_ROWS: u64 = 60;
/// Above that, it has this many rows for files that are not accepted.
const PROBLEM_ROWS: usize = 100;

/// Every verdict but "accepted", in the order of the table. What a newer server calls something else
/// is not accepted.
pub(crate) const NOT_ACCEPTED: [VersionStatus; 7] = [
    VersionStatus::Quarantined,
    VersionStatus::Rejected,
    VersionStatus::NeedsReview,
    VersionStatus::AwaitingUpload,
    VersionStatus::Abandoned,
    VersionStatus::Checking,
    VersionStatus::Unknown,
];

/// The verdicts of a transfer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that are shown one by one.
    pub(crate) rows: Vec<Verdict>,
    /// Whether that is all of them.
    pub(crate) complete: bool,
    /// How many records there are.
    pub(crate) records: u64,
    /// How many records have each verdict but "accepted".
    pub(crate) not_accepted: Vec<(VersionStatus, u64)>,
}

impl Tally {
    /// How many records are accepted.
    pub(crate) fn accepted(&self) -> u64 {
        let others: u64 = self.not_accepted.iter().map(|(_, count)| count).sum();
        self.records.saturating_sub(others)
    }
}

/// Fetches the verdicts.
pub(crate) async fn take(
    client: &Client,
    transfer: &str,
    totals: &Totals,
) -> Result<Tally, ClientError> {
    if totals.records <= ALL_ROWS {
        let (rows, records) = fetch(client, transfer, None, usize::MAX).await?;
        let not_accepted = NOT_ACCEPTED
            .into_iter()
            .map(|status| (status, counted(&rows, status)))
            .filter(|(_, count)| *count > 0);
        return Ok(Tally {
            not_accepted: not_accepted.collect(),
            rows,
            complete: true,
            records,
        });
    }
    let mut tally = Tally {
        records: totals.records,
        ..Tally::default()
    };
    for status in NOT_ACCEPTED {
        if status == VersionStatus::Unknown {
            // Nobody can ask for those by name.
            continue;
        }
        // Totals count versions, also those that a newer one has replaced: they say where there
        // is anything to look for.
        if versions(totals, status) > 0 {
            let room = PROBLEM_ROWS.saturating_sub(tally.rows.len());
            let (rows, count) = fetch(client, transfer, Some(status), room).await?;
            tally.rows.extend(rows);
            if count > 0 {
                tally.not_accepted.push((status, count));
            }
        }
    }
    if unknown(totals) > 0 {
        let (_, accepted) = fetch(client, transfer, Some(VersionStatus::Accepted), 0).await?;
        let rest = tally.accepted().saturating_sub(accepted);
        if rest > 0 {
            tally.not_accepted.push((VersionStatus::Unknown, rest));
        }
    }
    Ok(tally)
}

/// How many versions have none of the statuses that this program knows.
fn unknown(totals: &Totals) -> u64 {
    let known = NOT_ACCEPTED
        .into_iter()
        .chain([VersionStatus::Accepted])
        .map(|status| versions(totals, status));
    totals.versions.saturating_sub(known.sum())
}

async fn fetch(
    client: &Client,
    transfer: &str,
    status: Option<VersionStatus>,
    keep: usize,
) -> Result<(Vec<Verdict>, u64), ClientError> {
    let (mut rows, mut count, mut after) = (Vec::new(), 0, None);
    loop {
        let page = client.verdicts(transfer, status, after).await?;
        count += page.items.len() as u64;
        let room = keep.saturating_sub(rows.len());
        rows.extend(page.items.into_iter().take(room));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok((rows, count)),
        }
    }
}

fn counted(rows: &[Verdict], status: VersionStatus) -> u64 {
    rows.iter().filter(|row| row.status == status).count() as u64
}

fn versions(totals: &Totals, status: VersionStatus) -> u64 {
    match status {
        VersionStatus::AwaitingUpload => totals.awaiting_upload,
        VersionStatus::Checking => totals.checking,
        VersionStatus::Accepted => totals.accepted,
        VersionStatus::Rejected => totals.rejected,
        VersionStatus::Quarantined => totals.quarantined,
        VersionStatus::NeedsReview => totals.needs_review,
        VersionStatus::Abandoned => totals.abandoned,
        VersionStatus::Unknown => 0,
    }
}
