//! The registry's GitHub App, as `packhouse serve` is told of it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use packhouse_core::secret::Secret;

use crate::exit::Stop;
use crate::server::GithubApp;

/// `docs/github-app.md` tells how to make one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "GitHub App")]
pub(crate) struct GithubAppFlags {
    /// The number of the registry's GitHub App, which reviews pull requests
    #[arg(long, value_name = "ID", requires_all = ["github_app_key", "github_webhook_secret"])]
    github_app: Option<u64>,
    /// A file with the App's private key, PEM
    #[arg(long, value_name = "FILE", requires = "github_app")]
    github_app_key: Option<PathBuf>,
    /// A file with the App's webhook secret; a second line holds one that is being replaced
    #[arg(long, value_name = "FILE", requires = "github_app")]
    github_webhook_secret: Option<PathBuf>,
    /// The API of GitHub Enterprise Server: https://HOST/api/v3
    #[arg(long, value_name = "URL", default_value = packhouse_forge::github::API)]
    github_api: String,
}

impl GithubAppFlags {
    /// The App, where there is one.
    pub(super) fn read(self) -> anyhow::Result<Option<GithubApp>> {
        let (Some(id), Some(key), Some(secrets)) =
            (self.github_app, self.github_app_key, self.github_webhook_secret)
        else {
            return Ok(None);
        };
        let app = packhouse_forge::github::App {
            id,
            key: Secret::new(text(&key, "--github-app-key")?),
            api: self.github_api.trim_end_matches('/').to_owned(),
        };
        // A key or an address that is none is told at the start, and not at the first delivery.
        packhouse_forge::github::check(&app).map_err(|error| {
            Stop::usage(error.to_string(), "give the key as GitHub made it: a PEM file")
        })?;
        let lines = text(&secrets, "--github-webhook-secret")?;
        let secrets: Vec<Secret> = lines.lines().map(Secret::new).collect();
        if secrets.is_empty() || secrets.iter().any(|secret| secret.reveal().len() < 16) {
            let message = "a webhook secret is shorter than 16 characters";
            return Err(Stop::usage(message, "make one with `openssl rand -hex 32`").into());
        }
        Ok(Some(GithubApp { app, secrets }))
    }
}

fn text(path: &Path, flag: &str) -> anyhow::Result<String> {
    let text = fs_err::read_to_string(path).with_context(|| format!("`{flag}`"))?;
    Ok(text.trim().to_owned())
}
