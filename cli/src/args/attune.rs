//! Arguments of `packhouse attune`: packs and indices of Attune. Where Attune's own command and its
//! documents spell an option in two ways, both are taken.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use packhouse_core::attune::config::Source;

/// Install packs of Attune, and keep indices of them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune install https://github.com/acme/weather.git --ref v1.2.0
  packhouse attune install weather --index https://packs.example.org/index.json
  packhouse attune index-update -i index.json ./weather -g https://github.com/acme/weather.git
  packhouse attune index-merge -o all.json ours.json theirs.json")]
pub(crate) struct Attune {
    #[command(subcommand)]
    pub(crate) verb: AttuneVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AttuneVerb {
    /// Install a pack: from git, an archive, a folder, or by its ref from an index
    Install(AttuneInstall),
    /// List the packs that are installed
    List(AttuneList),
    /// Show an installed pack and how it came
    Show(AttuneShow),
    /// Take an installed pack away
    Uninstall(AttuneUninstall),
    /// Run the tests of a pack on this machine
    Test(AttuneTest),
    /// Find packs in the indices
    Search(AttuneSearch),
    /// List the indices that are asked, in their order
    Registries(AttuneRegistries),
    /// Show the checksum of a pack's folder or archive
    Checksum(AttuneChecksum),
    /// Show what an index would say of a pack
    IndexEntry(AttuneIndexEntry),
    /// Put a pack into an index
    IndexUpdate(AttuneIndexUpdate),
    /// Make one index of several; of each pack the higher version stays
    IndexMerge(AttuneIndexMerge),
    /// Hold an index against the rules of format 1.0
    IndexValidate(AttuneIndexValidate),
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// For people.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// How results are shown.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Shown {
    /// `table`, `json` or `yaml`; `--json` is `--output json`
    #[arg(
        long,
        value_name = "SHAPE",
        default_value = "table",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) output: Shape,
    #[command(flatten)]
    pub(crate) short: ShownShort,
}

/// The short spellings.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ShownShort {
    /// The same as `--output json`
    #[arg(short = 'j', hide = true)]
    pub(crate) as_json: bool,
    /// The same as `--output yaml`
    #[arg(short = 'y', long = "yaml", hide = true)]
    pub(crate) as_yaml: bool,
}

/// Where packs are, and how what is there is shown.
#[derive(Args, Clone, Debug)]
pub(crate) struct Packs {
    /// The folder of packs
    #[arg(
        long,
        value_name = "DIR",
        default_value = "packs",
        env = "ATTUNE_PACKS_DIR",
        hide_env_values = true
    )]
    pub(crate) packs_dir: PathBuf,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// A key that signs an index.
#[derive(Args, Clone, Debug)]
pub(crate) struct Signed {
    /// An Ed25519 key (PKCS#8 PEM) that signs the index
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_key: Option<PathBuf>,
}

/// Which indices are asked.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Indexed {
    /// An index: its address or file; goes before the configured ones, may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) index: Vec<String>,
    /// The public key that indices of `--index` must be signed with (Base64, or a PEM file)
    #[arg(long, value_name = "KEY")]
    pub(crate) index_key: Option<String>,
    /// Attune's configuration with `pack_registry`; default: `attune.yaml` where there is one
    #[arg(long, value_name = "FILE", env = "ATTUNE_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune install https://github.com/acme/weather.git --ref v1.2.0
  packhouse attune install git@github.com:acme/weather.git
  packhouse attune install https://packs.example.org/weather-1.2.0.tar.gz --key KEY
  packhouse attune install ./weather --packs-dir /opt/attune/packs
  packhouse attune install weather@1.2.0 --json

Nothing is moved in before everything held: checksum, manifest, runtimes, packs that it needs, and
its own tests. A failure leaves the folder of packs as it was. With `--json`, what happens comes as
one JSON object a line. Exit code 1: something that it needs is not here, or its tests fail.")]
pub(crate) struct AttuneInstall {
    /// An address, `git@host:owner/name.git`, a path, or `ref[@version]` of an index
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Of a repository: the branch, tag or commit
    #[arg(long = "ref", visible_alias = "ref-spec", short = 'r', value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// Replace the pack where it is installed
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Do not look at runtimes and packs that it needs, and run no tests
    #[arg(long)]
    pub(crate) skip_deps: bool,
    /// Run no tests
    #[arg(long)]
    pub(crate) skip_tests: bool,
    /// Ask no index: the source is an address or a path
    #[arg(long)]
    pub(crate) no_registry: bool,
    /// The public key that an archive must be signed with, in `<archive>.sig`
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) packs: Packs,
    #[command(flatten)]
    pub(crate) indexed: Indexed,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune list
  packhouse attune list --packs-dir /opt/attune/packs --output yaml")]
pub(crate) struct AttuneList {
    /// Only packs whose ref has this in it
    #[arg(long, short, value_name = "WORD")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) packs: Packs,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  packhouse attune show weather --json")]
pub(crate) struct AttuneShow {
    /// The pack
    #[arg(value_name = "REF")]
    pub(crate) pack: String,
    #[command(flatten)]
    pub(crate) packs: Packs,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  packhouse attune uninstall weather")]
pub(crate) struct AttuneUninstall {
    /// The pack
    #[arg(value_name = "REF")]
    pub(crate) pack: String,
    /// Also where another pack needs it
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Taken for compatibility: nothing is asked
    #[arg(long, hide = true)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) packs: Packs,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune test ./weather
  packhouse attune test weather --detailed

The runners are programs of the pack: they run with your rights, in a copy of the pack, and without
your environment. Exit code 1: they fail.")]
pub(crate) struct AttuneTest {
    /// The pack's folder, or the ref of an installed pack
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// Show what the runners say
    #[arg(long, short)]
    pub(crate) detailed: bool,
    #[command(flatten)]
    pub(crate) packs: Packs,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune search weather
  packhouse attune search weather -r ours --output json")]
pub(crate) struct AttuneSearch {
    /// Looked for in ref, label, description and keywords; all packs where it is left out
    #[arg(value_name = "WORD", default_value = "", hide_default_value = true)]
    pub(crate) word: String,
    /// Only this index, by its name; `--registry NAME` is the same
    #[arg(short = 'r', value_name = "NAME")]
    pub(crate) named: Option<String>,
    #[command(flatten)]
    pub(crate) packs: Packs,
    #[command(flatten)]
    pub(crate) indexed: Indexed,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  packhouse attune registries --config /etc/attune/config.yaml")]
pub(crate) struct AttuneRegistries {
    #[command(flatten)]
    pub(crate) indexed: Indexed,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// What a folder is hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChecksumRule {
    /// As the index builder and the current Attune do.
    V1,
    /// As older Attune does.
    V0,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune checksum ./weather
  packhouse attune checksum weather-1.2.0.tar.gz --sign-key key.pem    writes the `.sig` beside it
  packhouse attune checksum ./weather --rule v0")]
pub(crate) struct AttuneChecksum {
    /// A folder or an archive
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// How a folder is hashed: `v1`, or `v0` as older Attune does
    #[arg(long, value_name = "RULE", default_value = "v1", hide_possible_values = true)]
    pub(crate) rule: ChecksumRule,
    /// An Ed25519 key (PKCS#8 PEM): writes the archive's signature to `<archive>.sig`
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// Where a pack will be had.
#[derive(Args, Clone, Debug)]
pub(crate) struct EntrySources {
    /// The pack's folder
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// The https address of its repository
    #[arg(long, short = 'g', value_name = "URL")]
    pub(crate) git_url: Option<String>,
    /// The commit or tag; default: `v<version>`
    #[arg(long, short = 'r', value_name = "REF")]
    pub(crate) git_ref: Option<String>,
    /// The https address of its archive
    #[arg(long, short = 'a', value_name = "URL", requires = "archive_checksum")]
    pub(crate) archive_url: Option<String>,
    /// `sha256:` and 64 hex digits, of the archive's bytes
    #[arg(long, value_name = "CHECKSUM", requires = "archive_url")]
    pub(crate) archive_checksum: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  packhouse attune index-entry ./weather -g https://github.com/acme/weather.git -r v1.2.0")]
pub(crate) struct AttuneIndexEntry {
    #[command(flatten)]
    pub(crate) sources: EntrySources,
    /// `json` or `yaml`; the same as `--output`
    #[arg(long, short, value_name = "SHAPE", hide_possible_values = true)]
    pub(crate) format: Option<Shape>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune index-update -i index.json ./weather -g https://github.com/acme/weather.git
  packhouse attune index-update -i index.json ./weather -g URL -r v1.2.0 --update --sign-key key.pem

The index is replaced at once and whole, or stays as it was. With `--sign-key` the signature of the
new bytes goes to `<index>.sig`.")]
pub(crate) struct AttuneIndexUpdate {
    /// The index, which must be there
    #[arg(long, short, value_name = "FILE")]
    pub(crate) index: PathBuf,
    #[command(flatten)]
    pub(crate) sources: EntrySources,
    /// Replace the pack where the index has it
    #[arg(long, short)]
    pub(crate) update: bool,
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune index-merge -o all.json ours.json theirs.json
  packhouse attune index-merge --file all.json --force ours.json theirs.json --sign-key key.pem

Versions are compared as semantic ones: 1.10.0 is higher than 1.9.0. Of two equal ones the first
index's stays.")]
pub(crate) struct AttuneIndexMerge {
    /// The file that is written; `--file` and `--output` are the same
    #[arg(long, short = 'o', visible_alias = "file", value_name = "FILE", required = true)]
    pub(crate) output: Vec<PathBuf>,
    /// The indices
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// Replace the file where it is there
    #[arg(long, short)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) shown: ShownShort,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse attune index-validate index.json
  packhouse attune index-validate index.json --key KEY

Exit code 1: the index has flaws.")]
pub(crate) struct AttuneIndexValidate {
    /// The index
    #[arg(value_name = "FILE")]
    pub(crate) index: PathBuf,
    /// The public key that it must be signed with, in `<index>.sig`
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// What `packhouse serve` does for Attune; `docs/ecosystems/attune.md` tells more.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Attune")]
pub(crate) struct AttuneFlags {
    /// Install packs into this folder, for callers with a token
    #[arg(long, value_name = "DIR")]
    attune_packs_dir: Option<PathBuf>,
    /// An index that refs of packs are looked for in; may be repeated
    #[arg(long, value_name = "URL", requires = "attune_packs_dir")]
    attune_index: Vec<String>,
    /// An Ed25519 key (PKCS#8 PEM) that signs the exported index
    #[arg(long, value_name = "FILE")]
    attune_sign_key: Option<PathBuf>,
}

impl AttuneFlags {
    /// As the server is told.
    pub(super) fn packs(self) -> crate::server::attune::Packs {
        crate::server::attune::Packs {
            folder: self.attune_packs_dir,
            indices: self.attune_index.iter().map(|url| Source::at(url)).collect(),
            sign_key: self.attune_sign_key,
        }
    }
}
