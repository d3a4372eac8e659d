//! The publish protocol spoken by hand: each request on its own, so that tests can stop, repeat and
//! race them.

use std::path::Path;

use packhouse_core::archive::{self, Archive};
use packhouse_core::digest::Digest;
use packhouse_core::policy;
use packhouse_core::tree::Tree;
use packhouse_core::version::{Order, Version};
use serde_json::{Value, json};

use crate::{Ci, http};

/// One package on its way to a registry.
#[derive(Clone)]
pub struct Parcel {
    /// `owner/name`.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// The format's id.
    pub format: &'static str,
    /// The archive.
    pub zip: Vec<u8>,
    /// SHA-256 of `zip`.
    pub digest: Digest,
}

impl Parcel {
    /// A small `packhouse.yaml` package whose bytes depend on `content`.
    pub fn new(identifier: &str, version: &str, content: &str) -> Self {
        let manifest = format!(
            "package:\n  identifier: {identifier}\n  version: {version}\n  summary: A parcel for tests\n  license: MIT\n  repository: https://github.com/{identifier}\n"
        );
        let files = [
            ("packhouse.yaml", manifest.as_str()),
            ("README.md", "# A parcel\n"),
            ("content.txt", content),
        ];
        Self::of(identifier, version, "packhouse", &files)
    }

    /// A package of these files.
    pub fn of(
        identifier: &str,
        version: &str,
        format: &'static str,
        files: &[(&str, &str)],
    ) -> Self {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(path.parse().expect("a path"), text.as_bytes(), false);
        }
        let Archive { bytes, digest, .. } = archive::pack(&tree).expect("it packs");
        Self {
            identifier: identifier.to_owned(),
            version: version.to_owned(),
            format,
            zip: bytes,
            digest,
        }
    }

    /// As a member of a train.
    pub fn member(&self) -> Value {
        json!({ "identifier": self.identifier, "version": self.version, "digest": self.digest.hex(), "order": "semver" })
    }
}

/// The protocol, spoken by one CI job.
#[derive(Clone)]
pub struct Raw {
    /// The registry.
    pub url: String,
    /// The job.
    pub ci: Ci,
}

impl Raw {
    /// A fresh token that is bound to the parcel.
    pub fn token(&self, parcel: &Parcel) -> String {
        let identifier = parcel.identifier.parse().expect("an identifier");
        let version = Version::parse(Order::SemVer, &parcel.version).expect("a version");
        self.ci.token(&policy::audience(&self.url, &identifier, &version, &parcel.digest))
    }

    /// Asks to publish.
    pub fn request(&self, parcel: &Parcel, train: &[Parcel]) -> (u16, Value) {
        self.request_with(parcel, train, &self.token(parcel))
    }

    /// Asks to publish with this token.
    pub fn request_with(&self, parcel: &Parcel, train: &[Parcel], token: &str) -> (u16, Value) {
        let body = json!({
            "identifier": parcel.identifier,
            "package_version": parcel.version,
            "format": parcel.format,
            "package_size": parcel.zip.len(),
            "digest": parcel.digest.hex(),
            "train": train.iter().map(Parcel::member).collect::<Vec<_>>(),
        });
        http::post(&format!("{}/v1/publish", self.url), token, &body)
    }

    /// Uploads to what the request answered.
    pub fn upload(&self, answer: &Value, bytes: &[u8]) -> (u16, Vec<u8>) {
        let upload = &answer["upload"];
        let headers = upload["headers"].as_object().expect("headers");
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
            .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")))
            .collect();
        http::send("PUT", upload["url"].as_str().expect("a url"), &headers, bytes)
    }

    /// Confirms the intent.
    pub fn confirm(&self, parcel: &Parcel, intent: &str) -> (u16, Value) {
        let body = json!({ "release_id": intent });
        http::post(&format!("{}/v1/publish/upload-complete", self.url), &self.token(parcel), &body)
    }

    /// All of it, as a patient client does: 412 means that the bytes are there, 503 that it is to
    /// come again. Answers the last status and body.
    pub fn publish(&self, parcel: &Parcel) -> (u16, Value) {
        self.publish_in(parcel, &[])
    }

    /// The same as a member of a train.
    pub fn publish_in(&self, parcel: &Parcel, train: &[Parcel]) -> (u16, Value) {
        for _ in 0..100 {
            let answer = self.publish_once(parcel, train);
            if answer.0 != 503 {
                return answer;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("503 for ever");
    }

    /// One try of a publish, to whatever end.
    pub fn request_and_confirm(&self, parcel: &Parcel) -> (u16, Value) {
        self.publish_once(parcel, &[])
    }

    /// The same as a member of a train.
    pub fn request_and_confirm_in(&self, parcel: &Parcel, train: &[Parcel]) -> (u16, Value) {
        self.publish_once(parcel, train)
    }

    fn publish_once(&self, parcel: &Parcel, train: &[Parcel]) -> (u16, Value) {
        let (status, asked) = self.request(parcel, train);
        if status != 200 || asked["receipt"].is_object() {
            return (status, asked);
        }
        let (status, body) = self.upload(&asked, &parcel.zip);
        if !matches!(status, 200..300 | 412) {
            return (status, String::from_utf8_lossy(&body).into_owned().into());
        }
        self.confirm(parcel, asked["release_id"].as_str().expect("an id"))
    }
}

/// A parcel of a folder's files, packed as the CLI packs them.
pub fn parcel_of(folder: &Path, identifier: &str, version: &str, format: &'static str) -> Parcel {
    let files = crate::ato::files(folder);
    let mut tree = Tree::default();
    for (path, bytes) in files {
        tree.insert(path.parse().expect("a path"), bytes, false);
    }
    let Archive { bytes, digest, .. } = archive::pack(&tree).expect("it packs");
    Parcel {
        identifier: identifier.to_owned(),
        version: version.to_owned(),
        format,
        zip: bytes,
        digest,
    }
}
