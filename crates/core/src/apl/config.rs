//! A package's config: what `apl-project.json` says, and what goes over the wire and into an index.

use serde_json::{Map, Value, json};

use super::id::{IdError, PackageId, ProjectId, parts};
use crate::escape::excerpt;
use crate::requirement::{Grammar, Requirement, RequirementError};

/// The config's file name.
pub const FILE: &str = "apl-project.json";

/// Dependencies of one config.
const NEEDS: usize = 1_000;

/// A dependency: a package, and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The package.
    pub project: ProjectId,
    /// A version, or `^` and a version.
    pub requirement: Requirement,
    /// The name under which it is used, where that is another one.
    pub alias: Option<String>,
    /// Where a reference to it is made: `root`, `all` or `none`.
    pub inject: Option<String>,
}

/// A config. Fields that nobody here knows are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Group, name and version.
    pub id: PackageId,
    /// What the package needs.
    pub needs: Vec<Need>,
    /// What its developers need besides.
    pub dev_needs: Vec<Need>,
    /// Everything as it was written, lists of dependencies and of files left out.
    fields: Map<String, Value>,
}

/// What is wrong with a config.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {message}")]
pub struct ConfigError {
    /// The field, for example `dependencies[2].version`.
    pub field: String,
    /// What was found, and what would be right.
    pub message: String,
}

impl ConfigError {
    fn new(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }
}

/// Why a text is no dependency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeedError {
    /// Its name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// Its version.
    #[error(transparent)]
    Requirement(#[from] RequirementError),
    /// A file of one machine.
    #[error("`{0}` is a file of one machine: publish the package, and name it")]
    File(String),
}

impl Need {
    /// Reads `group-name-v1.2.3` or `group-name-1.2.3`, behind which may stand `@Alias`.
    ///
    /// # Errors
    ///
    /// [`NeedError`].
    pub fn parse(text: &str) -> Result<Self, NeedError> {
        if text.starts_with("file:") {
            return Err(NeedError::File(excerpt(text, 200)));
        }
        let (id, alias) = match text.split_once('@') {
            Some((id, alias)) => (id, Some(alias)),
            None => (text, None),
        };
        let (group, name, version) = parts(id)?;
        Self::new(group, name, version, alias)
    }

    /// A dependency from its parts.
    ///
    /// # Errors
    ///
    /// [`NeedError`].
    pub fn new(
        group: &str,
        name: &str,
        version: &str,
        alias: Option<&str>,
    ) -> Result<Self, NeedError> {
        let project = ProjectId::new(group, name)?;
        let requirement = Requirement::parse(Grammar::Apl, version)?;
        let alias = alias.filter(|alias| !alias.is_empty()).map(str::to_owned);
        // An alias is a name of APL as well.
        alias.iter().try_for_each(|alias| ProjectId::new("a", alias).map(drop))?;
        Ok(Self { project, requirement, alias, inject: None })
    }

    /// As text: `group-name-v1.2.3@Alias`.
    pub fn text(&self) -> String {
        let alias = self.alias.as_ref().map(|alias| format!("@{alias}")).unwrap_or_default();
        format!("{}-v{}{alias}", self.project, self.requirement)
    }

    /// As the object that APM's schema describes.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("group".to_owned(), self.project.group().into());
        map.insert("name".to_owned(), self.project.name().into());
        map.insert("version".to_owned(), self.requirement.text().into());
        for (key, text) in [("alias", &self.alias), ("inject", &self.inject)] {
            if let Some(text) = text {
                map.insert(key.to_owned(), text.as_str().into());
            }
        }
        Value::Object(map)
    }

    fn from_json(field: &str, value: &Value) -> Result<Option<Self>, ConfigError> {
        let wrong = |message: String| ConfigError::new(field, message);
        match value {
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) => {
                Self::parse(text.trim()).map(Some).map_err(|e| wrong(e.to_string()))
            }
            Value::Object(map) => {
                let part = |key: &str| {
                    map.get(key).and_then(Value::as_str).ok_or_else(|| {
                        ConfigError::new(format!("{field}.{key}"), "it should be a text")
                    })
                };
                let alias = map.get("alias").and_then(Value::as_str);
                let need = Self::new(part("group")?, part("name")?, part("version")?, alias);
                let mut need = need.map_err(|e| wrong(e.to_string()))?;
                need.inject = map.get("inject").and_then(Value::as_str).map(str::to_owned);
                Ok(Some(need))
            }
            _ => Err(wrong("it should be `group-name-v1.2.3`, or an object".to_owned())),
        }
    }

    fn list(field: &str, value: Option<&Value>) -> Result<Vec<Self>, ConfigError> {
        let items = match value {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(ConfigError::new(field, "it should be a list")),
        };
        if items.len() > NEEDS {
            let message = format!("it has {} items, at most {NEEDS} are read", items.len());
            return Err(ConfigError::new(field, message));
        }
        let one = |(nth, item)| Self::from_json(&format!("{field}[{nth}]"), item).transpose();
        items.iter().enumerate().filter_map(one).collect()
    }
}

impl Config {
    /// A config of its parts.
    pub fn new(id: PackageId, needs: Vec<Need>) -> Self {
        Self { id, needs, dev_needs: Vec::new(), fields: Map::new() }
    }

    /// Reads a config: dependencies as texts or objects, `files` for `packageFiles`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with the field.
    pub fn from_json(value: &Value) -> Result<Self, ConfigError> {
        let map = value.as_object().ok_or_else(|| {
            ConfigError::new("config", "a config is an object with `group`, `name` and `version`")
        })?;
        let part = |key: &str| {
            map.get(key)
                .and_then(Value::as_str)
                .ok_or_else(|| ConfigError::new(key, "it is missing, or no text"))
        };
        let (group, name, version) = (part("group")?, part("name")?, part("version")?);
        let id = PackageId::new(group, name, version).map_err(|e| {
            let field = if matches!(e, IdError::Version(_)) { "version" } else { "name" };
            ConfigError::new(field, e)
        })?;
        let needs = Need::list("dependencies", map.get("dependencies"))?;
        let dev_needs = Need::list("devDependencies", map.get("devDependencies"))?;
        let mut fields = map.clone();
        fields.shift_remove("dependencies");
        fields.shift_remove("devDependencies");
        if let Some(files) = fields.shift_remove("files") {
            fields.entry("packageFiles").or_insert(files);
        }
        Ok(Self { id, needs, dev_needs, fields })
    }

    /// The files and folders that go into the package, as the config names them; empty for all.
    pub fn files(&self) -> Vec<&str> {
        let listed = self.fields.get("packageFiles").and_then(Value::as_array);
        let named = listed.into_iter().flatten().filter_map(Value::as_str);
        named.map(str::trim).filter(|path| !path.is_empty()).collect()
    }

    /// The file or folder with the code, where the config names one.
    pub fn source(&self) -> Option<&str> {
        let source = self.fields.get("source").and_then(Value::as_str).map(str::trim);
        source.filter(|source| !source.is_empty())
    }

    /// As the object that APM's schema describes; dependencies are objects.
    pub fn to_json(&self) -> Value {
        let list = |needs: &[Need]| needs.iter().map(Need::to_json).collect::<Vec<_>>();
        let mut map = self.identity();
        for (key, value) in &self.fields {
            map.entry(key.clone()).or_insert_with(|| value.clone());
        }
        map.insert("dependencies".to_owned(), json!(list(&self.needs)));
        if !self.dev_needs.is_empty() {
            map.insert("devDependencies".to_owned(), json!(list(&self.dev_needs)));
        }
        Value::Object(map)
    }

    /// As an index holds it: group, name, version, and dependencies as texts.
    pub fn to_index(&self) -> Value {
        let mut map = self.identity();
        let texts: Vec<String> = self.needs.iter().map(Need::text).collect();
        map.insert("dependencies".to_owned(), json!(texts));
        Value::Object(map)
    }

    /// `group`, `name`, `version`.
    pub(super) fn identity(&self) -> Map<String, Value> {
        let PackageId { project, version } = &self.id;
        [("group", project.group()), ("name", project.name()), ("version", version.text())]
            .into_iter()
            .map(|(key, text)| (key.to_owned(), text.into()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_texts_or_objects_and_unknown_fields_stay() {
        let config = Config::from_json(&json!({
            "engines": {"dyalog": "17"}, "group": "Carlisle", "name": "Rumba", "version": "2.1.0",
            "dependencies": ["Dyalog-Conga-v3.1.3@C", "", {"group": "a", "name": "b", "version": "1.0.0", "inject": "all"}],
            "devDependencies": "", "files": ["src", "README.md"],
        }))
        .unwrap();
        assert_eq!(config.needs[0].text(), "Dyalog-Conga-v3.1.3@C");
        assert_eq!(config.files(), ["src", "README.md"]);
        assert_eq!(
            config.to_json(),
            json!({
                "group": "Carlisle", "name": "Rumba", "version": "2.1.0", "engines": {"dyalog": "17"},
                "packageFiles": ["src", "README.md"],
                "dependencies": [
                    {"group": "Dyalog", "name": "Conga", "version": "3.1.3", "alias": "C"},
                    {"group": "a", "name": "b", "version": "1.0.0", "inject": "all"},
                ],
            })
        );
        assert_eq!(Config::from_json(&config.to_json()).unwrap(), config);
        let indexed = Config::from_json(&config.to_index()).unwrap();
        assert_eq!(indexed.needs[1].text(), "a-b-v1.0.0");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let base = |key: &str, value: Value| {
            let mut config = json!({"group": "a", "name": "b", "version": "1.0.0"});
            config[key] = value;
            Config::from_json(&config).unwrap_err().to_string() + "\n"
        };
        let mut table = Config::from_json(&json!([])).unwrap_err().to_string() + "\n";
        for (key, value) in [
            ("group", json!(1)),
            ("name", json!("a-b")),
            ("version", json!("1.0")),
            ("dependencies", json!({})),
            ("dependencies", json!(["a-b"])),
            ("dependencies", json!(["a-b-v1.0.0", "a-b-v1.0.0@9"])),
            ("dependencies", json!(["file:///x.zip"])),
            ("dependencies", json!([{"group": "a", "name": "b"}])),
            ("dependencies", json!([{"group": "a", "name": "b", "version": ">1"}])),
            ("devDependencies", json!([7])),
            ("dependencies", json!(vec![""; 1001])),
        ] {
            table += &base(key, value);
        }
        insta::assert_snapshot!(table);
    }
}
