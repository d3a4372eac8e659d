//! Arguments of the commands that move a registry or look at it from outside.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse admin export /backup/packhouse
  packhouse admin export /backup/packhouse    again: takes what is new, keeps what is right

DIR/public is a folder that any file server can serve and `packhouse fetch` can read. DIR/backup is
confidential: it holds the hashes of API tokens and what is out of service. docs/moving.md tells more.")]
pub(crate) struct Export {
    /// The folder; made where it is missing
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse admin import /backup/packhouse --registry https://new.example.org
  packhouse admin import https://github.com/acme/packages --dry-run
  packhouse admin import ./packages --path 'modules/*' --report import.json

An export brings a whole registry. A git repository brings every version that its tags and history
hold, without a publisher; what cannot be rebuilt is told. It may be run again: it goes on where it
stopped. Exit code 5: the registry refused a version; 2: git could not read a commit. docs/moving.md
and docs/importing.md tell more.")]
pub(crate) struct Import {
    /// The folder that `packhouse admin export` wrote, or a git repository: its folder or address
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Of a git repository: only packages in these folders
    #[arg(long, value_name = "GLOB")]
    pub(crate) path: Vec<String>,
    /// Of a git repository: say what would be imported, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Of a git repository: write what became of each version, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Of a git repository: another limit, for example `unpacked_bytes=536870912`; may be repeated
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<String>,
    /// Of a git repository: where it is fetched to, for the time of the import; default: the user's cache
    #[arg(long, value_name = "DIR", env = "PACKHOUSE_CACHE_DIR", hide_env_values = true)]
    pub(crate) cache_dir: Option<PathBuf>,
}

impl Import {
    /// What the versions of a git repository are held against.
    pub(crate) fn limits(&self) -> anyhow::Result<packhouse_core::limits::Limits> {
        super::limits(&self.limits)
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse doctor --registry https://packages.example.org
  packhouse doctor --package acme/sensor --json
  packhouse doctor --function-url https://abc.lambda-url.eu-central-1.on.aws

Writes nothing. With an API token of the action `admin` it looks at tokens too. Exit code 1: a check
failed. docs/doctor.md lists the checks.")]
pub(crate) struct Doctor {
    /// The package to fetch; default: the first that the registry lists
    #[arg(long, value_name = "ID")]
    pub(crate) package: Option<String>,
    /// The address of a function behind the registry, which must refuse whoever comes directly
    #[arg(long, value_name = "URL")]
    pub(crate) function_url: Vec<String>,
}
