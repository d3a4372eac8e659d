//! Formats: each ecosystem's manifest and layout. A format turns a tree into manifests.
//!
//! [`FORMATS`] lists them in their order of precedence: of several manifests at one root the first
//! one counts, and it counts even when it is broken, so that a slip in it never publishes another
//! package by accident.

mod apl;
mod ato;
mod attune;
mod dependencies;
mod edit;
pub(crate) mod fields;
mod fppm;
mod install;
mod json5;
mod kicad;
mod packhouse;
pub(crate) mod pep508;
mod pyproject;
mod toml;
pub(crate) mod value;
pub(crate) mod yaml;

pub use dependencies::{Edit, EditError};
pub use fields::nearest;
pub use install::Installed;
pub use pyproject::normalised as python_name;

use crate::identifier::{Identifier, IdentifierError};
use crate::manifest::{Manifest, Name, NativeName, Place};
use crate::tree::{Tree, TreePath};
use crate::version::Order;

/// One ecosystem's manifest and layout.
pub trait Format: Send + Sync {
    /// The format's name in records, for example `ato`.
    fn id(&self) -> &'static str;
    /// The manifest's file name, for example `ato.yaml`.
    fn file(&self) -> &'static str;
    /// The order in which its versions are compared, where the manifest does not choose.
    fn order(&self) -> Order;
    /// Where its manifest has the name, the version, the repository, the licence and the summary, in its
    /// own spelling: what the audit tells people to set. Empty where the manifest has no place for it;
    /// several fields that make one name stand as `group and name`.
    fn fields(&self) -> [&'static str; 5] {
        [
            "package.identifier",
            "package.version",
            "package.repository",
            "package.license",
            "package.summary",
        ]
    }
    /// Reads the package whose manifest stands at the root of `tree`.
    fn read(&self, tree: &Tree) -> Found;
    /// The kinds of what its packages offer, one word each, and what each is; none where publishers
    /// choose the words.
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// The line by which a user of its community installs a package, for a shell of POSIX.
    fn install(&self, package: &Installed<'_>) -> String {
        package.add()
    }
    /// Whether [`Format::install`] names the archive.
    fn installs_archives(&self) -> bool {
        false
    }
    /// Whether the file at `path` goes into the package: a manifest may name those that do.
    fn packs(&self, manifest: &Manifest, path: &TreePath) -> bool {
        let _ = (manifest, path);
        true
    }
    /// `text` of the manifest with its version set (and, for a full name, nothing else changed:
    /// comments and order stay). `None` where the format has no place for a version: the manifest
    /// cannot be read, has no package, or says that its version is computed.
    fn set_version(&self, text: &str, version: &str) -> Option<String>;
    /// `text` of the manifest after a change of its dependencies; comments and order stay.
    ///
    /// # Errors
    ///
    /// [`EditError`] where a program had better leave it to a person.
    fn edit_dependencies(&self, text: &str, edit: &Edit) -> Result<String, EditError> {
        let _ = (text, edit);
        Err(EditError::Unsupported)
    }
}

/// What a format finds at the root of a tree: three different answers.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum Found {
    /// No manifest of this format.
    Missing,
    /// A manifest that cannot be read.
    Broken(Broken),
    /// A manifest.
    Package(Manifest),
}

/// Why a manifest cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{}:{}: {}{message}", at.line, at.column, field.as_deref().map(|f| format!("`{f}`: ")).unwrap_or_default())]
pub struct Broken {
    /// The manifest file.
    pub path: TreePath,
    /// Where.
    pub at: Place,
    /// The field's path, where one is known.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// All formats, the first one that finds a manifest at a root owning it.
///
/// `packhouse.yaml` is written for the registry alone, so it wins; `apl-project.json`, `ato.yaml`,
/// `pack.yaml`, `package.yaml` and `kicad-tools-block.yaml` name one ecosystem each; `pyproject.toml` comes last, because
/// projects of all kinds keep one for their tools. Endpoints that serve one ecosystem's own client ask
/// [`by_id`] instead.
pub static FORMATS: &[&dyn Format] = &[
    &packhouse::Packhouse,
    &apl::Apl,
    &ato::Ato,
    &attune::Attune,
    &fppm::Fppm,
    &kicad::Kicad,
    &pyproject::Pyproject,
];

/// The format called `id`.
pub fn by_id(id: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.id() == id)
}

/// All kinds of what packages offer, sorted, with what each is: those of every format.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = FORMATS.iter().flat_map(|format| format.kinds().iter().copied());
    all.collect::<std::collections::BTreeMap<_, _>>().into_iter()
}

/// A YAML file beside manifests as JSON, under the bounds of a manifest.
///
/// # Errors
///
/// [`Broken`] at the first thing that is wrong.
pub(crate) fn yaml_as_json(path: TreePath, bytes: &[u8]) -> Result<serde_json::Value, Broken> {
    yaml::read(&value::Source::open(path, bytes)?).map(|node| node.to_json())
}

/// What stands at the root of `tree`: the answer of the first format that does not miss its
/// manifest.
pub fn read_root(tree: &Tree) -> Found {
    FORMATS
        .iter()
        .map(|format| format.read(tree))
        .find(|found| *found != Found::Missing)
        .unwrap_or(Found::Missing)
}

/// A tree of one file.
fn alone(file: &str, text: &str) -> Tree {
    let mut tree = Tree::default();
    if let Ok(path) = file.parse() {
        tree.insert(path, text.as_bytes(), false);
    }
    tree
}

/// Folders that hold other people's packages or build output, never packages to publish.
const SKIPPED: [&str; 8] =
    ["node_modules", "site-packages", "__pycache__", "venv", "target", "build", "dist", "vendor"];

/// The most folders that [`discover`] reads.
pub const DISCOVERED: usize = 1_000;

/// Whether [`discover`] does not look into `folder`.
pub fn is_skipped(folder: &str) -> bool {
    folder.split('/').any(|part| part.starts_with('.') || SKIPPED.contains(&part))
}

/// A folder with a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// The folder, without a final `/`; empty at the root.
    pub folder: String,
    /// The nearest folder above that has a manifest too. A workspace's root is one, a package whose
    /// examples are packages is another, so nested ones are listed and the caller decides.
    pub inside: Option<String>,
    /// What stands there; paths are relative to the folder. Never [`Found::Missing`].
    pub found: Found,
}

/// Every folder of `tree` with a manifest, in the order of paths, at most [`DISCOVERED`].
///
/// Folders that start with a dot, and build output and installed packages by their usual names
/// (`node_modules`, `site-packages`, `__pycache__`, `venv`, `target`, `build`, `dist`, `vendor`), are
/// not looked into.
pub fn discover(tree: &Tree) -> Vec<Discovered> {
    let manifest = |path: &&TreePath| FORMATS.iter().any(|f| f.file() == path.file_name());
    let folders: std::collections::BTreeSet<&str> = tree
        .iter()
        .map(|(path, _)| path)
        .filter(manifest)
        .map(TreePath::folder)
        .filter(|folder| !is_skipped(folder))
        .take(DISCOVERED)
        .collect();
    let mut all: Vec<Discovered> = Vec::new();
    for folder in folders {
        let found = read_root(&tree.subtree(folder));
        if found != Found::Missing {
            let above = |d: &&Discovered| {
                d.folder.is_empty()
                    || folder.strip_prefix(&*d.folder).is_some_and(|r| r.starts_with('/'))
            };
            let inside = all.iter().rev().find(above).map(|d| d.folder.clone());
            all.push(Discovered { folder: folder.to_owned(), inside, found });
        }
    }
    all
}

/// The identifier of a native name below an owner: `<owner>/<name>`. Of a name that has a namespace
/// (`acme/Sensor` of F Prime), the owner takes the namespace's place.
///
/// # Errors
///
/// [`IdentifierError`] for a name or an owner that no identifier can hold.
pub fn native_identifier(native: &NativeName, owner: &str) -> Result<Identifier, IdentifierError> {
    let name = native.name.rsplit('/').next().unwrap_or(&native.name);
    Identifier::new(owner, name)
}

/// Why a manifest gives no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The manifest names no package.
    #[error("`{0}` does not name its package")]
    Missing(TreePath),
    /// A native name, and no repository whose owner would complete it.
    #[error("`{}` is a name of {}: who owns it is not known, so there is no `owner/{}`", .0.name, .0.ecosystem, .0.name)]
    NoOwner(NativeName),
    /// A native name that makes no identifier.
    #[error("`{}` is a name of {} and makes no identifier: {error}", name.name, name.ecosystem)]
    Identifier {
        /// The native name.
        name: NativeName,
        /// Why not.
        error: IdentifierError,
    },
}

/// The identifier of a package: a full name as it stands, a native name below `repository_owner`
/// (`pbg-cells` of `acme/cells-repo` is `acme/pbg-cells`).
///
/// # Errors
///
/// [`NameError`] when there is no name, no owner, or the two make no identifier.
pub fn package_identifier(
    manifest: &Manifest,
    repository_owner: Option<&str>,
) -> Result<Identifier, NameError> {
    match manifest.name.as_ref().map(|field| &field.value) {
        None => Err(NameError::Missing(manifest.path.clone())),
        Some(Name::Full(identifier)) => Ok(identifier.clone()),
        Some(Name::Native(native)) => {
            let owner = repository_owner.ok_or_else(|| NameError::NoOwner(native.clone()))?;
            native_identifier(native, owner)
                .map_err(|error| NameError::Identifier { name: native.clone(), error })
        }
    }
}

/// What the formats' tests share.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A tree of text files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes(), false);
        }
        tree
    }

    /// What `id` reads from its manifest `text`.
    pub(super) fn read(id: &str, text: &str) -> Found {
        let format = by_id(id).unwrap();
        format.read(&tree(&[(format.file(), text)]))
    }

    pub(super) fn package(id: &str, text: &str) -> Manifest {
        match read(id, text) {
            Found::Package(manifest) => manifest,
            other => panic!("{other:?}"),
        }
    }

    /// What is wrong with `text`, as a user would see it.
    pub(super) fn complaints(id: &str, text: &str) -> String {
        let manifest = match read(id, text) {
            Found::Missing => return "missing".to_owned(),
            Found::Broken(broken) => return format!("broken: {broken}\n  help: {}", broken.help),
            Found::Package(manifest) => manifest,
        };
        let line = |p: &crate::manifest::Problem, sign: &str| {
            let (file, Place { line, column }) = (p.file.as_ref().unwrap_or(&manifest.path), p.at);
            format!("{sign}{file}:{line}:{column}: {}: {}\n  help: {}", p.field, p.message, p.help)
        };
        let problems = manifest.problems.iter().map(|p| line(p, ""));
        let unknown = manifest.unknown_keys.iter().map(|p| line(p, "hint: "));
        problems.chain(unknown).collect::<Vec<_>>().join("\n")
    }

    /// What is left of a manifest, one line a fact.
    pub(super) fn facts(id: &str, text: &str) -> String {
        facts_of(&package(id, text))
    }

    pub(super) fn facts_of(m: &Manifest) -> String {
        let mut lines = Vec::new();
        let name = m.name.as_ref().map(|f| match &f.value {
            Name::Full(id) => id.to_string(),
            Name::Native(native) => format!("{}:{}", native.ecosystem, native.name),
        });
        lines.push(format!(
            "{}@{}",
            name.unwrap_or_default(),
            match &m.version {
                Some(version) => version.value.to_string(),
                None if m.version_from_tag => "(tag)".to_owned(),
                None => "(none)".to_owned(),
            }
        ));
        let fields = [
            ("repository", &m.repository),
            ("license", &m.license),
            ("summary", &m.summary),
            ("homepage", &m.homepage),
        ];
        for (name, field) in fields {
            if let Some(field) = field {
                lines.push(format!(
                    "{name} {} ({}:{})",
                    field.value, field.at.line, field.at.column
                ));
            }
        }
        lines.push(format!("readme {}", m.readme));
        lines.extend(m.authors.iter().map(|a| format!("author {} <{}>", a.name, a.email)));
        if !m.keywords.is_empty() {
            lines.push(format!("keywords {}", m.keywords.join(", ")));
        }
        for d in &m.dependencies {
            let target = serde_json::to_string(&d.target).unwrap();
            let requirement = d.requirement.as_ref().map_or("any", |r| r.text());
            let condition = d.condition.as_ref().map(|c| format!(" if {c}")).unwrap_or_default();
            lines.push(format!("needs {target} {requirement}{condition}"));
        }
        for e in &m.exports {
            lines.push(format!("offers {}", serde_json::to_string(e).unwrap()));
        }
        for r in &m.requires {
            lines.push(format!(
                "requires {} {}",
                r.name,
                r.requirement.as_ref().map_or("any", |r| r.text())
            ));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::*;
    use super::*;

    #[test]
    fn the_first_format_owns_a_root_even_when_it_is_broken() {
        let ato = ("ato.yaml", "package:\n  identifier: acme/a\n");
        let python = ("pyproject.toml", "[project]\nname = 'b'\n");
        let format = |files: &[_]| match read_root(&tree(files)) {
            Found::Package(manifest) => manifest.format.to_owned(),
            Found::Broken(broken) => broken.to_string(),
            Found::Missing => "missing".to_owned(),
        };
        assert_eq!(format(&[ato, python]), "ato");
        assert_eq!(format(&[ato, python, ("packhouse.yaml", "package: {}")]), "packhouse");
        assert_eq!(format(&[ato, ("packhouse.yaml", "")]), "packhouse.yaml:1:1: is empty");
        assert_eq!(format(&[("README.md", "")]), "missing");
        assert!(FORMATS.iter().all(|f| by_id(f.id()).is_some_and(|g| g.file() == f.file())));
        assert!(by_id("nothing").is_none());
    }

    #[test]
    fn kinds_are_those_of_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/searching.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, after) = page.split_once("| kind | what it is |\n|---|---|\n").unwrap();
        let rows: Vec<_> = after.lines().take_while(|line| line.starts_with('|')).collect();
        let kinds: Vec<_> = kinds().map(|(kind, what)| format!("| `{kind}` | {what} |")).collect();
        assert_eq!(rows, kinds);
        let formats: std::collections::BTreeSet<_> = FORMATS.iter().map(|f| f.id()).collect();
        let (_, after) =
            page.split_once("| format | line | beforehand |\n|---|---|---|\n").unwrap();
        let rows = after.lines().take_while(|line| line.starts_with('|'));
        let listed = rows.filter_map(|row| row.split(" | ").next()?.strip_prefix("| "));
        let listed: Vec<_> =
            listed.flat_map(|ids| ids.split(", ")).map(|id| id.trim_matches('`')).collect();
        assert_eq!(listed, formats.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_monorepo_is_searched_for_packages() {
        let text = "package:\n  identifier: acme/a\n";
        let found = discover(&tree(&[
            ("packages/b/ato.yaml", text),
            ("packages/a/ato.yaml", "- broken"),
            ("packages/a/examples/one/ato.yaml", text),
            ("packages/a-b/ato.yaml", text),
            ("packages/a/.ato/modules/x/y/ato.yaml", text),
            ("node_modules/x/packhouse.yaml", text),
            ("docs/readme.md", ""),
        ]));
        let shown: Vec<_> = found
            .iter()
            .map(|d| (&*d.folder, d.inside.as_deref(), matches!(d.found, Found::Package(_))))
            .collect();
        assert_eq!(
            shown,
            [
                ("packages/a", None, false),
                ("packages/a-b", None, true),
                ("packages/a/examples/one", Some("packages/a"), true),
                ("packages/b", None, true),
            ]
        );
        let found = discover(&tree(&[("ato.yaml", text), ("x/ato.yaml", text)]));
        assert_eq!(found[1].inside.as_deref(), Some(""));
    }

    proptest! {
        #[test]
        fn no_manifest_makes_a_format_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "package", "identifier", "version", "dependencies", "builds", "project", "name", "ref",
                "acme/x", "acme/x@1.2.3", "git://a.git#b:c", "type: git", "1.2.3", "1.0", ": ", "- ", "\n", "\n  ", "\n    ",
                "[", "]", "{", "}", ", ", "'", "\"", " = ", "[project]\n", "requires-python", "urls", "authors", ">=1,<2", "; extra == 'x'",
                "requires", "exports", "kind", "runtime_deps", "packs", "label", "a[b] @ https://x", "\r\n", "é",
            ]), 0..40)
        ) {
            let text = parts.concat();
            for format in FORMATS {
                format.read(&tree(&[(format.file(), &text), ("actions/a.yaml", &text)]));
                format.set_version(&text, "1.2.3");
            }
        }

        #[test]
        fn a_version_that_was_set_is_read_and_nothing_else_changes(
            numbers in (0u16..100, 0u16..100, 0u16..100),
            start in 0usize..6, style in 0usize..5, crlf: bool, mark: bool,
        ) {
            let version = format!("{}.{}.{}", numbers.0, numbers.1, numbers.2);
            let old = ["0.0.1", "'0.0.1'", "\"0.0.1\"", "", "0.1 # é"][style];
            let comments = ["", "# one\n", "# é 😀\n\n", "\n", "---\n", "# a\n# b\n"][start];
            for (format, head, tail) in [
                ("ato", "package:\n  identifier: acme/x\n  version: ", "\n  summary: y # z\nbuilds: {}\n"),
                ("packhouse", "package:\n    version: ", "\n    identifier: acme/x\n"),
                ("attune", "label: X\nversion: ", "\nref: x\n"),
                ("pyproject", "[project]\nname = \"x\" # z\nversion = ", "\n[tool.x]\nversion = 1\n"),
            ] {
                let Some(by_id) = by_id(format) else { continue };
                let toml = format == "pyproject";
                if toml && (start == 4 || !matches!(style, 1 | 2)) {
                    continue;
                }
                let mut text = format!("{comments}{head}{old}{tail}");
                if crlf {
                    text = text.replace('\n', "\r\n");
                }
                if mark {
                    text.insert(0, '\u{FEFF}');
                }
                let new = by_id.set_version(&text, &version).unwrap();
                let (before, after) = (package(format, &text), package(format, &new));
                prop_assert_eq!(after.version.as_ref().map(|f| f.value.text()), Some(&*version));
                prop_assert_eq!(new.lines().count(), text.lines().count());
                for (a, b) in text.lines().zip(new.lines()) {
                    prop_assert!(a == b || a.contains("version"), "{} {}", a, b);
                }
                prop_assert_eq!(before.name.map(|f| f.value), after.name.map(|f| f.value));
                prop_assert!(after.problems.is_empty());
                prop_assert_eq!(new.contains("# é"), text.contains("# é"));
            }
        }
    }
}
