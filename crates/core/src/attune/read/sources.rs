//! Where a pack of an index is had.

use serde_json::Value;

use super::is_git_ref;
use super::values::{Object, Reader, join, kind};
use crate::attune::checksum::Checksum;
use crate::attune::index::InstallSource;
use crate::escape::excerpt;

impl Reader {
    pub(super) fn sources(&mut self, object: &Object, place: &str) -> Vec<InstallSource> {
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
}
