//! The values of an index: each of its kind, or a flaw with its place.

use serde_json::{Map, Value};

use super::check_url;
use crate::attune::Flaw;
use crate::escape::excerpt;

/// The most flaws that are told of one index.
const FLAWS: usize = 100;
/// The most texts of one list.
const ITEMS: usize = 200;

/// Reads, and takes note of what is wrong.
#[derive(Default)]
pub(super) struct Reader {
    /// Flaws, and whether they are fatal.
    pub(super) flaws: Vec<(bool, Flaw)>,
}

pub(super) type Object = Map<String, Value>;

/// What a value is, for errors.
pub(super) fn kind(value: &Value) -> String {
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
    pub(super) fn flaw(&mut self, place: &str, reason: impl Into<String>) {
        self.push(false, place, reason.into());
    }

    pub(super) fn fatal(&mut self, place: &str, reason: impl Into<String>) {
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

    pub(super) fn known(&mut self, object: &Object, place: &str, keys: &[&str]) {
        for key in object.keys().filter(|key| !keys.contains(&key.as_str())) {
            self.flaw(&join(place, key), "is no key of format 1.0: remove it");
        }
    }

    /// A text; a missing or wrong one is a flaw and nothing.
    pub(super) fn text(
        &mut self,
        object: &Object,
        place: &str,
        key: &str,
        empty: bool,
    ) -> Option<String> {
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

    pub(super) fn optional(&mut self, object: &Object, place: &str, key: &str) -> Option<String> {
        match object.get(key) {
            None => None,
            Some(Value::Null) => {
                self.flaw(&join(place, key), "is `null`: leave it out");
                None
            }
            Some(_) => self.text(object, place, key, true),
        }
    }

    pub(super) fn list(&mut self, object: &Object, place: &str, key: &str) -> Vec<String> {
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
        self.texts(list, &at)
    }

    /// Texts that are distinct.
    pub(super) fn texts(&mut self, list: &[Value], at: &str) -> Vec<String> {
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
            if number == ITEMS {
                self.fatal(at, format!("has more than {ITEMS} items"));
                break;
            }
        }
        texts
    }

    pub(super) fn object(&mut self, object: &Object, place: &str, key: &str) -> Option<Value> {
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

    pub(super) fn url(&mut self, place: &str, url: &str) {
        if let Err(reason) = check_url(url)
            && !url.is_empty()
        {
            self.flaw(place, reason);
        }
    }
}

pub(super) fn join(place: &str, key: &str) -> String {
    let key = excerpt(key, 60);
    if place.is_empty() { key } else { format!("{place}.{key}") }
}
