//! Reading an index: what is wrong is named with its place. What the later program refuses is a flaw;
//! what nobody could use is fatal.

use serde_json::{Map, Value};

use super::checksum::Checksum;
use super::index::{Component, Contents, Entry, FORMAT, INDEX_BYTES, Index, InstallSource, PACKS};
use super::{Flaw, is_pack_ref, stackstorm};
use crate::escape::excerpt;
use crate::version::{Order, Version};

/// The most flaws that are told of one index.
const FLAWS: usize = 100;

/// An index that was read tolerantly.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The index.
    pub index: Index,
    /// What a strict reader would refuse.
    pub flaws: Vec<Flaw>,
}

/// Reads an index that anybody wrote: Attune's, of either program, or StackStorm's.
///
/// # Errors
///
/// The fatal flaws: no JSON, no list of packs, a pack without ref, version or a way to get it. An
/// index with one of them is refused whole: to skip a pack would let an index behind it answer for it.
pub fn read(bytes: &[u8]) -> Result<Read, Vec<Flaw>> {
    let value = json(bytes).map_err(|flaw| vec![flaw])?;
    if let Some(index) = stackstorm::index(&value) {
        return index;
    }
    let mut reader = Reader::default();
    let index = reader.index(&value);
    let (fatal, flaws): (Vec<_>, Vec<_>) = reader.flaws.into_iter().partition(|(fatal, _)| *fatal);
    let plain = |flaws: Vec<(bool, Flaw)>| flaws.into_iter().map(|(_, flaw)| flaw).collect();
    match index {
        Some(index) if fatal.is_empty() => Ok(Read { index, flaws: plain(flaws) }),
        _ => Err(plain(fatal)),
    }
}

/// Reads an index by the rules of format 1.0.
///
/// # Errors
///
/// All flaws, a hundred at most.
pub fn strict(bytes: &[u8]) -> Result<Index, Vec<Flaw>> {
    let value = json(bytes).map_err(|flaw| vec![flaw])?;
    let mut reader = Reader::default();
    match reader.index(&value) {
        Some(index) if reader.flaws.is_empty() => Ok(index),
        _ => Err(reader.flaws.into_iter().map(|(_, flaw)| flaw).collect()),
    }
}

/// The JSON of a file of at most [`INDEX_BYTES`].
pub(super) fn json(bytes: &[u8]) -> Result<Value, Flaw> {
    if bytes.len() as u64 > INDEX_BYTES {
        let reason = format!("has {} bytes, an index has at most {INDEX_BYTES}", bytes.len());
        return Err(Flaw::new("index", reason));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        Flaw::new(place, format!("is no JSON: {}", excerpt(&e.to_string(), 200)))
    })
}

#[derive(Default)]
struct Reader {
    /// Flaws, and whether they are fatal.
    flaws: Vec<(bool, Flaw)>,
}

type Object = Map<String, Value>;

/// What a value is, for errors.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "`null`".to_owned(),
        Value::Bool(bool) => format!("`{bool}`"),
        Value::Number(number) => format!("the number `{number}`"),
        Value::String(text) => format!("`{}`", excerpt(text, 80)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

impl Reader {
    fn flaw(&mut self, place: &str, reason: impl Into<String>) {
        self.push(false, place, reason.into());
    }

    fn fatal(&mut self, place: &str, reason: impl Into<String>) {
        self.push(true, place, reason.into());
    }

    fn push(&mut self, fatal: bool, place: &str, reason: String) {
        // A fatal one is never lost behind a hundred others.
        if self.flaws.len() < FLAWS {
            self.flaws.push((fatal, Flaw::new(place, reason)));
        } else if fatal && !self.flaws.iter().any(|(fatal, _)| *fatal) {
            self.flaws.insert(0, (true, Flaw::new(place, reason)));
        }
    }

    fn known(&mut self, object: &Object, place: &str, keys: &[&str]) {
        for key in object.keys().filter(|key| !keys.contains(&key.as_str())) {
            self.flaw(&join(place, key), "is no key of format 1.0: remove it");
        }
    }

    /// A text; a missing or wrong one is a flaw and nothing.
    fn text(&mut self, object: &Object, place: &str, key: &str, empty: bool) -> Option<String> {
        let at = join(place, key);
        match object.get(key) {
            None => self.flaw(&at, "is missing"),
            Some(Value::String(text)) if text.trim().is_empty() && !empty => {
                self.flaw(&at, "is empty");
            }
            Some(Value::String(text)) => return Some(text.clone()),
            Some(other) => self.flaw(&at, format!("is {}, it should be a text", kind(other))),
        }
        None
    }

    fn optional(&mut self, object: &Object, place: &str, key: &str) -> Option<String> {
        match object.get(key) {
            None => None,
            Some(Value::Null) => {
                self.flaw(&join(place, key), "is `null`: leave it out");
                None
            }
            Some(_) => self.text(object, place, key, true),
        }
    }

    fn index(&mut self, value: &Value) -> Option<Index> {
        let Value::Object(object) = value else {
            self.fatal("index", format!("is {}, an index is an object", kind(value)));
            return None;
        };
        let keys = ["registry_name", "registry_url", "version", "last_updated", "packs"];
        self.known(object, "", &keys);
        let registry_name = self.text(object, "", "registry_name", false).unwrap_or_default();
        let registry_url = self.text(object, "", "registry_url", false).unwrap_or_default();
        self.url("registry_url", &registry_url);
        let version = self.text(object, "", "version", false).unwrap_or_default();
        if !version.is_empty() && version != FORMAT {
            let reason = format!("is `{}`, this reader knows `{FORMAT}`", excerpt(&version, 40));
            self.flaw("version", reason);
        }
        let last_updated = self.text(object, "", "last_updated", false).unwrap_or_default();
        if !last_updated.is_empty() && last_updated.parse::<jiff::Timestamp>().is_err() {
            let reason = format!("is `{}`, write a time as in", excerpt(&last_updated, 40));
            self.flaw("last_updated", format!("{reason} `2026-01-31T12:00:00Z`"));
        }
        let Some(Value::Array(list)) = object.get("packs") else {
            self.fatal("packs", "is missing, or no list of packs");
            return None;
        };
        if list.len() > PACKS {
            self.fatal("packs", format!("lists {} packs, at most {PACKS} are read", list.len()));
            return None;
        }
        let mut packs: Vec<Entry> = Vec::with_capacity(list.len());
        let mut seen = std::collections::HashSet::new();
        for (number, one) in list.iter().enumerate() {
            let place = format!("packs[{number}]");
            let Some(entry) = self.entry(one, &place) else { continue };
            let at = join(&place, "ref");
            if !seen.insert(entry.reference.clone()) {
                self.fatal(&at, format!("`{}` is listed twice", entry.reference));
            } else if packs.last().is_some_and(|last| last.reference > entry.reference) {
                self.flaw(&at, format!("`{}` is not sorted in by its ref", entry.reference));
            }
            packs.push(entry);
        }
        Some(Index { registry_name, registry_url, version, last_updated, packs })
    }

    fn entry(&mut self, value: &Value, place: &str) -> Option<Entry> {
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
            dependencies: self.object(object, place, "dependencies"),
            meta: self.object(object, place, "meta"),
            reference,
            version,
        };
        for (key, url) in [("homepage", &entry.homepage), ("repository", &entry.repository)] {
            if let Some(url) = url {
                self.url(&join(place, key), url);
            }
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

    fn list(&mut self, object: &Object, place: &str, key: &str) -> Vec<String> {
        let at = join(place, key);
        let list = match object.get(key) {
            Some(Value::Array(list)) => list,
            Some(other) => {
                self.flaw(&at, format!("is {}, it should be a list of texts", kind(other)));
                return Vec::new();
            }
            None => {
                self.flaw(&at, "is missing: write `[]` where there is nothing");
                return Vec::new();
            }
        };
        let mut texts: Vec<String> = Vec::new();
        for (number, item) in list.iter().enumerate() {
            match item {
                Value::String(text) if texts.contains(text) => {
                    self.flaw(&format!("{at}[{number}]"), format!("{} stands twice", kind(item)));
                }
                Value::String(text) => texts.push(text.clone()),
                other => {
                    let reason = format!("is {}, it should be a text", kind(other));
                    self.flaw(&format!("{at}[{number}]"), reason);
                }
            }
            if number == 200 {
                self.fatal(&at, "has more than 200 items");
                break;
            }
        }
        texts
    }

    fn object(&mut self, object: &Object, place: &str, key: &str) -> Option<Value> {
        match object.get(key)? {
            found @ Value::Object(_) => Some(found.clone()),
            // The earlier program took the manifest's list as it was.
            found @ Value::Array(_) if key == "dependencies" => {
                self.flaw(&join(place, key), "is a list: write `{\"packs\": […]}`");
                Some(serde_json::json!({ "packs": found }))
            }
            other => {
                let reason = format!("is {}, it should be an object", kind(other));
                self.flaw(&join(place, key), reason);
                None
            }
        }
    }

    fn sources(&mut self, object: &Object, place: &str) -> Vec<InstallSource> {
        let at = join(place, "install_sources");
        let list = match object.get("install_sources") {
            Some(Value::Array(list)) if !list.is_empty() && list.len() <= 20 => list,
            Some(Value::Array(list)) => {
                self.fatal(&at, format!("has {} sources, 1 to 20 are read", list.len()));
                return Vec::new();
            }
            _ => {
                self.fatal(&at, "is missing, or no list of sources");
                return Vec::new();
            }
        };
        let sources = list.iter().enumerate();
        sources.filter_map(|(n, one)| self.source(one, &format!("{at}[{n}]"))).collect()
    }

    fn source(&mut self, value: &Value, place: &str) -> Option<InstallSource> {
        let Value::Object(object) = value else {
            self.fatal(place, format!("is {}, a source is an object", kind(value)));
            return None;
        };
        let kind_of = object.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let url = match object.get("url") {
            Some(Value::String(url)) => url.clone(),
            _ => {
                self.fatal(&join(place, "url"), "is missing, or no text");
                return None;
            }
        };
        self.url(&join(place, "url"), &url);
        let at = join(place, "checksum");
        let checksum = match object.get("checksum") {
            None => {
                self.flaw(&at, "is missing: `packhouse attune checksum` tells it");
                None
            }
            Some(Value::String(text)) => match text.parse::<Checksum>() {
                Ok(checksum) => {
                    if checksum.to_string() != *text {
                        self.flaw(&at, "is not in lower case");
                    }
                    Some(checksum)
                }
                // Never as if there was none: what cannot be checked is not installed.
                Err(error) => {
                    self.fatal(&at, error.to_string());
                    None
                }
            },
            Some(other) => {
                self.fatal(&at, format!("is {}, it should be a text", kind(other)));
                None
            }
        };
        match kind_of.as_str() {
            "git" => {
                self.known(object, place, &["type", "url", "ref", "checksum"]);
                let at = join(place, "ref");
                let reference = match object.get("ref") {
                    Some(Value::String(text)) if is_git_ref(text) => text.clone(),
                    Some(other) => {
                        self.fatal(&at, format!("is {}: no branch, tag or commit", kind(other)));
                        return None;
                    }
                    None => {
                        self.flaw(&at, "is missing: name a commit");
                        "HEAD".to_owned()
                    }
                };
                Some(InstallSource::Git { url, reference, checksum })
            }
            "archive" => {
                self.known(object, place, &["type", "url", "checksum"]);
                Some(InstallSource::Archive { url, checksum })
            }
            other => {
                let reason = format!("is `{}`, known are `git` and `archive`", excerpt(other, 40));
                self.fatal(&join(place, "type"), reason);
                None
            }
        }
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

    fn url(&mut self, place: &str, url: &str) {
        if let Err(reason) = check_url(url)
            && !url.is_empty()
        {
            self.flaw(place, reason);
        }
    }
}

fn join(place: &str, key: &str) -> String {
    let key = excerpt(key, 60);
    if place.is_empty() { key } else { format!("{place}.{key}") }
}

/// Whether git can take `text` for a name and for nothing else.
pub(super) fn is_git_ref(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 250
        && !text.starts_with('-')
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// What an address in an index may be: https, without user, query and fragment.
pub(super) fn check_url(url: &str) -> Result<(), String> {
    let wrong = |reason: &str| Err(format!("is `{}`: {reason}", excerpt(url, 120)));
    let Some(rest) = url.strip_prefix("https://") else {
        return wrong("write `https://…`");
    };
    if url.len() > 2_000 || !url.bytes().all(|b| b.is_ascii_graphic()) {
        return wrong("it is too long, or has a blank or a character that is not ASCII");
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return wrong("it has no host");
    }
    if host.contains('@') || rest.contains(['?', '#']) {
        return wrong("leave out user, query and fragment");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        let hex = "0".repeat(64);
        json!({
            "registry_name": "Ours", "registry_url": "https://127.0.0.1:8443/x", "version": "1.0",
            "last_updated": "2026-01-31T12:00:00Z",
            "packs": [{
                "ref": "core", "label": "Core", "description": "", "version": "1.0.0",
                "author": "Ada", "license": "MIT", "keywords": ["a"], "runtime_deps": ["shell"],
                "install_sources": [
                    {"type": "git", "url": "https://example.org/core.git", "ref": "v1", "checksum": format!("sha256:{hex}")},
                    {"type": "archive", "url": "https://example.org/core.zip", "checksum": format!("sha256:{hex}")},
                ],
                "contents": {"actions": [{"name": "ask", "description": "Asks"}], "sensors": [],
                    "triggers": [], "rules": [], "workflows": []},
            }],
        })
    }

    fn told(value: &Value) -> String {
        let flaws = strict(value.to_string().as_bytes()).unwrap_err();
        flaws.iter().map(|flaw| format!("{flaw}\n")).collect()
    }

    /// `good` with the value at `pointer` replaced, or taken out.
    fn with(pointer: &str, value: Option<Value>) -> Value {
        let mut index = good();
        let (above, key) = pointer.rsplit_once('/').unwrap();
        let above = index.pointer_mut(above).unwrap();
        match (above, value) {
            (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
            (Value::Object(map), None) => drop(map.remove(key)),
            (Value::Array(list), Some(value)) => list.push(value),
            _ => panic!("{pointer}"),
        }
        index
    }

    #[test]
    fn a_valid_index_comes_back_as_it_was() {
        let index = strict(good().to_string().as_bytes()).unwrap();
        let text = index.text().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), good());
        assert_eq!(index.packs[0].sources().len(), 2);
        assert!(read(text.as_bytes()).unwrap().flaws.is_empty());
    }

    #[test]
    fn every_rule_has_an_index_that_breaks_it() {
        let source = "/packs/0/install_sources/0";
        let cases = [
            ("/registry_name", Some(json!(""))),
            ("/registry_url", Some(json!("http://example.org"))),
            ("/version", Some(json!("2.0"))),
            ("/last_updated", Some(json!("today"))),
            ("/extra", Some(json!(1))),
            ("/packs/0/ref", Some(json!("Core"))),
            ("/packs/0/ref", Some(json!("../core"))),
            ("/packs/0/version", Some(json!("1.0"))),
            ("/packs/0/version", Some(json!(1.0))),
            ("/packs/0/version", Some(json!("1.0.0-rc.1+b"))),
            ("/packs/0/label", Some(json!(" "))),
            ("/packs/0/license", None),
            ("/packs/0/keywords", Some(json!(["a", "a"]))),
            ("/packs/0/keywords", None),
            ("/packs/0/homepage", Some(json!("ftp://x"))),
            ("/packs/0/email", Some(json!(null))),
            ("/packs/0/dependencies", Some(json!(["core"]))),
            ("/packs/0/install_sources", Some(json!([]))),
            (&format!("{source}/type"), Some(json!("svn"))),
            (&format!("{source}/url"), Some(json!("https://u:p@example.org/x.git"))),
            (&format!("{source}/url"), Some(json!("https://example.org/x.git?a"))),
            (&format!("{source}/ref"), Some(json!("--upload-pack=x"))),
            (&format!("{source}/checksum"), Some(json!("md5:00"))),
            (&format!("{source}/checksum"), Some(json!(format!("SHA256:{}", "0".repeat(64))))),
            (&format!("{source}/mirror"), Some(json!("x"))),
            ("/packs/0/contents/actions", Some(json!(3))),
            ("/packs/0/contents/rules", None),
            ("/packs/0/contents/actions/-", Some(json!({"name": "ask", "description": ""}))),
            ("/packs/-", Some(good()["packs"][0].clone())),
        ];
        let all: String = cases.into_iter().map(|(at, value)| told(&with(at, value))).collect();
        insta::assert_snapshot!(all);
    }

    #[test]
    fn what_the_earlier_program_wrote_is_read() {
        let entry = json!({
            "ref": "weather", "label": "Weather", "description": "d", "version": "1.2.0",
            "author": "Unknown", "license": "UNLICENSED", "runtime_deps": [],
            "install_sources": [{"type": "git", "url": "https://example.org/w.git", "ref": "v1.2.0"}],
            "contents": {"actions": 2, "sensors": 0, "triggers": 0, "rules": 0, "workflows": 0},
        });
        let index = json!({"version": "1.0", "generated_at": "x", "packs": [entry]});
        let found = read(index.to_string().as_bytes()).unwrap();
        assert_eq!(found.index.packs[0].version, "1.2.0");
        assert!(found.flaws.iter().any(|flaw| flaw.place == "packs[0].contents.actions"));
        assert!(strict(index.to_string().as_bytes()).is_err());
    }

    #[test]
    fn what_nobody_could_use_is_refused_with_its_place() {
        let mut wrong = vec![
            (b"{".to_vec(), "line 1, column 1"),
            (b"[]".to_vec(), "index"),
            (b"{}".to_vec(), "packs"),
            (vec![b' '; INDEX_BYTES as usize + 1], "index"),
        ];
        wrong.push((b"[".repeat(100_000), "line 1, column 128"));
        for (at, place) in [("ref", "packs[0].ref"), ("version", "packs[0].version")] {
            let index = with(&format!("/packs/0/{at}"), None);
            wrong.push((index.to_string().into_bytes(), place));
        }
        for (bytes, place) in wrong {
            let flaws = read(&bytes).unwrap_err();
            assert_eq!(flaws[0].place, place, "{flaws:?}");
        }
    }
}
