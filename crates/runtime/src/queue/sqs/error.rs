//! What SQS's errors mean to us.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;

use crate::aws::describe;
use crate::queue::{QueueError, Unsent};

/// Codes that say the call is wrong and will stay so. Whatever is not here may be tried again,
/// authorisation included: credentials are renewed and policies are mended.
const WRONG: [&str; 14] = [
    "AWS.SimpleQueueService.NonExistentQueue",
    "AWS.SimpleQueueService.UnsupportedOperation",
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidAddress",
    "InvalidAttributeName",
    "InvalidBatchEntryId",
    "InvalidMessageContents",
    "InvalidParameterValue",
    "MissingParameter",
    "QueueDoesNotExist",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
];

/// Codes that say a receipt is of no use any more.
const NOT_HELD: [&str; 4] = [
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidIdFormat",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
];

#[expect(
    clippy::needless_pass_by_value,
    reason = "this is what `map_err` hands over"
)]
pub(super) fn call<E, R>(error: SdkError<E, R>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let built = matches!(error, SdkError::ConstructionFailure(_));
    let code = error.as_service_error().and_then(|service| service.code());
    let meaning = code.map_or(Meaning::Later, meaning);
    let text = describe(&error);
    match meaning {
        Meaning::NotHeld => QueueError::NotHeld,
        Meaning::Never => QueueError::Refused(text),
        Meaning::Later if built => QueueError::Refused(text),
        Meaning::Later => QueueError::Unavailable(text),
    }
}

pub(super) fn built(error: impl std::fmt::Display) -> QueueError {
    QueueError::Refused(error.to_string())
}

pub(super) fn entry(failed: &BatchResultErrorEntry) -> Option<Unsent> {
    Some(Unsent {
        index: failed.id.parse().ok()?,
        code: failed.code.clone(),
        retryable: !failed.sender_fault && meaning(&failed.code) == Meaning::Later,
    })
}

/// What it means that these were not deleted; nothing, where they are no longer ours to delete.
pub(super) fn undeleted(failed: &[BatchResultErrorEntry]) -> Result<(), QueueError> {
    let mut ours = failed
        .iter()
        .filter(|entry| meaning(&entry.code) != Meaning::NotHeld);
    match ours.next() {
        None => Ok(()),
        Some(first) => Err(QueueError::Unavailable(format!(
            "{} messages were not deleted: {}",
            ours.count() + 1,
            first.code
        ))),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Later,
    Never,
    NotHeld,
}

fn meaning(code: &str) -> Meaning {
    if NOT_HELD.contains(&code) {
        Meaning::NotHeld
    } else if WRONG.contains(&code) {
        Meaning::Never
    } else {
        Meaning::Later
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;

    use super::*;

    fn service(code: &str) -> QueueError {
        let metadata = aws_sdk_sqs::error::ErrorMetadata::builder()
            .code(code)
            .build();
        call(SdkError::service_error(
            ReceiveMessageError::generic(metadata),
            (),
        ))
    }

    #[test]
    fn only_what_will_stay_wrong_is_not_tried_again() {
        for (code, retryable) in [
            ("QueueDoesNotExist", false),
            ("InvalidMessageContents", false),
            ("ReceiptHandleIsInvalid", false),
            ("RequestThrottled", true),
            ("AccessDenied", true),
            ("InternalFailure", true),
            ("SomethingNew", true),
        ] {
            assert_eq!(service(code).is_retryable(), retryable, "{code}");
        }
        let timeout = SdkError::<ReceiveMessageError, ()>::timeout_error("slow");
        assert!(call(timeout).is_retryable());
    }

    #[test]
    fn a_receipt_that_ran_out_is_told_apart() {
        assert!(matches!(
            service("ReceiptHandleIsInvalid"),
            QueueError::NotHeld
        ));
        assert!(matches!(
            service("AWS.SimpleQueueService.MessageNotInflight"),
            QueueError::NotHeld
        ));
    }

    #[test]
    fn what_was_not_deleted_counts_unless_it_is_gone() {
        let failed = |code: &str| {
            let entry = BatchResultErrorEntry::builder().id("0").code(code);
            entry.sender_fault(true).build().unwrap()
        };
        undeleted(&[]).unwrap();
        undeleted(&[failed("ReceiptHandleIsInvalid")]).unwrap();
        let error = undeleted(&[failed("ReceiptHandleIsInvalid"), failed("InternalError")]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "the queue does not answer: 1 messages were not deleted: InternalError"
        );
    }

    #[test]
    fn a_failed_entry_names_the_message() {
        let failed = BatchResultErrorEntry::builder();
        let failed = failed
            .id("12")
            .code("InternalError")
            .sender_fault(false)
            .build();
        let unsent = failed.ok().as_ref().and_then(entry);
        assert_eq!(
            unsent.map(|unsent| (unsent.index, unsent.retryable)),
            Some((12, true))
        );
    }
}
