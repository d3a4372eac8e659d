//! `packhouse serve`: a registry on this machine.

use std::io::Write as _;
use std::process::ExitCode;

use tokio::sync::watch;

use crate::server::{Config, Server};

/// Serves until a signal ends it; the address goes to standard output once it answers.
pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    // One thread answers requests: they take microseconds, and what takes longer runs beside it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(Server::prepare(config))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "packhouse serves {} from {}", server.url, config.data.display())?;
    if let Some(path) = &server.first_token {
        writeln!(out, "the operator's token is in {} (keep it safe)", path.display())?;
    }
    out.flush()?;
    drop(out);
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            signalled().await;
            let _ = stop.send(true);
        });
        server.run(stopped).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C, or on Unix for SIGTERM.
async fn signalled() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
