//! Panics as lines of the log.
//!
//! Always: one line for each, with where it was and the ids of the request or job; what a message repeats of the
//! data at hand (a text that was cut in the wrong place, an error that was unwrapped) is left out, because it may be
//! of a file, or a secret.

use std::any::Any;
use std::panic::{PanicHookInfo, set_hook};

/// What may stand before data in a message.
const QUOTES: [char; 6] = ['"', '\'', '`', '[', '{', '('];

/// Has panics logged from now on.
pub(super) fn log() {
    set_hook(Box::new(line));
}

fn line(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let panic = said(panic.payload());
    tracing::error!(location, panic, "a panic");
}

/// A message that stands in the program is repeated, and one that was made up as far as nothing is quoted.
fn said(payload: &(dyn Any + Send)) -> String {
    if let Some(literal) = payload.downcast_ref::<&'static str>() {
        return (*literal).to_owned();
    }
    let Some(message) = payload.downcast_ref::<String>() else {
        return "no message".to_owned();
    };
    match message.split_once(QUOTES) {
        Some((before, _)) => format!("{before}…"),
        None => message.clone(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::panic::{catch_unwind, take_hook};

    use super::*;
    use crate::telemetry::Format;

    fn of(panics: fn()) -> String {
        said(&*catch_unwind(panics).unwrap_err())
    }

    #[test]
    fn a_panic_repeats_nothing_of_the_data_at_hand() {
        assert_eq!(of(|| panic!("on purpose")), "on purpose");
        let (len, index) = (std::hint::black_box(3), std::hint::black_box(5));
        assert!((0..len).all(|at| at != index));
        let indexed = of(|| assert_ne!(vec![1, 2, 3][std::hint::black_box(5)], 0));
        assert_eq!(
            indexed,
            "index out of bounds: the len is 3 but the index is 5"
        );
        for panics in [
            (|| drop(std::hint::black_box("gehéim")[..4].to_owned())) as fn(),
            || {
                let read: Result<(), String> = std::hint::black_box(Err("geheim".to_owned()));
                read.unwrap();
            },
            || assert_eq!("geheim", "offen"),
            || panic!("read {:?}", b"geheim"),
        ] {
            let said = of(panics);
            let letters = format!("{:?}", &b"geheim"[..2]);
            let data = ["gehé", "geheim", letters.trim_matches(['[', ']'])];
            assert!(!data.iter().any(|data| said.contains(data)), "{said}");
        }
    }
    #[test]
    fn a_panic_is_one_line_with_the_ids_of_its_request() {
        let text = crate::telemetry::tests::written(Format::Json, Some("warn"), None, || {
            let request = tracing::info_span!(target: "api", "request", id = "r-1");
            let _entered = request.enter();
            let before = take_hook();
            log();
            let panicked = catch_unwind(|| panic!("on\npurpose: {}", std::hint::black_box(1)));
            set_hook(before);
            assert!(panicked.is_err());
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["panic"], "on\npurpose: 1");
        assert_eq!(line["span"]["id"], "r-1");
        assert!(line["location"].as_str().unwrap().contains("panics.rs:"));
    }
}
