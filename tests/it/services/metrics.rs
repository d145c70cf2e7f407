//! What Prometheus reads of the real processes.

#![expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "what is counted are whole numbers, which floats hold exactly"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use api::auth::Role;
use serde_json::json;
use tests::{Services, Socket};

/// The figures of one process, by name and labels.
async fn figures(url: &str) -> BTreeMap<String, f64> {
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let known = [api::measures::MEASURES, worker::measures::MEASURES].concat();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let name = line.split(['{', ' ']).next().unwrap();
            let is_known = known.iter().any(|one| {
                let rest = name.strip_prefix(one.name);
                rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
            });
            assert!(is_known, "the README does not have {name}");
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one transfer, and all that is said of it"
)]
async fn what_is_counted_and_timed_is_what_has_happened() {
    const FILES: [(&str, &[u8]); 3] = [("a.txt", b"a"), ("b.txt", b"bcd"), ("c.txt", b"efghi")];
    let Some(services) = Services::start().await else {
        return;
    };
    let jobs = services.queue("jobs").await;
    services.migrate();
    let (_api, url) = services.api("api", &jobs);
    let of_api = url.replace("/graphql", "/metrics");
    let admin = services.client(&url, "admin", Role::Admin, &[]);
    let create = "mutation { createCollection(input: {code: \"MAPS\", title: \"Maps\", body: \"WO\"}) { collection { id } } }";
    admin.send(create, json!({})).await.ok();
    let owner = services.client(&url, "ann", Role::Contributor, &["WO"]);
    let open = "mutation { openTransfer(input: {collection: {code: \"MAPS\"}, title: \"Counted\"}) { transfer { id } } }";
    let opened = owner.send(open, json!({})).await;
    let transfer = opened.ok()["openTransfer"]["transfer"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let began = Instant::now();
    let versions = owner.deposit(&transfer, &FILES).await;

    // Nobody works: three jobs wait, and get older.
    let announced = "muniment_jobs{queue=\"jobs\",status=\"PUBLISHED\"}";
    let age = "muniment_oldest_waiting_job_seconds{queue=\"jobs\",kind=\"CHECK\"}";
    loop {
        let figures = figures(&of_api).await;
        if figures.get(announced) == Some(&3.0) && figures[age] > 0.0 {
            assert!(
                figures[age] <= began.elapsed().as_secs_f64(),
                "{}",
                figures[age]
            );
            assert_eq!(
                figures["muniment_jobs{queue=\"jobs\",status=\"DEAD\"}"],
                0.0
            );
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "{figures:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let worker = services.worker("worker", &url, &jobs, None);
    for (_, version) in &versions {
        assert_eq!(owner.decided(version).await["status"], "ACCEPTED");
    }
    // What comes by a websocket, what fails and what is refused is timed too, and nobody makes up a label.
    let mut socket = Socket::signed_in(&url, owner.token()).await;
    let watch = "subscription($id: ID!) { transferProgress(id: $id) { totals { versions } } }";
    socket.subscribe("1", watch, json!({"id": transfer})).await;
    socket.next().await;
    owner.send(create, json!({})).await.code();
    owner.send("{ madeUp }", json!({})).await.code();
    owner.send("{ { ", json!({})).await.code();
    let figures_of_api = figures(&of_api).await;
    let requests = |operation: &str, outcome: &str| {
        let name = format!(
            "muniment_api_request_seconds_count{{operation=\"{operation}\",outcome=\"{outcome}\"}}"
        );
        figures_of_api.get(&name).copied().unwrap_or_default()
    };
    assert_eq!(
        [
            requests("openTransfer", "ok"),
            requests("completeUploads", "ok"),
            requests("transferProgress", "ok"),
            requests("createCollection", "ok"),
            requests("createCollection", "errors"),
            requests("other", "refused"),
        ],
        [1.0, 1.0, 1.0, 1.0, 1.0, 2.0],
        "{figures_of_api:#?}"
    );
    assert!(!figures_of_api.keys().any(|name| name.contains("madeUp")));
    for kind in contract::checks::BUILT_IN {
        let of = |part: &str| {
            let name = format!("muniment_check_seconds_{part}{{kind=\"{kind}\"}}");
            figures_of_api[&name]
        };
        assert_eq!(of("count"), 3.0, "{kind}");
        let longest = 3.0 * began.elapsed().as_secs_f64();
        assert!((0.0..=longest).contains(&of("sum")), "{kind}");
    }

    // The last word of a job is told before it is counted.
    let done = "muniment_worker_jobs_total{kind=\"disposition\",outcome=\"ok\"}";
    let of_worker = worker.readyz().replace("/readyz", "/metrics");
    let counted = loop {
        let figures = figures(&of_worker).await;
        if figures.get(done) == Some(&3.0) {
            break figures;
        }
        assert!(began.elapsed() < Duration::from_mins(3), "{figures:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let bytes = FILES
        .iter()
        .map(|(_, content)| content.len())
        .sum::<usize>();
    assert_eq!(counted["muniment_worker_bytes_checked_total"], bytes as f64);
    assert_eq!(
        counted["muniment_worker_job_seconds_count{kind=\"check\"}"],
        3.0
    );
    loop {
        let figures = figures(&of_api).await;
        let waiting = [
            announced,
            "muniment_jobs{queue=\"jobs\",status=\"READY\"}",
            age,
        ];
        if waiting.iter().all(|name| figures[*name] == 0.0) {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(4), "{figures:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
