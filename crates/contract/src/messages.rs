//! What goes through the queue: an id and a trace context, nothing else, so that a message that is
//! lost, doubled or read by a stranger does no harm.

use serde::{Deserialize, Serialize};

use crate::JobId;

/// The queue that takes the built-in checks, dispositions and exports.
pub const JOBS_QUEUE: &str = "jobs";

/// "There is a job": the worker claims it through the API before it does anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobMessage {
    /// The job to claim.
    pub job_id: JobId,
    /// W3C `traceparent` of what caused the job, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl JobMessage {
    /// The message as JSON.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a message.
    pub fn decode(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_message_comes_back_from_its_text() {
        let message = JobMessage {
            job_id: JobId(Uuid::from_u128(9)),
            traceparent: None,
        };
        let text = message.encode();
        assert_eq!(text, r#"{"jobId":"job_00000000000000000000000009"}"#);
        assert_eq!(JobMessage::decode(&text).unwrap(), message);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"jobId":"record_00000000000000000000000009"}"#,
            r#"{"jobId":1}"#,
        ] {
            assert!(JobMessage::decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_refused() {
        let seeds = [
            br#"{"jobId":"job_00000000000000000000000009"}"#.to_vec(),
            br#"{"jobId":"job_00000000000000000000000009","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#.to_vec(),
        ];
        let regressions =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
        fuzzing::Target::new("message", &regressions, &seeds)
            .with_words(&[b"\"", b"\\u0000", b"{", b"[", b",", b":", b"null"])
            .run(|bytes| {
                if let Ok(message) = JobMessage::decode(&String::from_utf8_lossy(bytes)) {
                    assert_eq!(JobMessage::decode(&message.encode()).unwrap(), message);
                }
            });
    }
}
