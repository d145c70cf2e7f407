//! Ctrl-C and SIGTERM.
//!
//! Always: the first one ends the work in an orderly way; a second one ends the process at once.

use std::future::Future;

use crate::failure::Failure;

/// The work, unless it is interrupted before it ends.
pub(crate) async fn or<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        () = wait() => Err(Failure::interrupted()),
    }
}

/// Tidying up, unless it is interrupted too.
pub(crate) async fn unless_again(tidying: impl Future<Output = ()>) {
    tokio::select! {
        () = tidying => {}
        () = wait() => std::process::exit(Failure::interrupted().code().into()),
    }
}

#[cfg(unix)]
/// Waits for the next of them.
pub(crate) async fn wait() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ctrl_c() => {}
        () = terminated => {}
    }
}

#[cfg(not(unix))]
/// Waits for the next of them.
pub(crate) async fn wait() {
    ctrl_c().await;
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
