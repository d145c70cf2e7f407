//! How an answer is told to programs: a JSON object a line.

use std::borrow::Cow;
use std::path::Path;

use pronom::Identification;
use serde::Serialize;

use super::tell::{Answer, Why};
use crate::failure::Failure;

impl Answer {
    /// A line for programs.
    pub(super) fn json(&self) -> Result<String, Failure> {
        let mut line = match self {
            Self::Found {
                path, found, why, ..
            } => Line::found(path, found, why.as_ref()),
            Self::Unreadable(path, why) => Line::unreadable(path, why),
            Self::Remark(remark) => Line::unreadable(Path::new(""), remark),
        };
        if let Self::Found { path, .. } | Self::Unreadable(path, _) = self
            && path.to_str().is_none()
        {
            line.path_bytes = Some(hex::encode(path.as_os_str().as_encoded_bytes()));
        }
        serde_json::to_string(&line).map_err(|error| Failure::new(error.to_string()))
    }
}

/// A line for programs.
#[derive(Serialize)]
struct Line<'a> {
    path: Cow<'a, str>,
    puids: Vec<&'a str>,
    basis: Option<&'a str>,
    mismatch: bool,
    mime: Option<&'a str>,
    bytes_read: u64,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain<'a>>,
}

#[derive(Serialize)]
struct Explain<'a> {
    matches: Vec<Matched<'a>>,
    outranked: Vec<Lower<'a>>,
    near_misses: Vec<Near<'a>>,
}

#[derive(Serialize)]
struct Matched<'a> {
    puid: &'a str,
    name: &'a str,
    version: &'a str,
    mime: &'a str,
    basis: &'a str,
    ranges: &'a [(u64, u64)],
}

#[derive(Serialize)]
struct Lower<'a> {
    puid: &'a str,
    by: Option<&'a str>,
}

#[derive(Serialize)]
struct Near<'a> {
    puids: &'a [String],
    signature: u32,
    found: &'a [(u64, u64)],
    missing: &'a str,
}

impl<'a> Line<'a> {
    fn unreadable(path: &'a Path, why: &'a str) -> Self {
        Self {
            path: path.to_string_lossy(),
            puids: Vec::new(),
            basis: None,
            mismatch: false,
            mime: None,
            bytes_read: 0,
            error: Some(why),
            path_bytes: None,
            container_error: None,
            explain: None,
        }
    }

    fn found(path: &'a Path, found: &'a Identification, why: Option<&'a Why>) -> Self {
        let first = found.matches.first();
        let puids = found.matches.iter().map(|one| one.puid.as_str());
        Self {
            puids: puids.collect(),
            basis: first.map(|one| one.basis.as_str()),
            mismatch: found.extension_mismatch,
            mime: first.map(|one| one.mime.as_str()),
            bytes_read: found.bytes_read,
            error: None,
            container_error: found.container_error.as_deref(),
            explain: why.map(|why| Explain::new(found, why)),
            ..Self::unreadable(path, "")
        }
    }
}

impl<'a> Explain<'a> {
    fn new(found: &'a Identification, why: &'a Why) -> Self {
        let matches = found.matches.iter().map(|one| Matched {
            puid: &one.puid,
            name: &one.name,
            version: &one.version,
            mime: &one.mime,
            basis: one.basis.as_str(),
            ranges: &one.ranges,
        });
        let outranked = why.outranked.iter().map(|lower| Lower {
            puid: &lower.puid,
            by: lower.by.as_deref(),
        });
        let near_misses = why.near_misses.iter().map(|near| Near {
            puids: &near.puids,
            signature: near.signature,
            found: &near.found,
            missing: &near.missing,
        });
        Self {
            matches: matches.collect(),
            outranked: outranked.collect(),
            near_misses: near_misses.collect(),
        }
    }
}
