//! Arguments of the commands that work on a project's dependencies.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What every command takes that may change what is installed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Lockfile and installation")]
pub(crate) struct Syncing {
    /// Fail where `packhouse.lock` is missing or out of date
    #[arg(long, conflicts_with = "frozen")]
    pub(crate) locked: bool,
    /// Install what `packhouse.lock` says, whatever the manifest says
    #[arg(long)]
    pub(crate) frozen: bool,
    /// Ask no registry and no repository: use what is in the cache
    #[arg(long)]
    pub(crate) offline: bool,
    /// Overwrite what was edited in installed packages
    #[arg(long)]
    pub(crate) force: bool,
    /// Accept that somebody else publishes this package now
    #[arg(long, value_name = "ID")]
    pub(crate) accept_publisher: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Where a project and the cache are, and what tools there are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// The project's folder; default: this one, or the nearest above with a manifest
    #[arg(long, short = 'C', value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
    /// A tool's version, for example `atopile=0.14.0`; default: that of the `ato` on the PATH
    #[arg(long, value_name = "NAME=VERSION")]
    pub(crate) tool: Vec<String>,
    /// The version of kicad-tools; default: that of the `kct` on the PATH
    #[arg(long, value_name = "VERSION")]
    pub(crate) kicad_tools_version: Option<String>,
    /// Where the cache is
    #[arg(long, value_name = "DIR", env = "PACKHOUSE_CACHE_DIR", hide_env_values = true)]
    pub(crate) cache_dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse add acme/sensor                 the newest release that fits
  packhouse add acme/sensor@1.2.3 acme/base
  packhouse add 'acme/base@^1.2'            a range, in `packhouse.yaml` projects
  packhouse add git://https://example.org/acme/driver.git#v2:packages/driver
  packhouse add file://../driver")]
pub(crate) struct Add {
    /// `owner/name[@version]`, `git://URL.git[#ref][:path]` or `file://PATH`
    #[arg(required = true, value_name = "SPEC")]
    pub(crate) specs: Vec<String>,
    #[command(flatten)]
    pub(crate) syncing: Syncing,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  packhouse remove acme/sensor")]
pub(crate) struct RemoveDependency {
    /// `owner/name[/sub]`
    #[arg(required = true, value_name = "ID")]
    pub(crate) packages: Vec<String>,
    #[command(flatten)]
    pub(crate) syncing: Syncing,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse sync
  packhouse sync --locked                   in CI: fails where the lockfile is out of date
  packhouse sync --frozen --offline         from lockfile and cache alone
  packhouse sync -C boards/main --force     also over local edits")]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(crate) syncing: Syncing,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse update                          everything to the newest that fits
  packhouse update acme/sensor              this one, and others only where they must")]
pub(crate) struct Update {
    /// `owner/name[/sub]`; default: all
    #[arg(value_name = "ID")]
    pub(crate) packages: Vec<String>,
    #[command(flatten)]
    pub(crate) syncing: Syncing,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  packhouse list --json")]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  packhouse tree")]
pub(crate) struct Tree {
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  packhouse why acme/base")]
pub(crate) struct Why {
    /// `owner/name[/sub]`
    #[arg(value_name = "ID")]
    pub(crate) package: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  packhouse outdated --json")]
pub(crate) struct Outdated {
    /// Use what is in the cache
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) verb: CacheVerb,
    /// Where the cache is
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "PACKHOUSE_CACHE_DIR",
        hide_env_values = true
    )]
    pub(crate) cache_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheVerb {
    /// Tell where the cache is and what it holds
    #[command(after_help = "Example:\n  packhouse cache info --json")]
    Info,
    /// Take out what was not used for some time
    #[command(
        after_help = "Examples:\n  packhouse cache prune\n  packhouse cache prune --days 0    everything"
    )]
    Prune {
        /// Days without use
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
    },
    /// Hash everything, and take out what is damaged
    #[command(after_help = "Example:\n  packhouse cache verify")]
    Verify,
}
