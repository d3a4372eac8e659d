//! `packhouse serve`: a registry on this machine.

use std::io::Write as _;
use std::process::ExitCode;

use tokio::sync::watch;

use crate::server::{Config, Server};
use crate::ui::shown;

/// Serves until a signal ends it; the address goes to standard output once it answers.
pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    // One thread answers requests: they take microseconds, and what takes longer runs beside it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(Server::prepare(config))?;
    let mut told = format!("packhouse serves {} from {}\n", server.url, shown(&config.data));
    if let Some(path) = &server.first_token {
        told += &format!("the operator's token is in {} (keep it safe)\n", shown(path));
    }
    // A server does not stop because nobody reads what it says.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(told.as_bytes()).and_then(|()| out.flush());
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
