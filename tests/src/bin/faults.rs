//! `tests/faults`: a deposit under everything that may go wrong, over real processes and services, and an audit
//! afterwards.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use tests::faults::{KILLS, Options, conclude, run, run_arrows};

/// How long each fault has to come once.
const ROUND: Duration = Duration::from_secs(12);

/// Runs the fault harness: two APIs, two workers, PostgreSQL, S3, SQS and clamd, a deposit with versions, tasks and
/// packages, and meanwhile killed processes, restarts, a full disk, lost answers, doubled and lost messages. Then
/// everything is audited from outside.
#[derive(Debug, Parser)]
#[command(
    name = "faults",
    after_help = "\
Exit status: 0 no violation; 1 a violation, which is named; 2 it could not be run.

Examples:
  tests/faults --seed 7 --files 1000
  tests/faults --seeds 20 --files 1000
  tests/faults --arrows"
)]
struct Cli {
    /// The first seed: faults, their order and their moments follow from it
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many seeds, one after another
    #[arg(long, default_value_t = 1)]
    seeds: u64,

    /// How many files are deposited under each
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(50..=100_000))]
    files: u32,

    /// In place of a schedule: kills the APIs or the workers at each arrow of the flow, right before and right after
    #[arg(long)]
    arrows: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::from(2);
    };
    let files = usize::try_from(cli.files).unwrap_or(usize::MAX);
    let outcomes = (cli.seed..cli.seed.saturating_add(cli.seeds)).map(|seed| {
        runtime.block_on(async {
            if cli.arrows {
                run_arrows(seed, KILLS).await
            } else {
                let round = ROUND;
                run(Options { seed, files, round }).await
            }
        })
    });
    let again = if cli.arrows {
        "--arrows".to_owned()
    } else {
        format!("--files {files}")
    };
    ExitCode::from(conclude(outcomes, &again, &mut std::io::stdout()))
}
