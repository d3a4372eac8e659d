//! `fppm.lock`: the exact commit of each installed package, which `project.yaml` has no place for. The
//! stock client does not read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Commit, Shortname, is_reference, quoted};
use crate::formats::Broken;
use crate::formats::fields::At;
use crate::formats::value::{Source, Value};
use crate::formats::yaml;

/// The file's name, beside `project.yaml`.
pub const FILE: &str = "fppm.lock";

/// What is locked, by package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The packages.
    pub packages: BTreeMap<Shortname, Locked>,
}

/// A package that is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// What was asked for, as in `project.yaml`.
    pub version: String,
    /// The commit that it was then.
    pub commit: Commit,
    /// Its repository.
    pub git: String,
    /// The registry that named the repository.
    pub registry: String,
}

impl Lock {
    /// Reads a lockfile.
    ///
    /// # Errors
    ///
    /// [`Broken`] with the place.
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let source = Source::open_named(FILE, bytes)?;
        let node = yaml::read(&source)?;
        let root = At::root(&source, &node, "`schema: 1`")?;
        let wrong = |at: &At, message: String| {
            let help = "delete the file and install again; it is written by `packhouse fppm` alone";
            let field = Some(at.path.clone()).filter(|path| !path.is_empty());
            source.broken(at.node.span.start, field, message, help)
        };
        if !matches!(&root.get("schema").map(|at| &at.node.value), Some(Value::Number(n)) if n == "1")
        {
            return Err(wrong(&root, "has another schema than 1".to_owned()));
        }
        let mut lock = Self::default();
        for at in root.get("packages").map(|at| at.items()).unwrap_or_default() {
            let text = |key: &str| {
                let found = at.get(key).and_then(|at| at.text());
                found.ok_or_else(|| wrong(&at, format!("has no text `{key}`")))
            };
            let name: Shortname = text("name")?.parse().map_err(|e| wrong(&at, format!("{e}")))?;
            let version = text("version")?.to_owned();
            if !is_reference(&version) {
                return Err(wrong(&at, "has a version that is none".to_owned()));
            }
            let commit = text("commit")?.parse().map_err(|e| wrong(&at, e))?;
            let (git, registry) = (text("git")?.to_owned(), text("registry")?.to_owned());
            lock.packages.insert(name, Locked { version, commit, git, registry });
        }
        Ok(lock)
    }

    /// The file's text.
    pub fn write(&self) -> String {
        let mut out = String::from(
            "# Written by `packhouse fppm`: keep it under version control.\nschema: 1\n",
        );
        if self.packages.is_empty() {
            out.push_str("packages: []\n");
            return out;
        }
        out.push_str("packages:\n");
        for (name, locked) in &self.packages {
            // A String takes everything.
            let _ = writeln!(out, "  - name: {}", quoted(&name.to_string()));
            for (key, value) in [
                ("version", locked.version.as_str()),
                ("commit", locked.commit.as_str()),
                ("git", &locked.git),
                ("registry", &locked.registry),
            ] {
                let _ = writeln!(out, "    {key}: {}", quoted(value));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let mut lock = Lock::default();
        assert_eq!(Lock::read(lock.write().as_bytes()).unwrap(), lock);
        let locked = Locked {
            version: "1.0".to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            git: "https://example.org/a.git".to_owned(),
            registry: "../registry.yaml".to_owned(),
        };
        lock.packages.insert("acme/Sensor".parse().unwrap(), locked);
        assert_eq!(Lock::read(lock.write().as_bytes()).unwrap(), lock);
    }

    #[test]
    fn a_damaged_lock_is_refused_with_its_place() {
        let told: Vec<String> = [
            "",
            "schema: 2",
            "schema: 1\npackages:\n  - name: a/b\n",
            "schema: 1\npackages:\n  - {name: a/b, version: v1, commit: 01, git: x, registry: y}\n",
            "schema: 1\npackages:\n  - {name: ../b, version: v1}\n",
            "schema: 1\npackages:\n  - {name: a/b, version: --x, commit: 01, git: x, registry: y}\n",
        ]
        .iter()
        .map(|text| Lock::read(text.as_bytes()).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        fppm.lock:1:1: is empty
        fppm.lock:1:1: has another schema than 1
        fppm.lock:3:5: `packages[0]`: has no text `version`
        fppm.lock:3:5: `packages[0]`: has no text `commit`
        fppm.lock:3:5: `packages[0]`: `../b` has the part `..`: a part is 1 to 100 of A-Z, a-z, 0-9, `_`, `-` and `.`, a letter or digit first
        fppm.lock:3:5: `packages[0]`: has a version that is none
        ");
    }
}
