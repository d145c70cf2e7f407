//! The first command, as a new user gives it, and what it says when something is wrong.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tests::{Served, muniment, stderr, stdout};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(muniment())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn samples() -> String {
    let samples: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    samples.canonicalize().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_first_command_shows_every_kind_of_verdict_and_leaves_a_valid_bag() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["transfer", &samples(), "--bag", "out.tar"]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    let table = stdout(&output);
    for verdict in ["  accepted  ", "  REJECTED  ", "  needs review  "] {
        assert!(table.contains(verdict), "{verdict} is missing:\n{table}");
    }
    let verified = run(folder.path(), &["verify", "out.tar"]);
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}{}",
        stdout(&verified),
        stderr(&verified)
    );

    let again = run(
        folder.path(),
        &["transfer", &samples(), "--bag", "again.tar"],
    );
    assert_eq!(again.status.code(), Some(2));
    let bytes = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(
        bytes("out.tar") == bytes("again.tar"),
        "a second run uploads nothing and gives the same bag"
    );
}

#[test]
fn a_folder_that_is_not_there_or_empty_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let missing = run(folder.path(), &["transfer", "nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("nowhere"), "{}", stderr(&missing));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let empty = run(folder.path(), &["transfer", "empty"]);
    assert_eq!(empty.status.code(), Some(1));
    let said = stderr(&empty);
    assert!(
        said.contains("there is no file to transfer in empty"),
        "{said}"
    );
}

#[test]
fn a_port_in_use_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["serve", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[test]
fn a_data_folder_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/VERSION"), "999\n").unwrap();
    let output = run(folder.path(), &["transfer", &samples()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("newer"), "{}", stderr(&output));
}

#[test]
fn a_server_that_takes_no_such_token_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("data"));
    let mut forged = served.token();
    forged.truncate(forged.rfind('.').unwrap());
    forged.push_str(".c2lnbmVk");
    for token in ["wrong", &forged] {
        let output = served
            .transfer(Path::new(&samples()), token)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(said.contains("does not take this token"), "{said}");
        assert!(said.contains("get a new one"), "{said}");
    }
}

#[test]
fn a_server_without_a_token_is_refused_before_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(muniment())
        .args(["transfer", &samples(), "--server", "http://127.0.0.1:1"])
        .env_remove("MUNIMENT_TOKEN")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("--token <TOKEN>"), "{said}");
    assert!(!said.contains("was not reached"), "{said}");
}

#[test]
fn a_damaged_bag_is_said_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["transfer", &samples(), "--bag", "out.tar"]);
    let bag = folder.path().join("out.tar");
    let mut bytes = std::fs::read(&bag).unwrap();
    let at = bytes
        .windows(4)
        .rposition(|window| window == b"%PDF")
        .unwrap();
    bytes[at + 5] ^= 1;
    std::fs::write(&bag, bytes).unwrap();
    let output = run(folder.path(), &["verify", "out.tar"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stdout(&output).contains(".pdf"), "{}", stdout(&output));
}

/// The program as somebody who is not root, whom no permission would stop: in a folder of theirs.
fn as_somebody(folder: &Path) -> Command {
    let output = Command::new("id").arg("-u").output().unwrap();
    if stdout(&output).trim() != "0" {
        return Command::new(muniment());
    }
    let program = folder.join("muniment");
    std::fs::copy(muniment(), &program).unwrap();
    let owned = Command::new("chown")
        .args(["-R", "nobody"])
        .arg(folder)
        .status();
    assert!(owned.unwrap().success());
    let mut command = Command::new("runuser");
    command.args(["-u", "nobody", "--"]).arg(program);
    command
}

#[test]
fn what_cannot_be_read_is_listed_and_the_rest_goes_on() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir_all(files.join("closed")).unwrap();
    for name in ["open.txt", "secret.txt", "closed/inside.txt"] {
        std::fs::write(files.join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("open.txt", files.join("link.txt")).unwrap();
    let shut = |name: &str, mode: u32| {
        std::fs::set_permissions(files.join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    let mut command = as_somebody(folder.path());
    shut("secret.txt", 0);
    shut("closed", 0);
    let output = command
        .args(["transfer", "files", "--bag", "out.tar"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    shut("closed", 0o700);
    let table = stdout(&output);
    assert_eq!(output.status.code(), Some(2), "{table}{}", stderr(&output));
    for line in [
        "left out: 3",
        "closed: it cannot be read: permission denied",
        "secret.txt: it cannot be read: permission denied",
        "link.txt: a symbolic link; links are not followed",
        "1 file, 1 accepted",
        "valid",
    ] {
        assert!(table.contains(line), "{line} is missing:\n{table}");
    }
}

#[test]
fn a_server_on_every_address_must_say_which_one_others_use() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--public"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_goes_away_does_not_change_the_verdict() {
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(muniment())
        .args(["transfer", &samples()])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[tokio::test]
async fn a_server_goes_on_when_nobody_reads_its_output() {
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let mut child = tokio::process::Command::new(muniment())
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let began = std::time::Instant::now();
    let ready = loop {
        if let Ok(answer) = reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await
            && answer.status().is_success()
        {
            break true;
        }
        if began.elapsed() > std::time::Duration::from_secs(30) {
            break false;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(ready, "it does not answer");
    // It answers before it prints: what it prints must not end it either.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(child.try_wait().unwrap(), None);
}
