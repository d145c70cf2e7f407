//! What happened to the files on this side.
//!
//! Owns the counts, and the first of each kind by name. Does not own the verdicts, which are
//! the server's (`verdicts`).
//!
//! Always: memory does not grow with the number of files.

use std::sync::{Mutex, PoisonError};

use super::walk::LeftOut;

/// How many of each kind are remembered by name.
const BY_NAME: usize = 200;

/// The first of a list, and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed<T> {
    /// The first.
    pub(crate) first: Vec<T>,
    /// How many there are.
    pub(crate) count: u64,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            count: 0,
        }
    }
}

impl<T> Listed<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.count += 1;
        if self.first.len() < BY_NAME {
            self.first.push(item);
        }
    }
}

/// A file that did not get to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// Its path.
    pub(crate) path: String,
    /// Why.
    pub(crate) reason: String,
}

/// The account of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Files that were uploaded now.
    pub(crate) uploaded: u64,
    /// Files that were there already.
    pub(crate) already_there: u64,
    /// All their bytes.
    pub(crate) bytes: u64,
    /// What was not transferred on purpose, or could not be read.
    pub(crate) left_out: Listed<LeftOut>,
    /// How much of that was wanted.
    pub(crate) unread: u64,
    /// Files that did not get to the server.
    pub(crate) failed: Listed<Failed>,
    /// Paths that are not UTF-8 and were spelt out.
    pub(crate) spelt_out: Listed<String>,
}

/// Where the account is written. Shared by all that work on files.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Account>);

impl Ledger {
    /// Something is not transferred.
    pub(crate) fn left_out(&self, left: LeftOut) {
        self.write(|account| {
            account.unread += u64::from(left.reason.is_serious());
            account.left_out.push(left);
        });
    }

    /// A file did not get to the server.
    pub(crate) fn failed(&self, path: &str, reason: String) {
        let path = path.to_owned();
        self.write(|account| account.failed.push(Failed { path, reason }));
    }

    /// A path is not UTF-8 and was spelt out.
    pub(crate) fn spelt_out(&self, path: &str) {
        self.write(|account| account.spelt_out.push(path.to_owned()));
    }

    /// A file was uploaded.
    pub(crate) fn uploaded(&self, bytes: u64) {
        self.write(|account| {
            account.uploaded += 1;
            account.bytes += bytes;
        });
    }

    /// A file was there already.
    pub(crate) fn already_there(&self, bytes: u64) {
        self.write(|account| {
            account.already_there += 1;
            account.bytes += bytes;
        });
    }

    /// The account so far.
    pub(crate) fn account(&self) -> Account {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn write(&self, change: impl FnOnce(&mut Account)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::Reason;
    use super::*;

    fn left(reason: Reason) -> LeftOut {
        let path = "a".to_owned();
        LeftOut { path, reason }
    }

    #[test]
    fn lists_are_counted_in_full_and_kept_in_part() {
        let ledger = Ledger::default();
        for number in 0..1_000 {
            ledger.failed(&number.to_string(), "no".to_owned());
        }
        let failed = ledger.account().failed;
        assert_eq!((failed.count, failed.first.len()), (1_000, BY_NAME));
    }

    #[test]
    fn only_what_was_wanted_is_serious() {
        let ledger = Ledger::default();
        ledger.left_out(left(Reason::SymbolicLink));
        assert_eq!(ledger.account().unread, 0);
        ledger.left_out(left(Reason::Unreadable("no".to_owned())));
        ledger.left_out(left(Reason::SystemFile));
        assert_eq!(ledger.account().unread, 1);
    }
}
