//! What the object store says of its objects: S3 event notifications, as they come through SQS by
//! themselves, wrapped by SNS, or from `EventBridge`.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
//!
//! Always: a text that is none of these is an error and nothing else; at most [`MOST`] objects are read from one.

use serde::Deserialize;

/// The most objects that one message may name.
const MOST: usize = 1_000;

/// An object that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its bucket.
    pub bucket: String,
    /// Its key, decoded.
    pub key: String,
}

/// Why a message says nothing to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEvent {
    /// It is no notification.
    #[error("it is no event notification of S3")]
    Unknown,
    /// It names too many objects.
    #[error("it names more than {MOST} objects")]
    TooMany,
}

/// Any of the forms: what is not there is `None`.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    /// The test that S3 sends when notifications are set up.
    #[serde(rename = "Event")]
    event: Option<String>,
    /// SNS.
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Message")]
    wrapped: Option<String>,
    /// `EventBridge`.
    source: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    detail: Option<S3>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventSource", default)]
    source: String,
    #[serde(rename = "eventName", default)]
    name: String,
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// The objects that a message says were written; none for what is no upload (a test, a deletion).
pub fn read(text: &str) -> Result<Vec<Written>, NotAnEvent> {
    let message: Message = serde_json::from_str(text).map_err(|_| NotAnEvent::Unknown)?;
    match message {
        Message {
            kind: Some(kind),
            wrapped: Some(inner),
            ..
        } if kind == "Notification" => {
            // One wrapping, and no more.
            bare(serde_json::from_str(&inner).map_err(|_| NotAnEvent::Unknown)?)
        }
        other => bare(other),
    }
}

fn bare(message: Message) -> Result<Vec<Written>, NotAnEvent> {
    if let Some(records) = message.records {
        if records.len() > MOST {
            return Err(NotAnEvent::TooMany);
        }
        let written = records
            .into_iter()
            // MinIO and others name themselves differently.
            .filter(|record| record.source.ends_with(":s3") || record.source.is_empty())
            .filter(|record| {
                record
                    .name
                    .trim_start_matches("s3:")
                    .starts_with("ObjectCreated")
            })
            .map(|record| Written {
                bucket: record.s3.bucket.name,
                key: form_decoded(&record.s3.object.key),
            });
        return Ok(written.collect());
    }
    if message.event.as_deref() == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    match (
        message.source.as_deref(),
        message.detail_type,
        message.detail,
    ) {
        // `EventBridge` does not encode keys.
        (Some("aws.s3"), Some(kind), Some(detail)) if kind == "Object Created" => {
            Ok(vec![Written {
                bucket: detail.bucket.name,
                key: detail.object.key,
            }])
        }
        (Some("aws.s3"), Some(_), _) => Ok(Vec::new()),
        _ => Err(NotAnEvent::Unknown),
    }
}

/// Keys in notifications are encoded as forms are: `+` is a space, `%XX` a byte.
fn form_decoded(key: &str) -> String {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%');
        let decoded = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, decoded) {
            (_, Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', None) => {
                bytes.push(b' ');
                rest = after;
            }
            (other, None) => {
                bytes.push(other);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn s3(name: &str, key: &str) -> serde_json::Value {
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": name,
            "s3": {"bucket": {"name": "incoming"}, "object": {"key": key, "size": 3}},
        })
    }

    fn written(key: &str) -> Written {
        Written {
            bucket: "incoming".into(),
            key: key.into(),
        }
    }

    #[test]
    fn each_form_of_a_notification_is_understood() {
        let records = json!({"Records": [s3("ObjectCreated:Put", "version_1")]});
        let sns = json!({"Type": "Notification", "Message": records.to_string()});
        let bridge = json!({
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": "incoming"}, "object": {"key": "version_1"}},
        });
        for text in [records, sns, bridge] {
            assert_eq!(
                read(&text.to_string()),
                Ok(vec![written("version_1")]),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_upload_says_nothing() {
        for text in [
            json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "incoming"}),
            json!({"Records": [s3("ObjectRemoved:Delete", "version_1")]}),
            json!({"Records": []}),
            json!({"source": "aws.s3", "detail-type": "Object Deleted"}),
        ] {
            assert_eq!(read(&text.to_string()), Ok(vec![]), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let twice = json!({"Type": "Notification", "Message": json!({"Type": "Notification", "Message": "{}"}).to_string()});
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "{\"Records\": 1}",
            &twice.to_string(),
        ] {
            assert_eq!(read(text), Err(NotAnEvent::Unknown), "{text}");
        }
        let many = json!({"Records": vec![s3("ObjectCreated:Put", "k"); MOST + 1]});
        assert_eq!(read(&many.to_string()), Err(NotAnEvent::TooMany));
    }

    #[test]
    fn keys_are_decoded_as_forms_are() {
        for (encoded, decoded) in [
            ("version_1", "version_1"),
            ("a+b%20c%2Fd", "a b c/d"),
            ("%C3%A9", "é"),
            ("100%", "100%"),
            ("%zz+%2", "%zz %2"),
            ("%FF", "\u{fffd}"),
        ] {
            assert_eq!(form_decoded(encoded), decoded);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".*") {
            drop(read(&text));
            drop(form_decoded(&text));
        }
    }

    #[test]
    fn any_bytes_are_a_notification_or_refused() {
        let records = json!({"Records": [s3("ObjectCreated:Put", "version%2B1+%C3%A9")]});
        let seeds = [
            records.to_string(),
            json!({"Type": "Notification", "Message": records.to_string()}).to_string(),
            json!({
                "source": "aws.s3",
                "detail-type": "Object Created",
                "detail": {"bucket": {"name": "incoming"}, "object": {"key": "version_1"}},
            })
            .to_string(),
            json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "incoming"})
                .to_string(),
        ]
        .map(String::into_bytes);
        let regressions =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
        fuzzing::Target::new("event", &regressions, &seeds)
            .with_words(&[
                b"\"",
                b"\\u0000",
                b"%",
                b"%0",
                b"{",
                b"[",
                b",",
                b"null",
                b"\"Records\":",
            ])
            .run(|bytes| {
                let text = String::from_utf8_lossy(bytes);
                if let Ok(written) = read(&text) {
                    assert!(written.len() <= MOST);
                    for object in written {
                        assert!(object.key.len() <= 3 * text.len());
                    }
                }
                // The inverse of how forms are encoded.
                let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
                assert_eq!(form_decoded(&encoded), text);
            });
    }
}
