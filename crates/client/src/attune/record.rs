//! The folder of packs: one folder a pack, and beside them what is known of each.

use std::path::{Path, PathBuf};

use packhouse_core::attune::checksum::Checksum;
use packhouse_core::attune::runtime::Report;
use packhouse_core::attune::{PACK_FILE, is_pack_ref};
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use serde::{Deserialize, Serialize};

use super::runner::TestResult;
use crate::error::ClientError;

/// The largest record that is read, in bytes.
const RECORD_BYTES: u64 = 1 << 20;

/// The folder beside the packs that holds their records; no pack can have its name.
pub fn state_folder(packs_dir: &Path) -> PathBuf {
    packs_dir.join(".packhouse")
}

/// What is known of an installed pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 1.
    pub schema: u32,
    /// The pack.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Its version.
    pub version: String,
    /// What was asked for: an address, a path, a ref.
    pub source: String,
    /// `git`, `archive`, `folder`.
    pub kind: String,
    /// The address or path that it came from.
    pub url: String,
    /// The index that named it.
    pub registry: Option<String>,
    /// The branch, tag or commit that was asked for.
    pub git_ref: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// Of an archive the checksum of its bytes, else that of the content.
    pub checksum: Checksum,
    /// What the checksum was held against: `index` (with the rule), `signature`, or nothing.
    pub verified: Option<String>,
    /// The checksum of the installed files, under v1.
    pub content: Checksum,
    /// What the validation found; `null` where it was skipped.
    pub validation: Option<serde_json::Value>,
    /// What the tests found; `null` where they were skipped or there are none.
    pub tests: Option<TestResult>,
    /// When, RFC 3339 in UTC.
    pub installed_at: String,
}

impl Record {
    /// The validation as a record keeps it.
    pub(super) fn validation(report: &Report) -> Option<serde_json::Value> {
        serde_json::to_value(report).ok()
    }
}

fn file(packs_dir: &Path, reference: &str) -> PathBuf {
    state_folder(packs_dir).join(format!("{reference}.json"))
}

/// The record of a pack; `None` where none is kept, also of a pack that somebody put there by hand.
///
/// # Errors
///
/// [`ClientError::Usage`] for a record that is damaged, [`ClientError::Io`].
pub fn read(packs_dir: &Path, reference: &str) -> Result<Option<Record>, ClientError> {
    if !is_pack_ref(reference) {
        return Ok(None);
    }
    let file = file(packs_dir, reference);
    if !file.exists() {
        return Ok(None);
    }
    let bytes = super::fetch::file(&file, RECORD_BYTES)?;
    let record: Record = serde_json::from_slice(&bytes).map_err(|e| {
        ClientError::usage(
            format!("`{}` is damaged: {e}", file.display()),
            "install the pack again with `--force`",
        )
    })?;
    Ok(Some(record))
}

/// Keeps `record`, at once and whole.
pub(super) fn write(packs_dir: &Path, record: &Record) -> Result<(), ClientError> {
    let text = serde_json::to_vec_pretty(record).map_err(std::io::Error::other)?;
    Ok(crate::replace::durably(&file(packs_dir, &record.reference), &text)?)
}

/// Forgets a pack's record.
pub(super) fn remove(packs_dir: &Path, reference: &str) -> Result<(), ClientError> {
    match fs_err::remove_file(file(packs_dir, reference)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The refs of all packs in the folder, by name. A pack is a folder with a `pack.yaml`.
///
/// # Errors
///
/// [`ClientError::Io`]; a folder that is not there holds none.
pub fn installed(packs_dir: &Path) -> Result<Vec<String>, ClientError> {
    let entries = match fs_err::read_dir(packs_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut refs = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str()
            && is_pack_ref(name)
            && entry.path().join(PACK_FILE).is_file()
        {
            refs.push(name.to_owned());
        }
    }
    refs.sort();
    Ok(refs)
}

/// The manifest of an installed pack, and nothing else of it; `None` where there is none.
pub(super) fn manifest(packs_dir: &Path, reference: &str) -> Option<Tree> {
    let path = packs_dir.join(reference).join(PACK_FILE);
    let limit = Limits::default().manifest_bytes as u64;
    let bytes = is_pack_ref(reference).then(|| super::fetch::file(&path, limit).ok()).flatten()?;
    let mut tree = Tree::default();
    tree.insert(PACK_FILE.parse().ok()?, bytes, false);
    Some(tree)
}
