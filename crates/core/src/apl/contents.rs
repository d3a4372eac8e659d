//! A package's archive: a zip with the config at its root.

use super::config::{Config, ConfigError, FILE};
use crate::archive::{self, Archive, ArchiveError};
use crate::formats::{self, Found};
use crate::limits::Limits;
use crate::manifest::Problem;
use crate::tree::Tree;

/// A package that was read and packed anew.
#[derive(Clone, Debug)]
pub struct Packed {
    /// What it says of itself.
    pub config: Config,
    /// The archive: the same bytes for the same files, whoever packed them before.
    pub archive: Archive,
}

/// Why an archive holds no package.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// No zip, or an unsafe one.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// No config.
    #[error(
        "the archive has no `{FILE}` at its root: pack the files of the project, not its folder"
    )]
    Missing,
    /// A config that cannot be read.
    #[error("{0}; {help}", help = .0.help)]
    Broken(formats::Broken),
    /// A field that is there and wrong.
    #[error("{FILE}:{line}:{column}: `{field}` {message}; {help}")]
    Field {
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
        /// The field.
        field: String,
        /// What is wrong with it.
        message: String,
        /// What would be right.
        help: String,
    },
    /// A config that names no package.
    #[error("{FILE}: {0}")]
    Config(#[from] ConfigError),
    /// A file that the config lists and the archive lacks.
    #[error("{FILE} lists `{0}`, which is not in the archive")]
    Listed(String),
}

/// Reads the package in `zip`, whatever program packed it, and packs it anew.
///
/// # Errors
///
/// [`ContentsError`] with what is wrong, and where.
pub fn repack(zip: &[u8], limits: &Limits) -> Result<Packed, ContentsError> {
    let tree = archive::foreign(zip, limits)?;
    let config = config(&tree)?;
    listed(&config, &tree)?;
    Ok(Packed { config, archive: archive::pack(&tree)? })
}

/// The config at the root of `tree`.
///
/// # Errors
///
/// [`ContentsError`] with line, column and field.
pub fn config(tree: &Tree) -> Result<Config, ContentsError> {
    let found = formats::by_id("apl").map_or(Found::Missing, |format| format.read(tree));
    let manifest = match found {
        Found::Package(manifest) => manifest,
        Found::Missing => return Err(ContentsError::Missing),
        Found::Broken(broken) => return Err(ContentsError::Broken(broken)),
    };
    if let Some(problem) = manifest.problems.first().cloned() {
        let (line, column) = (problem.at.line, problem.at.column);
        let Problem { field, message, help, .. } = problem;
        return Err(ContentsError::Field { line, column, field, message, help });
    }
    Ok(Config::from_json(&manifest.original)?)
}

/// All files that the config lists have to be there.
fn listed(config: &Config, tree: &Tree) -> Result<(), ContentsError> {
    for path in config.files().into_iter().chain(config.source()) {
        let plain = path.trim_start_matches("./").trim_end_matches('/');
        let inside = |file: &str| {
            file.strip_prefix(plain).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let whole = matches!(plain, "" | ".");
        if !whole && !tree.iter().any(|(file, _)| inside(file.as_str())) {
            return Err(ContentsError::Listed(crate::escape::excerpt(path, 200)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes(), false);
        }
        archive::pack(&tree).unwrap().bytes
    }

    #[test]
    fn a_package_is_read_and_packed_anew() {
        let config =
            "{group: 'a', name: 'b', version: '1.0.0', source: 'src/', files: ['./README.md'],}";
        let zip = zip(&[(FILE, config), ("src/x.apl", "x←1"), ("README.md", "b")]);
        let packed = repack(&zip, &Limits::default()).unwrap();
        assert_eq!(packed.config.id.to_string(), "a-b-v1.0.0");
        assert_eq!(packed.archive.bytes, zip);
    }

    #[test]
    fn a_corpus_of_broken_packages_is_refused_with_place_and_reason() {
        let config = |rest: &str| {
            format!("{{\"group\": \"a\", \"name\": \"b\", \"version\": \"1.0.0\"{rest}}}")
        };
        let mut table = String::new();
        for text in [
            String::new(),
            "{".to_owned(),
            "\u{1}".to_owned(),
            "{\"group\": \"a\", \"name\": \"b\"}".to_owned(),
            "{\"group\": \"\", \"name\": \"b\", \"version\": \"1.0.0\"}".to_owned(),
            "{\"group\": \"a-b\", \"name\": \"c\", \"version\": \"1.0.0\"}".to_owned(),
            "{\"group\": \"a\", \"name\": \"b\", \"version\": \"v1.0.0\"}".to_owned(),
            config(", \"dependencies\": [\"a\"]"),
            config(", \"dependencies\": [\"file:///x.zip\"]"),
            config(", \"dependencies\": {\"a\": 1}"),
            config(", \"source\": \"src\""),
            config(", \"packageFiles\": [\"../x\"]"),
            config(", \"group\": \"b\""),
            config(&format!(", \"x\": {}", "[".repeat(70))),
        ] {
            let error = repack(&zip(&[(FILE, &text)]), &Limits::default()).unwrap_err();
            table += &format!("{error}\n");
        }
        for archive in [zip(&[("package/apl-project.json", "{}")]), b"PK".to_vec()] {
            table += &format!("{}\n", repack(&archive, &Limits::default()).unwrap_err());
        }
        insta::assert_snapshot!(table);
    }
}
