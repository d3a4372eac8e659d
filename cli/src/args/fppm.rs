//! `packhouse fppm`, and what a served registry says of itself to F Prime's client.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use packhouse_registry::compat::fppm::About;

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  packhouse fppm install --package acme/Thermometer")]
pub(crate) struct Fppm {
    #[command(subcommand)]
    pub(crate) verb: FppmVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FppmVerb {
    /// List, add or check the registries of a project
    Registries(Registries),
    /// Install a package, or all that the project has
    Install(FppmInstall),
    /// Remove a package, and no other whose name begins alike
    Remove(FppmRemove),
    /// List the packages of a registry's file in a Packhouse registry
    Import(FppmImport),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse fppm import registry.yaml --dry-run
  packhouse fppm import https://example.org/registry.yaml --resolve

Needs an API token with the action `list` and the prefix `fppm:`.")]
pub(crate) struct FppmImport {
    /// The registry's file
    #[arg(value_name = "URL|PATH")]
    pub(crate) source: String,
    /// Ask each repository which commit its stable tag names, and list that
    #[arg(long)]
    pub(crate) resolve: bool,
    /// Read and check everything, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Where the project is.
#[derive(Args, Clone, Debug)]
pub(crate) struct ProjectYaml {
    /// The project's file
    #[arg(long, value_name = "FILE", default_value = "project.yaml")]
    pub(crate) project_yaml_path: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse fppm registries
  packhouse fppm registries --add https://packages.example.org/fppm/registry.yaml
  packhouse fppm registries --validate --json")]
pub(crate) struct Registries {
    /// Read a registry, and add it behind the others
    #[arg(long, short, value_name = "URL|PATH", conflicts_with = "validate")]
    pub(crate) add: Option<String>,
    /// Read all registries and tell what is wrong with them, with places; none is removed
    #[arg(long)]
    pub(crate) validate: bool,
    #[command(flatten)]
    pub(crate) project: ProjectYaml,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse fppm install                              all of the project, as fppm.lock says
  packhouse fppm install --package acme/Thermometer   the stable version
  packhouse fppm install --package acme/Thermometer --version v1.2.3
  packhouse fppm install --package https://github.com/acme/fprime-thermometer.git
  packhouse fppm install --locked                     in CI: fails where fppm.lock is not complete")]
pub(crate) struct FppmInstall {
    /// The package, or the address of its repository; default: all packages of the project
    #[arg(long, short, value_name = "NS/PKG|URL")]
    pub(crate) package: Option<String>,
    /// A tag, a commit or a branch; default: what the registry calls stable
    #[arg(long, value_name = "VERSION", requires = "package")]
    pub(crate) version: Option<String>,
    /// The registry that is meant, where several offer the package
    #[arg(long, value_name = "URL|PATH")]
    pub(crate) from: Option<String>,
    /// Install what fppm.lock knows, and nothing else
    #[arg(long, conflicts_with_all = ["from", "relock"])]
    pub(crate) locked: bool,
    /// Take the commits that tags and branches name now, whatever fppm.lock says
    #[arg(long)]
    pub(crate) relock: bool,
    /// Overwrite local edits
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave CMake's files and .gitignore alone
    #[arg(long)]
    pub(crate) packages_only: bool,
    #[command(flatten)]
    pub(crate) project: ProjectYaml,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  packhouse fppm remove --package acme/Thermometer")]
pub(crate) struct FppmRemove {
    /// The package, `Namespace/Package`
    #[arg(long, short, value_name = "NS/PKG")]
    pub(crate) package: String,
    /// Remove it with local edits
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) project: ProjectYaml,
}

/// What a served registry says of itself to F Prime's client.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "F Prime")]
pub(crate) struct FppmFlags {
    /// `name` of /fppm/registry.yaml; else the registry's host
    #[arg(long, value_name = "TEXT")]
    fppm_name: Option<String>,
    /// `publisher` of /fppm/registry.yaml, which `fppm` shows beside a package; else the host
    #[arg(long, value_name = "TEXT")]
    fppm_publisher: Option<String>,
    /// `description` of /fppm/registry.yaml
    #[arg(long, value_name = "TEXT")]
    fppm_description: Option<String>,
}

impl FppmFlags {
    /// As the registry takes it.
    pub(crate) fn about(self) -> About {
        About {
            name: self.fppm_name,
            publisher: self.fppm_publisher,
            description: self.fppm_description,
        }
    }
}
