//! What the blocks of kicad-tools in a project ask of this machine, and of each other: known once they
//! are in the cache, and before any file of the project changes.

use std::collections::BTreeMap;

use packhouse_core::formats::{self, Found};
use packhouse_core::identifier::Identifier;
use packhouse_core::kicad::{Reference, is_standard};
use packhouse_core::limits::Limits;
use packhouse_core::lock::Lock;
use packhouse_core::manifest::Manifest;
use packhouse_core::tree::Tree;
use packhouse_core::version::Version;

use crate::cache::Cache;
use crate::error::ClientError;
use crate::project::Project;
use crate::project::install::title;
use crate::project::source::SourceTree;
use crate::walk::{Choice, walk};

/// The format's id, and the tool's name.
const FORMAT: &str = "kicad";
const TOOL: &str = "kicad-tools";

/// A block of a project.
pub(crate) struct Block {
    title: String,
    manifest: Manifest,
    tree: Tree,
}

impl Block {
    fn read(title: String, tree: Tree) -> Option<Self> {
        match formats::by_id(FORMAT)?.read(&tree) {
            Found::Package(manifest) => Some(Self { title, manifest, tree }),
            // An audit tells what is wrong with it; nothing can be asked of it.
            Found::Missing | Found::Broken(_) => None,
        }
    }

    fn has(&self, library: &Reference) -> bool {
        self.tree.iter().any(|(path, _)| library.is_in(path.as_str()))
    }
}

/// The blocks of `lock`, each as the cache, the project or its source has it.
///
/// # Errors
///
/// [`ClientError`] for one that cannot be read.
pub(crate) fn blocks(
    project: &Project,
    lock: &Lock,
    cache: &Cache,
    sources: &BTreeMap<Identifier, SourceTree>,
) -> Result<Vec<Block>, ClientError> {
    let mut blocks = Vec::new();
    for package in lock.packages.iter().filter(|package| package.format == FORMAT) {
        let tree = match sources.get(&package.identifier) {
            Some(source) => source.tree.clone(),
            None if cache.has(package.tree_digest) => cache.read(package.tree_digest)?,
            None => {
                let all = Choice { include: vec!["*".to_owned()], exclude: Vec::new() };
                walk(&project.module(&package.identifier), &all, &Limits::default())?.tree
            }
        };
        blocks.extend(Block::read(title(package), tree));
    }
    Ok(blocks)
}

/// Why a block does not work with the kicad-tools that are here; `None` where all do, and where it is
/// not known which are here.
pub(crate) fn misfit(blocks: &[Block], tools: &BTreeMap<String, Version>) -> Option<String> {
    let here = tools.get(TOOL)?;
    blocks.iter().find_map(|block| {
        let mut needs = block.manifest.requires.iter().filter(|external| external.name == TOOL);
        let needed = needs.find_map(|external| external.requirement.as_ref())?;
        (!needed.admits(here)).then(|| {
            format!("`{}` works with {TOOL} `{}`, here is `{here}`", block.title, needed.text())
        })
    })
}

/// Libraries that a block names and that neither KiCad nor any of the blocks brings.
pub(crate) fn unresolved(blocks: &[Block]) -> Vec<String> {
    let mut warnings = Vec::new();
    for block in blocks {
        let externals = &block.manifest.requires;
        let named = externals.iter().filter_map(|one| Reference::of_external(&one.name));
        for library in named.filter(|library| !is_standard(library)) {
            if !blocks.iter().any(|other| other.has(&library)) {
                let (kind, name) = match &library {
                    Reference::Footprints(name) => ("footprints", name),
                    Reference::Symbols(name) => ("symbols", name),
                };
                warnings.push(format!(
                    "`{}` needs the library of {kind} `{name}`, which nothing here brings",
                    block.title
                ));
            }
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str, text: &str, files: &[&str]) -> Block {
        let mut tree = Tree::default();
        tree.insert("kicad-tools-block.yaml".parse().unwrap(), text.as_bytes(), false);
        for file in files {
            tree.insert(file.parse().unwrap(), *b"", false);
        }
        Block::read(name.to_owned(), tree).unwrap()
    }

    #[test]
    fn what_a_block_names_another_may_bring() {
        let one = "name: a/one\nversion: 1.0.0\nsymbols: ['Ours:A', 'Device:R', 'Theirs:B']\n\
            footprints: ['Lost:C']\n";
        let blocks = [
            block("a/one@1.0.0", one, &[]),
            block(
                "a/two@1.0.0",
                "name: a/two\n",
                &["lib/Theirs.kicad_sym", "Ours.pretty/x.kicad_mod"],
            ),
        ];
        assert_eq!(
            unresolved(&blocks),
            [
                "`a/one@1.0.0` needs the library of footprints `Lost`, which nothing here brings",
                "`a/one@1.0.0` needs the library of symbols `Ours`, which nothing here brings",
            ]
        );
    }

    #[test]
    fn a_block_says_which_kicad_tools_it_works_with() {
        let needs = |text: &str| {
            block("a/one@1.0.0", &format!("name: a/one\nrequires-kicad-tools: '{text}'\n"), &[])
        };
        let here = |version: &str| {
            let version = Version::parse(packhouse_core::version::Order::Pep440, version).unwrap();
            BTreeMap::from([(TOOL.to_owned(), version)])
        };
        let old = [needs(">=0.8,<0.10")];
        assert_eq!(misfit(&old, &here("0.9.4")), None);
        assert_eq!(
            misfit(&old, &here("0.10.1")).as_deref(),
            Some("`a/one@1.0.0` works with kicad-tools `>=0.8,<0.10`, here is `0.10.1`")
        );
        assert_eq!(misfit(&old, &BTreeMap::new()), None);
        assert_eq!(misfit(&[needs("^0.10")], &here("0.10.1")), None);
    }
}
