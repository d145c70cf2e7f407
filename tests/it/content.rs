//! Content that was made to hurt: malware in every wrapping, archives that unpack to worlds, documents that ask for
//! other files. What was not looked at is never called clean, and nobody else waits.

use std::{
    net::{SocketAddr, TcpListener},
    num::NonZeroU32,
    path::Path,
    time::{Duration, Instant},
};

use contract::{VersionId, objects};
use muniment::Settings;
use serde_json::{Value, json};
use tests::{Client, Entry, Large, Scanner, Served, World, zip, zip64};
use worker::checks::antivirus::{ClamdAddress, ClamdSettings};

/// In two halves, so that no scanner stumbles over this source.
fn eicar() -> Vec<u8> {
    let halves = [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-",
        "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ];
    halves.concat().into_bytes()
}

fn clamd_at(address: SocketAddr) -> impl FnOnce(&mut Settings) {
    move |settings| {
        let mut clamd = ClamdSettings::new(vec![ClamdAddress::Tcp(address.to_string())]);
        clamd.limit = 2_047 << 20;
        clamd.connect_timeout = Duration::from_secs(20);
        settings.clamd = Some(clamd);
    }
}

fn check<'a>(version: &'a Value, kind: &str) -> &'a Value {
    let checks = version["checks"].as_array().unwrap().iter();
    checks
        .into_iter()
        .find(|check| check["kind"] == kind)
        .unwrap_or_else(|| panic!("no {kind}: {version:#}"))
}

#[tokio::test]
async fn eicar_is_found_plain_zipped_nested_and_at_the_end_of_a_large_file() {
    let Some(scanner) = Scanner::start() else {
        return;
    };
    let world = World::start_with(clamd_at(scanner.address())).await;
    let client = world.contributor();
    let transfer = client.open_transfer("EICAR").await;
    let zipped = zip(&[Entry::deflated("a.com", &eicar())], false);
    let nested = zip(&[Entry::deflated("b.zip", &zipped)], false);
    let deep = zip(
        &[
            Entry::stored("x.txt", b"x"),
            Entry::deflated("c.zip", &nested),
        ],
        false,
    );
    let files = [
        ("eicar.com", eicar()),
        ("zipped.zip", zipped),
        ("nested.zip", nested),
        ("deep.docx", deep),
    ];
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (*path, &**bytes))
        .collect();
    let mut ids = client.deposit(&transfer, &files).await;
    let large = Large::new(100 << 20, &eicar());
    ids.push((
        String::new(),
        large.deposit(&client, &transfer, "end.bin").await,
    ));
    for (_, id) in ids {
        let version = client.decided(&id).await;
        assert_eq!(version["status"], "QUARANTINED", "{version:#}");
        let scan = check(&version, "ANTIVIRUS");
        assert_eq!(scan["status"], "FAILED");
        assert!(scan["detail"].to_string().contains("Eicar"), "{scan}");
        assert_eq!(version["download"], Value::Null);
    }
    let clean = client
        .deposit(&transfer, &[("clean.txt", b"nothing in here\n")])
        .await;
    let version = client.decided(&clean[0].1).await;
    assert_eq!(
        check(&version, "ANTIVIRUS")["status"],
        "PASSED",
        "{version:#}"
    );
    assert_eq!(version["status"], "ACCEPTED");
}

#[tokio::test]
async fn eicar_in_a_password_zip_is_inconclusive_and_never_clean() {
    let Some(scanner) = Scanner::start() else {
        return;
    };
    let world = World::start_with(clamd_at(scanner.address())).await;
    let client = world.contributor();
    let transfer = client.open_transfer("Password").await;
    let locked = zip(&[Entry::deflated("a.com", &eicar()).encrypted()], false);
    let inside = zip(&[Entry::deflated("locked.zip", &locked)], false);
    let ids = client
        .deposit(
            &transfer,
            &[("locked.zip", &locked), ("inside.zip", &inside)],
        )
        .await;
    for ((_, id), status) in ids.iter().zip(["REJECTED", "NEEDS_REVIEW"]) {
        let version = client.decided(id).await;
        let scan = check(&version, "ANTIVIRUS");
        assert_eq!(scan["status"], "INCONCLUSIVE", "{version:#}");
        assert!(scan["detail"].to_string().contains("encrypted"), "{scan}");
        // The default collection refuses what is encrypted itself, and asks about what was not scanned.
        assert_eq!(version["status"], status, "{version:#}");
        let said = version["decision"].to_string();
        assert!(said.contains("not scanned"), "{said}");
    }
}

#[tokio::test]
async fn what_is_beyond_the_limit_of_clamd_is_inconclusive_and_never_clean() {
    let Some(scanner) = Scanner::start() else {
        return;
    };
    let world = World::start_with(|settings| {
        clamd_at(scanner.address())(settings);
        if let Some(clamd) = &mut settings.clamd {
            clamd.limit = 1 << 20;
        }
    })
    .await;
    let client = world.contributor();
    let transfer = client.open_transfer("Limit").await;
    let id = Large::new(2 << 20, &eicar())
        .deposit(&client, &transfer, "beyond.bin")
        .await;
    let version = client.decided(&id).await;
    let scan = check(&version, "ANTIVIRUS");
    assert_eq!(scan["status"], "INCONCLUSIVE", "{version:#}");
    assert_eq!(scan["coverage"], json!({"bytes": 1 << 20, "size": 2 << 20}));
    assert!(
        version["decision"]["reasons"]
            .to_string()
            .contains("not scanned")
    );
}

#[tokio::test]
async fn while_clamd_is_down_nothing_is_called_clean() {
    // Nobody listens there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let world = World::start_with(|settings| {
        clamd_at(address)(settings);
        settings.limits.attempts = 2;
        if let Some(clamd) = &mut settings.clamd {
            clamd.retry.attempts = NonZeroU32::MIN;
        }
    })
    .await;
    let client = world.contributor();
    let transfer = client.open_transfer("Down").await;
    let ids = client
        .deposit(&transfer, &[("eicar.com", &eicar()), ("a.txt", b"text\n")])
        .await;
    for (_, id) in ids {
        let version = client.decided(&id).await;
        let scan = check(&version, "ANTIVIRUS");
        assert_eq!(scan["status"], "INCONCLUSIVE", "{version:#}");
        assert_eq!(scan["coverage"]["bytes"], 0);
        assert_eq!(version["status"], "NEEDS_REVIEW", "{version:#}");
        assert!(
            version["decision"]["reasons"]
                .to_string()
                .contains("not scanned")
        );
    }
}

const DOCX: &[u8] = br#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;

/// Entities that unfold to billions of laughs.
fn laughs(root: &str) -> Vec<u8> {
    let mut text = String::from("<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [<!ENTITY lol0 \"lol\">");
    for level in 1..10 {
        let inner = format!("&lol{};", level - 1).repeat(10);
        text.push_str(&format!("<!ENTITY lol{level} \"{inner}\">"));
    }
    text.push_str(&format!("]>\n<{root}>&lol9;</{root}>"));
    text.into_bytes()
}

/// A document that asks for a file of this machine, and for an address that somebody listens at.
fn asking(root: &str, address: SocketAddr) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE x SYSTEM \"http://{address}/dtd\" [<!ENTITY file SYSTEM \"file:///etc/passwd\">\
         <!ENTITY net SYSTEM \"http://{address}/net\"><!ENTITY % all SYSTEM \"http://{address}/all\"> %all;]>\n<{root}>&file;&net;</{root}>"
    )
    .into_bytes()
}

/// A ZIP in a ZIP in a ZIP, sixteen times each: 10 MiB of zeros become 40 GiB.
fn forty_two() -> Vec<u8> {
    let mut inner = zip(&[Entry::deflated("zeros", &vec![0; 10 << 20])], false);
    for _ in 0..3 {
        let entries: Vec<Entry> = (0..16)
            .map(|n| Entry::stored(&format!("{n}.zip"), &inner))
            .collect();
        inner = zip(&entries, false);
        inner = zip(&[Entry::deflated("lib.zip", &inner)], false);
    }
    inner
}

/// Every entry that a container signature may ask for, all at the place of one that unpacks to 64 MiB.
fn overlapping() -> Vec<u8> {
    let names = [
        "[Content_Types].xml",
        "mimetype",
        "META-INF/manifest.xml",
        "META-INF/MANIFEST.MF",
        "META-INF/container.xml",
        "word/document.xml",
        "xl/workbook.xml",
        "ppt/presentation.xml",
        "content.xml",
        "VisioDocument",
        "AndroidManifest.xml",
    ];
    let zeros = vec![0; 64 << 20];
    let first = Entry::deflated(names[0], &zeros);
    let entries: Vec<Entry> = (0..20_000)
        .map(|n| {
            let name = names.get(n % (names.len() + 1)).copied();
            first.named(name.unwrap_or("other"))
        })
        .collect();
    zip(&entries, true)
}

fn bombs(address: SocketAddr) -> Vec<(String, Vec<u8>)> {
    let one = Entry::deflated("[Content_Types].xml", DOCX);
    let docx = |document: &[u8]| {
        zip(
            &[
                Entry::deflated("[Content_Types].xml", DOCX),
                Entry::deflated("word/document.xml", document),
            ],
            false,
        )
    };
    let odt = |content: &[u8]| {
        zip(
            &[
                Entry::stored("mimetype", b"application/vnd.oasis.opendocument.text"),
                Entry::deflated("content.xml", content),
                Entry::deflated("META-INF/manifest.xml", content),
            ],
            false,
        )
    };
    let types = |content: &[u8]| zip(&[Entry::deflated("[Content_Types].xml", content)], false);
    let many: Vec<Entry> = (0..60_000)
        .map(|n| Entry::stored(&n.to_string(), b""))
        .collect();
    let mut files = vec![
        ("forty-two.zip", forty_two()),
        ("overlapping.docx", overlapping()),
        ("60,000 entries.zip", zip(&many, false)),
        (
            "10 million entries.zip",
            zip64(&one, 10_000_000, 460_000_000, 0),
        ),
        ("10 million, short.zip", zip64(&one, 10_000_000, 65, 0)),
        ("zip64 end.zip", zip64(&one, u64::MAX, u64::MAX, u64::MAX)),
        ("zip64 offset.docx", zip64(&one, 1, 65, u64::MAX - 3)),
        ("zip64 size.docx", zip64(&one, 1, u64::MAX - 1, 1)),
        ("laughs.docx", docx(&laughs("w:document"))),
        ("laughs types.docx", types(&laughs("Types"))),
        ("laughs.svg", laughs("svg")),
        ("laughs.odt", odt(&laughs("office:document-content"))),
        ("asking.docx", docx(&asking("w:document", address))),
        ("asking types.docx", types(&asking("Types", address))),
        ("asking.svg", asking("svg", address)),
        (
            "asking.odt",
            odt(&asking("office:document-content", address)),
        ),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .collect::<Vec<_>>();
    files.extend(adversarial());
    files
}

/// The files that others stumbled over, where they are at hand.
fn adversarial() -> Vec<(String, Vec<u8>)> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data/identify/adversarial.tar.xz"))
        .find(|path| path.is_file());
    let Some(archive) = archive else {
        eprintln!(
            "skipped: there is no shared/data/identify/adversarial.tar.xz beside this repository"
        );
        return Vec::new();
    };
    let folder = tempfile::tempdir().unwrap();
    let unpacked = std::process::Command::new("tar")
        .arg("-xJf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .status();
    assert!(unpacked.unwrap().success());
    let files = std::fs::read_dir(folder.path().join("adversarial")).unwrap();
    files
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Deposits all of them with a good file before and after, and sees them all decided. `peak` tells of the process that
/// reads them how much memory it ever had.
async fn endure(client: &Client, peak: impl Fn() -> Option<u64>) {
    const LONGEST: Duration = Duration::from_secs(90);
    const MEMORY: u64 = 400 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let bombs = bombs(listener.local_addr().unwrap());
    let transfer = client.open_transfer("Bombs").await;
    let good: &[u8] = b"an innocent letter\n";
    let mut files: Vec<(&str, &[u8])> = vec![("first.txt", good)];
    files.extend(bombs.iter().map(|(name, bytes)| (name.as_str(), &**bytes)));
    files.push(("last.txt", good));
    let before = peak();
    let began = Instant::now();
    let ids = client.deposit(&transfer, &files).await;
    for ((_, id), (path, _)) in ids.iter().zip(&files) {
        let version = client.decided(id).await;
        let status = version["status"].as_str().unwrap().to_owned();
        assert!(
            ["ACCEPTED", "REJECTED", "NEEDS_REVIEW"].contains(&status.as_str()),
            "{path}: {version:#}"
        );
        if path.contains("st.txt") {
            assert_eq!(status, "ACCEPTED", "{path}: {version:#}");
        }
        assert_eq!(
            status != "ACCEPTED",
            version["download"].is_null(),
            "{path}"
        );
    }
    let took = began.elapsed();
    assert!(took < LONGEST, "it took {took:?}");
    if let (Some(before), Some(now)) = (before, peak()) {
        let more = now - before;
        assert!(more < MEMORY, "the process grew by {more} bytes");
    }
    let met = listener.accept();
    assert!(met.is_err(), "a document had somebody asked: {met:?}");
}

#[tokio::test]
async fn zip_bombs_lies_of_zip64_xxe_and_billion_laughs_are_decided_in_time_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("data"));
    let client = Client::new(served.url.clone(), Some(served.token()));
    endure(&client, || served.peak()).await;
}

#[tokio::test]
async fn zip_bombs_lies_of_zip64_xxe_and_billion_laughs_do_not_hold_up_clamd() {
    let Some(scanner) = Scanner::start() else {
        return;
    };
    let world = World::start_with(|settings| {
        clamd_at(scanner.address())(settings);
        // What clamd does not end in time it would not end the next time either.
        settings.limits.attempts = 1;
        if let Some(clamd) = &mut settings.clamd {
            // In place of minutes, for which it could go on unpacking.
            clamd.verdict_timeout = Duration::from_secs(5);
        }
    });
    endure(&world.await.contributor(), || None).await;
}

async fn status_of(client: &Client, id: &str) -> String {
    let version = client.decided(id).await;
    version["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_poison_file_ends_inconclusive_and_the_others_end_accepted() {
    let world = World::start_with(|settings| settings.limits.attempts = 3).await;
    world.system().stop_worker().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Poison").await;
    let files: Vec<(String, Vec<u8>)> = (0..20)
        .map(|n| (format!("{n:02}.txt"), format!("file {n}\n").into_bytes()))
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), &**bytes))
        .collect();
    let ids = client.deposit(&transfer, &files).await;
    // The first of them cannot be read, however often it is tried.
    let poison = ids[0].1.parse::<VersionId>().unwrap();
    let store = world.system().app().objects().clone();
    store
        .discard(
            objects::Place::Incoming,
            &objects::version_key(poison),
            None,
        )
        .await
        .unwrap();

    let world = world
        .again(|settings| {
            settings.limits.attempts = 3;
            settings.limits.republish_after = Duration::from_secs(1);
        })
        .await;
    let client = world.contributor();
    for (_, id) in &ids[1..] {
        assert_eq!(status_of(&client, id).await, "ACCEPTED");
    }
    let version = client.decided(&ids[0].1).await;
    assert_eq!(version["status"], "NEEDS_REVIEW", "{version:#}");
    for kind in ["CHECKSUM", "ANTIVIRUS", "FORMAT"] {
        assert_eq!(
            check(&version, kind)["status"],
            "INCONCLUSIVE",
            "{version:#}"
        );
    }
    let events = "{ events(first: 100) { nodes { action subjectId at } } }";
    let events = world.admin().send(events, json!({})).await.ok()["events"]["nodes"].clone();
    let moments = |action: &str, of_poison: bool| -> Vec<String> {
        let of = events.as_array().unwrap().iter();
        of.filter(|event| event["action"] == action)
            .filter(|event| (event["subjectId"] == ids[0].1) == of_poison)
            .map(|event| event["at"].as_str().unwrap().to_owned())
            .collect()
    };
    let accepted = moments("version.accepted", false);
    let given_up = moments("version.decided", true);
    assert_eq!((accepted.len(), given_up.len()), (ids.len() - 1, 1));
    // Its attempts lie 1 and 4 seconds apart; nobody waited for them.
    assert!(accepted.iter().max() < given_up.first(), "{events:#}");
    let jobs = "{ jobs(first: 50) { nodes { status attempt lastError subjectId } } }";
    let jobs = world.admin().send(jobs, json!({})).await.ok()["jobs"]["nodes"].clone();
    let open = jobs
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| !matches!(job["status"].as_str(), Some("DONE" | "DEAD")));
    assert_eq!(open.count(), 0, "{jobs:#}");
    let mut of_poison = jobs.as_array().unwrap().iter();
    let attempts = of_poison.find(|job| job["subjectId"] == ids[0].1);
    assert_eq!(attempts.unwrap()["attempt"], 3, "each was made: {jobs:#}");
}
