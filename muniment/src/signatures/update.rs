//! `muniment signatures update`: the newest signatures, put into a data folder.
//!
//! Owns finding out what is newest and fetching it. Does not own what makes a pair good or how it replaces the
//! one in use (`muniment::signature_store`).
//!
//! Always: whatever goes wrong, the pair that was in use still is.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use muniment::signature_store::{self, InUse, Installed, NewPair};
use reqwest::Url;

use super::fetch::{Fetched, Fetcher, Patience, read};
use super::source::{self, Place, Source};
use super::{described, unusable};
use crate::data_folder;
use crate::failure::{Failure, io_reason};
use crate::interrupt;
use crate::output;
use crate::progress::Screen;
use crate::system;
use crate::text::plain;

/// What The National Archives' release workflow writes, and DROID asks first.
const INDEX: &str = "https://pronom.nationalarchives.gov.uk/signatures.json";
/// What versions of DROID before that ask, and later ones when there is no answer.
const SERVICE: &str = "https://www.nationalarchives.gov.uk/pronom/service.asmx";

const BINARY: &str = "binary";
const CONTAINER: &str = "container";

/// The options of `muniment signatures update`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Without --from, the list of signature files that The National Archives publishes is asked
(--index), and if it does not answer, the web service that older versions of DROID ask (--service).

--from names another place: a folder that holds DROID_SignatureFile_V*.xml and
container-signature-*.xml (the newest of each are taken); the two files, each by path or address;
or an address that ends in .json (a list such as --index), in / (signatures.json is there), or in
.asmx (a service such as --service).

The files are read as a whole before they replace anything. What is older than what is in use is
refused without --force. Whatever goes wrong, the signatures that were in use still are. A running
`muniment serve` uses the new ones from its next start on; the mutation `rerunChecks` with
kinds: [\"FORMAT\"] then identifies again what is there already.

The files are public information of The National Archives, Open Government Licence v3.0.

Examples:
  muniment signatures update
  muniment signatures update --data /var/lib/muniment
  muniment signatures update --from /media/usb/pronom
  muniment signatures update --from https://mirror.example/pronom/
  muniment signatures update --from DROID_SignatureFile_V122.xml container-signature-20260119.xml")]
pub(crate) struct Arguments {
    /// Where to take the signatures from: a folder, two files, or an address
    #[arg(long, value_name = "PLACE", num_args = 1..=2)]
    from: Vec<String>,

    /// The data folder; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,

    /// Take signatures that are older than those in use, too
    #[arg(long)]
    force: bool,

    /// How many seconds to wait for a server that sends nothing
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    timeout: u32,

    /// The list of the files that are published
    #[arg(
        long,
        value_name = "URL",
        env = "MUNIMENT_PRONOM_INDEX",
        default_value = INDEX,
        value_parser = |text: &str| address(text, INDEX)
    )]
    index: Url,

    /// The web service to ask when that list does not answer
    #[arg(
        long,
        value_name = "URL",
        env = "MUNIMENT_PRONOM_SERVICE",
        default_value = SERVICE,
        value_parser = |text: &str| address(text, SERVICE)
    )]
    service: Url,
}

/// A setting that is empty counts as not set, here as everywhere.
fn address(text: &str, default: &str) -> Result<Url, String> {
    let text = if text.is_empty() { default } else { text };
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| "an address begins with http:// or https://".to_owned())
}

impl Arguments {
    fn patience(&self) -> Patience {
        let silence = Duration::from_secs(self.timeout.into());
        Patience {
            silence,
            whole: silence * 20,
        }
    }
}

/// Carries the command out.
pub(super) async fn run(arguments: &Arguments, screen: &Screen) -> Result<(), Failure> {
    let patience = arguments.patience();
    let (done, in_use) = interrupt::or(update(arguments, patience, screen)).await?;
    screen.clear();
    if system::configured_signatures()?.is_some() {
        screen.say("MUNIMENT_PRONOM_SIGNATURES is set: what it names is used in place of the data folder's signatures");
    }
    let said = described(&in_use);
    output::line(match done {
        Installed::New => format!("installed: {said}"),
        Installed::AlreadyInUse => format!("nothing newer than: {said}"),
    })
}

/// What was found.
enum Found {
    /// The versions in use are the newest.
    NothingNewer,
    Pair(NewPair),
}

async fn update(
    arguments: &Arguments,
    patience: Patience,
    screen: &Screen,
) -> Result<(Installed, InUse), Failure> {
    data_folder::prepare(&arguments.data)?;
    let present = match signature_store::in_use(&arguments.data, None) {
        Ok(present) => Some(present),
        Err(error) => {
            screen.say(format_args!("{}; going on", unusable(&error)));
            None
        }
    };
    let search = Search {
        fetcher: Fetcher::new(patience, screen),
        present: present.as_ref().filter(|_| !arguments.force),
    };
    let found = if arguments.from.is_empty() {
        search
            .published(&arguments.index, &arguments.service, screen)
            .await
    } else {
        search.named(&Source::parse(&arguments.from)?).await
    };
    match (found?, present) {
        (Found::NothingNewer, Some(present)) => Ok((Installed::AlreadyInUse, present)),
        (Found::NothingNewer, None) => Err(Failure::new("there are no signatures")),
        (Found::Pair(pair), _) => {
            signature_store::install(&arguments.data, &pair, arguments.force).map_err(refused)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn refused(error: signature_store::Error) -> Failure {
    let older = matches!(error, signature_store::Error::Older { .. });
    let failure = unusable(&error);
    if older {
        failure.hint("--force takes it nevertheless")
    } else {
        failure
    }
}

struct Search<'a> {
    fetcher: Fetcher<'a>,
    /// What need not be fetched again.
    present: Option<&'a InUse>,
}

impl Search<'_> {
    async fn published(
        &self,
        index: &Url,
        service: &Url,
        screen: &Screen,
    ) -> Result<Found, Failure> {
        let first = match self.index(index).await {
            Err(first) => first,
            found => return found,
        };
        screen.say(format_args!("{first}; asking {service}"));
        self.service(service).await.map_err(|second| {
            Failure::new(format!("{first}; {second}")).hint(
                "without a connection to The National Archives, fetch the two files elsewhere and name them \
                 with --from",
            )
        })
    }

    async fn named(&self, source: &Source) -> Result<Found, Failure> {
        match source {
            Source::Index(url) => self.index(url).await,
            Source::Service(url) => self.service(url).await,
            Source::Pair(first, second) => self.pair(first, second).await,
            Source::Folder(folder) => {
                let names = names(folder)?;
                let (binary, container) = source::newest(folder, &names).ok_or_else(|| {
                    Failure::new(format!(
                        "{} does not hold DROID_SignatureFile_V*.xml and container-signature-*.xml",
                        plain(&folder.to_string_lossy())
                    ))
                })?;
                Ok(found(read(&binary)?, read(&container)?))
            }
        }
    }

    async fn index(&self, url: &Url) -> Result<Found, Failure> {
        let json = self.fetcher.get(url, "list").await?.bytes;
        let listed = source::index(url, &json)
            .map_err(|why| Failure::new(format!("{url}: {}", plain(&why))))?;
        if self.has(listed.version, Some(&listed.date)) {
            return Ok(Found::NothingNewer);
        }
        let binary = self.fetcher.get(&listed.binary, BINARY).await?;
        let mut container = self.fetcher.get(&listed.container, CONTAINER).await?;
        container.date = Some(listed.date);
        Ok(found(binary, container))
    }

    /// As DROID does: the version is asked for, the container file is dated by when it was modified.
    async fn service(&self, url: &Url) -> Result<Found, Failure> {
        let answer = self
            .fetcher
            .ask(url, "getSignatureFileVersionV1", "version")
            .await?;
        let version = source::soap_version(&answer)
            .ok_or_else(|| Failure::new(format!("{url} answers without a version")))?;
        let beside = url
            .join("container-signature.xml")
            .map_err(|error| Failure::new(format!("{url}: {error}")))?;
        let container = self.fetcher.get(&beside, CONTAINER).await?;
        if self.has(version, container.date.as_deref()) {
            return Ok(Found::NothingNewer);
        }
        let answer = self.fetcher.ask(url, "getSignatureFileV1", BINARY).await?;
        let bytes = source::soap_file(&answer)
            .ok_or_else(|| Failure::new(format!("{url} answers without a signature file")))?;
        Ok(found(Fetched { bytes, date: None }, container))
    }

    async fn pair(&self, first: &Place, second: &Place) -> Result<Found, Failure> {
        let first = self.fetcher.place(first, BINARY).await?;
        let second = self.fetcher.place(second, CONTAINER).await?;
        Ok(if is_container(&first.bytes) {
            found(second, first)
        } else {
            found(first, second)
        })
    }

    fn has(&self, version: u32, date: Option<&str>) -> bool {
        self.present.is_some_and(|present| {
            let signatures = present.signatures;
            signatures.version() == format!("V{version}")
                && Some(signatures.container_version()) == date
        })
    }
}

fn found(binary: Fetched, container: Fetched) -> Found {
    Found::Pair(NewPair {
        binary: binary.bytes,
        container: container.bytes,
        container_date: container.date,
    })
}

/// Whichever way round they were named.
fn is_container(bytes: &[u8]) -> bool {
    const ROOT: &[u8] = b"<ContainerSignatureMapping";
    let start = bytes.get(..4_096).unwrap_or(bytes);
    start.windows(ROOT.len()).any(|window| window == ROOT)
}

fn names(folder: &std::path::Path) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| {
        Failure::new(format!(
            "{} cannot be read: {}",
            plain(&folder.to_string_lossy()),
            io_reason(&error)
        ))
    })?;
    let names = entries
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.collect())
}
