//! Tokens of a provider for everybody, and its keys rotated in mid-run.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use api::auth::oidc::provider::PAUSE;
use base64::Engine as _;
use serde_json::{Value, json};
use tests::{Client, Process, Provider, Services, eicar, muniment, stderr, stdout};

use super::{MALWARE, clamd_found_the_malware, files, folder};

/// Waits until a token is taken everywhere, as the rules of asking the provider have it.
async fn is_taken(urls: &[String], token: &str, roles: &Value) {
    for url in urls {
        let client = Client::new(url.clone(), Some(token.to_owned()));
        let began = Instant::now();
        loop {
            let answer = client.send("{ viewer { roles } }", json!({})).await;
            if answer.0["data"]["viewer"]["roles"] == *roles {
                break;
            }
            assert_eq!(answer.code(), "UNAUTHENTICATED");
            assert!(began.elapsed() < PAUSE * 2, "a new key is not taken");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The `kid` of a token (RFC 7515, section 4.1.4).
fn key_of(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header);
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_transfer_by_tokens_of_a_provider_whose_keys_are_rotated_ends_and_clamd_finds_the_malware()
 {
    let Some(mut provider) = Provider::start() else {
        return;
    };
    let Some(mut services) = Services::start().await else {
        return;
    };
    services.identify_by(provider.issuer());
    services.migrate();
    let jobs = services.queue("jobs").await;
    let (api, one) = services.api("api-1", &jobs);
    let (second, two) = services.api("api-2", &jobs);
    let urls = vec![one, two];
    let mut workers: Vec<Process> = (0..3)
        .map(|n| services.worker(&format!("worker-{n}"), &urls[n % 2], &jobs, None))
        .collect();
    let client = async |api: usize, role: &str| {
        Client::new(urls[api].clone(), Some(provider.token(role).await))
    };
    let create = "mutation { createCollection(input: {code: \"MAPS\", title: \"Maps\", body: \"LOCAL\"}) { collection { id } } }";
    client(0, "admin").await.send(create, json!({})).await.ok();
    let old = provider.token("contributor").await;
    assert!(key_of(&old).ends_with("-first"), "{}", key_of(&old));
    let files = files();
    let folder = folder(files);
    std::fs::write(folder.path().join(MALWARE), eicar()).unwrap();
    let running = std::process::Command::new(muniment())
        .arg("transfer")
        .arg(folder.path())
        .args([
            "--collection",
            "MAPS",
            "--submit",
            "--server",
            &urls[0],
            "--token",
            &old,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let archivist = client(1, "archivist").await;
    let totals = "{ transfers(first: 1) { nodes { id totals { accepted } } } }";
    archivist
        .until(totals, json!({}), |answer| {
            answer["transfers"]["nodes"][0]["totals"]["accepted"].as_u64() >= Some(5)
        })
        .await;

    // New tokens are signed by a new key; those of the old one hold as long as it is published.
    provider.rotate("second,first");
    for (role, roles) in [
        ("admin", json!(["ADMIN"])),
        ("archivist", json!(["ARCHIVIST"])),
        ("contributor", json!(["CONTRIBUTOR"])),
        ("reader", json!(["READER"])),
        ("worker", json!(["WORKER"])),
    ] {
        let token = provider.token(role).await;
        assert!(key_of(&token).ends_with("-second"), "{}", key_of(&token));
        is_taken(&urls, &token, &roles).await;
    }
    // A worker that begins now has a token of the new key.
    workers.push(services.worker("worker-3", &urls[1], &jobs, None));
    let output = tokio::task::spawn_blocking(|| running.wait_with_output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let table = stdout(&output);
    assert!(table.contains(" accepted, 1 QUARANTINED"), "{table}");

    // The old key is retired: who has no newer token is told so.
    provider.rotate("second");
    let archivist = Client::new(urls[1].clone(), Some(provider.token("archivist").await));
    clamd_found_the_malware(&archivist, files).await;
    let transfer =
        archivist.send(totals, json!({})).await.ok()["transfers"]["nodes"][0]["id"].clone();
    let accept = "mutation($id: ID!) { acceptTransfer(input: {id: $id}) { transfer { status depositedBy } } }";
    let accepted = archivist.send(accept, json!({"id": transfer})).await;
    assert_eq!(
        accepted.ok()["acceptTransfer"]["transfer"],
        json!({"status": "ACCEPTED", "depositedBy": "contributor"})
    );
    let reader = Client::new(urls[0].clone(), Some(provider.token("reader").await));
    let download = "{ versions(first: 1) { nodes { download { url } } } }";
    let answer = reader.send(download, json!({})).await;
    let url = answer.ok()["versions"]["nodes"][0]["download"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let bytes = reader
        .http()
        .get(url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(bytes.starts_with(b"file "));

    let mut processes: Vec<Process> = workers.drain(..).chain([api, second]).collect();
    for process in &mut processes {
        assert!(process.stop(), "{}", process.log());
        tells_no_secrets(&process.log(), &[&old, archivist.token(), "worker-secret"]);
    }
}

/// Logs are JSON, line by line, and repeat neither tokens nor content.
pub(super) fn tells_no_secrets(log: &str, secrets: &[&str]) {
    assert!(!log.is_empty());
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    for secret in secrets {
        assert!(!log.contains(secret), "a log repeats {secret}");
    }
    // Any JWT begins so, any presigned URL has that, and so do the files.
    for part in ["eyJ", "X-Amz-Signature", "muk_", "line 1000"] {
        assert!(!log.contains(part), "a log repeats {part}…: {log}");
    }
}
