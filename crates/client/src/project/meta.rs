//! `.package_meta.json`: what `ato` 0.14 and later writes into each installed package, so that `ato`
//! finds what we installed, and we what it installed.

use std::collections::BTreeMap;
use std::path::Path;

use packhouse_core::digest::Digest;
use packhouse_core::lock::{Locked, Source};
use serde::{Deserialize, Serialize};

/// The file's name, at the root of an installed package.
pub const FILE: &str = ".package_meta.json";
/// The longest one that is read, in bytes.
const BYTES: u64 = 16 << 20;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Meta {
    /// 1.
    pub schema_version: u32,
    /// The package.
    pub identifier: String,
    /// Its version.
    pub version: String,
    /// Where it is from.
    pub source: MetaSource,
    /// When it was installed (ISO 8601).
    pub installed_at: String,
    /// By which version of which tool.
    pub installed_by: String,
    /// SHA-256 by path; hidden paths and `__pycache__` are left out.
    pub file_checksums: BTreeMap<String, String>,
}

/// Where a package is from.
#[derive(Debug, Serialize, Deserialize)]
pub struct MetaSource {
    /// `registry`, `git` or `file`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    pub url: Option<String>,
    /// The commit.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The folder.
    pub path: Option<String>,
}

impl Meta {
    /// What `ato` would have written for `package`, whose files have these hashes.
    pub fn new<'a>(
        package: &Locked,
        files: impl Iterator<Item = (&'a str, Digest)>,
        installed_at: &str,
    ) -> Self {
        let text = |text: &str| Some(text.to_owned());
        let source = match &package.source {
            Source::Registry { url } => {
                MetaSource { kind: "registry".into(), url: text(url), reference: None, path: None }
            }
            Source::Git { url, path, commit, .. } => MetaSource {
                kind: "git".into(),
                url: text(url),
                reference: text(commit),
                path: path.clone(),
            },
            Source::File { path } => {
                MetaSource { kind: "file".into(), url: None, reference: None, path: text(path) }
            }
        };
        let version = package.version.as_ref().map_or("0.0.0", |version| version.text());
        Self {
            schema_version: 1,
            identifier: package.identifier.to_string(),
            version: version.to_owned(),
            source,
            installed_at: installed_at.to_owned(),
            installed_by: format!("packhouse {}", env!("CARGO_PKG_VERSION")),
            file_checksums: files
                .filter(|(path, _)| is_checked(path))
                .map(|(path, digest)| (path.to_owned(), digest.hex()))
                .collect(),
        }
    }

    /// The one of an installed package; `None` where there is none that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        let path = folder.join(FILE);
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > BYTES {
            return None;
        }
        serde_json::from_slice(&std::fs::read(&path).ok()?).ok()
    }
}

/// Whether `ato` keeps a file's hash.
pub fn is_checked(path: &str) -> bool {
    !path.split('/').any(|part| part.starts_with('.') || part == "__pycache__")
}
