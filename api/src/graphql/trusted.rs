//! Documents that are known beforehand, asked for by their id (GraphQL over HTTP, appendix A).
//!
//! Owns the list, and whether others are taken beside it. Does not own who may make one: the list is the
//! operator's.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::parameters::Parameters;
use crate::Error;

/// Known documents.
#[derive(Debug, Clone, Default)]
pub struct TrustedDocuments(Option<Arc<List>>);

#[derive(Debug)]
struct List {
    documents: HashMap<String, String>,
    /// Those of the documents, for clients that send them whole.
    digests: HashSet<[u8; 32]>,
    others: bool,
}

/// The id that a document has by its content.
pub fn id_of(document: &str) -> String {
    format!("sha256:{}", hex::encode(digest(document)))
}

fn digest(document: &str) -> [u8; 32] {
    Sha256::digest(document).into()
}

impl TrustedDocuments {
    /// Documents by their ids. `others`: whether documents that are not among them are taken too.
    pub fn new(documents: HashMap<String, String>, others: bool) -> Result<Self, String> {
        for (id, document) in &documents {
            if id.starts_with("sha256:") && *id != id_of(document) {
                return Err(format!(
                    "{id} is not the SHA-256 of its document: it would be {}",
                    id_of(document)
                ));
            }
        }
        let digests = documents.values().map(|one| digest(one)).collect();
        Ok(Self(Some(Arc::new(List {
            documents,
            digests,
            others,
        }))))
    }

    /// Reads them from files, each a JSON object of ids and documents; none: there is no list.
    pub fn read(files: &[impl AsRef<Path>], others: bool) -> Result<Self, String> {
        if files.is_empty() {
            return Ok(Self::default());
        }
        let mut all = HashMap::new();
        for file in files {
            let file = file.as_ref();
            let at = |problem: String| format!("{}: {problem}", file.display());
            let text = std::fs::read(file).map_err(|error| at(error.to_string()))?;
            let documents: HashMap<String, String> =
                serde_json::from_slice(&text).map_err(|error| at(error.to_string()))?;
            for (id, document) in documents {
                if all.get(&id).is_some_and(|other| *other != document) {
                    return Err(at(format!("{id} is another document elsewhere")));
                }
                all.insert(id, document);
            }
        }
        Self::new(all, others)
    }

    /// The document that a request means, if it is taken.
    pub(super) fn document(&self, parameters: &mut Parameters) -> Result<String, Error> {
        let sent = parameters.query.take();
        match (sent, &parameters.document_id, &self.0) {
            (Some(query), _, None) => Ok(query),
            (Some(query), _, Some(list)) => {
                if list.others || list.digests.contains(&digest(&query)) {
                    return Ok(query);
                }
                Err(Error::Forbidden(
                    "only documents that this server knows are taken: send the id of one as `documentId`".into(),
                ))
            }
            (None, Some(id), Some(list)) => {
                let found = list.documents.get(id).cloned();
                found.ok_or(Error::NotFound("document"))
            }
            (None, _, _) => Err(Error::input(
                "documentId",
                "this server knows no documents: send `query`",
            )),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    const KNOWN: &str = "{ __typename }";

    fn list(others: bool) -> TrustedDocuments {
        let documents = [("x-own:a", KNOWN), (&id_of(KNOWN), KNOWN)];
        let documents = documents.map(|(id, text)| (id.to_owned(), text.to_owned()));
        TrustedDocuments::new(documents.into(), others).unwrap()
    }

    fn asked(list: &TrustedDocuments, body: &str) -> Result<String, Error> {
        list.document(&mut Parameters::from_body(body.as_bytes()).unwrap())
    }

    fn by_id(id: &str) -> String {
        format!("{{\"documentId\": \"{id}\"}}")
    }

    #[test]
    fn a_known_document_is_taken_by_its_id_or_whole() {
        let list = list(false);
        for body in [
            by_id("x-own:a"),
            by_id(&id_of(KNOWN)),
            format!("{{\"query\": \"{KNOWN}\"}}"),
        ] {
            assert_eq!(asked(&list, &body).unwrap(), KNOWN, "{body}");
        }
        assert!(matches!(asked(&list, &by_id("b")), Err(Error::NotFound(_))));
    }

    #[test]
    fn another_document_is_refused_unless_others_are_taken() {
        let other = r#"{"query": "{ __typename  }"}"#;
        assert!(matches!(
            asked(&list(false), other),
            Err(Error::Forbidden(_))
        ));
        assert!(asked(&list(true), other).is_ok());
        assert!(asked(&TrustedDocuments::default(), other).is_ok());
        let none = TrustedDocuments::default();
        assert!(matches!(
            asked(&none, &by_id("a")),
            Err(Error::BadInput { .. })
        ));
    }

    #[test]
    fn a_list_that_lies_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let wrong = file("wrong.json", r#"{"sha256:00": "{ a }"}"#);
        let one = file("one.json", r#"{"a": "{ a }"}"#);
        let two = file("two.json", r#"{"a": "{ b }"}"#);
        let broken = file("broken.json", "[]");
        assert!(
            TrustedDocuments::read(&[&wrong], false)
                .unwrap_err()
                .contains("SHA-256")
        );
        assert!(
            TrustedDocuments::read(&[&one, &two], false)
                .unwrap_err()
                .contains("elsewhere")
        );
        assert!(
            TrustedDocuments::read(&[&broken], false)
                .unwrap_err()
                .contains("broken.json")
        );
        assert!(TrustedDocuments::read(&[folder.path().join("none")], false).is_err());
        TrustedDocuments::read(&[&one, &one], false).unwrap();
    }
}
