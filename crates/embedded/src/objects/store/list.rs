//! Listing a bucket in the order of its keys.
//!
//! Always: memory is bounded by the page, not by the bucket. A page costs one look at every
//! name in the bucket, which the embedded store's sizes allow.

use std::collections::BTreeMap;
use std::io;

use super::open::names;
use super::{Entry, Store, StoreError, entry, name};

/// What to list.
#[derive(Debug, Clone, Default)]
pub(in crate::objects) struct Query {
    pub(in crate::objects) prefix: String,
    /// Keys that have this after the prefix are shown as one.
    pub(in crate::objects) delimiter: Option<String>,
    /// Only what comes after this.
    pub(in crate::objects) after: Option<String>,
    pub(in crate::objects) max: usize,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::objects) enum Listed {
    Object(Box<Entry>),
    Prefix(String),
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::objects) struct Listing {
    pub(in crate::objects) items: Vec<Listed>,
    /// Where the next page begins, if there is more.
    pub(in crate::objects) next: Option<String>,
}

impl Query {
    /// What `key` is listed as, if it is: itself or its common prefix.
    fn line<'k>(&self, key: &'k str) -> Option<(&'k str, bool)> {
        let rest = key.strip_prefix(&*self.prefix)?;
        let delimiter = self
            .delimiter
            .as_deref()
            .filter(|delimiter| !delimiter.is_empty());
        let common = delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        let line = common.map_or(key, |end| &key[..self.prefix.len() + end]);
        let passed = self.after.as_deref().is_some_and(|after| line <= after);
        (!passed).then_some((line, common.is_some()))
    }
}

impl Store {
    /// One page of a bucket.
    pub(in crate::objects) fn list(
        &self,
        bucket: &str,
        query: &Query,
    ) -> Result<Listing, StoreError> {
        let bucket = self.bucket(bucket)?;
        if query.max == 0 {
            return Ok(Listing {
                items: Vec::new(),
                next: None,
            });
        }
        // A key that is the prefix itself comes first: who asks for one need not wait for the others.
        let only_first = query.max == 1 && query.after.is_none() && query.delimiter.is_none();
        if only_first && !query.prefix.is_empty() {
            match entry::read_line::<Entry>(&bucket.entry_path(&query.prefix)) {
                Ok(entry) => {
                    return Ok(Listing {
                        next: Some(entry.key.clone()),
                        items: vec![Listed::Object(Box::new(entry))],
                    });
                }
                Err(error) if gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        // One more than asked for tells whether there is more.
        let mut page: BTreeMap<String, bool> = BTreeMap::new();
        for file in names(&bucket.path)? {
            let key = match name::to_key(&file) {
                Some(key) => key,
                None => match entry::read_line::<Entry>(&bucket.path.join(&file)) {
                    Ok(entry) => entry.key,
                    Err(error) if gone(&error) => continue,
                    Err(error) => return Err(error),
                },
            };
            if let Some((line, common)) = query.line(&key) {
                page.insert(line.to_owned(), common);
                if page.len() > query.max + 1 {
                    page.pop_last();
                }
            }
        }
        let more = page.len() > query.max;
        if more {
            page.pop_last();
        }
        let next = page
            .last_key_value()
            .filter(|_| more)
            .map(|(last, _)| last.clone());
        let mut items = Vec::with_capacity(page.len());
        for (line, common) in page {
            if common {
                items.push(Listed::Prefix(line));
                continue;
            }
            match entry::read_line(&bucket.entry_path(&line)) {
                Ok(entry) => items.push(Listed::Object(Box::new(entry))),
                Err(error) if gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Listing { items, next })
    }
}

/// Whether the object was deleted while the page was made.
fn gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Io(error) if error.kind() == io::ErrorKind::NotFound)
}
