//! A set of signatures that files are identified with.
//!
//! Owns the public face of the library. Does not own how a file is read (`stream`, `file`) or judged (`decide`).

use std::{collections::HashMap, io, path::Path, sync::OnceLock};

use crate::{
    compiled,
    container::Containers,
    decide,
    error::LoadError,
    explain::{self, Explanation, Trace},
    file,
    identification::Identification,
    load,
    matcher::{Matcher, Prepared, Priorities},
    model::{Format, Model},
    stream::Stream,
};

/// A set of signatures. It never changes, so that any number of threads may use it at once.
///
/// ```
/// let signatures = pronom::Signatures::builtin();
/// let found = signatures.identify_bytes("scan.gif", b"GIF89a\x01\0\x01\0\0\0\0;");
/// assert_eq!(found.matches[0].puid, "fmt/4");
/// assert!(!found.extension_mismatch);
/// ```
#[derive(Debug)]
pub struct Signatures {
    version: String,
    created: String,
    container_version: String,
    counts: (usize, usize),
    pub(crate) formats: Vec<Format>,
    pub(crate) matcher: Matcher,
    pub(crate) containers: Containers,
    by_puid: HashMap<String, u32>,
    /// By upper-case extension, the formats that have no binary signature.
    tentative: HashMap<String, Vec<u32>>,
}

impl Signatures {
    /// The signatures that come with the library.
    ///
    /// # Panics
    ///
    /// Never: a test holds that the compiled default loads.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Signatures> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            let model = compiled::decode(compiled::BUILTIN).unwrap_or_default();
            Self::from_model(model)
        })
    }

    /// Signatures from files as The National Archives publishes them, or from one that
    /// [`compile`](crate::compile) has written, which holds its container signatures.
    pub fn load(binary: &Path, container: Option<&Path>) -> Result<Self, LoadError> {
        match load::compiled(binary)? {
            Some(_) if container.is_some() => Err(LoadError::Compiled(
                "they hold their container signatures: leave the container signature file out",
            )),
            Some(bytes) => Self::from_compiled(&bytes),
            None => load::load(binary, container).map(Self::from_model),
        }
    }

    /// Signatures from the texts of such files. Container signatures go by the number that their file gives itself.
    ///
    /// ```
    /// let wrong = pronom::Signatures::from_xml("<html/>", None);
    /// assert!(wrong.unwrap_err().to_string().starts_with("binary signatures:1: <html>"));
    /// ```
    pub fn from_xml(binary: &str, container: Option<&str>) -> Result<Self, LoadError> {
        load::parse(binary, container).map(Self::from_model)
    }

    /// Signatures that [`compile`](crate::compile) has written.
    pub fn from_compiled(bytes: &[u8]) -> Result<Self, LoadError> {
        compiled::decode(bytes).map(Self::from_model)
    }

    pub(crate) fn from_model(model: Model) -> Self {
        let by_puid: HashMap<String, u32> = (0_u32..)
            .zip(&model.formats)
            .map(|(at, format)| (format.puid.clone(), at))
            .collect();
        let mut tentative: HashMap<String, Vec<u32>> = HashMap::new();
        let mut owners: HashMap<u32, Vec<u32>> = HashMap::new();
        for (at, format) in (0_u32..).zip(&model.formats) {
            if format.signatures.is_empty() {
                for extension in &format.extensions {
                    let known = tentative.entry(extension.to_ascii_uppercase()).or_default();
                    if !known.contains(&at) {
                        known.push(at);
                    }
                }
            }
            let puids = model
                .containers
                .iter()
                .flat_map(|container| &container.puids);
            if !puids.into_iter().any(|puid| *puid == format.puid) {
                for signature in &format.signatures {
                    owners.entry(*signature).or_default().push(at);
                }
            }
        }
        let prepared = model.signatures.iter().filter_map(|signature| {
            let formats = owners.get(&signature.id)?;
            Some(Prepared::new(signature, formats.clone()))
        });
        let by_id: HashMap<u32, u32> = (0_u32..)
            .zip(&model.formats)
            .map(|(at, format)| (format.id, at))
            .collect();
        let lower = model.formats.iter().map(|format| {
            let ids = format.priority_over.iter();
            ids.filter_map(|id| by_id.get(id).copied()).collect()
        });
        let priorities = Priorities {
            over: lower.collect(),
            containers: decide::container_puids()
                .filter_map(|puid| by_puid.get(puid).copied())
                .collect(),
        };
        Self {
            matcher: Matcher::new(prepared.collect(), priorities),
            containers: Containers::new(&model.containers),
            version: model.version,
            created: model.created,
            counts: (model.signatures.len(), model.containers.len()),
            container_version: model.container_version,
            formats: model.formats,
            by_puid,
            tentative,
        }
    }

    /// The version of the binary signatures, for example `V109`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// When the binary signatures were made, as their file says: `2022-11-01T11:18:43`; empty if it does not say.
    pub fn created(&self) -> &str {
        &self.created
    }

    /// The version of the container signatures, for example `20200121`; empty if there are none.
    pub fn container_version(&self) -> &str {
        &self.container_version
    }

    /// How many binary signatures and how many container signatures the files hold.
    pub fn counts(&self) -> (usize, usize) {
        self.counts
    }

    /// The format with this PRONOM unique identifier.
    pub fn format(&self, puid: &str) -> Option<&Format> {
        self.index_of(puid).map(|at| &self.formats[at as usize])
    }

    /// All formats, in the order of the signature file.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// Identifies a file, reading no more of it than is needed.
    pub fn identify_file(&self, path: &Path) -> io::Result<Identification> {
        file::identify(self, path, None)
    }

    /// Identifies bytes that are at hand as a whole. Of the `name` only the extension matters.
    pub fn identify_bytes(&self, name: &str, bytes: &[u8]) -> Identification {
        file::identify_bytes(self, name, bytes, None)
    }

    /// As [`identify_file`](Self::identify_file), and why the answer is not another one.
    pub fn explain_file(&self, path: &Path) -> io::Result<Explanation> {
        let mut trace = Trace::default();
        let identification = file::identify(self, path, Some(&mut trace))?;
        Ok(explain::explain(self, identification, trace))
    }

    /// As [`identify_bytes`](Self::identify_bytes), and why the answer is not another one.
    pub fn explain_bytes(&self, name: &str, bytes: &[u8]) -> Explanation {
        let mut trace = Trace::default();
        let identification = file::identify_bytes(self, name, bytes, Some(&mut trace));
        explain::explain(self, identification, trace)
    }

    /// Identifies bytes that come by once, in order. Of the `name` only the extension matters.
    pub fn stream(&self, name: &str) -> Stream<'_> {
        Stream::new(self, name)
    }

    pub(crate) fn index_of(&self, puid: &str) -> Option<u32> {
        self.by_puid.get(puid).copied()
    }

    pub(crate) fn tentative(&self, extension: &str) -> &[u32] {
        let known = self.tentative.get(&extension.to_ascii_uppercase());
        known.map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn has_containers(&self) -> bool {
        !self.container_version.is_empty()
    }
}
