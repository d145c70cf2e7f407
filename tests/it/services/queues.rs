//! Queues of SQS: messages of jobs that somebody has already, and jobs of further kinds of checks.

use std::time::{Duration, Instant};

use api::auth::Role;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use contract::TransferId;
use serde_json::{Value, json};
use tests::{Client, For, Services};

use super::{Fleet, open};

const CLAIM: &str = "mutation($jobs: [ID!]!) { claimJobs(input: {jobIds: $jobs, worker: \"ocr-1\"}) { claims { outcome lease { token } work { ... on CheckWork { object { bucket key etag } size checks { kind run } } } } } }";

/// Waits for a message.
async fn take(services: &Services, queue: &str) -> Message {
    let receive = services
        .sqs()
        .receive_message()
        .queue_url(queue)
        .wait_time_seconds(20)
        .message_system_attribute_names(MessageSystemAttributeName::All);
    let received = receive.send().await.unwrap().messages;
    received.unwrap_or_default().remove(0)
}

/// How many messages are in a queue, visible or not.
async fn depth(services: &Services, queue: &str) -> u32 {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let ask = services.sqs().get_queue_attributes().queue_url(queue);
    let ask = ask.set_attribute_names(Some(names.to_vec()));
    let attributes = ask.send().await.unwrap().attributes.unwrap_or_default();
    names
        .iter()
        .map(|name| attributes[name].parse::<u32>().unwrap())
        .sum()
}

/// Takes the job of a message; answers its claim.
async fn claim(worker: &Client, message: &Message) -> (String, Value) {
    let body: Value = serde_json::from_str(message.body().unwrap()).unwrap();
    let job = body["jobId"].as_str().unwrap().to_owned();
    let claimed = worker.send(CLAIM, json!({"jobs": [job]})).await;
    let claim = claimed.ok()["claimJobs"]["claims"][0].clone();
    assert_eq!(claim["outcome"], "CLAIMED", "{claim:#}");
    (job, claim)
}

#[tokio::test]
async fn messages_of_a_job_that_another_worker_has_are_deleted_and_never_dead_letters() {
    let Some(services) = Services::start().await else {
        return;
    };
    let announced = services.queue("announced").await;
    let jobs = services.queue("jobs").await;
    let Some(fleet) = Fleet::over(services, &announced, &jobs, None).await else {
        return;
    };
    let owner = fleet.client(0, Role::Contributor);
    let transfer = open(&owner, "Held").await;
    owner.deposit(&transfer, &[("a.txt", b"a")]).await;
    // We are the worker that has it; the others only ever get copies of its message.
    let message = take(&fleet.services, &announced).await;
    claim(&fleet.client(0, Role::Worker), &message).await;
    for _ in 0..10 {
        let copy = fleet.services.sqs().send_message().queue_url(&jobs);
        let copy = copy.message_body(message.body().unwrap());
        copy.send().await.unwrap();
    }
    let began = Instant::now();
    while depth(&fleet.services, &jobs).await > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "they are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_further_check_has_a_queue_of_its_own_and_is_reported_by_its_own_service() {
    let Some(mut services) = Services::start().await else {
        return;
    };
    let jobs = services.queue("jobs").await;
    let ocr = services.queue("check-OCR").await;
    services.set(For::Api, "MUNIMENT_CHECK_QUEUES", format!("OCR={ocr}"));
    let Some(fleet) = Fleet::over(services, &jobs, &jobs, None).await else {
        return;
    };
    let create = "mutation { createCollection(input: {code: \"LETTERS\", title: \"Letters\", body: \"WO\", policy: {requiredChecks: [\"CHECKSUM\", \"ANTIVIRUS\", \"FORMAT\", \"OCR\"]}}) { collection { id } } }";
    let admin = fleet.client(0, Role::Admin);
    admin.send(create, json!({})).await.ok();
    let owner = fleet.client(0, Role::Contributor);
    let open = "mutation { openTransfer(input: {collection: {code: \"LETTERS\"}, title: \"Read\"}) { transfer { id } } }";
    let opened = owner.send(open, json!({})).await;
    let transfer = opened.ok()["openTransfer"]["transfer"]["id"].clone();
    let transfer = transfer.as_str().unwrap();
    let (_, version) = owner.deposit(transfer, &[("a.txt", b"a")]).await.remove(0);

    let message = take(&fleet.services, &ocr).await;
    let attributes = message.attributes.clone().unwrap_or_default();
    // SQS's fair queues serve groups in turn: a transfer is a group.
    let group = transfer.parse::<TransferId>().unwrap();
    let group = group.0.simple().to_string();
    assert_eq!(
        attributes.get(&MessageSystemAttributeName::MessageGroupId),
        Some(&group),
        "{attributes:?}"
    );
    let service = fleet.client(1, Role::Worker);
    let (job, claim) = claim(&service, &message).await;
    let work = &claim["work"];
    assert_eq!(work["checks"], json!([{"kind": "OCR", "run": 1}]));
    let (bucket, key) = (&work["object"]["bucket"], &work["object"]["key"]);
    let get = fleet.services.s3().get_object();
    let get = get
        .bucket(bucket.as_str().unwrap())
        .key(key.as_str().unwrap());
    let object = get.send().await.unwrap();
    let etag = object.e_tag.clone();
    assert_eq!(object.body.collect().await.unwrap().to_vec(), b"a");
    let report = "mutation($r: CheckReportInput!) { reportChecks(input: {reports: [$r]}) { outcomes { status } } }";
    let result = json!({
        "kind": "OCR", "run": 1, "status": "PASSED", "bytesLooked": 1, "engine": "reader", "engineVersion": "1",
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z",
    });
    let told = json!({"r": {
        "jobId": job, "leaseToken": claim["lease"]["token"], "objectEtag": etag, "results": [result],
    }});
    let reported = service.send(report, told).await;
    let outcome = &reported.ok()["reportChecks"]["outcomes"][0];
    assert_eq!(outcome["status"], "APPLIED", "{outcome:#}");
    assert_eq!(owner.decided(&version).await["status"], "ACCEPTED");
}
