//! The state machine of a job, and its steps against a database.

mod claiming;
mod dispatching;
mod failing;
mod reconciling;
pub(crate) mod shop;

use std::fmt::Write as _;

use sea_orm::Iterable as _;

use super::*;

const INPUTS: [Input; 9] = [
    Input::Publish,
    Input::Claim,
    Input::Complete,
    Input::Moot,
    Input::Retry,
    Input::GiveUp,
    Input::LeaseExpired,
    Input::Unclaimed,
    Input::HandBack,
];

#[test]
fn the_state_machine_is_the_one_in_the_picture() {
    let mut table = String::new();
    for status in Status::iter() {
        for input in INPUTS {
            for (attempt, which) in [(1, "an"), (5, "the last")] {
                let state = State {
                    status,
                    attempt,
                    max_attempts: 5,
                };
                let Some(to) = next(state, input) else {
                    continue;
                };
                let same = next(
                    State {
                        attempt: 1,
                        ..state
                    },
                    input,
                )
                .map(|to| to.status)
                    == next(
                        State {
                            attempt: 5,
                            ..state
                        },
                        input,
                    )
                    .map(|to| to.status);
                let more = if to.attempt > attempt {
                    ", next attempt"
                } else {
                    ""
                };
                if same && attempt == 1 {
                    writeln!(table, "{status:?} + {input:?} -> {:?}{more}", to.status)
                        .expect("fits");
                } else if !same {
                    let to = to.status;
                    writeln!(
                        table,
                        "{status:?} + {input:?} at {which} attempt -> {to:?}{more}"
                    )
                    .expect("fits");
                }
            }
        }
    }
    insta::assert_snapshot!(table, @r"
    Ready + Publish -> Published
    Ready + Claim -> Leased
    Ready + Moot -> Done
    Published + Claim -> Leased
    Published + Moot -> Done
    Published + Unclaimed -> Ready
    Leased + Complete -> Done
    Leased + Moot -> Done
    Leased + Retry at an attempt -> Ready, next attempt
    Leased + Retry at the last attempt -> Dead
    Leased + GiveUp -> Dead
    Leased + LeaseExpired at an attempt -> Ready, next attempt
    Leased + LeaseExpired at the last attempt -> Dead
    Leased + HandBack -> Ready
    ");
}

proptest::proptest! {
    #[test]
    fn no_sequence_revives_a_job_or_tries_it_too_often(
        inputs in proptest::collection::vec(0..INPUTS.len(), 0..60),
        max_attempts in 1_i32..6,
    ) {
        let mut state = State { status: Status::Ready, attempt: 1, max_attempts };
        let mut failures = 0;
        for input in inputs.into_iter().map(|index| INPUTS[index]) {
            let before = state;
            state = next(state, input).unwrap_or(state);
            proptest::prop_assert!(state.attempt <= max_attempts);
            if matches!(before.status, Status::Done | Status::Dead) {
                proptest::prop_assert_eq!(state, before);
            }
            if before.status == Status::Leased && matches!(input, Input::Retry | Input::LeaseExpired) {
                failures += 1;
                proptest::prop_assert_eq!(state.status == Status::Dead, failures == max_attempts);
            }
        }
    }

    #[test]
    fn a_wait_between_attempts_is_bounded(failed: i32) {
        let wait = backoff(failed).as_secs();
        proptest::prop_assert!((1..=300).contains(&wait));
        proptest::prop_assert!(wait <= backoff(failed.saturating_add(1)).as_secs());
    }
}

#[test]
fn attempts_move_apart() {
    let waits: Vec<u64> = (1..=6).map(|failed| backoff(failed).as_secs()).collect();
    assert_eq!(waits, [1, 4, 16, 64, 256, 300]);
}

#[test]
fn a_text_is_kept_up_to_its_bound() {
    assert_eq!(shorten("abc", 3), "abc");
    assert_eq!(shorten("abcd", 3), "abc…");
    assert_eq!(shorten("a\0b", 3), "a\u{fffd}b");
}
