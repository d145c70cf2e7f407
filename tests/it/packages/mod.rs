//! Packages under attack: odd names, cells that are formulas, bytes that changed, a system that dies in the middle;
//! and bags of others that lie.

mod verify;

use std::{
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{Client, Large, Served, World, muniment, sha256, sized, stderr, stdout};

const EXPORT: &str =
    "mutation($id: ID!) { requestExport(input: {selection: {transferId: $id}}) { export { id } } }";
const READ: &str = "query($id: ID!) { node(id: $id) { ... on Export { id status error files filesDone bytesDone size sha256 download(expiresIn: 3600) { url } } } }";

async fn request(client: &Client, transfer: &str) -> Value {
    let answer = client.send(EXPORT, json!({"id": transfer})).await;
    answer.ok()["requestExport"]["export"]["id"].clone()
}

fn is_over(export: &Value) -> bool {
    let status = export["node"]["status"].as_str().unwrap_or_default();
    !matches!(status, "QUEUED" | "RUNNING")
}

/// Waits for the end of an export, however long it is; answers it.
async fn ended(client: &Client, id: &Value) -> Value {
    loop {
        let seen = client.send(READ, json!({"id": id})).await.ok()["node"].clone();
        let (status, done) = (seen["status"].clone(), seen["bytesDone"].clone());
        let answer = client
            .until(READ, json!({"id": id}), |answer| {
                is_over(answer)
                    || answer["node"]["status"] != status
                    || answer["node"]["bytesDone"] != done
            })
            .await;
        if is_over(&answer) {
            return answer["node"].clone();
        }
    }
}

/// Downloads a READY export into a file, and has it judged; answers the report.
async fn judged(export: &Value, to: &Path) -> bagit::Report {
    assert_eq!(export["status"], "READY", "{export:#}");
    let url = export["download"]["url"].as_str().unwrap();
    // The client of tests gives up after a minute.
    let mut answer = reqwest::get(url).await.unwrap();
    let mut file = std::fs::File::create(to).unwrap();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        file.write_all(&chunk).unwrap();
    }
    assert_eq!(export["size"], file.metadata().unwrap().len());
    let report = bagit::validate(to, &mut |_| ()).unwrap();
    assert!(report.is_valid(), "{:?}", report.problems);
    report
}

/// The tag file of a bag in a tar.
fn tag_file(tar: &Path, name: &str) -> String {
    let output = Command::new("tar")
        .arg("-xOf")
        .arg(tar)
        .args(["--wildcards", &format!("*/{name}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// Names that some system, program or person takes for something else.
fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "../../../etc/passwd",
        "..",
        "a/../../b",
        "/etc/shadow",
        "C:\\Windows\\system32\\x.dll",
        "\\\\server\\share\\x",
        "~root/.ssh/authorized_keys",
        "line\r\nbreak.txt",
        "bell\u{7}\u{1b}[2J.txt",
        "percent%0a%0d%00.txt",
        "100%.txt",
        "\u{202e}gpj.exe",
        "zero\u{200b}width\u{feff}.txt",
        "caf\u{e9}.txt",
        "cafe\u{301}.txt",
        "Case.TXT",
        "case.txt",
        "trailing dot.",
        "trailing space ",
        " ",
        "CON",
        "con.txt",
        "LPT1.log",
        "NUL",
        "aux/x.txt",
        "=cmd()|'/C calc'!A0",
        "+1+1",
        "-1-1",
        "@SUM(1,1)",
        "a,b\"c;d\te",
        "<script>alert(1)</script>",
        "'; DROP TABLE record; --",
        "$(reboot) `reboot`",
        "-rf",
        "bagit.txt",
        "manifest-sha256.txt",
        "data/data",
        "folder",
        "folder/file",
        "a//b/./c",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(1_024));
    names.push(format!("{}/deep.txt", "d/".repeat(400)));
    names.push("\u{1f4a9}".repeat(500));
    names
}

#[tokio::test]
async fn hostile_names_lead_nowhere_from_the_declaration_to_the_bag() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Names").await;
    let names = hostile_names();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), name.as_bytes()))
        .collect();
    for (outcome, name) in client
        .add_records(&transfer, &files)
        .await
        .iter()
        .zip(&names)
    {
        assert_eq!(
            outcome["__typename"], "RecordAdded",
            "{name:?}: {outcome:#}"
        );
        assert_eq!(
            outcome["record"]["path"],
            json!(name),
            "it is kept as it is"
        );
        let version = &outcome["version"];
        let id = version["id"].as_str().unwrap();
        let url = version["upload"]["url"].as_str().unwrap();
        let path = url.split('?').next().unwrap();
        assert!(
            path.ends_with(&format!("/incoming/{id}")),
            "the key is the id alone: {path}"
        );
        assert!(
            client
                .put(&version["upload"], name.as_bytes().to_vec())
                .await
                .is_success()
        );
        client.complete(&[id.to_owned()]).await;
        let decided = client.decided(id).await;
        let status = decided["status"].as_str().unwrap();
        // `.dll`, `.exe` and others belong to other formats than a line of text.
        if status == "NEEDS_REVIEW" {
            let accept = "mutation($id: ID!) { decideVersion(input: {versionId: $id, verdict: ACCEPT, reason: \"a test\"}) { version { id } } }";
            world.archivist().send(accept, json!({"id": id})).await.ok();
        }
        let decided = client.decided(id).await;
        assert_eq!(decided["status"], "ACCEPTED", "{name:?}: {decided:#}");
        let url = decided["download"]["url"].as_str().unwrap();
        let answer = client.http().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name:?}");
        let header = answer.headers()["content-disposition"].as_bytes();
        assert!(header.starts_with(b"attachment; filename=\"") && header.is_ascii());
        assert_eq!(answer.bytes().await.unwrap().as_ref(), name.as_bytes());
    }
    for (path, code) in [
        ("nul\0.txt", "BAD_USER_INPUT"),
        ("", "BAD_USER_INPUT"),
        (&"x".repeat(1_025), "TOO_LARGE"),
    ] {
        let refused = client
            .add_records(&transfer, &[(path, b"x")])
            .await
            .remove(0);
        assert_eq!(refused["code"], code, "{path:?}");
    }

    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("bag.tar");
    let export = ended(&client, &request(&client, &transfer).await).await;
    assert_eq!(export["files"], names.len());
    let report = judged(&export, &tar).await;
    assert_eq!(report.payload.streams, names.len() as u64);
    // Of twins one has its reference in its name, so that both can be unpacked anywhere.
    let twins = [bagit::Code::TwinCase, bagit::Code::TwinNormalization];
    let told: Vec<_> = report
        .problems
        .iter()
        .filter(|problem| twins.contains(&problem.code))
        .collect();
    assert!(told.is_empty(), "{told:?}");
    // Another tool unpacks it, and nothing lands beside it.
    let inside = folder.path().join("in/side");
    std::fs::create_dir_all(&inside).unwrap();
    let unpack = Command::new("tar")
        .arg("-xf")
        .arg(&tar)
        .arg("-C")
        .arg(&inside)
        .output()
        .unwrap();
    assert!(unpack.status.success(), "{}", stderr(&unpack));
    assert_eq!(std::fs::read_dir(&inside).unwrap().count(), 1);
    assert_eq!(
        std::fs::read_dir(folder.path().join("in")).unwrap().count(),
        1
    );
    assert_eq!(
        count_files(&inside.join(report_root(&inside)).join("data")),
        names.len()
    );
    // The names as they were stand in the metadata, cell by cell.
    let metadata = tag_file(&tar, "file-metadata.csv");
    for cell in ["=cmd()|'/C calc'!A0", "@SUM(1,1)", "a,b\"\"c;d\te"] {
        assert!(metadata.contains(cell), "{cell} is altered");
    }
}

fn report_root(folder: &Path) -> std::ffi::OsString {
    let mut entries = std::fs::read_dir(folder).unwrap();
    entries.next().unwrap().unwrap().file_name()
}

fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { count_files(&path) } else { 1 }
        })
        .sum()
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf_8_come_from_the_command_line_into_the_bag() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    for (index, name) in [
        &b"caf\xe9.txt"[..],
        b"caf\xc3\xa9.txt",
        b"\xff\xfe",
        b"a\nb\xf0.txt",
        b"folder\xe9/x.txt",
    ]
    .into_iter()
    .enumerate()
    {
        let path = files.join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("file {index}\n")).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(muniment());
        command
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let output = run(&["transfer", "files", "--bag", "out.tar"]);
    let table = stdout(&output);
    assert!(
        table.contains("5 files, 5 accepted"),
        "{table}{}",
        stderr(&output)
    );
    assert_eq!(run(&["verify", "out.tar"]).status.code(), Some(0));
    let metadata = tag_file(&folder.path().join("out.tar"), "manifest-sha256.txt");
    assert!(metadata.contains("data/caf%25E9.txt"), "{metadata}");
    // The second run meets the same records.
    let again = run(&["transfer", "files", "--bag", "again.tar"]);
    assert!(
        stdout(&again).contains("5 files, 5 accepted"),
        "{}",
        stdout(&again)
    );
}

#[tokio::test]
async fn formulas_in_every_cell_of_the_metadata_come_out_as_they_went_in() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client
        .open_transfer("=HYPERLINK(\"http://evil.example\")")
        .await;
    let cell = "=cmd()|'/C calc'!A0,\"x\"\r\n@SUM(1)\t;-1";
    let record = json!([{"path": "a.txt", "title": "=1+1", "description": cell,
        "metadata": {"note": cell, "legal_status": ["+1", "-1"], "language": {"=a": 1}, "UUID": "mine", "file_size": "0"},
        "file": {"size": 1, "sha256": sha256(b"a")}}]);
    let added = client.add_records_as(&transfer, record).await.remove(0);
    assert!(
        client
            .put(&added["version"]["upload"], b"a".to_vec())
            .await
            .is_success()
    );
    let id = added["version"]["id"].as_str().unwrap().to_owned();
    client.complete(std::slice::from_ref(&id)).await;
    client.decided(&id).await;
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("bag.tar");
    let export = ended(&client, &request(&client, &transfer).await).await;
    judged(&export, &tar).await;
    let metadata = tag_file(&tar, "file-metadata.csv");
    let quoted = format!("\"{}\"", cell.replace('"', "\"\""));
    assert_eq!(
        metadata.matches(&quoted).count(),
        2,
        "description and note: {metadata}"
    );
    assert!(metadata.contains(",+1|-1,"), "{metadata}");
    assert!(
        !metadata.contains("mine"),
        "what we know ourselves is not the depositor's to say"
    );
}

#[tokio::test]
async fn an_export_of_0_records_is_a_valid_bag() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Nothing").await;
    client
        .add_records(&transfer, &[("never uploaded.txt", b"x")])
        .await;
    let export = ended(&client, &request(&client, &transfer).await).await;
    assert_eq!(export["files"], 0);
    let folder = tempfile::tempdir().unwrap();
    let report = judged(&export, &folder.path().join("bag.tar")).await;
    assert_eq!(report.payload.streams, 0);
}

#[tokio::test]
async fn an_export_of_many_records_holds_each_of_them() {
    let count = usize::try_from(sized("MUNIMENT_TEST_EXPORT_FILES", 100, 100_000)).unwrap();
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Many").await;
    let names: Vec<String> = (0..count)
        .map(|n| format!("{:03}/{n:06}.txt", n / 100))
        .collect();
    for names in names.chunks(500) {
        let files: Vec<(&str, &[u8])> = names
            .iter()
            .map(|name| (name.as_str(), name.as_bytes()))
            .collect();
        client.deposit(&transfer, &files).await;
    }
    let totals = "query($id: ID!) { node(id: $id) { ... on Transfer { totals { accepted } } } }";
    let mut accepted = 0;
    while accepted < count as u64 {
        let answer = client
            .until(totals, json!({"id": transfer}), |answer| {
                answer["node"]["totals"]["accepted"].as_u64() > Some(accepted)
            })
            .await;
        accepted = answer["node"]["totals"]["accepted"].as_u64().unwrap();
    }
    let began = Instant::now();
    let export = ended(&client, &request(&client, &transfer).await).await;
    eprintln!("{count} records: exported in {:?}", began.elapsed());
    let folder = tempfile::tempdir().unwrap();
    let report = judged(&export, &folder.path().join("bag.tar")).await;
    assert_eq!(report.payload.streams, count as u64);
}

#[tokio::test]
async fn an_export_of_one_large_file_is_its_very_bytes() {
    let size = sized("MUNIMENT_TEST_EXPORT_BYTES", 70 << 20, 20_000_000_000);
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Large").await;
    let large = Large::new(size, b"the end");
    let id = large.deposit(&client, &transfer, "film.bin").await;
    while client
        .send(
            "query($id: ID!) { node(id: $id) { ... on Version { status } } }",
            json!({"id": id}),
        )
        .await
        .ok()["node"]["status"]
        == "CHECKING"
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(client.decided(&id).await["status"], "ACCEPTED");
    let export = ended(&client, &request(&client, &transfer).await).await;
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("bag.tar");
    let report = judged(&export, &tar).await;
    assert_eq!(report.payload.octets, size);
    let manifest = tag_file(&tar, "manifest-sha256.txt");
    assert!(manifest.starts_with(&large.sha256()), "{manifest}");
}

#[tokio::test]
async fn an_export_whose_object_changed_since_acceptance_fails_naming_it() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Changed").await;
    let good = client.deposit(&transfer, &[("good.txt", b"good\n")]).await;
    client.decided(&good[0].1).await;
    let large = Large::new(1 << 20, b"the last bytes");
    let id = large.deposit(&client, &transfer, "film.bin").await;
    assert_eq!(client.decided(&id).await["status"], "ACCEPTED");
    // One bit, on the disk.
    let chunks = std::fs::read_dir(world.folder().join("objects/chunks")).unwrap();
    let mut flipped = 0;
    for chunk in chunks {
        let mut file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(chunk.unwrap().path())
            .unwrap();
        if file.metadata().unwrap().len() != 1 << 20 {
            continue;
        }
        let mut byte = [0];
        file.seek(SeekFrom::Start(777_777)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Start(777_777)).unwrap();
        file.write_all(&[byte[0] ^ 1]).unwrap();
        flipped += 1;
    }
    assert!(flipped > 0, "the object is nowhere");
    let export = ended(&client, &request(&client, &transfer).await).await;
    assert_eq!(export["status"], "FAILED", "{export:#}");
    let error = export["error"].as_str().unwrap();
    assert!(
        error.contains("film.bin") && !error.contains("good.txt"),
        "{error}"
    );
    assert_eq!(export["download"], Value::Null);
}

#[tokio::test]
async fn an_export_whose_system_is_killed_half_way_is_whole_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let served = Served::start(&data);
    let token = served.token();
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let transfer = client.open_transfer("Killed").await;
    for n in 0..3 {
        let large = Large::new(30 << 20, format!("file {n}").as_bytes());
        let id = large.deposit(&client, &transfer, &format!("{n}.bin")).await;
        client.decided(&id).await;
    }
    let id = request(&client, &transfer).await;
    let running = client
        .until(READ, json!({"id": id}), |answer| {
            answer["node"]["status"] != "QUEUED"
        })
        .await;
    served.kill();
    assert_eq!(running["node"]["status"], "RUNNING", "it was too quick");

    let served = Served::start(&data);
    let client = Client::new(served.url.clone(), Some(token));
    let export = ended(&client, &id).await;
    let report = judged(&export, &folder.path().join("bag.tar")).await;
    assert_eq!(
        (report.payload.streams, report.payload.octets),
        (3, 3 * (30 << 20))
    );
    served.kill();
}

#[tokio::test]
async fn an_export_that_is_cancelled_half_way_leaves_nothing_and_another_is_whole() {
    let world = World::embedded().await;
    let client = world.contributor();
    let transfer = client.open_transfer("Cancelled").await;
    for n in 0..3 {
        let large = Large::new(30 << 20, format!("file {n}").as_bytes());
        let id = large.deposit(&client, &transfer, &format!("{n}.bin")).await;
        client.decided(&id).await;
    }
    let id = request(&client, &transfer).await;
    client
        .until(READ, json!({"id": id}), |answer| {
            answer["node"]["status"] != "QUEUED"
        })
        .await;
    let cancel = "mutation($id: ID!) { cancelExport(input: {id: $id}) { export { status download { url } } } }";
    let cancelled = client.send(cancel, json!({"id": id})).await;
    let cancelled = &cancelled.ok()["cancelExport"]["export"];
    assert_eq!(
        (&cancelled["status"], &cancelled["download"]),
        (&json!("CANCELLED"), &Value::Null)
    );
    let again = ended(&client, &request(&client, &transfer).await).await;
    let folder = tempfile::tempdir().unwrap();
    judged(&again, &folder.path().join("bag.tar")).await;
    let export = client.send(READ, json!({"id": id})).await.ok()["node"].clone();
    assert_eq!(
        (&export["status"], &export["download"]),
        (&json!("CANCELLED"), &Value::Null)
    );
    // Whoever has the keys of the store finds the other package alone.
    let store = world.s3(None).await;
    let began = Instant::now();
    loop {
        let objects = store.list_objects_v2().bucket("exports").send().await;
        let objects = objects.unwrap();
        let keys: Vec<&str> = objects
            .contents()
            .iter()
            .filter_map(|one| one.key())
            .collect();
        let uploads = std::fs::read_dir(world.folder().join("objects/uploads"));
        let uploads = uploads.unwrap().count();
        let whole = [format!("{}.tar", again["id"].as_str().unwrap())];
        if uploads == 0 && keys == whole {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{keys:?} {uploads}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
