//! Starts what tests over real services share, but for PostgreSQL: S3 and SQS (ministack) and clamd. `tests/run` uses it.
//!
//!     services FOLDER
//!
//! Their addresses stand in `FOLDER/aws` and `FOLDER/clamd`, and `FOLDER/ready` appears when both answer. They end
//! when the input ends: so with whoever started them, also when that is killed.

use std::{io::Read as _, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("services: where? `services FOLDER`");
        return ExitCode::from(2);
    };
    let Some((aws, clamd, processes)) = tests::start_others(&folder) else {
        return ExitCode::from(2);
    };
    let told = std::fs::write(folder.join("aws"), aws)
        .and_then(|()| std::fs::write(folder.join("clamd"), clamd.to_string()))
        .and_then(|()| std::fs::write(folder.join("ready"), ""));
    if let Err(error) = told {
        eprintln!("services: {}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    // Nothing is said there; its end is what is waited for.
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
    drop(processes);
    drop(std::fs::remove_dir_all(folder));
    ExitCode::SUCCESS
}
