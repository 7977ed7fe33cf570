//! SIGINT and SIGTERM: the first asks for the end, the second ends at once.

use super::args::Global;
use super::output;
use crate::execute::{Stop, StopReason};

/// A stop that is requested by SIGINT or SIGTERM. A second signal ends the process at once.
pub(super) fn stop_on_signal(global: &Global) -> Stop {
    let stop = Stop::default();
    let (told, global) = (stop.clone(), global.clone());
    let _listener = tokio::spawn(async move {
        received().await;
        told.request(StopReason::Stopping);
        output::note(
            &global,
            "\nstopping: steps under way are finished, no new one begins (once more to end at once)\n",
        );
        received().await;
        #[expect(clippy::exit, reason = "a second signal asks for exactly this")]
        std::process::exit(130);
    });
    stop
}

/// Returns when the process is asked to end.
pub(super) async fn received() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    if interrupted.await.is_err() {
        std::future::pending::<()>().await;
    }
}
