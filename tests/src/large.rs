//! Files of any size that nobody has to store: their bytes are made as they are read.

use std::sync::LazyLock;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use reqwest::Body;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Client;

/// How much is made at once.
const PIECE: u64 = 1 << 20;

/// The size of a test that would take long: what the setting `name` says, else `small`, of which a word is said.
/// `whole` is what the description of the system names.
pub fn sized(name: &str, small: u64, whole: u64) -> u64 {
    let set = std::env::var_os(name);
    let size = set
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(small);
    if size < whole {
        eprintln!("scaled down: {size} in place of {whole}, for time and disk; {name} sets it");
    }
    size
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A block unlike its neighbours. It is copied, not computed: test programs are not optimised.
fn block(nth: u64) -> Vec<u8> {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut noise = vec![0; length(PIECE)];
        StdRng::seed_from_u64(1).fill_bytes(&mut noise);
        noise
    });
    let (end, begin) = NOISE.split_at(length(nth * 65_537 % PIECE));
    let mut block = [begin, end].concat();
    block[..8].copy_from_slice(&nth.to_le_bytes());
    block
}

/// A file without a pattern that ends as one likes.
#[derive(Debug, Clone)]
pub struct Large {
    size: u64,
    end: Vec<u8>,
}

impl Large {
    /// So many bytes, the last of them these.
    pub fn new(size: u64, end: &[u8]) -> Self {
        Self {
            size,
            end: end.to_vec(),
        }
    }

    /// Some of its bytes.
    pub fn bytes(&self, from: u64, to: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length(to - from));
        for nth in from / PIECE..to.div_ceil(PIECE) {
            let block = block(nth);
            let begin = nth * PIECE;
            let (first, last) = (from.max(begin) - begin, to.min(begin + PIECE) - begin);
            bytes.extend_from_slice(&block[length(first)..length(last)]);
        }
        let begin = self.size - self.end.len() as u64;
        for (at, byte) in (begin..self.size).zip(&self.end) {
            if (from..to).contains(&at) {
                bytes[usize::try_from(at - from).unwrap_or(0)] = *byte;
            }
        }
        bytes
    }

    fn pieces(self, from: u64, to: u64) -> impl Iterator<Item = Vec<u8>> {
        let starts = (from..to).step_by(usize::try_from(PIECE).unwrap_or(1));
        starts.map(move |start| self.bytes(start, (start + PIECE).min(to)))
    }

    /// Its SHA-256, as clients declare it.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for piece in self.clone().pieces(0, self.size) {
            hasher.update(piece);
        }
        hex::encode(hasher.finalize())
    }

    /// Declares it, uploads it as its ticket says and completes it; answers the id of its version.
    pub async fn deposit(&self, client: &Client, transfer: &str, path: &str) -> String {
        let record = json!([{"path": path, "file": {"size": self.size, "sha256": self.sha256()}}]);
        let added = client.add_records_as(transfer, record).await.remove(0);
        assert_eq!(added["__typename"], "RecordAdded", "{added:#}");
        let version = &added["version"];
        let id = version["id"].as_str().expect("an id").to_owned();
        if version["upload"]["kind"] == "MULTIPART" {
            self.put_parts(client, &id).await;
        } else {
            self.put(client, &version["upload"], 0, self.size).await;
        }
        let completed = client.complete(std::slice::from_ref(&id)).await.remove(0);
        assert_eq!(completed["__typename"], "UploadCompleted", "{completed:#}");
        id
    }

    async fn put_parts(&self, client: &Client, id: &str) {
        let query = "mutation($id: ID!) { uploadParts(input: {versionId: $id}) { partSize missing { number size url headers { name value } } } }";
        loop {
            let answer = client.send(query, json!({"id": id})).await;
            let parts = answer.ok()["uploadParts"].clone();
            let missing = parts["missing"].as_array().expect("a list").clone();
            if missing.is_empty() {
                return;
            }
            let size = parts["partSize"].as_u64().expect("a number");
            for part in missing {
                let from = (part["number"].as_u64().expect("a number") - 1) * size;
                let length = part["size"].as_u64().expect("a number");
                self.put(client, &part, from, from + length).await;
            }
        }
    }

    async fn put(&self, client: &Client, ticket: &Value, from: u64, to: u64) {
        let pieces = self.clone().pieces(from, to);
        let body = futures::stream::iter(pieces.map(Ok::<_, std::convert::Infallible>));
        let mut request = client
            .http()
            .put(ticket["url"].as_str().expect("an address"))
            .header("content-length", to - from)
            .body(Body::wrap_stream(body));
        for header in ticket["headers"].as_array().into_iter().flatten() {
            let text = |name: &str| header[name].as_str().expect("a text").to_owned();
            if !text("name").eq_ignore_ascii_case("content-length") {
                request = request.header(text("name"), text("value"));
            }
        }
        let answer = request.send().await.expect("the object store answers");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}
