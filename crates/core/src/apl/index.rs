//! An index: the configs of a registry's packages, one a version.

use std::collections::BTreeMap;

use serde_json::Value;

use super::config::{Config, ConfigError};
use super::filter::Filter;
use super::id::{PackageId, ProjectId};
use crate::requirement::Requirement;
use crate::version::Version;

/// The largest index file in bytes.
const INDEX_BYTES: usize = 64 << 20;

/// Packages in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Index {
    configs: Vec<Config>,
    places: BTreeMap<ProjectId, BTreeMap<Version, Place>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    nth: usize,
    /// Yanked: found by its exact version only.
    withdrawn: bool,
}

/// What is wrong with an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// No JSON, or no list.
    #[error("the index is no list of configs: {0}")]
    Json(#[from] serde_json::Error),
    /// One of its items.
    #[error("item {0} of the index: {1}")]
    Item(usize, ConfigError),
    /// A version twice.
    #[error("`{0}` is there already: raise `version`")]
    Exists(Box<PackageId>),
    /// Larger than any registry is.
    #[error("the index has {0} bytes, at most {INDEX_BYTES} are read")]
    Large(usize),
}

impl Index {
    /// Reads `index.json`: a list of objects with group, name, version and dependencies.
    ///
    /// # Errors
    ///
    /// [`IndexError`] with line and column, or with the item and its field.
    pub fn parse(text: &[u8]) -> Result<Self, IndexError> {
        if text.len() > INDEX_BYTES {
            return Err(IndexError::Large(text.len()));
        }
        let items: Vec<Value> = serde_json::from_slice(text)?;
        let mut index = Self::default();
        for (nth, item) in items.iter().enumerate() {
            index.add(Config::from_json(item).map_err(|error| IndexError::Item(nth, error))?)?;
        }
        Ok(index)
    }

    /// As `index.json`: one package a line.
    pub fn to_text(&self) -> String {
        let lines: Vec<String> = self.configs.iter().map(|c| c.to_index().to_string()).collect();
        if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
    }

    /// Adds a package.
    ///
    /// # Errors
    ///
    /// [`IndexError::Exists`].
    pub fn add(&mut self, config: Config) -> Result<(), IndexError> {
        self.put(config, false)
    }

    /// Adds a package that only its exact version finds.
    ///
    /// # Errors
    ///
    /// [`IndexError::Exists`].
    pub fn add_withdrawn(&mut self, config: Config) -> Result<(), IndexError> {
        self.put(config, true)
    }

    fn put(&mut self, config: Config, withdrawn: bool) -> Result<(), IndexError> {
        let PackageId { project, version } = &config.id;
        if self.get(&config.id).is_some() {
            return Err(IndexError::Exists(Box::new(config.id)));
        }
        let place = Place { nth: self.configs.len(), withdrawn };
        self.places.entry(project.clone()).or_default().insert(version.clone(), place);
        self.configs.push(config);
        Ok(())
    }

    /// The config of a package.
    pub fn get(&self, id: &PackageId) -> Option<&Config> {
        let place = self.places.get(&id.project)?.get(&id.version)?;
        self.configs.get(place.nth)
    }

    /// The packages that `filter` admits, in their order; withdrawn ones are left out.
    pub fn list<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Config> {
        let withdrawn = |id: &PackageId| {
            let place = self.places.get(&id.project).and_then(|all| all.get(&id.version));
            place.is_some_and(|place| place.withdrawn)
        };
        self.configs.iter().filter(move |c| filter.admits(&c.id) && !withdrawn(&c.id))
    }

    /// The version that a request gets: its own, or of `^` the highest one that is compatible.
    pub fn find(&self, project: &ProjectId, request: &Requirement) -> Option<PackageId> {
        let fits = |(version, place): &(&Version, &Place)| {
            request.admits(version) && (request.is_exact() || !place.withdrawn)
        };
        let (version, _) = self.places.get(project)?.iter().rev().find(fits)?;
        Some(PackageId { project: project.clone(), version: version.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement::Grammar;

    /// The versions of APM's own check table.
    const AVAILABLE: &str = "0.1.0 0.2.0 0.2.1 0.2.2 0.3.0 0.3.1 0.3.2 0.4.0 0.4.1 0.4.2 0.5.0-rc.1 0.5.0 0.5.1 \
        0.5.2 0.6.0 0.6.1 0.7.0 0.8.0 0.8.1 0.8.2 0.9.0 0.9.1 0.9.2 0.10.0 1.0.0-rc.1 1.0.0-rc.2 1.0.0-rc.3 1.0.0 \
        1.0.1 1.1.0 1.1.1 1.2.0 1.2.1 1.3.0 1.3.1 2.0.0-rc.1 2.0.0-rc.2 2.0.0 3.0.0-rc.1 3.0.0-rc.2";

    fn index(versions: &str) -> Index {
        let mut index = Index::default();
        for version in versions.split_whitespace() {
            index.add(Config::new(PackageId::new("a", "b", version).unwrap(), Vec::new())).unwrap();
        }
        index
    }

    fn found(versions: &str, request: &str) -> Option<String> {
        let request = Requirement::parse(Grammar::Apl, request).unwrap();
        let found = index(versions).find(&"a-b".parse().unwrap(), &request)?;
        Some(found.version.text().to_owned())
    }

    #[test]
    fn requests_get_the_versions_of_apms_own_table() {
        for (request, version) in [
            ("0.1.0", Some("0.1.0")),
            ("^0.1.0", Some("0.1.0")),
            ("^0.5.0", Some("0.5.2")),
            ("1.0.0", Some("1.0.0")),
            ("^1.0.0", Some("1.3.1")),
            ("1.0.0-rc.2", Some("1.0.0-rc.2")),
            ("^1.0.0-rc.2", Some("1.3.1")),
            ("2.0.0-rc.1", Some("2.0.0-rc.1")),
            ("^2.0.0-rc.1", Some("2.0.0")),
            ("3.0.0", None),
            ("3.0.0-rc.1", Some("3.0.0-rc.1")),
            ("^3.0.0-rc.1", Some("3.0.0-rc.2")),
            ("^3.0.0", Some("3.0.0-rc.2")),
            ("^4.0.0", None),
        ] {
            assert_eq!(found(AVAILABLE, request).as_deref(), version, "{request}");
        }
        assert_eq!(found("1.0.0-rc.2 1.0.0-rc.10", "^1.0.0").as_deref(), Some("1.0.0-rc.2"));
        assert_eq!(found("1.0.0-Z 1.0.0-a", "^1.0.0").as_deref(), Some("1.0.0-a"));
    }

    #[test]
    fn an_index_is_written_as_it_is_read() {
        let text = "[\n{\"group\":\"a\",\"name\":\"b\",\"version\":\"1.0.0\",\"dependencies\":[\"c-d-v1.0.0@X\"]},\n\
            {\"group\":\"c\",\"name\":\"d\",\"version\":\"1.0.0\",\"dependencies\":[]}\n]\n";
        assert_eq!(Index::parse(text.as_bytes()).unwrap().to_text(), text);
        assert_eq!(Index::parse(b"[]").unwrap().to_text(), "[]\n");
        let old = r#"[{"group":"a","name":"b","version":"1.0.0","dependencies":""}]"#;
        assert_eq!(Index::parse(old.as_bytes()).unwrap().list(&Filter::default()).count(), 1);
    }

    #[test]
    fn a_broken_index_is_refused_with_place_and_reason() {
        let one = r#"{"group":"a","name":"b","version":"1.0.0"}"#;
        let table: String = [
            "".to_owned(),
            "{}".to_owned(),
            "[1]".to_owned(),
            "[\n{]".to_owned(),
            format!("[{one}, {{\"group\":\"a\"}}]"),
            format!("[{one}, {one}]"),
            "[".repeat(10_000),
        ]
        .iter()
        .map(|text| format!("{}\n", Index::parse(text.as_bytes()).unwrap_err()))
        .collect();
        insta::assert_snapshot!(table);
    }

    #[test]
    fn withdrawn_versions_are_found_by_their_exact_version_only() {
        let mut index = index("1.0.0");
        index.add_withdrawn(Config::new("a-b-v1.1.0".parse().unwrap(), Vec::new())).unwrap();
        let find = |text: &str| {
            let request = Requirement::parse(Grammar::Apl, text).unwrap();
            index.find(&"a-b".parse().unwrap(), &request).unwrap().to_string()
        };
        assert_eq!((&*find("^1.0.0"), &*find("1.1.0")), ("a-b-v1.0.0", "a-b-v1.1.0"));
        assert_eq!(index.list(&Filter::default()).count(), 1);
    }
}
