//! The API over HTTP: what is sent, what is understood, what is tried again.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::post};
use chrono::DateTime;
use contract::JobId;
use runtime::backoff::Policy;
use runtime::secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;
use worker::client::{
    Api, ApiError, ApiSettings, CheckReport, CheckResult, ClaimOutcome, EngineInfo, Evidence,
    ExportReport, FormatBasis, FormatEvidence, FormatMatch, HttpApi, LeaseKey, ReportStatus,
    ResultStatus, TokenSource, Work,
};

/// What the server answers, in turn, and what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<(u16, Value)>>,
    asked: Mutex<Vec<(Value, String)>>,
}

async fn answer(
    State(script): State<Arc<Script>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let token = headers["authorization"].to_str().unwrap().to_owned();
    script.asked.lock().unwrap().push((body, token));
    let next = script.answers.lock().unwrap().pop_front();
    let (status, body) = next.unwrap_or((500, json!("no more answers")));
    (StatusCode::from_u16(status).unwrap(), Json(body))
}

/// A token that changes when it was refused.
#[derive(Default)]
struct Tokens(AtomicU32);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> Result<SecretString, ApiError> {
        Ok(format!("token {}", self.0.load(Ordering::SeqCst)).into())
    }

    fn refused(&self, _token: &SecretString) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Asks a server that answers so. Answers what came of it, and what was asked.
async fn ask<T>(
    answers: impl IntoIterator<Item = (u16, Value)>,
    ask: impl AsyncFnOnce(HttpApi) -> Result<T, ApiError>,
) -> (Result<T, ApiError>, Vec<(Value, String)>) {
    let script = Arc::new(Script::default());
    script.answers.lock().unwrap().extend(answers);
    let router = Router::new()
        .route("/graphql", post(answer))
        .with_state(script.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let settings = ApiSettings {
        retry: Policy {
            first: Duration::from_millis(1),
            cap: Duration::from_millis(1),
            attempts: NonZeroU32::MIN.saturating_add(3),
        },
        ..ApiSettings::default()
    };
    let api = HttpApi::new(&url, "worker-1", Arc::new(Tokens::default()), &settings).unwrap();
    let answer = tokio::select! {
        answer = ask(api) => answer,
        _ = async { axum::serve(listener, router).await } => panic!("the server ended"),
    };
    let asked = script.asked.lock().unwrap().drain(..).collect();
    (answer, asked)
}

fn job(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

fn lease(number: u128) -> LeaseKey {
    LeaseKey {
        job: job(number),
        token: "t".to_owned(),
    }
}

fn refusal(code: &str) -> Value {
    json!({"data": null, "errors": [{"message": "no", "extensions": {"code": code}}]})
}

fn nothing_failed() -> Value {
    json!({"data": {"failJobs": {"outcomes": []}}})
}

#[tokio::test]
async fn claims_of_every_kind_are_understood() {
    let location = |bucket: &str| json!({"bucket": bucket, "key": "k", "etag": "\"e\""});
    let version = "version_00000000000000000000000007";
    let granted = |number: u128, work: Value| {
        let lease = json!({
            "token": "t", "expiresAt": "2026-01-01T00:00:00Z", "attempt": 2, "maxAttempts": 5
        });
        json!({"jobId": job(number), "outcome": "CLAIMED", "lease": lease, "work": work})
    };
    let other = |number: u128, outcome: &str| json!({"jobId": job(number), "outcome": outcome, "lease": null, "work": null});
    let claims = json!([
        granted(
            1,
            json!({
                "__typename": "CheckWork", "versionId": version, "fileName": "a.txt", "size": 5_000_000_000_u64,
                "sha256": "ab", "object": location("incoming"), "checks": [{"kind": "FORMAT", "run": 3}],
            })
        ),
        granted(
            2,
            json!({
                "__typename": "DispositionWork", "versionId": version, "kind": "QUARANTINE", "size": 1,
                "source": location("incoming"), "target": location("quarantine"),
            })
        ),
        granted(
            3,
            json!({
                "__typename": "ExportWork", "exportId": "export_00000000000000000000000001",
                "reference": "R", "target": {"bucket": "exports", "key": "k", "etag": null}, "files": 2,
                "bytes": 10, "asOf": "2026-01-02T03:04:05Z", "bagInfo": [{"label": "L", "value": "V"}],
            })
        ),
        other(4, "NOTHING_TO_DO"),
        other(5, "BUSY"),
    ]);
    let jobs: Vec<JobId> = (1..=5).map(job).collect();
    let (claims, asked) = ask(
        [(200, json!({"data": {"claimJobs": {"claims": claims}}}))],
        async |api| api.claim_jobs(&jobs, Duration::from_mins(1)).await,
    )
    .await;
    let claims = claims.unwrap();
    let outcomes: Vec<ClaimOutcome> = claims.iter().map(|claim| claim.outcome).collect();
    assert_eq!(outcomes[..3], [ClaimOutcome::Claimed; 3]);
    assert_eq!(
        outcomes[3..],
        [ClaimOutcome::NothingToDo, ClaimOutcome::Busy]
    );
    let works: Vec<&Work> = claims
        .iter()
        .filter_map(|c| Some(&c.granted.as_ref()?.work))
        .collect();
    let [
        Work::Check(check),
        Work::Disposition(disposition),
        Work::Export(export),
    ] = works[..]
    else {
        panic!("{works:?}");
    };
    assert_eq!((check.size, check.checks[0].run), (5_000_000_000, 3));
    assert_eq!(disposition.target.bucket, "quarantine");
    assert_eq!(
        export.as_of,
        DateTime::from_timestamp(1_767_323_045, 0).unwrap()
    );
    let (body, token) = &asked[0];
    assert_eq!(token, "Bearer token 0");
    assert_eq!(body["operationName"], "ClaimJobs");
    let key = &body["variables"]["input"]["claimKey"];
    assert_eq!(
        body["variables"]["input"],
        json!({"jobIds": jobs, "worker": "worker-1", "leaseSeconds": 60, "claimKey": key})
    );
}

#[tokio::test]
async fn a_claim_is_sent_again_under_the_same_key() {
    let nothing = json!({"data": {"claimJobs": {"claims": []}}});
    let answers = [(503, json!(null)), (200, nothing.clone()), (200, nothing)];
    let (done, asked) = ask(answers, async |api| {
        for _ in 0..2 {
            api.claim_jobs(&[job(1)], Duration::from_mins(1)).await?;
        }
        Ok(())
    })
    .await;
    done.unwrap();
    let keys: Vec<&str> = asked
        .iter()
        .map(|(body, _)| body["variables"]["input"]["claimKey"].as_str().unwrap())
        .collect();
    assert_eq!((keys[0].len(), keys[0]), (32, keys[1]));
    assert_ne!(keys[1], keys[2]);
}

#[tokio::test]
async fn an_api_of_the_version_before_is_asked_without_a_key() {
    let message = "Invalid value for argument \"input\", unknown field \"claimKey\" of type \"ClaimJobsInput\"";
    let extensions = json!({"code": "BAD_USER_INPUT"});
    let refused = json!({"errors": [{"message": message, "extensions": extensions}]});
    let nothing = json!({"data": {"claimJobs": {"claims": []}}});
    let (claims, asked) = ask([(400, refused), (200, nothing)], async |api| {
        api.claim_jobs(&[job(1)], Duration::from_mins(1)).await
    })
    .await;
    assert_eq!(claims, Ok(Vec::new()));
    let (body, _) = &asked[1];
    assert_eq!(body["variables"]["input"].get("claimKey"), None);
}

#[tokio::test]
async fn a_report_carries_its_evidence() {
    let at = DateTime::from_timestamp(0, 0).unwrap();
    let result = |kind: &str, evidence: Evidence| CheckResult {
        kind: kind.to_owned(),
        run: 1,
        status: ResultStatus::Passed,
        engine: EngineInfo {
            name: "E".to_owned(),
            version: "1".to_owned(),
            signatures: None,
        },
        bytes_looked: 3,
        detail: None,
        started_at: at,
        finished_at: at,
        evidence,
    };
    let checksum = Evidence::Checksum {
        size: 3,
        sha256: "a".to_owned(),
        sha512: "b".to_owned(),
    };
    let format = Evidence::Format(FormatEvidence {
        matches: vec![FormatMatch {
            puid: "fmt/4".to_owned(),
            name: "GIF".to_owned(),
            version: "89a".to_owned(),
            media_type: "image/gif".to_owned(),
            basis: FormatBasis::Signature,
        }],
        archive: true,
        ..FormatEvidence::default()
    });
    let report = CheckReport {
        lease: lease(1),
        object_etag: "e".to_owned(),
        results: vec![result("CHECKSUM", checksum), result("FORMAT", format)],
    };
    let outcomes = json!([
        {"jobId": job(1), "status": "ALREADY_APPLIED", "message": null, "next": null}
    ]);
    let (outcomes, asked) = ask(
        [(
            200,
            json!({"data": {"reportChecks": {"outcomes": outcomes}}}),
        )],
        async |api| api.report_checks(&[report]).await,
    )
    .await;
    assert_eq!(
        outcomes.unwrap()[0].report.status,
        ReportStatus::AlreadyApplied
    );
    let results = &asked[0].0["variables"]["input"]["reports"][0]["results"];
    assert_eq!(
        results[0]["checksum"],
        json!({"size": 3, "sha256": "a", "sha512": "b"})
    );
    assert_eq!(results[1]["format"]["matches"][0]["basis"], "SIGNATURE");
    assert_eq!(results[1]["format"]["archive"], true);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_another_token_where_it_was_refused() {
    let (answer, asked) = ask(
        [
            (503, json!("busy")),
            (200, refusal("UNAVAILABLE")),
            (401, json!("who are you")),
            (200, nothing_failed()),
        ],
        async |api| api.fail_jobs(&[]).await,
    )
    .await;
    assert_eq!(answer, Ok(Vec::new()));
    let tokens: Vec<&str> = asked.iter().map(|(_, token)| token.as_str()).collect();
    assert_eq!(
        tokens,
        [
            "Bearer token 0",
            "Bearer token 0",
            "Bearer token 0",
            "Bearer token 1"
        ]
    );
}

#[tokio::test]
async fn what_will_never_be_taken_is_asked_once() {
    for code in ["BAD_USER_INPUT", "CONFLICT", "NOT_FOUND"] {
        let (answer, asked) =
            ask([(200, refusal(code))], async |api| api.fail_jobs(&[]).await).await;
        assert_eq!(answer, Err(ApiError::refused(code, "no")));
        assert_eq!(asked.len(), 1, "{code}");
    }
}

#[tokio::test]
async fn trying_again_has_an_end() {
    for answer in [
        json!("html"),
        refusal("INTERNAL"),
        json!({"data": {"failJobs": 1}}),
    ] {
        let answers = vec![(200, answer); 10];
        let (answer, asked) = ask(answers, async |api| api.fail_jobs(&[]).await).await;
        assert!(answer.is_err_and(|error| error.is_retryable()));
        assert_eq!(asked.len(), 4);
    }
}

#[tokio::test]
async fn a_worker_that_is_refused_with_a_new_token_too_asks_no_more() {
    for answer in [(401, json!("no")), (200, refusal("UNAUTHENTICATED"))] {
        let (answer, asked) = ask(vec![answer; 10], async |api| api.fail_jobs(&[]).await).await;
        assert!(answer.is_err_and(|error| error.is_retryable()), "later");
        let tokens: Vec<&str> = asked.iter().map(|(_, token)| token.as_str()).collect();
        assert_eq!(tokens, ["Bearer token 0", "Bearer token 1"]);
    }
}

#[tokio::test]
async fn pages_end_where_the_api_says_so() {
    let page = |next: bool| {
        json!({"data": {"exportItems": {
            "nodes": [], "pageInfo": {"hasNextPage": next, "endCursor": "c"}
        }}})
    };
    for (goes_on, next) in [(true, Some("c")), (false, None)] {
        let (answer, asked) = ask([(200, page(goes_on))], async |api| {
            api.export_items(&lease(1), 500, Some("b")).await
        })
        .await;
        assert_eq!(answer.unwrap().next.as_deref(), next);
        let variables = json!({"jobId": job(1), "leaseToken": "t", "first": 500, "after": "b"});
        assert_eq!(asked[0].0["variables"], variables);
    }
}

#[tokio::test]
async fn an_export_is_told_by_its_status() {
    let taken = json!({"data": {"reportExport": {"status": "APPLIED", "cancelled": true}}});
    for (report, expected) in [
        (
            ExportReport::Progress { files: 1, bytes: 2 },
            json!({"status": "PROGRESS", "filesDone": 1, "bytesDone": 2}),
        ),
        (
            ExportReport::Ready {
                size: 3,
                sha256: "a".to_owned(),
            },
            json!({"status": "READY", "size": 3, "sha256": "a"}),
        ),
        (
            ExportReport::Failed {
                error: "e".to_owned(),
            },
            json!({"status": "FAILED", "error": "e"}),
        ),
    ] {
        let (answer, asked) = ask([(200, taken.clone())], async |api| {
            api.report_export(&lease(1), &report).await
        })
        .await;
        assert!(answer.unwrap().cancelled);
        let mut expected = expected;
        expected["jobId"] = json!(job(1));
        expected["leaseToken"] = json!("t");
        assert_eq!(asked[0].0["variables"]["input"], expected);
    }
}
