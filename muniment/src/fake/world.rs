//! What is behind the fake server.

use std::collections::BTreeMap;

/// What goes wrong, and how many times.
#[derive(Default)]
pub(crate) struct Faults {
    /// GraphQL requests answered with 503.
    pub(crate) unavailable: u32,
    /// Uploads answered with 503.
    pub(crate) slow_down: u32,
    /// Uploads answered with 403, as an expired address is.
    pub(crate) expired: u32,
    /// Uploads answered with 507.
    pub(crate) full: u32,
    /// Uploads that are answered well and lost.
    pub(crate) lost: u32,
    /// Downloads that break off half-way.
    pub(crate) cut: u32,
    /// Whether the digest of the package is not that of its bytes.
    pub(crate) wrong_digest: bool,
    /// Confirmations answered with "not now".
    pub(crate) unconfirmed: u32,
    /// Requests for a version's ticket or parts that are refused.
    pub(crate) no_ticket: u32,
    /// Whether versions have no ticket, as when their time has run out.
    pub(crate) no_address: bool,
    /// Done when bytes come, which are then refused.
    pub(crate) during_upload: Vec<Box<dyn FnOnce() + Send>>,
    /// Versions that are being checked for ever.
    pub(crate) checking: u32,
    /// A path that is refused.
    pub(crate) refused: Option<String>,
    /// Done before a batch of records, or a version, is announced to the client.
    pub(crate) before_upload: Vec<Box<dyn FnOnce() + Send>>,
}

/// A version.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// Its status, in the API's words.
    pub(crate) status: &'static str,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// The bytes that came, by the number of the part.
    pub(crate) parts: BTreeMap<u64, Vec<u8>>,
}

/// Everything.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) faults: Faults,
    /// The operations that were asked for, in order.
    pub(crate) asked: Vec<String>,
    /// Requests that brought bytes.
    pub(crate) uploads: u32,
    /// The source of the one transfer, when there is one.
    pub(crate) source: Option<String>,
    /// The records by path: a version's number is its place, counted from 1.
    pub(crate) records: BTreeMap<String, Vec<Version>>,
    /// What a package consists of.
    pub(crate) package: Vec<u8>,
}

impl World {
    pub(super) fn new(url: String, faults: Faults) -> Self {
        Self {
            url,
            faults,
            asked: Vec::new(),
            uploads: 0,
            source: None,
            records: BTreeMap::new(),
            package: Vec::new(),
        }
    }

    /// A version by its id, which is `path#number`.
    pub(super) fn version(&mut self, id: &str) -> Option<&mut Version> {
        let (path, number) = id.rsplit_once('#')?;
        let number: usize = number.parse().ok()?;
        self.records.get_mut(path)?.get_mut(number.checked_sub(1)?)
    }

    /// How often an operation was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.asked
            .iter()
            .filter(|asked| *asked == operation)
            .count()
    }

    /// The bytes of a record's newest version, if it is accepted.
    pub(crate) fn accepted(&self, path: &str) -> Option<Vec<u8>> {
        let newest = self.records.get(path)?.last()?;
        (newest.status == "ACCEPTED").then(|| newest.bytes())
    }
}

impl Version {
    /// One that awaits its bytes.
    pub(super) fn new(size: u64, sha256: &str) -> Self {
        Self {
            status: "AWAITING_UPLOAD",
            size,
            sha256: sha256.to_owned(),
            parts: BTreeMap::new(),
        }
    }

    /// Its checks: none before its bytes came.
    pub(super) fn checks(&self) -> serde_json::Value {
        let checksum = match self.status {
            "AWAITING_UPLOAD" => return serde_json::json!([]),
            _ if self.parts.is_empty() => return serde_json::json!([]),
            "REJECTED" => "FAILED",
            _ => "PASSED",
        };
        serde_json::json!([{ "kind": "CHECKSUM", "status": checksum }])
    }

    /// What came so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.parts.values().flatten().copied().collect()
    }
}
