//! What can be asked of `packhouse`.

mod apl;
mod attune;
mod compose;
mod deploy;
mod fppm;
mod github_app;
mod moving;
mod project;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::{Exit, Stop};
use crate::suggest::nearest;

pub(crate) use apl::{Apl, AplTree, AplVerb};
use attune::AttuneFlags;
pub(crate) use attune::{
    Attune, AttuneChecksum, AttuneIndexEntry, AttuneIndexMerge, AttuneIndexUpdate,
    AttuneIndexValidate, AttuneInstall, AttuneList, AttuneRegistries, AttuneSearch, AttuneShow,
    AttuneTest, AttuneUninstall, AttuneVerb, ChecksumRule, EntrySources, Indexed, Shape, Shown,
    ShownShort,
};
pub(crate) use compose::{
    Compose, ComposeAudit, ComposeCompat, ComposeFlags, ComposeList, ComposeRegister, ComposeVerb,
};
pub(crate) use deploy::Deploy;
use fppm::FppmFlags;
pub(crate) use fppm::{
    Fppm, FppmImport, FppmInstall, FppmRemove, FppmVerb, ProjectYaml, Registries,
};
use github_app::GithubAppFlags;
pub(crate) use moving::{Doctor, Export, Import};
pub(crate) use project::{
    Add, CacheArgs, CacheVerb, List, Outdated, Place, RemoveDependency, Sync, Syncing, Tree,
    Update, Why,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Audit, pack, publish and fetch packages; run a registry.
#[derive(Debug, Parser)]
#[command(name = "packhouse", version, styles = STYLES, max_term_width = 100, propagate_version = false)]
#[command(arg_required_else_help = true)]
#[command(after_help = "\
First steps:
  packhouse demo                   see a registry at work on this machine
  packhouse init                   write a manifest for the folder you are in
  packhouse audit                  know what a publish would say
  packhouse fetch acme/sensor      get a package, proven")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The registry's address; else the `registry` key of the nearest manifest
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_REGISTRY",
        hide_env_values = true
    )]
    pub(crate) registry: Option<String>,
    /// A file with an API token, instead of the variable PACKHOUSE_TOKEN
    #[arg(long, global = true, value_name = "FILE", env = "PACKHOUSE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Results as JSON on stdout (schema 1), errors included
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour: also NO_COLOR, CLICOLOR_FORCE and TERM=dumb count
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: Color,
    /// Only errors and warnings
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Each step
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    /// Where a terminal is.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a manifest, and a README where there is none
    Init(Init),
    /// Check a package as a publish would, and more
    Audit(Audit),
    /// Write the reproducible archive of a package
    Pack(Pack),
    /// Publish packages; several become visible together or not at all
    Publish(Publish),
    /// Add dependencies to a project, and install them
    Add(Add),
    /// Take dependencies out of a project
    Remove(RemoveDependency),
    /// Install what a project needs, as `packhouse.lock` says
    Sync(Sync),
    /// Move a project to the newest releases that fit
    Update(Update),
    /// List what a project has
    List(List),
    /// Show what needs what in a project
    Tree(Tree),
    /// Show why a project has a package
    Why(Why),
    /// List packages of a project that have newer releases
    Outdated(Outdated),
    /// Look at the cache, or clear it
    Cache(CacheArgs),
    /// Download packages, check every byte, and unpack them
    Fetch(Fetch),
    /// Hold a project, a file or a folder against what the registry released
    Verify(Verify),
    /// Show a package or one of its releases
    Info(Info),
    /// Find packages by name, summary or what they offer
    Search(Search),
    /// Install packs of Attune, and keep indices of them
    Attune(Attune),
    /// Packages of F Prime in a project of its
    Fppm(Fppm),
    /// Take a release out of new resolutions; pins keep working
    Yank(Mark),
    /// Mark a release as replaced by something better
    Deprecate(Mark),
    /// Processes and steps for process-bigraph: list, audit, register
    Compose(Compose),
    /// Show or change from where a package may be published
    Policy(Policy),
    /// Registries of APL packages, as APM knows them
    Apl(Apl),
    /// What operators of a registry do
    Admin(Admin),
    /// Look at a live registry from outside, as a stranger would
    Doctor(Doctor),
    /// What the GitHub Actions `publish` and `audit` run; inputs come from INPUT_... variables
    Action(Action),
    /// Tell more about a rule, an error code or an exit code
    Explain(Explain),
    /// Write completions for a shell
    Completions(Completions),
    /// Write the manual pages
    Man(Man),
    /// Run a registry
    Serve(Box<Serve>),
    /// See a registry at work: publish, refuse, fetch, on this machine
    Demo(Demo),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse init
  packhouse init hardware/sensor --identifier acme/sensor --license MIT
  packhouse init --format ato")]
pub(crate) struct Init {
    /// The folder; made where it is missing
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,
    /// `owner/name` or `owner/name/sub`; default: from the checkout's remote and the folder
    #[arg(long, value_name = "ID")]
    pub(crate) identifier: Option<String>,
    /// The first version
    #[arg(long, value_name = "VERSION", default_value = "0.1.0")]
    pub(crate) version: String,
    /// An SPDX expression, for example `MIT OR Apache-2.0`
    #[arg(long, value_name = "SPDX")]
    pub(crate) license: Option<String>,
    /// One sentence that says what it is
    #[arg(long, value_name = "TEXT")]
    pub(crate) summary: Option<String>,
    /// The manifest to write
    #[arg(long, value_name = "FORMAT", default_value = "packhouse")]
    pub(crate) format: String,
}

/// Which files are taken.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Files {
    /// Take files although an ignore file names them; a pattern as in .gitignore
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Leave files out; a pattern as in .gitignore
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse audit
  packhouse audit packages/* --fail-on warning
  packhouse audit --format sarif > findings.sarif
  packhouse audit --advisories osv/    also: what is known to be broken
  packhouse audit --strict             a circuit, as `ato package verify --strict`
  packhouse audit --registry https://packages.example.org    also: versions, dependencies")]
pub(crate) struct Audit {
    /// Folders or manifests
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// A folder of advisories in OSV's format, to match packages and what they need with
    #[arg(long, value_name = "DIR")]
    pub(crate) advisories: Option<PathBuf>,
    /// How to report: human, json, github, sarif or markdown
    #[arg(long, value_name = "FORMAT", default_value = "human", hide_possible_values = true)]
    pub(crate) format: ReportFormat,
    /// The severity that fails: error, warning, note or never
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub(crate) fail_on: String,
    /// The tag that is released; default: that of the job
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Also what `ato package verify --strict` checks of a circuit, as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// The version of kicad-tools that a block is to work with; default: that of the `kct` on the PATH
    #[arg(long, value_name = "VERSION")]
    pub(crate) kicad_tools_version: Option<String>,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// How findings are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Human,
    Json,
    Github,
    Sarif,
    Markdown,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse pack
  packhouse pack packages/sensor -o sensor.zip
  packhouse pack --list                 what would be in it, largest first
  packhouse pack --version 1.2.0        sets it in the archive, not on disk")]
pub(crate) struct Pack {
    /// The folder or manifest
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) path: PathBuf,
    /// Where to write; default: `<owner>-<name>-<version>.zip`, `-` is stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only list the files, largest first
    #[arg(long)]
    pub(crate) list: bool,
    /// The version to set in the archive: X.Y.Z or from-git
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// The tag that is released; default: that of the job
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse publish                                in a GitHub Actions job for a tag
  packhouse publish --dry-run                      the registry's whole decision, nothing stored
  packhouse publish --version from-git             the version of the tag on this commit
  packhouse publish packages/a packages/b          both or neither
  packhouse publish --artifacts build/builds       with build artifacts
  packhouse publish --test-report junit.xml --coverage lcov.info

In GitHub Actions the job needs `permissions: {id-token: write, contents: read}` and no secret.
Elsewhere, give an API token in PACKHOUSE_TOKEN or with --token-file (which wins over the job's).
Publishing the same content again ends in the same receipt and exit code 0.")]
pub(crate) struct Publish {
    /// Folders or manifests
    #[arg(default_value = ".", hide_default_value = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The version to set in the archive: X.Y.Z or from-git
    #[arg(long, value_name = "VERSION", env = "PACKHOUSE_VERSION")]
    pub(crate) version: Option<String>,
    /// The tag that is released; default: that of the job
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Ask what a publish would answer, and store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave out versions that are published with other content
    #[arg(long)]
    pub(crate) skip_duplicate_versions: bool,
    /// A folder of build artifacts, `<target>/<file>`; for a single package
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
    /// A test report in JUnit's XML, whose counts become a part of the release; may be repeated
    #[arg(long = "test-report", value_name = "JUNIT")]
    pub(crate) test_reports: Vec<PathBuf>,
    /// A coverage report in LCOV's format, likewise; may be repeated
    #[arg(long, value_name = "LCOV")]
    pub(crate) coverage: Vec<PathBuf>,
    /// Also write the result, with receipts, to a file as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  INPUT_REGISTRY=https://packages.example.org packhouse action audit
  INPUT_PACKAGES='packages/*' INPUT_DRY_RUN=true packhouse action publish

`action/publish/action.yml` and `action/audit/action.yml` name and describe every input.")]
pub(crate) struct Action {
    /// Which action
    #[command(subcommand)]
    pub(crate) command: ActionCommand,
}

/// The actions.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ActionCommand {
    /// Publish what the inputs name
    Publish,
    /// Audit a pull request: annotations, summary, one comment
    Audit,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse fetch acme/sensor                      the latest version, to ./acme-sensor-1.2.3
  packhouse fetch acme/sensor@1.2.3 acme/base@^2   an exact one, and the newest that fits
  packhouse fetch acme/sensor --to vendor/sensor
  packhouse fetch acme/sensor --archive            the zip itself")]
pub(crate) struct Fetch {
    /// `owner/name[/sub]`, optionally `@version` or `@requirement`
    #[arg(required = true, value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,
    /// The folder to put packages in
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true,
        conflicts_with = "to"
    )]
    pub(crate) into: PathBuf,
    /// The exact folder (with --archive: file) of a single package
    #[arg(long, value_name = "PATH")]
    pub(crate) to: Option<PathBuf>,
    /// Keep the archive instead of unpacking it
    #[arg(long)]
    pub(crate) archive: bool,
    /// Replace what is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Where interrupted downloads are kept
    #[arg(long, value_name = "DIR", env = "PACKHOUSE_CACHE_DIR", hide_env_values = true)]
    pub(crate) cache_dir: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse verify                                       the project: files, lockfile, registry
  packhouse verify --offline                             the project, without asking a registry
  packhouse verify acme-sensor-1.2.3.zip acme/sensor@1.2.3
  packhouse verify vendor/sensor acme/sensor@1.2.3")]
pub(crate) struct Verify {
    /// An archive, or a folder that was unpacked from one; default: the project
    #[arg(requires = "package", conflicts_with_all = ["project", "offline"])]
    pub(crate) path: Option<PathBuf>,
    /// `owner/name[/sub]@version`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: Option<String>,
    /// Ask no registry
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse info acme/sensor
  packhouse info acme/sensor@1.2.3 --json")]
pub(crate) struct Info {
    /// `owner/name[/sub]`, optionally `@version`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse search temperature sensor
  packhouse search growth --kind process     what packages offer, of one kind
  packhouse search --format kicad --page 2   without words: all there is
  packhouse search acme/ --limit 50")]
pub(crate) struct Search {
    /// Words
    pub(crate) words: Vec<String>,
    /// Find what packages offer: `process`, `step`, `block`, `build`, `action`, ...
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only packages of this format: `ato`, `kicad`, `pyproject`, ...
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Hits of a page, at most 100
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) limit: u32,
    /// The page, from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) page: u32,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse yank acme/sensor@1.2.3 --reason \"footprint mirrored\" --replacement 1.2.4
  packhouse deprecate acme/sensor@1.2.3 --reason \"use the new module\" --replacement acme/sensor2@1.0.0
  packhouse yank acme/sensor@1.2.3 --undo")]
pub(crate) struct Mark {
    /// `owner/name[/sub]@version`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
    /// Why, in one sentence; everybody reads it
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    pub(crate) reason: Option<String>,
    /// What to use instead: a version, or `owner/name@version`
    #[arg(long, value_name = "VERSION", conflicts_with = "undo")]
    pub(crate) replacement: Option<String>,
    /// Take the mark back
    #[arg(long, conflicts_with = "reason")]
    pub(crate) undo: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) verb: PolicyVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Show from where a package may be published, and what it is pinned to
    #[command(after_help = "Example:\n  packhouse policy show acme/sensor")]
    Show {
        /// `owner/name[/sub]`
        #[arg(value_name = "PACKAGE")]
        package: String,
    },
    /// Change it; what is not named is dropped
    Set(PolicySet),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse policy set acme/sensor --tag --workflow .github/workflows/publish.yml
  packhouse policy set acme/kit --train 'release-*' --environment release
  packhouse policy set acme/kit --branch main

Narrowing a policy takes a job that the policy of now admits; widening it takes the operator.")]
pub(crate) struct PolicySet {
    /// `owner/name[/sub]`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
    #[command(flatten)]
    pub(crate) source: PolicySource,
    /// The calling workflow's path
    #[arg(long, value_name = "PATH")]
    pub(crate) workflow: Option<String>,
    /// The reusable workflow that must hold the job: `owner/name/path[@ref]`
    #[arg(long, value_name = "REF")]
    pub(crate) job_workflow: Option<String>,
    /// The job's environment
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Only protected refs
    #[arg(long)]
    pub(crate) protected_ref: bool,
    /// `github-hosted` or `self-hosted`
    #[arg(long, value_name = "KIND")]
    pub(crate) runner: Option<String>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct PolicySource {
    /// From tags that equal the version
    #[arg(long)]
    pub(crate) tag: bool,
    /// From tags that fit a pattern with one `*`
    #[arg(long, value_name = "PATTERN")]
    pub(crate) train: Option<String>,
    /// From one protected branch
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "All of these but `deploy` need an API token with the action `admin`, in PACKHOUSE_TOKEN or with --token-file."
)]
pub(crate) struct Admin {
    #[command(subcommand)]
    pub(crate) verb: AdminVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminVerb {
    /// API tokens
    Token(AdminToken),
    /// Hand a package to another publisher, or change who may publish it
    Transfer(Transfer),
    /// Keep names for somebody, or free them
    Reserve(Reserve),
    /// Take a release out of service, or put it back
    Quarantine(Takedown),
    /// Remove a release for good; its version is never reusable
    Remove(Remove),
    /// Write the whole registry into a folder: a backup, and a site that any file server can serve
    Export(Export),
    /// Put what an export wrote into a registry, and verify it
    Import(Import),
    /// Deploy a registry to AWS, or change one
    Deploy(Deploy),
}

#[derive(Args, Debug)]
pub(crate) struct AdminToken {
    #[command(subcommand)]
    pub(crate) verb: TokenVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token; it is shown once
    #[command(
        after_help = "Example:\n  packhouse admin token create --label \"CI of acme\" --prefix acme/ --action publish --days 90"
    )]
    Create {
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        label: String,
        /// The identifiers it is good for: `acme/`, `acme/sensor`; default: all
        #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
        prefix: String,
        /// What it may do: read, publish, yank, list, admin
        #[arg(long = "action", value_name = "ACTION", required = true)]
        actions: Vec<String>,
        /// How many days it lives: 1 to 366
        #[arg(long, value_name = "N")]
        days: u32,
    },
    /// List all tokens, without the tokens themselves
    List,
    /// Revoke a token at once
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse admin transfer acme/sensor --issuer https://token.actions.githubusercontent.com --repository-id 123 --owner-id 45
  packhouse admin transfer acme/sensor --unpin
  packhouse admin transfer acme/sensor --allow-tokens true
  packhouse admin transfer acme/cells --native python:cells")]
pub(crate) struct Transfer {
    /// `owner/name[/sub]`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
    /// The new publisher's issuer
    #[arg(long, value_name = "URL", requires_all = ["repository_id", "owner_id"])]
    pub(crate) issuer: Option<String>,
    /// The new repository's number
    #[arg(long, value_name = "N", requires = "issuer")]
    pub(crate) repository_id: Option<String>,
    /// The new owner's number
    #[arg(long, value_name = "N", requires = "issuer")]
    pub(crate) owner_id: Option<String>,
    /// Forget what it is pinned to: the next release pins it anew
    #[arg(long, conflicts_with = "issuer")]
    pub(crate) unpin: bool,
    /// Whether API tokens may publish it although it is pinned
    #[arg(long, value_name = "BOOL")]
    pub(crate) allow_tokens: Option<bool>,
    /// A native name that becomes this package's: `<ecosystem>:<name>`
    #[arg(long, value_name = "NAME")]
    pub(crate) native: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse admin reserve acme --reason \"trademark\"
  packhouse admin reserve acme --free
  packhouse admin reserve --list")]
pub(crate) struct Reserve {
    /// An owner, an identifier, or a native name such as `python:numpy`
    #[arg(required_unless_present = "list")]
    pub(crate) name: Option<String>,
    /// Why; whoever is refused reads it
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "free"])]
    pub(crate) reason: Option<String>,
    /// The issuer of the owner who may use it all the same
    #[arg(long, value_name = "URL", requires = "holder_id")]
    pub(crate) holder_issuer: Option<String>,
    /// That owner's number
    #[arg(long, value_name = "N", requires = "holder_issuer")]
    pub(crate) holder_id: Option<String>,
    /// Free the name
    #[arg(long, conflicts_with_all = ["reason", "list"])]
    pub(crate) free: bool,
    /// List what is reserved
    #[arg(long, conflicts_with = "name")]
    pub(crate) list: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse admin quarantine acme/sensor@1.2.3 --reason \"malware reported\"
  packhouse admin quarantine acme/sensor@1.2.3 --undo")]
pub(crate) struct Takedown {
    /// `owner/name[/sub]@version`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
    /// Why; everybody reads it
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    pub(crate) reason: Option<String>,
    /// Put it back
    #[arg(long, conflicts_with = "reason")]
    pub(crate) undo: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  packhouse admin remove acme/sensor@1.2.3 --reason \"court order\""
)]
pub(crate) struct Remove {
    /// `owner/name[/sub]@version`
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: String,
    /// Why; everybody reads it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse explain case-twins       an audit rule
  packhouse explain wrong-ref        an error code of a registry
  packhouse explain 5                an exit code
  packhouse explain                  everything there is")]
pub(crate) struct Explain {
    /// A rule, an error code, or an exit code
    pub(crate) topic: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse completions bash > ~/.local/share/bash-completion/completions/packhouse
  packhouse completions zsh > ~/.zfunc/_packhouse
  packhouse completions fish > ~/.config/fish/completions/packhouse.fish")]
pub(crate) struct Completions {
    /// bash, elvish, fish, powershell or zsh
    #[arg(hide_possible_values = true)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse man | man -l -
  packhouse man --into /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// A folder for the pages of all commands; default: the main page on stdout
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse serve --data ./registry --listen 127.0.0.1:8080 --dev-issuer
  packhouse serve --data /srv/packhouse --listen 10.0.0.5:8080 --public-url https://packages.example.org")]
pub(crate) struct Serve {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where the registry is reached; https unless it listens on loopback
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// An issuer whose CI tokens are believed beside GitHub's; may be repeated
    #[arg(long = "issuer", value_name = "URL")]
    pub(crate) issuers: Vec<String>,
    /// Reads need a token, too
    #[arg(long)]
    pub(crate) private: bool,
    /// Add an issuer that signs whatever is asked for; for trying out, on loopback only
    #[arg(long)]
    pub(crate) dev_issuer: bool,
    /// Take writes without a token; for trying out, on loopback only
    #[arg(long)]
    pub(crate) open: bool,
    /// What `ato` shows at every command
    #[arg(long, value_name = "TEXT")]
    pub(crate) motd: Option<String>,
    /// A folder of advisories in OSV's format, which packages are matched with whenever it changes
    #[arg(long, value_name = "DIR")]
    pub(crate) advisories: Option<PathBuf>,
    /// Another limit, for example `archive_bytes=134217728`; may be repeated
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<String>,
    #[command(flatten)]
    pub(crate) attune: AttuneFlags,
    #[command(flatten)]
    pub(crate) compose: ComposeFlags,
    #[command(flatten)]
    pub(crate) fppm: FppmFlags,
    #[command(flatten)]
    pub(crate) github: GithubAppFlags,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse demo
  packhouse demo --keep       leave it running for a look around")]
pub(crate) struct Demo {
    /// Leave the registry running
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Serve {
    /// The settings of the server.
    pub(crate) fn config(self) -> anyhow::Result<crate::server::Config> {
        Ok(crate::server::Config {
            limits: limits(&self.limits)?,
            data: self.data,
            advisories: self.advisories,
            listen: self.listen,
            public_url: self.public_url,
            issuers: self.issuers,
            private: self.private,
            dev_issuer: self.dev_issuer,
            open: self.open,
            fppm: self.fppm.about(),
            motd: self.motd,
            packs: self.attune.packs(),
            source_hosts: self.compose.hosts,
            compose_as_code: self.compose.compat == ComposeCompat::Code,
            github: self.github.read()?,
        })
    }
}

/// The table of limits with those of the command line in place.
fn limits(changes: &[String]) -> anyhow::Result<packhouse_core::limits::Limits> {
    let start = serde_json::to_value(packhouse_core::limits::Limits::default())?;
    let serde_json::Value::Object(mut table) = start else { return Ok(Default::default()) };
    for change in changes {
        let shown = packhouse_core::escape::excerpt(change, 100);
        let parsed =
            change.split_once('=').and_then(|(name, n)| Some((name, n.parse::<u64>().ok()?)));
        let Some((name, value)) = parsed else {
            let hint = "write `--limit NAME=NUMBER`, for example `--limit archive_bytes=134217728`";
            return Err(Stop::usage(format!("`{shown}` is not a limit"), hint).into());
        };
        let Some(slot) = table.get_mut(name) else {
            let hint = match nearest(name, table.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("limits are {}", table.keys().cloned().collect::<Vec<_>>().join(", "))
                }
            };
            return Err(Stop::usage(format!("there is no limit `{shown}`"), hint).into());
        };
        *slot = value.into();
    }
    serde_json::from_value(table.into())
        .map_err(|e| Stop::usage(format!("a limit is too large: {e}"), "").into())
}

/// Tells what is wrong with the arguments. Help and version are no mistakes; everything else is
/// [`Exit::Usage`].
pub(crate) fn complain(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    // A reader that went away is no mistake.
    let _ = error.print();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Exit::Ok.into();
    }
    if std::env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let lines = text.split("\n\n").next().unwrap_or(text).lines().map(str::trim);
        crate::exit::report_arguments(lines.collect::<Vec<_>>().join(" "));
    }
    Exit::Usage.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_sound() {
        super::Cli::command().debug_assert();
    }
}
