//! Ranges of an object that has gone by, for what stands in containers.
//!
//! Always: the bytes are those of the content that was hashed (`If-Match`); memory and the number
//! of requests are bounded; a range that could not be fetched is remembered, so that "the network
//! failed" is never told as "the container is damaged".

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::window::Window;
use crate::client::ObjectLocation;
use crate::objects::{ObjectError, Objects};

/// How much one request fetches.
const BLOCK: u64 = 256 * 1024;

/// How many fetched blocks are kept.
const BLOCKS: usize = 8;

/// How many requests one object may cost: 64 MiB of containers' inner parts.
const MOST_REQUESTS: u32 = 256;

/// An object by position: from memory where it is held, else from the store. Its methods block,
/// so it lives on a thread for blocking work.
pub(super) struct RandomAccess {
    pub(super) runtime: Handle,
    pub(super) objects: Objects,
    pub(super) at: ObjectLocation,
    pub(super) window: Window,
    pub(super) fetched: VecDeque<(u64, Bytes)>,
    pub(super) requests: u32,
    /// Why a range could not be fetched.
    pub(super) failure: Option<ObjectError>,
}

impl RandomAccess {
    pub(super) fn new(
        runtime: Handle,
        objects: Objects,
        at: ObjectLocation,
        window: Window,
    ) -> Self {
        Self {
            runtime,
            objects,
            at,
            window,
            fetched: VecDeque::new(),
            requests: 0,
            failure: None,
        }
    }

    /// The block that holds `offset`, and where it begins.
    fn block(&mut self, offset: u64) -> io::Result<(u64, Bytes)> {
        let begin = offset - offset % BLOCK;
        if let Some(found) = self.fetched.iter().find(|(at, _)| *at == begin) {
            return Ok(found.clone());
        }
        if self.requests >= MOST_REQUESTS {
            return Err(io::Error::other("the container needs too many reads"));
        }
        self.requests += 1;
        let count = BLOCK.min(self.window.size() - begin);
        let range = self.objects.range(&self.at, begin, count);
        let bytes = self.runtime.block_on(range).map_err(|error| {
            let told = io::Error::other(error.to_string());
            self.failure = Some(error);
            told
        })?;
        if self.fetched.len() >= BLOCKS {
            self.fetched.pop_front();
        }
        self.fetched.push_back((begin, bytes.clone()));
        Ok((begin, bytes))
    }
}

impl pronom::ReadAt for RandomAccess {
    fn size(&self) -> u64 {
        self.window.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.window.size().saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let mut done = 0;
        while done < wanted {
            let at = offset + done as u64;
            let copied = self.window.copy(at, &mut buf[done..wanted]);
            if copied > 0 {
                done += copied;
                continue;
            }
            let (begin, block) = self.block(at)?;
            let skip = usize::try_from(at - begin).map_err(io::Error::other)?;
            let more = block.get(skip..).unwrap_or_default();
            if more.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = more.len().min(wanted - done);
            buf[done..done + count].copy_from_slice(&more[..count]);
            done += count;
        }
        Ok(done)
    }
}
