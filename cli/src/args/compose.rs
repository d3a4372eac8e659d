//! Arguments of `packhouse compose`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse compose packages --registry https://packages.example.org
  packhouse compose package-audit .
  packhouse compose package-register https://github.com/acme/pbg-cells --ref v1.0.0
  packhouse compose processes --source db

Packages that are published with `packhouse publish` are there without being registered. A token of
PACKHOUSE_TOKEN or --token-file is shown where one is needed: to audit an address, and to register.")]
pub(crate) struct Compose {
    #[command(subcommand)]
    pub(crate) verb: ComposeVerb,
}

/// What can be asked of `/compose/v1`.
#[derive(Debug, Subcommand)]
pub(crate) enum ComposeVerb {
    /// List the packages
    Packages(ComposePackages),
    /// Show a package with its processes and steps
    PackageGet(ComposeGet),
    /// Check a package: a folder here, an address by the registry
    PackageAudit(ComposeAudit),
    /// Register a package that is not published here
    PackageRegister(ComposeRegister),
    /// List processes
    Processes(ComposeList),
    /// List steps
    Steps(ComposeList),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse compose packages
  packhouse compose packages --json --registry https://packages.example.org")]
pub(crate) struct ComposePackages {}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse compose package-get 4")]
pub(crate) struct ComposeGet {
    /// Its number, as `packhouse compose packages` shows it
    #[arg(value_name = "PACKAGE_ID")]
    pub(crate) id: u64,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse compose package-audit .
  packhouse compose package-audit https://github.com/acme/pbg-cells --ref v1.0.0

Exit code 1: a check failed. Nothing of the package is installed or run, here or there: --install is
answered \"skipped\".")]
pub(crate) struct ComposeAudit {
    /// A folder, or the address of a repository
    pub(crate) target: String,
    /// Of an address: a branch, tag or commit
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// Ask for an installation, which is never done: the answer says so
    #[arg(long, overrides_with = "no_install")]
    pub(crate) install: bool,
    /// Ask for none; so it is without either
    #[arg(long)]
    pub(crate) no_install: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse compose package-register .
  packhouse compose package-register https://github.com/acme/pbg-cells --ref v1.0.0
  packhouse compose package-register --from-file outline.json

A folder is read here and registered by its outline. Exit code 1: a check failed, and nothing was
registered; --no-audit registers it all the same.")]
pub(crate) struct ComposeRegister {
    /// A folder, or the address of a repository
    #[arg(required_unless_present = "from_file")]
    pub(crate) target: Option<String>,
    /// Of an address: a branch, tag or commit
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// Register it whatever the checks say
    #[arg(long)]
    pub(crate) no_audit: bool,
    /// A file with the outline of a package, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse compose processes
  packhouse compose steps --source core")]
pub(crate) struct ComposeList {
    /// From where: process-bigraph itself, the packages, or both
    #[arg(long, value_name = "SOURCE", default_value = "union")]
    pub(crate) source: ComposeSource,
}

/// From where processes and steps are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComposeSource {
    Core,
    Db,
    Union,
}

impl ComposeSource {
    /// As the wire spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Db => "db",
            Self::Union => "union",
        }
    }
}

/// How a registry answers `/compose/v1`, and from where it reads.
#[derive(Args, Clone, Debug)]
pub(crate) struct ComposeFlags {
    /// A host whose repositories `/compose/v1` reads; may be repeated [default: codeberg.org,
    /// github.com, gitlab.com]
    #[arg(long = "source-host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Packages and lists of `/compose/v1` as documented, or as the first program's code has them
    #[arg(long = "compose-compat", value_name = "WAY", default_value = "docs")]
    pub(crate) compat: ComposeCompat,
}

/// How `/compose/v1` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComposeCompat {
    Docs,
    Code,
}
