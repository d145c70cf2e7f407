//! `kill -9` of the whole system in the middle of a transfer: the next run ends with every version decided,
//! and none twice.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{Client, muniment};

const FILES: usize = 300;

/// `muniment serve` in a process of its own.
struct Served {
    child: Child,
    url: String,
    // Held open: what is printed after the address must find a reader.
    _stdout: BufReader<ChildStdout>,
}

impl Served {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(muniment())
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let url = stdout
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let begin = line.find("http://")?;
                let end = line[begin..].find("/graphql")? + begin + "/graphql".len();
                Some(line[begin..end].to_owned())
            })
            .unwrap();
        Self {
            child,
            url,
            _stdout: stdout,
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already gone is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn token(data: &Path) -> String {
    let output = Command::new(muniment())
        .args(["token", "--role", "ARCHIVIST", "--data"])
        .arg(data)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn transfer(folder: &Path, served: &Served, token: &str) -> Command {
    let mut command = Command::new(muniment());
    command
        .arg("transfer")
        .arg(folder)
        .args(["--server", &served.url, "--token", token])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[tokio::test]
async fn a_killed_system_loses_nothing_and_doubles_nothing() {
    let world = tempfile::tempdir().unwrap();
    let (data, files) = (world.path().join("data"), world.path().join("files"));
    std::fs::create_dir(&files).unwrap();
    for index in 0..FILES {
        std::fs::write(
            files.join(format!("{index:04}.txt")),
            format!("file {index}\n").repeat(200),
        )
        .unwrap();
    }

    let served = Served::start(&data);
    let token = token(&data);
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let mut running = transfer(&files, &served, &token).spawn().unwrap();
    // In the middle: some are decided, others are not.
    let totals = "{ transfers(first: 1) { nodes { totals { versions accepted } } } }";
    let began = Instant::now();
    loop {
        let answer = client.send(totals, json!({})).await.ok().clone();
        let accepted = answer["transfers"]["nodes"][0]["totals"]["accepted"]
            .as_u64()
            .unwrap_or(0);
        if accepted >= 5 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "nothing is accepted: {answer}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    served.kill();
    running.kill().unwrap();
    running.wait().unwrap();

    let served = Served::start(&data);
    let client = Client::new(served.url.clone(), Some(token.clone()));
    let command = transfer(&files, &served, &token).status();
    assert_eq!(
        command.unwrap().code(),
        Some(0),
        "the second run accepts everything"
    );
    let answer = client.send(totals, json!({})).await.ok().clone();
    let totals = &answer["transfers"]["nodes"][0]["totals"];
    assert_eq!(
        (&totals["versions"], &totals["accepted"]),
        (&json!(FILES), &json!(FILES))
    );
    let counted = count_versions(&client).await;
    assert_eq!(
        counted, FILES,
        "the maintained totals are those of the table, and none is there twice"
    );
    served.kill();
}

async fn count_versions(client: &Client) -> usize {
    let query = "query($after: String) { versions(first: 100, after: $after) { nodes { id status number } pageInfo { hasNextPage endCursor } } }";
    let (mut count, mut after) = (0, Value::Null);
    loop {
        let answer = client
            .send(query, json!({"after": after}))
            .await
            .ok()
            .clone();
        let page = &answer["versions"];
        for version in page["nodes"].as_array().unwrap() {
            assert_eq!(
                (&version["status"], &version["number"]),
                (&json!("ACCEPTED"), &json!(1))
            );
            count += 1;
        }
        if page["pageInfo"]["hasNextPage"] != true {
            return count;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}
