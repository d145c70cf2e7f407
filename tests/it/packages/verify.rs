//! Bags of others that lie: `muniment verify` looks at them, and at nothing else.

use std::{net::TcpListener, path::Path, process::Command};

use tests::{muniment, sha256, stderr, stdout};

/// `muniment verify` of a bag in a folder.
fn verify(bag: &Path) -> (Option<i32>, String) {
    let output = Command::new(muniment())
        .arg("verify")
        .arg(bag)
        .output()
        .unwrap();
    (
        output.status.code(),
        format!("{}{}", stdout(&output), stderr(&output)),
    )
}

fn bag(folder: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let declaration = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
    let manifest = format!("{}  data/a.txt\n", sha256(b"a"));
    for (name, text) in [
        ("bagit.txt", declaration),
        ("manifest-sha256.txt", &manifest),
        ("data/a.txt", "a"),
    ]
    .iter()
    .chain(files)
    {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn verify_fetches_nothing_from_inside_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!(
        "{}  data/a.txt\n{}  data/b.txt\n",
        sha256(b"a"),
        sha256(b"b")
    );
    let fetch = format!(
        "http://{address}/latest/meta-data 1 data/b.txt\nfile:///etc/passwd - data/c\nhttp://{address}/x - ../../etc/cron.d/x\n"
    );
    bag(
        folder.path(),
        &[("manifest-sha256.txt", &manifest), ("fetch.txt", &fetch)],
    );
    let (code, said) = verify(folder.path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("data/b.txt"), "{said}");
    assert!(listener.accept().is_err(), "somebody came to fetch");
    assert!(!folder.path().join("data/b.txt").exists());
}

#[test]
fn verify_looks_at_nothing_outside_of_the_bag() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    for (index, path) in [
        "../secret",
        "data/../../secret",
        "/etc/passwd",
        "data/..\\..\\secret",
        "~/secret",
    ]
    .into_iter()
    .enumerate()
    {
        let inside = folder.path().join(index.to_string());
        let manifest = format!(
            "{}  data/a.txt\n{}  {path}\n",
            sha256(b"a"),
            sha256(b"secret")
        );
        bag(&inside, &[("manifest-sha256.txt", &manifest)]);
        let (code, said) = verify(&inside);
        assert_eq!(code, Some(2), "{path}: {said}");
        assert!(
            said.contains("secret") || said.contains("passwd"),
            "it is named: {said}"
        );
    }
}

#[test]
fn verify_takes_no_payload_oxum_that_lies() {
    for oxum in [
        "2.1",
        "1.2",
        "0.0",
        "1",
        "-1.1",
        "1.1.1",
        "99999999999999999999.1",
        "1e0.1",
    ] {
        let folder = tempfile::tempdir().unwrap();
        bag(
            folder.path(),
            &[("bag-info.txt", &format!("Payload-Oxum: {oxum}\n"))],
        );
        let (code, said) = verify(folder.path());
        assert_eq!(code, Some(2), "{oxum}: {said}");
        assert!(said.to_lowercase().contains("oxum"), "{oxum}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    bag(folder.path(), &[("bag-info.txt", "Payload-Oxum: 1.1\n")]);
    assert_eq!(verify(folder.path()).0, Some(0));
}

#[cfg(unix)]
#[test]
fn verify_follows_no_symlink_of_a_tar_or_a_folder() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("a.txt"), "a").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("BAG");
    bag(&inside, &[]);
    std::fs::remove_file(inside.join("data/a.txt")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("a.txt"), inside.join("data/a.txt")).unwrap();
    let tar = folder.path().join("bag.tar");
    let packed = Command::new("tar")
        .arg("-cf")
        .arg(&tar)
        .arg("-C")
        .arg(folder.path())
        .arg("BAG")
        .status();
    assert!(packed.unwrap().success());
    for bag in [&inside, &tar] {
        let (code, said) = verify(bag);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("data/a.txt"), "{said}");
    }
}
