//! One pack of an index.

use serde_json::Value;

use super::is_homepage;
use super::values::{Object, Reader, join, kind};
use crate::attune::index::{Component, Contents, Entry};
use crate::attune::is_pack_ref;
use crate::escape::excerpt;
use crate::version::{Order, Version};

impl Reader {
    pub(super) fn entry(&mut self, value: &Value, place: &str) -> Option<Entry> {
        const KEYS: [&str; 16] = [
            "ref",
            "label",
            "description",
            "version",
            "author",
            "email",
            "homepage",
            "repository",
            "use_case",
            "license",
            "keywords",
            "runtime_deps",
            "install_sources",
            "contents",
            "dependencies",
            "meta",
        ];
        let Value::Object(object) = value else {
            self.fatal(place, format!("is {}, a pack is an object", kind(value)));
            return None;
        };
        self.known(object, place, &KEYS);
        let reference = self.reference(object, place)?;
        let version = self.version(object, place)?;
        let label = self.text(object, place, "label", false).unwrap_or_else(|| reference.clone());
        let text = |text: Option<String>, or: &str| text.unwrap_or_else(|| or.to_owned());
        let entry = Entry {
            label,
            description: text(self.text(object, place, "description", true), ""),
            author: text(self.text(object, place, "author", false), "Unknown"),
            email: self.optional(object, place, "email"),
            homepage: self.optional(object, place, "homepage"),
            repository: self.optional(object, place, "repository"),
            use_case: self.optional(object, place, "use_case"),
            license: text(self.text(object, place, "license", false), "NOASSERTION"),
            keywords: self.list(object, place, "keywords"),
            runtime_deps: self.list(object, place, "runtime_deps"),
            install_sources: self.sources(object, place),
            contents: self.contents(object, place),
            dependencies: self.dependencies(object, place),
            meta: self.meta(object, place),
            reference,
            version,
        };
        if let Some(url) = &entry.repository {
            self.url(&join(place, "repository"), url);
        }
        if let Some(url) = entry.homepage.as_deref().filter(|url| !is_homepage(url)) {
            let reason = format!("is `{}`: write `https://…`", excerpt(url, 120));
            self.flaw(&join(place, "homepage"), reason);
        }
        Some(entry)
    }

    fn reference(&mut self, object: &Object, place: &str) -> Option<String> {
        let at = join(place, "ref");
        match object.get("ref") {
            Some(Value::String(text)) if is_pack_ref(text) => Some(text.clone()),
            Some(other) => {
                let help = "write a-z, 0-9, `_` and `-`, a letter first";
                self.fatal(&at, format!("is {}: {help}", kind(other)));
                None
            }
            None => {
                self.fatal(&at, "is missing");
                None
            }
        }
    }

    fn version(&mut self, object: &Object, place: &str) -> Option<String> {
        let at = join(place, "version");
        let Some(Value::String(text)) = object.get("version") else {
            let found = object.get("version").map_or("is missing".to_owned(), |other| {
                format!("is {}, quote it: `\"1.2.3\"`", kind(other))
            });
            self.fatal(&at, found);
            return None;
        };
        match Version::parse(Order::SemVer, text) {
            Err(error) => self.flaw(&at, error.to_string()),
            Ok(version) if version.is_prerelease() && version.build().is_some() => {
                self.flaw(&at, "has a prerelease and a build: format 1.0 takes one of them");
            }
            Ok(_) => {}
        }
        if text.is_empty() || text.len() > 128 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            self.fatal(&at, format!("is {}, that is no version", kind(&object["version"])));
            return None;
        }
        Some(text.clone())
    }

    fn dependencies(&mut self, object: &Object, place: &str) -> Option<Value> {
        const VERSIONS: [&str; 3] = ["attune_version", "python_version", "nodejs_version"];
        let found = self.object(object, place, "dependencies")?;
        let Value::Object(map) = &found else { return None };
        let at = join(place, "dependencies");
        self.known(map, &at, &[&VERSIONS[..], &["packs"]].concat());
        for key in VERSIONS {
            self.optional(map, &at, key);
        }
        if map.contains_key("packs") {
            self.list(map, &at, "packs");
        }
        Some(found)
    }

    fn meta(&mut self, object: &Object, place: &str) -> Option<Value> {
        let found = self.object(object, place, "meta")?;
        let at = join(place, "meta");
        for key in ["downloads", "stars"] {
            if let Some(count) = found.get(key).filter(|count| !count.is_u64()) {
                self.flaw(&join(&at, key), format!("is {}, it should be a count", kind(count)));
            }
        }
        if let Value::Object(map) = &found
            && map.contains_key("tested_attune_versions")
        {
            self.list(map, &at, "tested_attune_versions");
        }
        Some(found)
    }

    fn contents(&mut self, object: &Object, place: &str) -> Contents {
        let at = join(place, "contents");
        let mut contents = Contents::default();
        let Some(Value::Object(kinds)) = object.get("contents") else {
            self.flaw(&at, "is missing, or no object");
            return contents;
        };
        self.known(kinds, &at, &["actions", "sensors", "triggers", "rules", "workflows"]);
        for kind_of in ["actions", "sensors", "triggers", "rules", "workflows"] {
            let at = join(&at, kind_of);
            let list = match kinds.get(kind_of) {
                Some(Value::Array(list)) => list,
                Some(Value::Number(_)) => {
                    self.flaw(&at, "is a count: list each with name and description");
                    continue;
                }
                Some(other) => {
                    self.flaw(&at, format!("is {}, it should be a list", kind(other)));
                    continue;
                }
                None => {
                    self.flaw(&at, "is missing: write `[]` where there is nothing");
                    continue;
                }
            };
            let mut found: Vec<Component> = Vec::new();
            for (number, one) in list.iter().enumerate().take(2_000) {
                let at = format!("{at}[{number}]");
                let Value::Object(one) = one else {
                    self.flaw(&at, "is no object with `name` and `description`");
                    continue;
                };
                self.known(one, &at, &["name", "description"]);
                let Some(name) = self.text(one, &at, "name", false) else { continue };
                let description = self.text(one, &at, "description", true).unwrap_or_default();
                if found.last().is_some_and(|last| last.name >= name) {
                    self.flaw(&at, "stands twice, or is not sorted in by its name");
                }
                found.push(Component { name, description });
            }
            if let Some(list) = contents.kind(kind_of) {
                *list = found;
            }
        }
        contents
    }
}
