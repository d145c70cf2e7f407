//! A client as a frontend would have it: GraphQL over HTTP, bytes by presigned URL.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::sha256;

/// The longest that a test waits for something to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// One user's client.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// An answer of GraphQL.
#[derive(Debug, Clone)]
pub struct Answer(pub Value);

impl Answer {
    /// The data; panics when there are errors.
    pub fn ok(&self) -> &Value {
        assert!(
            self.0.get("errors").is_none(),
            "unexpected errors: {:#}",
            self.0["errors"]
        );
        &self.0["data"]
    }

    /// The code of the first error; panics when there is none.
    pub fn code(&self) -> &str {
        self.0["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error with a code in {:#}", self.0))
    }

    /// The message of the first error.
    pub fn message(&self) -> &str {
        self.0["errors"][0]["message"].as_str().unwrap_or_default()
    }

    /// The input path of the first error.
    pub fn path(&self) -> &str {
        self.0["errors"][0]["extensions"]["path"]
            .as_str()
            .unwrap_or_default()
    }
}

impl Client {
    /// A client with a token, or an anonymous one.
    pub fn new(url: String, token: Option<String>) -> Self {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            // No test speaks TLS; to read the system's certificates takes longer than most requests.
            .tls_certs_only([])
            .build()
            .expect("a client can be built");
        Self { http, url, token }
    }

    /// The GraphQL endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token, or nothing.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// The HTTP client, for what is not GraphQL.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends an operation.
    pub async fn send(&self, query: &str, variables: Value) -> Answer {
        let mut request = self
            .http
            .post(&self.url)
            .json(&json!({"query": query, "variables": variables}));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("the API answers");
        Answer(answer.json().await.expect("the API answers JSON"))
    }

    /// A request by GET, not sent yet.
    pub fn get(&self, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let url = reqwest::Url::parse_with_params(&self.url, parameters).expect("a URL");
        let request = self.http.get(url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Opens a subscription by server-sent events.
    pub async fn stream(&self, query: &str, variables: Value) -> reqwest::Response {
        let request = self
            .http
            .post(&self.url)
            .header("accept", "text/event-stream")
            .bearer_auth(self.token())
            .json(&json!({"query": query, "variables": variables}));
        request.send().await.expect("the API answers")
    }

    /// Asks until the answer is as wanted; panics when it never is.
    pub async fn until(
        &self,
        query: &str,
        variables: Value,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let began = std::time::Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            let answer = self.send(query, variables.clone()).await.ok().clone();
            if wanted(&answer) {
                return answer;
            }
            assert!(began.elapsed() < PATIENCE, "it never became so: {answer:#}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(300));
        }
    }

    /// Opens a transfer in the default collection.
    pub async fn open_transfer(&self, title: &str) -> String {
        let answer = self
            .send(
                "mutation($t: String!) { openTransfer(input: {collection: {code: \"DEFAULT\"}, title: $t}) { transfer { id } } }",
                json!({"t": title}),
            )
            .await;
        text(&answer.ok()["openTransfer"]["transfer"]["id"])
    }

    /// Declares files of a transfer; answers the outcomes.
    pub async fn add_records(&self, transfer: &str, files: &[(&str, &[u8])]) -> Vec<Value> {
        let records: Vec<Value> = files
            .iter()
            .map(|(path, bytes)| json!({"path": path, "file": {"size": bytes.len(), "sha256": sha256(bytes)}}))
            .collect();
        self.add_records_as(transfer, json!(records)).await
    }

    /// Declares files of a transfer as given; answers the outcomes.
    pub async fn add_records_as(&self, transfer: &str, records: Value) -> Vec<Value> {
        let answer = self
            .send(
                ADD_RECORDS,
                json!({"transfer": transfer, "records": records}),
            )
            .await;
        let outcomes = answer.ok()["addRecords"]["outcomes"].as_array();
        outcomes.expect("a list of outcomes").clone()
    }

    /// Puts bytes by a ticket, exactly as it says.
    pub async fn put(&self, ticket: &Value, bytes: Vec<u8>) -> StatusCode {
        let mut request = self.http.put(text(&ticket["url"])).body(bytes);
        for header in ticket["headers"].as_array().into_iter().flatten() {
            request = request.header(text(&header["name"]), text(&header["value"]));
        }
        request
            .send()
            .await
            .expect("the object store answers")
            .status()
    }

    /// Says that uploads are complete; answers the outcomes.
    pub async fn complete(&self, versions: &[String]) -> Vec<Value> {
        let uploads: Vec<Value> = versions.iter().map(|id| json!({"versionId": id})).collect();
        let answer = self.send(COMPLETE, json!({"uploads": uploads})).await;
        let outcomes = answer.ok()["completeUploads"]["outcomes"].as_array();
        outcomes.expect("a list of outcomes").clone()
    }

    /// Declares, uploads and completes files; answers (record id, version id) of each.
    pub async fn deposit(&self, transfer: &str, files: &[(&str, &[u8])]) -> Vec<(String, String)> {
        let mut ids = Vec::new();
        for (outcome, (_, bytes)) in self.add_records(transfer, files).await.iter().zip(files) {
            assert_eq!(outcome["__typename"], "RecordAdded", "{outcome:#}");
            let status = self
                .put(&outcome["version"]["upload"], bytes.to_vec())
                .await;
            assert!(status.is_success(), "{status}");
            ids.push((
                text(&outcome["record"]["id"]),
                text(&outcome["version"]["id"]),
            ));
        }
        let versions: Vec<String> = ids.iter().map(|(_, version)| version.clone()).collect();
        for outcome in self.complete(&versions).await {
            // The store may have told of it already.
            let completed = ["UploadCompleted", "UploadAlreadyCompleted"];
            assert!(
                completed.contains(&text(&outcome["__typename"]).as_str()),
                "{outcome:#}"
            );
        }
        ids
    }

    /// Waits until a version is decided; answers it.
    pub async fn decided(&self, version: &str) -> Value {
        let answer = self
            .until(VERSION, json!({"id": version}), |answer| {
                let status = answer["node"]["status"].as_str().unwrap_or_default();
                !matches!(status, "AWAITING_UPLOAD" | "CHECKING")
            })
            .await;
        answer["node"].clone()
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text was expected: {value}"))
        .to_owned()
}

const ADD_RECORDS: &str = "mutation($transfer: ID!, $records: [NewRecordInput!]!) {
  addRecords(input: {transferId: $transfer, records: $records}) {
    outcomes {
      __typename
      ... on RecordAdded { record { id reference path } version { id status upload { kind method url headers { name value } partSize partCount expiresAt } } }
      ... on RecordExists { record { id } version { id status } }
      ... on RecordPathTaken { record { id } newest { id status } }
      ... on ItemRefused { index code message }
    }
  }
}";

const COMPLETE: &str = "mutation($uploads: [CompleteUploadInput!]!) {
  completeUploads(input: {uploads: $uploads}) {
    outcomes {
      __typename
      ... on UploadCompleted { version { id status } }
      ... on UploadAlreadyCompleted { version { id status } }
      ... on UploadMissing { version { id status } message }
      ... on ItemRefused { index code message }
    }
  }
}";

const VERSION: &str = "query($id: ID!) { node(id: $id) { ... on Version {
  id number status whyWaiting sha256 sha512 size
  format { puid name warnings }
  decision { outcome by policyRevision reasons warnings }
  checks { kind run status detail engine coverage { bytes size } waiver { by reason } }
  download { url expiresAt }
} } }";
