//! A kill at each arrow of the flow of a file, of a package and of a verification: right before what is asked is carried
//! out, and right after, so that nobody hears of it.

use std::time::{Duration, Instant};

use axum::http::{Method, request::Parts};
use serde_json::json;

use super::{
    depositor::Depositor,
    fleet::{Fleet, Gate, Who},
    proxy::{Strike, When},
    supervised,
};

/// How long it may take until an arrow is reached: a few leases.
const LONGEST: Duration = Duration::from_mins(2);
/// How many files are deposited for an arrow.
const FILES: usize = 2;

/// What has to be going on for an arrow to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum During {
    Deposit,
    Export,
    Verification,
}

struct Arrow {
    name: &'static str,
    gate: Gate,
    dies: Who,
    during: During,
    is_it: fn(&Parts, &[u8]) -> bool,
}

const fn arrow(
    name: &'static str,
    gate: Gate,
    dies: Who,
    during: During,
    is_it: fn(&Parts, &[u8]) -> bool,
) -> Arrow {
    Arrow {
        name,
        gate,
        dies,
        during,
        is_it,
    }
}

/// The arrows of the pictures (ARCHITECTURE.md), in their order.
const ARROWS: [Arrow; 31] = [
    arrow(
        "addRecords",
        Gate::Api,
        Who::Apis,
        During::Deposit,
        |_, body| has(body, "addRecords("),
    ),
    arrow(
        "completeUploads",
        Gate::Api,
        Who::Apis,
        During::Deposit,
        |_, body| has(body, "completeUploads("),
    ),
    arrow(
        "reportUploads",
        Gate::Api,
        Who::Workers,
        During::Deposit,
        |_, body| has(body, "reportUploads("),
    ),
    arrow(
        "reportUploads",
        Gate::Api,
        Who::Apis,
        During::Deposit,
        |_, body| has(body, "reportUploads("),
    ),
    arrow(
        "a job is announced",
        Gate::Queue,
        Who::Apis,
        During::Deposit,
        |asked, _| target(asked, "SendMessage"),
    ),
    arrow(
        "a job is received",
        Gate::Queue,
        Who::Workers,
        During::Deposit,
        |asked, _| target(asked, "ReceiveMessage"),
    ),
    arrow(
        "claimJobs",
        Gate::Api,
        Who::Workers,
        During::Deposit,
        |_, body| has(body, "claimJobs("),
    ),
    arrow(
        "claimJobs",
        Gate::Api,
        Who::Apis,
        During::Deposit,
        |_, body| has(body, "claimJobs("),
    ),
    arrow(
        "content is read",
        Gate::Objects,
        Who::Workers,
        During::Deposit,
        |asked, _| is_read(asked, "incoming"),
    ),
    arrow(
        "reportChecks",
        Gate::Api,
        Who::Workers,
        During::Deposit,
        |_, body| has(body, "reportChecks("),
    ),
    arrow(
        "reportChecks",
        Gate::Api,
        Who::Apis,
        During::Deposit,
        |_, body| has(body, "reportChecks("),
    ),
    arrow(
        "content is copied",
        Gate::Objects,
        Who::Workers,
        During::Deposit,
        |asked, _| asked.headers.contains_key("x-amz-copy-source"),
    ),
    arrow(
        "the original is deleted",
        Gate::Objects,
        Who::Workers,
        During::Deposit,
        |asked, _| asked.method == Method::DELETE,
    ),
    arrow(
        "reportDispositions",
        Gate::Api,
        Who::Workers,
        During::Deposit,
        |_, body| has(body, "reportDispositions("),
    ),
    arrow(
        "reportDispositions",
        Gate::Api,
        Who::Apis,
        During::Deposit,
        |_, body| has(body, "reportDispositions("),
    ),
    arrow(
        "messages are deleted",
        Gate::Queue,
        Who::Workers,
        During::Deposit,
        |asked, _| target(asked, "DeleteMessage"),
    ),
    arrow(
        "a package is asked for",
        Gate::Api,
        Who::Apis,
        During::Export,
        |_, body| has(body, "requestExport("),
    ),
    arrow(
        "a package is claimed",
        Gate::Api,
        Who::Workers,
        During::Export,
        |_, body| has(body, "claimJobs("),
    ),
    arrow(
        "a package is claimed",
        Gate::Api,
        Who::Apis,
        During::Export,
        |_, body| has(body, "claimJobs("),
    ),
    arrow(
        "what goes into a package is asked for",
        Gate::Api,
        Who::Workers,
        During::Export,
        |_, body| has(body, "exportItems("),
    ),
    arrow(
        "what goes into a package is asked for",
        Gate::Api,
        Who::Apis,
        During::Export,
        |_, body| has(body, "exportItems("),
    ),
    arrow(
        "content is packed",
        Gate::Objects,
        Who::Workers,
        During::Export,
        |asked, _| is_read(asked, "records"),
    ),
    arrow(
        "a package is stored",
        Gate::Objects,
        Who::Workers,
        During::Export,
        |asked, _| {
            asked
                .uri
                .query()
                .is_some_and(|query| query.contains("uploadId="))
                && asked.method == Method::POST
        },
    ),
    arrow(
        "reportExport",
        Gate::Api,
        Who::Workers,
        During::Export,
        |_, body| has(body, "reportExport("),
    ),
    arrow(
        "reportExport",
        Gate::Api,
        Who::Apis,
        During::Export,
        |_, body| has(body, "reportExport("),
    ),
    arrow(
        "verifyNow",
        Gate::Api,
        Who::Apis,
        During::Verification,
        |_, body| has(body, "verifyNow("),
    ),
    arrow(
        "a verification is claimed",
        Gate::Api,
        Who::Workers,
        During::Verification,
        |_, body| has(body, "claimJobs("),
    ),
    arrow(
        "a verification is claimed",
        Gate::Api,
        Who::Apis,
        During::Verification,
        |_, body| has(body, "claimJobs("),
    ),
    arrow(
        "what is kept is read",
        Gate::Objects,
        Who::Workers,
        During::Verification,
        |asked, _| is_read(asked, "records"),
    ),
    arrow(
        "reportFixity",
        Gate::Api,
        Who::Workers,
        During::Verification,
        |_, body| has(body, "reportFixity("),
    ),
    arrow(
        "reportFixity",
        Gate::Api,
        Who::Apis,
        During::Verification,
        |_, body| has(body, "reportFixity("),
    ),
];

fn has(body: &[u8], what: &str) -> bool {
    body.windows(what.len()).any(|part| part == what.as_bytes())
}

/// Whether an object of a bucket is read.
fn is_read(asked: &Parts, bucket: &str) -> bool {
    let place = asked.uri.path().trim_start_matches('/').split_once('/');
    asked.method == Method::GET && place.is_some_and(|(of, key)| of == bucket && !key.is_empty())
}

fn target(asked: &Parts, what: &str) -> bool {
    let target = asked.headers.get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    target.is_some_and(|target| target.starts_with(&format!("AmazonSQS.{what}")))
}

/// How many arrows there are, each with two moments.
pub const KILLS: usize = ARROWS.len() * 2;

/// Kills at so many of them, spread evenly, one after another, while files are deposited and packages asked for.
/// Answers the transfer, and the arrows that were not reached.
pub(super) async fn some(
    kills: usize,
    fleet: &mut Fleet,
    depositor: &Depositor,
    archivist: &Depositor,
) -> Result<(String, Vec<String>), String> {
    let transfer = depositor.open().await?;
    let mut missed = Vec::new();
    for nth in 0..kills {
        let moment = nth * KILLS / kills;
        let arrow = &ARROWS[moment / 2];
        let when = if moment.is_multiple_of(2) {
            When::Before
        } else {
            When::After
        };
        let struck = fleet.strike(
            arrow.gate,
            Strike {
                when,
                again: false,
                is_it: Box::new(arrow.is_it),
                blow: fleet.blow(arrow.dies),
            },
        );
        let going = async {
            let indexes: Vec<usize> = (nth * FILES..(nth + 1) * FILES).collect();
            let key = format!("{nth} {} {when:?}", arrow.name);
            match arrow.during {
                During::Deposit => depositor.add(&transfer, &indexes).await.map(drop),
                During::Export => depositor.export(&transfer, &key).await.map(drop),
                During::Verification => archivist.verify(&transfer, &key).await,
            }
        };
        supervised(fleet, going).await?;
        let began = Instant::now();
        while struck.times() == 0 && began.elapsed() < LONGEST {
            supervised(fleet, tokio::time::sleep(Duration::from_millis(50))).await;
        }
        fleet.revive(arrow.dies);
        if struck.times() == 0 {
            missed.push(format!(
                "no kill {when:?} {}: nobody was killed there",
                arrow.name
            ));
        }
    }
    // The last were killed too: what follows is asked of those that were started in their place.
    let alive = depositor.ask("{ __typename }", json!({}));
    supervised(fleet, alive).await?;
    Ok((transfer, missed))
}
