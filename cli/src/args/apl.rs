//! Arguments of `packhouse apl`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse apl new --uri file:///srv/apl
  packhouse apl list --uri https://packages.example.org/apl --group '^Dyalog$'
  packhouse apl get Dyalog-Conga-v3.1.3 --uri file:///srv/apl

A registry is a folder (`file://`) or a server (`http(s)://`, up to what stands before `/v1`). With
--json every verb answers an object with `rc` and `msg`; `rc` is 0 exactly when it worked, and is the
exit code. A server is shown the token of PACKHOUSE_TOKEN or --token-file as Bearer.")]
pub(crate) struct Apl {
    #[command(subcommand)]
    pub(crate) verb: AplVerb,
}

/// The verbs of APM's registry module.
#[derive(Debug, Subcommand)]
pub(crate) enum AplVerb {
    /// Make a registry of an empty or a new folder; on a server: ask whether it is one
    New(AplNew),
    /// Build the index of a registry on disk from its packages
    CreateIndex(AplCreateIndex),
    /// List packages by regular expressions
    List(AplList),
    /// Put the package in a zip in
    Add(AplAdd),
    /// Get the zip of a package
    Get(AplGet),
    /// Show what packages need, and what that needs
    Tree(AplTree),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AplUri {
    /// `file:///path` or `https://host/apl`
    #[arg(long, value_name = "URI")]
    pub(crate) uri: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse apl new --uri file:///srv/apl
  packhouse apl new --uri file:///srv/my%20packages --json")]
pub(crate) struct AplNew {
    #[command(flatten)]
    pub(crate) uri: AplUri,
    /// The type of registry: only `local` is one
    #[arg(long = "type", value_name = "TYPE", default_value = "local")]
    pub(crate) kind: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse apl create-index --uri file:///srv/apl
  packhouse apl create-index --uri file:///srv/apl --force    also where there is one")]
pub(crate) struct AplCreateIndex {
    #[command(flatten)]
    pub(crate) uri: AplUri,
    /// Build it anew where there is one
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse apl list --uri file:///srv/apl
  packhouse apl list --uri file:///srv/apl --name '^Con' --version '^3'

Expressions are searched anywhere in the text, case counts, and all that are given must be found.")]
pub(crate) struct AplList {
    #[command(flatten)]
    pub(crate) uri: AplUri,
    /// A regular expression for the group
    #[arg(long, value_name = "REGEX")]
    pub(crate) group: Option<String>,
    /// A regular expression for the name
    #[arg(long, value_name = "REGEX")]
    pub(crate) name: Option<String>,
    /// A regular expression for the version
    #[arg(long, value_name = "REGEX")]
    pub(crate) version: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse apl add Conga.zip --uri file:///srv/apl
  packhouse apl add Conga.zip --uri https://packages.example.org/apl

The zip has `apl-project.json` at its root. It is packed anew, so that the same files are the same bytes.")]
pub(crate) struct AplAdd {
    /// The zip
    #[arg(value_name = "ZIP")]
    pub(crate) zip: PathBuf,
    #[command(flatten)]
    pub(crate) uri: AplUri,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse apl get Dyalog-Conga-v3.1.3 --uri file:///srv/apl
  packhouse apl get Dyalog-Conga-3.1.3 --uri https://packages.example.org/apl --into vendor

The path of the zip goes to stdout: on disk the registry's own file, else the downloaded one.")]
pub(crate) struct AplGet {
    /// `group-name-v1.2.3`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) uri: AplUri,
    /// Where downloads go
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) into: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse apl tree --uri file:///srv/apl                 of the project in this folder
  packhouse apl tree Carlisle-Rumba-v2.1.0 --uri file:///srv/apl --strategy latest
  packhouse apl tree --uri file:///srv/apl --flat > apl-dep-tree.json")]
pub(crate) struct AplTree {
    /// Packages of the registry; default: the project in this folder
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) uri: AplUri,
    /// The config of a project
    #[arg(long, value_name = "FILE", conflicts_with = "ids")]
    pub(crate) project: Option<PathBuf>,
    /// Which version a request gets: exact, latest or mvs
    #[arg(long, value_name = "STRATEGY", default_value = "exact")]
    pub(crate) strategy: String,
    /// One list instead of a tree
    #[arg(long)]
    pub(crate) flat: bool,
}
