//! What the archive is going to hold, to the byte, before any of it is written.
//!
//! Always: the length is exact, so the parts of the upload can be sized; each tag file's digests
//! are known, so the tag manifests can be written.

use bagit::{
    ARCHIVE_END, Algorithm, BAGIT_TXT, BagInfo, Manifest, PayloadOxum, check_payload_path,
    check_tag_path, directory_header, file_header, padding,
};
use futures::TryStreamExt;
use sha2::{Digest, Sha256, Sha512};

use super::events::Events;
use super::items::{Items, Page, weight};
use super::tags::{Kind, Renderer};
use crate::client::{ExportItem, ExportWork};
use crate::digests::Digests;
use crate::job::JobError;

/// Who wrote the bag. Without a version, so that a new release writes the same bytes.
const AGENT: &str = "Muniment";

/// The archive.
#[derive(Debug)]
pub(super) struct Plan {
    folder: String,
    mtime: u64,
    /// In the archive's order.
    pub(super) tags: Vec<TagFile>,
    pub(super) oxum: PayloadOxum,
    pub(super) archive_len: u64,
}

/// A tag file.
#[derive(Debug)]
pub(super) struct TagFile {
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) digests: Digests,
}

/// What stands in a tag file.
#[derive(Debug)]
pub(super) enum Content {
    /// These bytes.
    Fixed(Vec<u8>),
    /// What is said of every file.
    Rendered(Kind),
    /// What happened to the records.
    Events,
}

impl Plan {
    pub(super) fn header(&self, path: &str, size: u64) -> Vec<u8> {
        file_header(&format!("{}/{path}", self.folder), size, self.mtime)
    }

    /// The payload's folder, which must be there even when it is empty (RFC 8493 §2.1.2).
    pub(super) fn payload_folder(&self) -> Vec<u8> {
        directory_header(&format!("{}/data", self.folder), self.mtime)
    }

    fn framed(&self, path: &str, size: u64) -> Option<u64> {
        let framing = self.header(path, size).len() + padding(size);
        size.checked_add(framing as u64)
    }
}

/// A text that is being measured.
#[derive(Default)]
struct Measure {
    size: u64,
    sha256: Sha256,
    sha512: Sha512,
}

impl Measure {
    fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    fn finish(self) -> Digests {
        Digests {
            size: self.size,
            sha256: hex::encode(self.sha256.finalize()),
            sha512: hex::encode(self.sha512.finalize()),
        }
    }
}

/// A tag file that is being measured.
struct Measured {
    renderer: Renderer,
    kind: Kind,
    measure: Measure,
}

impl Measured {
    fn new(kind: Kind) -> Self {
        let renderer = Renderer::new(kind);
        let mut measure = Measure::default();
        measure.add(&renderer.header());
        Self {
            renderer,
            kind,
            measure,
        }
    }

    fn finish(self) -> TagFile {
        TagFile {
            name: self.kind.file_name(),
            content: Content::Rendered(self.kind),
            digests: self.measure.finish(),
        }
    }
}

/// Goes through all events once, where there are any. Keeps them if they are few.
async fn measure_events(
    events: &mut Events<'_>,
    work: &ExportWork,
) -> Result<Vec<TagFile>, JobError> {
    let Some(evidence) = &work.evidence else {
        return Ok(Vec::new());
    };
    let mut measure = Measure::default();
    let mut kept = Some(Vec::new());
    let bound = events.bound() as u64;
    let mut pages = Box::pin(events.pages());
    while let Some(lines) = pages.try_next().await? {
        measure.add(&lines);
        kept = kept.filter(|_| measure.size <= bound);
        if let Some(kept) = &mut kept {
            kept.push(lines);
        }
    }
    drop(pages);
    if let Some(kept) = kept {
        events.keep(kept);
    }
    Ok(vec![
        TagFile {
            name: "muniment/events.jsonl".to_owned(),
            content: Content::Events,
            digests: measure.finish(),
        },
        fixed(
            "muniment/checkpoint.txt".to_owned(),
            evidence.checkpoint.clone(),
        ),
        fixed(
            "muniment/checkpoint-key.txt".to_owned(),
            format!("{}\n", evidence.checkpoint_key),
        ),
    ])
}

/// Goes through all files and events once. Keeps them if they are few.
pub(super) async fn measure(
    items: &mut Items<'_>,
    events: &mut Events<'_>,
    work: &ExportWork,
) -> Result<Plan, JobError> {
    let mut plan = Plan {
        folder: folder(work)?,
        mtime: u64::try_from(work.as_of.timestamp()).unwrap_or_default(),
        tags: Vec::new(),
        oxum: PayloadOxum::default(),
        archive_len: 0,
    };
    let mut rendered = Kind::ALL.map(Measured::new);
    let mut kept: Option<(usize, Vec<Page>)> = Some((0, Vec::new()));
    let bound = items.bound();
    let mut framed = 0_u64;
    let mut pages = Box::pin(items.pages());
    let mut last = String::new();
    while let Some(page) = pages.try_next().await? {
        for item in page.iter() {
            check(item, &last)?;
            last.clone_from(&item.payload_path);
            plan.oxum.streams += 1;
            plan.oxum.octets = sum(plan.oxum.octets, Some(item.size))?;
            framed = sum(framed, plan.framed(&item.payload_path, item.size))?;
        }
        for one in &mut rendered {
            let bytes = one.renderer.page(&page);
            one.measure.add(&bytes);
        }
        kept = kept.and_then(|(weighed, mut pages)| {
            let weighed = weighed + weight(&page);
            pages.push(page);
            (weighed <= bound).then_some((weighed, pages))
        });
    }
    drop(pages);
    if let Some((_, pages)) = kept {
        items.keep(pages);
    }
    let events = measure_events(events, work).await?;
    plan.tags = tag_files(work, plan.oxum, rendered, events)?;
    plan.archive_len = sum(
        framed,
        Some((ARCHIVE_END.len() + plan.payload_folder().len()) as u64),
    )?;
    for tag in &plan.tags {
        plan.archive_len = sum(plan.archive_len, plan.framed(&tag.name, tag.digests.size))?;
    }
    Ok(plan)
}

fn folder(work: &ExportWork) -> Result<String, JobError> {
    let name = &work.reference;
    if check_tag_path(name).is_err()
        || name.contains(['/', '\\'])
        || name.chars().any(char::is_control)
    {
        return Err(JobError::Fail(format!("{name:?} cannot be a bag's folder")));
    }
    Ok(name.clone())
}

/// Whether the file can stand in the bag, after the one before it.
fn check(item: &ExportItem, last: &str) -> Result<(), JobError> {
    let wrong =
        |what: &dyn std::fmt::Display| JobError::Fail(format!("{}: {what}", item.payload_path));
    check_payload_path(&item.payload_path).map_err(|reason| wrong(&reason))?;
    if item.payload_path == last {
        return Err(wrong(&"it is listed twice"));
    }
    for (algorithm, digest) in [
        (Algorithm::Sha256, &item.sha256),
        (Algorithm::Sha512, &item.sha512),
    ] {
        if algorithm.parse_digest(digest).is_none() {
            return Err(wrong(&format_args!("its {algorithm} is not known")));
        }
    }
    Ok(())
}

fn sum(one: u64, other: Option<u64>) -> Result<u64, JobError> {
    other
        .and_then(|other| one.checked_add(other))
        .ok_or_else(|| JobError::Fail("the package is too large".to_owned()))
}

fn tag_files(
    work: &ExportWork,
    oxum: PayloadOxum,
    rendered: [Measured; Kind::ALL.len()],
    events: Vec<TagFile>,
) -> Result<Vec<TagFile>, JobError> {
    let mut tags = vec![
        fixed("bagit.txt".to_owned(), BAGIT_TXT.to_owned()),
        fixed("bag-info.txt".to_owned(), bag_info(work)?.to_text(oxum)),
    ];
    tags.extend(rendered.into_iter().map(Measured::finish));
    tags.extend(events);
    let mut manifests = [
        Manifest::tag(Algorithm::Sha256),
        Manifest::tag(Algorithm::Sha512),
    ];
    for tag in &tags {
        for (manifest, digest) in manifests
            .iter_mut()
            .zip([&tag.digests.sha256, &tag.digests.sha512])
        {
            manifest
                .insert(&tag.name, digest)
                .map_err(|error| JobError::Fail(error.to_string()))?;
        }
    }
    tags.extend(manifests.map(|manifest| fixed(manifest.file_name(), manifest.to_text())));
    Ok(tags)
}

fn fixed(name: String, text: String) -> TagFile {
    let bytes = text.into_bytes();
    TagFile {
        name,
        digests: Digests::of(&bytes),
        content: Content::Fixed(bytes),
    }
}

/// What the API says of the bag, then what only its writer knows.
fn bag_info(work: &ExportWork) -> Result<BagInfo, JobError> {
    const BAGGING_DATE: &str = "Bagging-Date";
    const SOFTWARE: &str = "Bag-Software-Agent";
    let date = work.as_of.format("%Y-%m-%d").to_string();
    let ours = [(BAGGING_DATE, date.as_str()), (SOFTWARE, AGENT)];
    let told = work.bag_info.iter().filter(|(label, value)| {
        let written_here = [BAGGING_DATE, SOFTWARE, "Payload-Oxum"];
        !value.trim().is_empty()
            && !written_here
                .iter()
                .any(|own| own.eq_ignore_ascii_case(label))
    });
    let mut info = BagInfo::new();
    for (label, value) in told.map(|(l, v)| (l.as_str(), v.as_str())).chain(ours) {
        info.add(label, value)
            .map_err(|error| JobError::Fail(format!("bag-info.txt: {error}")))?;
    }
    Ok(info)
}
