//! Where signature files are published, and in which form.
//!
//! Owns reading what the person named, and the answers of The National Archives' two services. Does not own
//! HTTP (`fetch`). Pure.

use std::path::{Path, PathBuf};

use muniment::signature_store::is_date;
use reqwest::Url;
use serde::Deserialize;

use crate::failure::Failure;
use crate::text::plain;

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// On this machine.
    Path(PathBuf),
    /// On a server.
    Url(Url),
}

/// What is asked for the newest pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A list of published files (`signatures.json`), as The National Archives keeps it.
    Index(Url),
    /// The web service (`service.asmx`) that DROID asks, with `container-signature.xml` beside it.
    Service(Url),
    /// The two files themselves.
    Pair(Place, Place),
    /// The newest two in a folder.
    Folder(PathBuf),
}

impl Source {
    /// Reads what was named after `--from`.
    pub(super) fn parse(named: &[String]) -> Result<Self, Failure> {
        match named {
            [one] => Self::parse_one(one),
            [first, second] => Ok(Self::Pair(place(first)?, place(second)?)),
            _ => Err(Failure::new("--from takes one place, or two files")),
        }
    }

    fn parse_one(named: &str) -> Result<Self, Failure> {
        let ends_in = |url: &Url, ending: &str| {
            let (_, found) = url.path().rsplit_once('.').unwrap_or_default();
            found.eq_ignore_ascii_case(ending)
        };
        match place(named)? {
            Place::Url(url) if ends_in(&url, "asmx") => Ok(Self::Service(url)),
            Place::Url(url) if ends_in(&url, "json") => Ok(Self::Index(url)),
            Place::Url(url) if url.path().ends_with('/') => url
                .join("signatures.json")
                .map(Self::Index)
                .map_err(|_| no_address(named)),
            Place::Path(path) if path.is_dir() => Ok(Self::Folder(path)),
            _ => Err(Failure::new(format!(
                "{} is neither a folder nor the address of a list of signature files",
                plain(named)
            ))
            .hint(
                "name the binary and the container signature file, one after the other; or a folder with both; \
                 or an address that ends in .json, .asmx or /",
            )),
        }
    }
}

fn place(named: &str) -> Result<Place, Failure> {
    match Url::parse(named) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Place::Url(url)),
        Ok(url) if url.has_host() => Err(no_address(named)),
        _ => Ok(Place::Path(named.into())),
    }
}

fn no_address(named: &str) -> Failure {
    Failure::new(format!(
        "{} is no address that can be fetched from: http or https",
        plain(named)
    ))
}

/// The newest files that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// `122`.
    pub(super) version: u32,
    pub(super) binary: Url,
    /// `20260119`.
    pub(super) date: String,
    pub(super) container: Url,
}

#[derive(Deserialize)]
struct Index {
    latest_signature: Entry,
    latest_container_signature: Entry,
}

#[derive(Deserialize)]
struct Entry {
    location: String,
    version: String,
}

/// Reads `signatures.json`, which was fetched from `url`.
pub(super) fn index(url: &Url, json: &[u8]) -> Result<Listed, String> {
    let index: Index = serde_json::from_slice(json)
        .map_err(|error| format!("no list of signature files: {error}"))?;
    let at = |entry: &Entry| {
        let found = url.join(&entry.location);
        found
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| format!("{:?} is no address", entry.location))
    };
    let (binary, container) = (&index.latest_signature, &index.latest_container_signature);
    let number = binary.version.trim_start_matches('V');
    Ok(Listed {
        version: number
            .parse()
            .map_err(|_| format!("{:?} is no version", binary.version))?,
        binary: at(binary)?,
        date: Some(container.version.clone())
            .filter(|date| is_date(date))
            .ok_or_else(|| format!("{:?} is no date", container.version))?,
        container: at(container)?,
    })
}

/// What DROID sends to the web service.
pub(super) fn soap(action: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
         <{action} xmlns=\"http://pronom.nationalarchives.gov.uk\"/></soap:Body></soap:Envelope>"
    )
}

/// The version in the answer of `getSignatureFileVersionV1`.
pub(super) fn soap_version(answer: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(answer).ok()?;
    let mut versions = text.split("Version>");
    versions.find_map(|part| part.split_once('<')?.0.trim().parse().ok())
}

/// The signature file in the answer of `getSignatureFileV1`.
pub(super) fn soap_file(answer: &[u8]) -> Option<Vec<u8>> {
    const END: &str = "</FFSignatureFile>";
    let text = std::str::from_utf8(answer).ok()?;
    let (_, file) = text.split_at_checked(text.find("<FFSignatureFile")?)?;
    let end = file.rfind(END)? + END.len();
    file.get(..end)
        .map(|file| format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{file}").into_bytes())
}

/// The date in a name such as `container-signature-20260119.xml`.
pub(super) fn date_in_name(name: &str) -> Option<String> {
    let (_, date) = name.strip_suffix(".xml")?.rsplit_once('-')?;
    is_date(date).then(|| date.to_owned())
}

/// The number in a name such as `DROID_SignatureFile_V122.xml`.
fn number_in_name(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("DROID_SignatureFile")?;
    let number = rest.strip_suffix(".xml")?;
    number.trim_start_matches(['_', '-', 'V', 'v']).parse().ok()
}

/// The newest of the names in a folder: the binary signature file and the container signature file.
pub(super) fn newest(folder: &Path, names: &[String]) -> Option<(PathBuf, PathBuf)> {
    let binary = names
        .iter()
        .filter_map(|name| Some((number_in_name(name)?, name)))
        .max()?;
    let container = names
        .iter()
        .filter(|name| name.starts_with("container-signature"))
        .filter_map(|name| Some((date_in_name(name)?, name)))
        .max()?;
    Some((folder.join(binary.1), folder.join(container.1)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_told_apart() {
        let parse = |named: &[&str]| {
            let named: Vec<String> = named.iter().map(|&one| one.to_owned()).collect();
            Source::parse(&named)
        };
        let url = |text: &str| Url::parse(text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        for (named, source) in [
            (
                "https://a.example/x/",
                Source::Index(url("https://a.example/x/signatures.json")),
            ),
            (
                "https://a.example",
                Source::Index(url("https://a.example/signatures.json")),
            ),
            (
                "http://a.example/all.json",
                Source::Index(url("http://a.example/all.json")),
            ),
            (
                "http://a.example/p/service.asmx",
                Source::Service(url("http://a.example/p/service.asmx")),
            ),
            (here, Source::Folder(folder.path().to_owned())),
        ] {
            assert_eq!(parse(&[named]), Ok(source), "{named}");
        }
        let pair = parse(&["a.xml", "https://a.example/b.xml"]);
        let second = Place::Url(url("https://a.example/b.xml"));
        assert_eq!(pair, Ok(Source::Pair(Place::Path("a.xml".into()), second)));
        for wrong in [
            "nowhere",
            "https://a.example/one.xml",
            "ftp://a.example/",
            "",
        ] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_index_names_the_newest_files_wherever_they_are() {
        let at = Url::parse("https://a.example/pronom/signatures.json").unwrap();
        let json = r#"{"latest_signature": {"name": "DROID Signature File V122", "location": "/signatures/DROID_SignatureFile_V122.xml", "version": "122"},
            "latest_container_signature": {"name": "07 October 2025", "location": "c/container-signature-20251007.xml", "version": "20251007"}, "signatures": []}"#;
        let listed = index(&at, json.as_bytes()).unwrap();
        assert_eq!((listed.version, listed.date.as_str()), (122, "20251007"));
        assert_eq!(
            listed.binary.as_str(),
            "https://a.example/signatures/DROID_SignatureFile_V122.xml"
        );
        assert_eq!(
            listed.container.as_str(),
            "https://a.example/pronom/c/container-signature-20251007.xml"
        );
        for (from, to) in [
            ("\"122\"", "\"new\""),
            ("\"20251007\"", "\"yesterday\""),
            ("/signatures/D", "file:///etc/D"),
            ("latest_signature", "newest"),
            ("{", ""),
        ] {
            assert!(
                index(&at, json.replace(from, to).as_bytes()).is_err(),
                "{to}"
            );
        }
    }

    #[test]
    fn the_answers_of_the_web_service_are_read() {
        let answer = br#"<?xml version="1.0"?><soap:Envelope><soap:Body><getSignatureFileVersionV1Response xmlns="http://pronom.nationalarchives.gov.uk">
            <Version><Version>104</Version></Version><Deprecated>false</Deprecated></getSignatureFileVersionV1Response></soap:Body></soap:Envelope>"#;
        assert_eq!(soap_version(answer), Some(104));
        assert_eq!(soap_version(b"<html>gone</html>"), None);
        let file = b"<s:Envelope><SignatureFile><FFSignatureFile Version=\"1\"><x/></FFSignatureFile></SignatureFile></s:Envelope>";
        let found = String::from_utf8(soap_file(file).unwrap()).unwrap();
        assert!(
            found.ends_with("\n<FFSignatureFile Version=\"1\"><x/></FFSignatureFile>"),
            "{found}"
        );
        assert_eq!(soap_file(b"<html>gone</html>"), None);
        assert_eq!(soap_file(b"</FFSignatureFile><FFSignatureFile"), None);
    }

    #[test]
    fn the_newest_files_of_a_folder_are_found_by_number_and_date() {
        let names = [
            "DROID_SignatureFile_V99.xml",
            "DROID_SignatureFile_V122.xml",
            "DROID_SignatureFile-v109.xml",
            "container-signature-20200121.xml",
            "container-signature-20260119.xml",
            "container-signature.xml",
            "readme.txt",
        ]
        .map(str::to_owned);
        let found = newest(Path::new("f"), &names).unwrap();
        assert_eq!(found.0, Path::new("f/DROID_SignatureFile_V122.xml"));
        assert_eq!(found.1, Path::new("f/container-signature-20260119.xml"));
        assert_eq!(newest(Path::new("f"), &names[..3]), None);
    }
}
