//! What the real processes log: lines of JSON with the ids of requests, and never a secret.

use std::process::Command;

use api::auth::Role;
use serde_json::{Value, json};
use tests::{
    Client, For, Services, Way,
    faults::{Proxy, Rates, SLOW_DOWN},
    program, stderr, stdout,
};

use super::{Fleet, provider::tells_no_secrets};

/// The lines of a log, each of which is JSON.
fn lines(log: &str) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    log.lines().map(line).collect()
}

#[tokio::test]
async fn where_only_warnings_are_logged_they_have_the_id_of_their_request() {
    let Some(mut services) = Services::start().await else {
        return;
    };
    services.set(For::Api, "MUNIMENT_LOG", "warn".to_owned());
    // Nobody listens there: URLs are signed, and nothing is found.
    let nowhere = "http://127.0.0.1:9".to_owned();
    services.set(For::Api, "MUNIMENT_S3_ENDPOINT", nowhere);
    services.migrate();
    let jobs = services.queue("jobs").await;
    let (api, url) = services.api("api", &jobs);
    let admin = services.client(&url, "admin", Role::Admin, &[]);
    let create = "mutation { createCollection(input: {code: \"MAPS\", title: \"Maps\", body: \"WO\"}) { collection { id } } }";
    admin.send(create, json!({})).await.ok();
    let owner = services.client(&url, "ann", Role::Contributor, &["WO"]);
    let open = "mutation { openTransfer(input: {collection: {code: \"MAPS\"}, title: \"Warned\"}) { transfer { id } } }";
    let opened = owner.send(open, json!({})).await;
    let transfer = opened.ok()["openTransfer"]["transfer"]["id"].as_str();
    let added = owner
        .add_records(transfer.unwrap(), &[("a.txt", b"a")])
        .await;
    let complete = "mutation($v: ID!) { completeUploads(input: {uploads: [{versionId: $v}]}) { outcomes { ... on ItemRefused { code } } } }";
    let variables = json!({"v": added[0]["version"]["id"]});
    let answer = owner
        .http()
        .post(owner.url())
        .bearer_auth(owner.token())
        .header("x-request-id", "warned-1")
        .json(&json!({"query": complete, "variables": variables}))
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    let outcome = &answer["data"]["completeUploads"]["outcomes"][0];
    assert_eq!(outcome["code"], "UNAVAILABLE", "{answer}");
    let lines = lines(&api.log());
    assert!(lines.iter().all(|line| line["level"] != "INFO"));
    let of_request = lines
        .iter()
        .filter(|line| line["span"]["id"] == "warned-1" && line["level"] == "WARN");
    assert_eq!(of_request.count(), 1, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_logged_at_any_level_is_a_secret() {
    const CREATE: &str = "mutation($expiresAt: DateTime!) { createApiKey(input: {name: \"Logged\", roles: [CONTRIBUTOR], bodies: [\"WO\"], expiresAt: $expiresAt}) { token } }";
    let Some(mut services) = Services::start().await else {
        return;
    };
    let everything = "warn,api=trace,embedded=trace,muniment=trace,runtime=trace,worker=trace";
    services.set(For::Both, "MUNIMENT_LOG", everything.to_owned());
    // What goes wrong is logged most fully.
    let behind = vec![services.aws().trim_start_matches("http://").to_owned()];
    let store = Proxy::start(behind, 1, SLOW_DOWN, None).await;
    services.set(For::Both, "MUNIMENT_S3_ENDPOINT", store.url().to_owned());
    let jobs = services.queue("jobs").await;
    let uploads = services.queue("uploads").await;
    services.announce_uploads(&uploads, Way::Queue).await;
    let Some(mut fleet) = Fleet::over(services, &jobs, &jobs, Some(&uploads)).await else {
        return;
    };
    let now = runtime::clock::Clock::now(&runtime::clock::SystemClock);
    let expires_at = (now + chrono::TimeDelta::days(30)).to_rfc3339();
    let admin = fleet.client(0, Role::Admin);
    let made = admin.send(CREATE, json!({"expiresAt": expires_at})).await;
    let key = made.ok()["createApiKey"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let owner = Client::new(fleet.urls[0].clone(), Some(key.clone()));
    let open = "mutation { openTransfer(input: {collection: {code: \"MAPS\"}, title: \"Logged\"}) { transfer { id } } }";
    let opened = owner.send(open, json!({})).await;
    let transfer = opened.ok()["openTransfer"]["transfer"]["id"].as_str();
    let transfer = transfer.unwrap().to_owned();
    let texts: Vec<(String, String)> = (0..10)
        .map(|index| {
            (
                format!("{index}.txt"),
                format!("line 1000{index}\n").repeat(500),
            )
        })
        .collect();
    let files: Vec<(&str, &[u8])> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_bytes()))
        .collect();
    let versions = owner.deposit(&transfer, &files).await;
    store.misbehave(Rates {
        refuse: 0.1,
        cut: 0.2,
        ..Rates::default()
    });
    for (_, version) in &versions {
        assert_eq!(owner.decided(version).await["status"], "ACCEPTED");
    }
    let archivist = fleet.client(1, Role::Archivist);
    let request = "mutation($id: ID!) { requestExport(input: {selection: {transferId: $id}}) { export { id } } }";
    let requested = archivist.send(request, json!({"id": transfer})).await;
    let export = requested.ok()["requestExport"]["export"]["id"].clone();
    let ready = "query($id: ID!) { node(id: $id) { ... on Export { status download { url } } } }";
    archivist
        .until(ready, json!({"id": export}), |answer| {
            answer["node"]["status"] == "READY"
        })
        .await;
    // Who is not let in is not repeated either.
    for token in ["muk_madeup", "eyJhbGciOiJub25lIn0.e30."] {
        let stranger = Client::new(fleet.urls[0].clone(), Some(token.to_owned()));
        let answer = stranger.send("{ viewer { subject } }", json!({})).await;
        assert_eq!(answer.code(), "UNAUTHENTICATED");
    }
    let mut processes: Vec<_> = fleet
        .workers
        .drain(..)
        .chain(fleet.apis.drain(..))
        .collect();
    for process in &mut processes {
        assert!(process.stop(), "{}", process.log());
    }
    let logs: Vec<String> = processes.iter().map(tests::Process::log).collect();
    assert!(logs.iter().any(|log| log.contains("\"DEBUG\"")));
    for log in logs {
        tells_no_secrets(&log, &[&key, admin.token(), archivist.token()]);
    }
}

#[test]
fn what_keeps_a_program_from_starting_is_a_line_of_json() {
    for (name, missing) in [
        ("muniment-api", "MUNIMENT_DATABASE_URL"),
        ("muniment-worker", "MUNIMENT_API_URL"),
    ] {
        let run = |arguments: &[&str], log: Option<(&str, &str)>| {
            let mut command = Command::new(program(name));
            command.env_clear().args(arguments).envs(log);
            command.output().unwrap()
        };
        for log in [
            None,
            Some(("MUNIMENT_LOG", "worker=loud")),
            Some(("MUNIMENT_LOG_FORMAT", "xml")),
        ] {
            let output = run(&[], log);
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(stdout(&output), "");
            let said = lines(&stderr(&output));
            assert_eq!(
                (said.len(), &said[0]["level"]),
                (1, &json!("ERROR")),
                "{said:#?}"
            );
            let error = said[0]["error"].as_str().unwrap();
            let named = match log {
                Some(("MUNIMENT_LOG", _)) => "filter",
                Some((name, _)) => name,
                None => missing,
            };
            assert!(error.contains(named), "{error}");
        }
        // People who ask are answered in words, and who wants no lines has the last one all the same.
        for (arguments, log) in [
            (&["--check-config"][..], None),
            (&[], Some(("MUNIMENT_LOG", "off"))),
        ] {
            let said = stderr(&run(arguments, log));
            assert!(said.starts_with(name) && said.contains(missing), "{said}");
        }
    }
}
