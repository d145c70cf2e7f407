//! Three seeds of the fault harness; `tests/faults` runs as many as one likes.

use std::time::Duration;

use tests::{
    faults::{KILLS, Options, run, run_arrows},
    sized,
};

/// How long their faults take to come.
const ROUND: Duration = Duration::from_secs(6);

async fn holds(seed: u64) {
    let files = sized("MUNIMENT_TEST_FAULT_FILES", 40, 1_000);
    let Some(outcome) = run(Options {
        seed,
        files: usize::try_from(files).unwrap(),
        round: ROUND,
    })
    .await
    else {
        return;
    };
    eprintln!("{outcome}");
    assert!(outcome.violations().is_empty(), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_unchecked_under_the_faults_of_seed_1() {
    holds(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_unchecked_under_the_faults_of_seed_2() {
    holds(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_unchecked_under_the_faults_of_seed_3() {
    holds(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_an_arrow_of_the_flow_loses_and_doubles_nothing() {
    let kills = sized("MUNIMENT_TEST_ARROWS", 8, KILLS as u64);
    if let Some(outcome) = run_arrows(1, usize::try_from(kills).unwrap()).await {
        eprintln!("{outcome}");
        assert!(outcome.violations().is_empty(), "{outcome}");
    }
}
