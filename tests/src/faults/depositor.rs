//! A depositor who does not give up: declares, uploads, completes, adds versions and tasks, asks for packages.
//!
//! Always: what was answered with an error that may pass is asked again, with the same key; what was refused for
//! good is told as a violation, since nothing here is wrong.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::source::{Declared, Sort};
use crate::Client;

/// How long one thing is tried: longer than any fault lasts.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long it waits before it asks again.
const PAUSE: Duration = Duration::from_millis(300);
/// How many calls declare all files.
const CHUNKS: usize = 20;
/// How many uploads at once.
const UPLOADS: usize = 8;

/// What somebody deposits.
pub(super) struct Depositor {
    client: Client,
    seed: u64,
    files: usize,
    span: Duration,
    declared: Mutex<Vec<Declared>>,
    retries: AtomicUsize,
    internal: AtomicUsize,
}

/// What there must be afterwards.
#[derive(Default)]
pub(super) struct Deposited {
    /// The transfer.
    pub(super) transfer: String,
    /// Every version that was declared.
    pub(super) declared: Vec<Declared>,
    /// How many tasks.
    pub(super) tasks: usize,
    /// The package that was asked for when everything had ended.
    pub(super) whole: String,
    /// How often something had to be asked again.
    pub(super) retries: usize,
    /// How often the API said INTERNAL.
    pub(super) internal: usize,
}

type Done<T> = Result<T, String>;

impl Depositor {
    /// Of so many files, spread over `span`, so that each moment of it has something under way.
    pub(super) fn new(client: Client, seed: u64, files: usize, span: Duration) -> Arc<Self> {
        Arc::new(Self {
            client,
            seed,
            files,
            span,
            declared: Mutex::default(),
            retries: AtomicUsize::default(),
            internal: AtomicUsize::default(),
        })
    }

    fn declared(&self) -> std::sync::MutexGuard<'_, Vec<Declared>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it.
    pub(super) async fn deposit(&self) -> Done<Deposited> {
        let transfer = self.open().await?;
        let mut tasks = 0;
        let indexes: Vec<usize> = (0..self.files).collect();
        let mut pace = tokio::time::interval(self.span / 20_u32);
        for (nth, chunk) in indexes.chunks(self.files.div_ceil(CHUNKS)).enumerate() {
            pace.tick().await;
            let records = self.add(&transfer, chunk).await?;
            for (index, record) in chunk.iter().zip(&records) {
                if index % 20 == 3 {
                    self.task(*index, record).await?;
                    tasks += 1;
                }
                if index % 20 == 5 {
                    self.version(*index, record).await?;
                }
            }
            if nth == CHUNKS / 2 {
                self.export(&transfer, "in the middle").await?;
                let cancelled = self.export(&transfer, "to be cancelled").await?;
                let cancel =
                    "mutation($id: ID!) { cancelExport(input: {id: $id}) { export { status } } }";
                // It may be ready already: then that is the answer.
                drop(self.ask(cancel, json!({"id": cancelled})).await);
            }
        }
        self.export(&transfer, "at the end").await?;
        Ok(self.deposited(transfer, tasks))
    }

    /// What was deposited up to now.
    pub(super) fn deposited(&self, transfer: String, tasks: usize) -> Deposited {
        Deposited {
            transfer,
            declared: self.declared().clone(),
            tasks,
            whole: String::new(),
            retries: self.retries.load(Ordering::SeqCst),
            internal: self.internal.load(Ordering::SeqCst),
        }
    }

    /// Opens the transfer, which is the same again the next time.
    pub(super) async fn open(&self) -> Done<String> {
        let open = "mutation($key: String!) { openTransfer(input: {collection: {code: \"MAPS\"}, title: \"Faults\", clientMutationKey: $key}) { transfer { id } } }";
        let answer = self.ask(open, json!({"key": "open"})).await?;
        Ok(text(&answer["openTransfer"]["transfer"]["id"]))
    }

    /// Declares files and uploads them; answers the ids of their records.
    pub(super) async fn add(&self, transfer: &str, indexes: &[usize]) -> Done<Vec<String>> {
        let files: Vec<Declared> = indexes
            .iter()
            .map(|index| Declared::new(self.seed, *index, 1))
            .collect();
        let records: Vec<Value> = files
            .iter()
            .map(|file| json!({"path": file.path, "file": file.file()}))
            .collect();
        // Whatever comes of the call: what was declared must be found again.
        self.declared().extend(files.iter().cloned());
        let answer = self
            .ask(ADD, json!({"transfer": transfer, "records": records}))
            .await?;
        let outcomes = answer["addRecords"]["outcomes"].as_array();
        let outcomes = outcomes.cloned().unwrap_or_default();
        let mut ids = Vec::new();
        let mut uploads = Vec::new();
        for (file, outcome) in files.into_iter().zip(outcomes) {
            let kind = &outcome["__typename"];
            if kind != "RecordAdded" && kind != "RecordExists" {
                return Err(format!("{} was not added: {outcome}", file.path));
            }
            ids.push(text(&outcome["record"]["id"]));
            uploads.push((file, text(&outcome["version"]["id"])));
        }
        self.upload(uploads).await?;
        Ok(ids)
    }

    /// Uploads, and completes four of five: of the others the object store tells.
    async fn upload(&self, uploads: Vec<(Declared, String)>) -> Done<()> {
        let completed: Vec<Option<Value>> = stream::iter(uploads.into_iter().enumerate())
            .map(|(nth, (file, version))| async move {
                let refused = self.put(&file, &version).await?;
                let tell = refused || nth % 5 != 0;
                let outcome = if refused {
                    "REFUSED_DIGEST"
                } else {
                    "UPLOADED"
                };
                Done::Ok(tell.then(|| json!({"versionId": version, "outcome": outcome})))
            })
            .buffer_unordered(UPLOADS)
            .try_collect()
            .await?;
        let uploads: Vec<Value> = completed.into_iter().flatten().collect();
        if uploads.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let answer = self.ask(COMPLETE, json!({"uploads": uploads})).await?;
            let outcomes = answer["completeUploads"]["outcomes"].as_array();
            // What was reported by the object store, checked and moved meanwhile is complete too.
            let mut not = outcomes.into_iter().flatten().filter(|outcome| {
                outcome["__typename"] == "UploadMissing" || outcome["__typename"] == "ItemRefused"
            });
            match not.next() {
                None => return Ok(()),
                Some(refused) if refused["code"] == "UNAVAILABLE" && began.elapsed() < PATIENCE => {
                    self.again().await;
                }
                Some(outcome) => return Err(format!("an upload was not completed: {outcome}")),
            }
        }
    }

    /// Puts the bytes where the ticket says; answers whether the object store refused them for their digest.
    async fn put(&self, file: &Declared, version: &str) -> Done<bool> {
        let began = Instant::now();
        loop {
            let answer = self.ask(TICKET, json!({"id": version})).await?;
            let ticket = &answer["node"]["upload"];
            if answer["node"]["status"] != "AWAITING_UPLOAD" {
                // The object store told of it before we did.
                return Ok(false);
            }
            let mut request = self
                .client
                .http()
                .put(text(&ticket["url"]))
                .body(file.bytes());
            for header in ticket["headers"].as_array().into_iter().flatten() {
                request = request.header(text(&header["name"]), text(&header["value"]));
            }
            match request.send().await.map(|answer| answer.status().as_u16()) {
                // 412: it is there already, the answer to an earlier try was lost.
                Ok(200..300 | 412) => return Ok(false),
                Ok(400) if file.sort == Sort::Mistaken => return Ok(true),
                Ok(_) | Err(_) if began.elapsed() < PATIENCE => self.again().await,
                answer => return Err(format!("{} was not taken: {answer:?}", file.path)),
            }
        }
    }

    async fn version(&self, index: usize, record: &str) -> Done<()> {
        let file = Declared::new(self.seed, index, 2);
        let add = "mutation($record: ID!, $file: NewFileInput!, $key: String!) { addVersion(input: {recordId: $record, file: $file, clientMutationKey: $key}) { version { id number } } }";
        self.declared().push(file.clone());
        let variables =
            json!({"record": record, "file": file.file(), "key": format!("version-{index}")});
        let answer = self.ask(add, variables).await?;
        let version = &answer["addVersion"]["version"];
        if version["number"] != 2 {
            return Err(format!("version 2 of {} is {version}", file.path));
        }
        self.upload(vec![(file, text(&version["id"]))]).await
    }

    async fn task(&self, index: usize, record: &str) -> Done<()> {
        let add = "mutation($record: ID!, $title: String!, $key: String!) { addTask(input: {recordId: $record, title: $title, clientMutationKey: $key}) { task { id } } }";
        let title = format!("Describe {index}");
        let key = format!("task-{index}");
        let variables = json!({"record": record, "title": title, "key": key});
        self.ask(add, variables).await.map(drop)
    }

    /// Asks for a package of all that is accepted of a transfer.
    pub(super) async fn export(&self, transfer: &str, key: &str) -> Done<String> {
        let request = "mutation($id: ID!, $key: String!) { requestExport(input: {selection: {transferId: $id}, clientMutationKey: $key}) { export { id } } }";
        let answer = self
            .ask(request, json!({"id": transfer, "key": key}))
            .await?;
        Ok(text(&answer["requestExport"]["export"]["id"]))
    }

    /// Has all that is kept of a transfer read again.
    pub(super) async fn verify(&self, transfer: &str, key: &str) -> Done<()> {
        let verify = "mutation($id: ID!, $key: String!) { verifyNow(input: {selection: {transferId: $id}, clientMutationKey: $key}) { run { id } } }";
        self.ask(verify, json!({"id": transfer, "key": key}))
            .await
            .map(drop)
    }

    async fn again(&self) {
        self.retries.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }

    /// Asks until there is an answer that stays.
    pub(super) async fn ask(&self, query: &str, variables: Value) -> Done<Value> {
        let began = Instant::now();
        loop {
            let answer = self
                .client
                .http()
                .post(self.client.url())
                .bearer_auth(self.client.token())
                .json(&json!({"query": query, "variables": variables}))
                .send()
                .await;
            let answer: Result<Value, String> = match answer {
                Ok(answer) => answer.json().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let problem = match answer {
                Ok(answer) if answer["errors"].is_null() && answer["data"].is_object() => {
                    return Ok(answer["data"].clone());
                }
                Ok(answer) => {
                    let code = &answer["errors"][0]["extensions"]["code"];
                    if code == "INTERNAL" {
                        self.internal.fetch_add(1, Ordering::SeqCst);
                    } else if code != "UNAVAILABLE" {
                        return Err(format!("refused for good: {}", answer["errors"]));
                    }
                    answer.to_string()
                }
                Err(problem) => problem,
            };
            if began.elapsed() > PATIENCE {
                return Err(format!("no answer for {PATIENCE:?}: {problem}"));
            }
            self.again().await;
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

const ADD: &str = "mutation($transfer: ID!, $records: [NewRecordInput!]!) {
  addRecords(input: {transferId: $transfer, records: $records}) {
    outcomes {
      __typename
      ... on RecordAdded { record { id } version { id } }
      ... on RecordExists { record { id } version { id } }
      ... on RecordPathTaken { record { id } newest { id status } }
      ... on ItemRefused { index code message }
    }
  }
}";

const TICKET: &str = "query($id: ID!) { node(id: $id) { ... on Version { status upload { url headers { name value } } } } }";

const COMPLETE: &str = "mutation($uploads: [CompleteUploadInput!]!) {
  completeUploads(input: {uploads: $uploads}) {
    outcomes {
      __typename
      ... on UploadMissing { version { id status } message }
      ... on ItemRefused { index code message }
    }
  }
}";
