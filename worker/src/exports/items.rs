//! The files of an export, as often as they are needed.
//!
//! Always: a list that is kept in memory has a bound in bytes; a longer one is asked for again,
//! page by page. Each reading gives the same files, or fails.

use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};

use crate::client::{ExportItem, ExportWork, Lease};
use crate::deps::Deps;
use crate::job::JobError;

/// Files that stand next to each other in the bag.
pub(super) type Page = Arc<[ExportItem]>;

/// The files of an export.
pub(super) struct Items<'a> {
    deps: &'a Deps,
    lease: &'a Lease,
    files: u64,
    kept: Option<Vec<Page>>,
}

struct Cursor {
    after: Option<String>,
    seen: u64,
}

impl<'a> Items<'a> {
    pub(super) fn new(deps: &'a Deps, lease: &'a Lease, work: &ExportWork) -> Self {
        Self {
            deps,
            lease,
            files: work.files,
            kept: None,
        }
    }

    /// Keeps the pages, so that they are not asked for again.
    pub(super) fn keep(&mut self, pages: Vec<Page>) {
        self.kept = Some(pages);
    }

    /// How many bytes of pages may be kept.
    pub(super) fn bound(&self) -> usize {
        self.deps.config.export.keep
    }

    /// All files, page by page.
    pub(super) fn pages(&self) -> impl Stream<Item = Result<Page, JobError>> + Send {
        let kept = self.kept.clone().map(|pages| stream::iter(pages).map(Ok));
        match kept {
            Some(kept) => kept.left_stream(),
            None => self.asked().right_stream(),
        }
    }

    /// All files, one by one.
    pub(super) fn each(&self) -> impl Stream<Item = Result<ExportItem, JobError>> + Send {
        self.pages()
            .map_ok(|page| stream::iter(page.to_vec()).map(Ok))
            .try_flatten()
    }

    fn asked(&self) -> impl Stream<Item = Result<Page, JobError>> + Send {
        let start = Cursor {
            after: None,
            seen: 0,
        };
        stream::try_unfold(Some(start), move |cursor| async move {
            let Some(cursor) = cursor else {
                return Ok(None);
            };
            let page = self
                .deps
                .api
                .export_items(
                    &self.lease.key,
                    self.deps.config.export.page,
                    cursor.after.as_deref(),
                )
                .await?;
            let seen = cursor.seen + page.items.len() as u64;
            let next = page.next.map(|after| Cursor {
                after: Some(after),
                seen,
            });
            let complete = next.is_none();
            let stands_still = page.items.is_empty() && !complete;
            if stands_still || seen > self.files || complete != (seen == self.files) {
                return Err(JobError::Fail(format!(
                    "the export has {} files, but the list of them is another: {seen} so far",
                    self.files
                )));
            }
            Ok(Some((Page::from(page.items), next)))
        })
    }
}

/// About how many bytes a page takes in memory.
pub(super) fn weight(page: &[ExportItem]) -> usize {
    page.iter()
        .map(|item| {
            size_of::<ExportItem>()
                + item.metadata.to_string().len() * 2
                + item.description.len()
                + item.path.len()
                + item.payload_path.len()
                + 600
        })
        .sum()
}
