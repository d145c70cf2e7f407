//! Writing the archive: tag files, the payload's folder, the payload, the end.
//!
//! Always: what is written is what was planned, to the byte. A selection that changes in between
//! ends the attempt.

use bagit::{ARCHIVE_END, padding};
use futures::TryStreamExt;
use tokio::sync::mpsc;

use super::events::Events;
use super::items::Items;
use super::parts::{self, Sink, Sunk};
use super::payload::{self, Fetched};
use super::plan::{Content, Plan, TagFile};
use super::progress::Progress;
use super::tags::{Kind, Renderer};
use crate::client::ExportWork;
use crate::deps::Deps;
use crate::digests::Digesting;
use crate::job::JobError;
use crate::objects::{Multipart, Part};

const ZEROS: [u8; 512] = [0; 512];

/// What was uploaded.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) parts: Vec<Part>,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// Writes the archive as the parts of `upload`.
pub(super) async fn write(
    deps: &Deps,
    (items, events): (&Items<'_>, &Events<'_>),
    work: &ExportWork,
    plan: &Plan,
    upload: &Multipart,
    progress: &Progress,
) -> Result<Written, JobError> {
    let settings = &deps.config.export;
    let part_size = parts::part_size(plan.archive_len, settings.part)?;
    let parallel = parts::parallel(part_size, settings.parallel_parts);
    let (sink, filled) = Sink::new(part_size);
    let (ahead, next) = mpsc::channel(1);
    // All three go on at once: fetching, putting in order, uploading.
    let ((), archived, parts) = tokio::try_join!(
        fetch(deps, items, ahead),
        archive(deps, (items, events), plan, sink, next, progress),
        parts::upload(upload, filled, parallel),
    )?;
    tracing::info!(
        export = %work.export, files = plan.oxum.streams, bytes = archived.size, "the package is written"
    );
    Ok(Written {
        parts,
        size: archived.size,
        sha256: archived.sha256,
    })
}

async fn fetch(
    deps: &Deps,
    items: &Items<'_>,
    ahead: mpsc::Sender<Fetched>,
) -> Result<(), JobError> {
    let mut fetched = std::pin::pin!(payload::fetched(deps, items));
    while let Some(file) = fetched.try_next().await? {
        if ahead.send(file).await.is_err() {
            // Whoever writes has ended, and says why.
            break;
        }
    }
    Ok(())
}

async fn archive(
    deps: &Deps,
    lists: (&Items<'_>, &Events<'_>),
    plan: &Plan,
    mut sink: Sink,
    mut files: mpsc::Receiver<Fetched>,
    progress: &Progress,
) -> Result<Sunk, JobError> {
    for tag in &plan.tags {
        write_tag(lists, plan, tag, &mut sink).await?;
    }
    sink.write(&plan.payload_folder()).await?;
    while let Some(Fetched { item, bytes }) = files.recv().await {
        sink.write(&plan.header(&item.payload_path, item.size))
            .await?;
        match bytes {
            Some(bytes) => {
                sink.write(&bytes).await?;
                progress.bytes(item.size);
            }
            None => payload::pass_through(deps, &item, &mut sink, progress).await?,
        }
        sink.write(&ZEROS[..padding(item.size)]).await?;
        progress.file();
    }
    sink.write(&ARCHIVE_END).await?;
    if sink.size() != plan.archive_len {
        return Err(changed());
    }
    sink.finish().await
}

async fn write_tag(
    (items, events): (&Items<'_>, &Events<'_>),
    plan: &Plan,
    tag: &TagFile,
    sink: &mut Sink,
) -> Result<(), JobError> {
    sink.write(&plan.header(&tag.name, tag.digests.size))
        .await?;
    match &tag.content {
        Content::Fixed(bytes) => sink.write(bytes).await?,
        Content::Rendered(kind) => render(items, *kind, tag, sink).await?,
        Content::Events => {
            let digesting = Digesting::start();
            let mut pages = std::pin::pin!(events.pages());
            while let Some(lines) = pages.try_next().await? {
                digesting.feed(&lines).await?;
                sink.write(&lines).await?;
            }
            if digesting.finish().await? != tag.digests {
                return Err(changed());
            }
        }
    }
    sink.write(&ZEROS[..padding(tag.digests.size)]).await
}

async fn render(
    items: &Items<'_>,
    kind: Kind,
    tag: &TagFile,
    sink: &mut Sink,
) -> Result<(), JobError> {
    let digesting = Digesting::start();
    let mut renderer = Renderer::new(kind);
    let header = renderer.header();
    digesting.feed(&header.clone().into()).await?;
    sink.write(&header).await?;
    let mut pages = std::pin::pin!(items.pages());
    while let Some(page) = pages.try_next().await? {
        let text = bytes::Bytes::from(renderer.page(&page));
        digesting.feed(&text).await?;
        sink.write(&text).await?;
    }
    if digesting.finish().await? == tag.digests {
        Ok(())
    } else {
        Err(changed())
    }
}

fn changed() -> JobError {
    JobError::Retry("the selection changed while it was written".to_owned())
}
