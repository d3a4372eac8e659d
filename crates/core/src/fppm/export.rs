//! `registry.yaml`, written: every scalar quoted, commits in full, no empty namespace.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Commit, quoted};

/// A registry to write. Packages stand in the order of their names, below their namespaces: so
/// none is empty, and no scalar is anything but a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Who offers it.
    pub publisher: String,
    /// A sentence.
    pub description: String,
    /// When it last changed.
    pub updated_on: String,
    /// Namespaces, and their packages.
    pub namespaces: BTreeMap<String, BTreeMap<String, Exported>>,
    /// Remarks for people, one a line.
    pub remarks: Vec<String>,
}

/// A package to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its repository.
    pub git: String,
    /// What is installed where nobody asks for another version.
    pub stable: Stable,
    /// Its version; may be empty.
    pub version: String,
    /// A sentence; may be empty.
    pub description: String,
}

/// What `stable` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stable {
    /// A commit.
    Commit {
        /// Its name.
        commit: Commit,
        /// The branch or tag that leads to it; empty where it is not known.
        branch: String,
    },
    /// A tag, of a repository that is not ours.
    Tag(String),
}

impl Export {
    /// Adds a package.
    pub fn insert(&mut self, namespace: &str, package: &str, exported: Exported) {
        let packages = self.namespaces.entry(namespace.to_owned()).or_default();
        packages.insert(package.to_owned(), exported);
    }

    /// The file's text.
    pub fn write(&self) -> String {
        let mut out = String::new();
        for remark in &self.remarks {
            line(&mut out, format_args!("# {}", crate::escape::printable(remark)));
        }
        for (key, value) in [
            ("name", &self.name),
            ("publisher", &self.publisher),
            ("description", &self.description),
            ("updated-on", &self.updated_on),
        ] {
            line(&mut out, format_args!("{key}: {}", quoted(value)));
        }
        let mut full =
            self.namespaces.iter().filter(|(_, packages)| !packages.is_empty()).peekable();
        if full.peek().is_none() {
            line(&mut out, format_args!("namespaces: []"));
            return out;
        }
        line(&mut out, format_args!("namespaces:"));
        for (namespace, packages) in full {
            line(&mut out, format_args!("  - {}:", quoted(namespace)));
            for (package, exported) in packages {
                line(&mut out, format_args!("      - {}:", quoted(package)));
                let (stable, branch) = match &exported.stable {
                    Stable::Commit { commit, branch } => (commit.as_str(), branch.as_str()),
                    Stable::Tag(tag) => (tag.as_str(), ""),
                };
                for (key, value) in [
                    ("git", exported.git.as_str()),
                    ("stable", stable),
                    ("branch", branch),
                    ("version", &exported.version),
                    ("description", &exported.description),
                ] {
                    if !value.is_empty() {
                        line(&mut out, format_args!("          {key}: {}", quoted(value)));
                    }
                }
            }
        }
        out
    }
}

fn line(out: &mut String, text: std::fmt::Arguments) {
    // A String takes everything.
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::super::registry;
    use super::*;

    #[test]
    fn a_registry_is_written_so_that_every_reader_reads_the_same() {
        let mut export = Export {
            name: "Acme \"parts\"".to_owned(),
            publisher: "Acme".to_owned(),
            description: "1.0".to_owned(),
            updated_on: "2026-03-01".to_owned(),
            remarks: vec!["a\nname: other".to_owned()],
            ..Export::default()
        };
        assert!(export.write().ends_with("namespaces: []\n"));
        let stable: Commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        for name in ["Sensor", "Bus"] {
            export.insert(
                "acme",
                name,
                Exported {
                    git: format!("https://example.org/{name}.git"),
                    stable: Stable::Commit { commit: stable.clone(), branch: "main".to_owned() },
                    version: "1.0".to_owned(),
                    description: String::new(),
                },
            );
        }
        export.namespaces.entry("empty".to_owned()).or_default();
        insta::assert_snapshot!(export.write(), @r#"
        # a\u{a}name: other
        name: "Acme \"parts\""
        publisher: "Acme"
        description: "1.0"
        updated-on: "2026-03-01"
        namespaces:
          - "acme":
              - "Bus":
                  git: "https://example.org/Bus.git"
                  stable: "0123456789abcdef0123456789abcdef01234567"
                  branch: "main"
                  version: "1.0"
              - "Sensor":
                  git: "https://example.org/Sensor.git"
                  stable: "0123456789abcdef0123456789abcdef01234567"
                  branch: "main"
                  version: "1.0"
        "#);
        let read = registry::read(export.write().as_bytes()).unwrap();
        assert!(read.errors.is_empty() && read.warnings.is_empty(), "{read:?}");
        let told = read
            .packages
            .iter()
            .map(|e| format!("{} {} {:?} {:?}", e.name, e.git, e.stable, e.branch));
        assert_eq!(told.collect::<Vec<_>>().join("\n"), "\
acme/Bus https://example.org/Bus.git Some(\"0123456789abcdef0123456789abcdef01234567\") Some(\"main\")
acme/Sensor https://example.org/Sensor.git Some(\"0123456789abcdef0123456789abcdef01234567\") Some(\"main\")");
    }
}
