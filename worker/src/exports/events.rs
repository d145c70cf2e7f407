//! What happened to the records of an export, as lines with their proofs.
//!
//! Always: as with the files, what is kept in memory has a bound, and each reading gives the same lines.

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};

use crate::client::{ExportEvent, ExportWork, Lease};
use crate::deps::Deps;
use crate::job::JobError;

/// The lines of an export's events.
pub(super) struct Events<'a> {
    deps: &'a Deps,
    lease: &'a Lease,
    any: bool,
    kept: Option<Vec<Bytes>>,
}

struct Cursor {
    after: Option<String>,
}

impl<'a> Events<'a> {
    pub(super) fn new(deps: &'a Deps, lease: &'a Lease, work: &ExportWork) -> Self {
        Self {
            deps,
            lease,
            any: work.evidence.is_some(),
            kept: None,
        }
    }

    /// Keeps the lines, so that they are not asked for again.
    pub(super) fn keep(&mut self, pages: Vec<Bytes>) {
        self.kept = Some(pages);
    }

    /// How many bytes of lines may be kept.
    pub(super) fn bound(&self) -> usize {
        self.deps.config.export.keep
    }

    /// All lines, page by page.
    pub(super) fn pages(&self) -> impl Stream<Item = Result<Bytes, JobError>> + Send {
        match (self.any, self.kept.clone()) {
            (false, _) => stream::empty().boxed(),
            (true, Some(kept)) => stream::iter(kept).map(Ok).boxed(),
            (true, None) => self.asked().boxed(),
        }
    }

    fn asked(&self) -> impl Stream<Item = Result<Bytes, JobError>> + Send {
        let start = Cursor { after: None };
        stream::try_unfold(Some(start), move |cursor| async move {
            let Some(Cursor { after }) = cursor else {
                return Ok(None);
            };
            let page = self
                .deps
                .api
                .export_events(
                    &self.lease.key,
                    self.deps.config.export.page,
                    after.as_deref(),
                )
                .await?;
            if page.events.is_empty() && page.next.is_some() {
                let stands_still = "the list of events does not end".to_owned();
                return Err(JobError::Fail(stands_still));
            }
            let lines: Result<Vec<String>, JobError> = page.events.iter().map(line).collect();
            let next = page.next.map(|after| Cursor { after: Some(after) });
            Ok(Some((Bytes::from(lines?.concat()), next)))
        })
    }
}

fn line(event: &ExportEvent) -> Result<String, JobError> {
    let hash = |text: &String| hex::decode(text).ok()?.try_into().ok();
    let proof: Option<Vec<tlog::Hash>> = event.proof.iter().map(hash).collect();
    let proof = proof
        .ok_or_else(|| JobError::Fail(format!("event {} has a proof that is none", event.leaf)))?;
    Ok(tlog::line(&event.entry, event.leaf, &proof))
}
