//! How far the views are, and what the catalogue consists of.

use std::collections::BTreeSet;
use std::fmt::Display;

use packhouse_core::digest::Hasher;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::SCHEMA;
use packhouse_registry::catalogue::{Base, Changes};
use packhouse_registry::ports::{StoreError, StoreResult};
use serde::{Deserialize, Serialize};

use crate::s3::{S3Views, ViewTag};

/// Where the manifest lies.
const KEY: &str = "views/catalogue.json";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
/// The manifest is asked for again each time; bases never change.
const REVALIDATE: &str = "private, no-cache";
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// How far the views are. One object, replaced as a whole by whoever read the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub schema: u32,
    /// The views show all events up to this number.
    pub event: u64,
    /// The base of the catalogue, where there is one.
    pub base: Option<BaseName>,
    /// What changed since that base was made.
    pub changes: Changes,
    /// Packages whose records could not be read, and whose views are tried again each time.
    pub failed: BTreeSet<Identifier>,
    /// The base before: a reader of the manifest before may still ask for it.
    pub before: Option<BaseName>,
}

/// The name of a base: SHA-256 over its bytes, as 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseName(String);

impl Default for Manifest {
    fn default() -> Self {
        let (base, before) = (None, None);
        let (changes, failed) = (Changes::new(), BTreeSet::new());
        Self { schema: SCHEMA, event: 0, base, changes, failed, before }
    }
}

impl Manifest {
    /// Where it lies in the bucket.
    pub const KEY: &str = KEY;

    /// A manifest from its bytes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] where they are none.
    pub fn read(bytes: &[u8]) -> StoreResult<Self> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| damaged(KEY, e))?;
        if manifest.schema == SCHEMA {
            return Ok(manifest);
        }
        Err(damaged(KEY, format!("it has schema {}, expected {SCHEMA}", manifest.schema)))
    }

    /// Stores it in place of the one with the tag; `false` where somebody was first.
    pub(super) async fn put(
        &self,
        views: &S3Views,
        replaces: Option<&ViewTag>,
    ) -> StoreResult<bool> {
        let bytes = serde_json::to_vec(self).map_err(|e| damaged(KEY, e))?;
        views.put(KEY, bytes.into(), JSON, REVALIDATE, replaces).await
    }
}

impl BaseName {
    fn of(base: &Base) -> Self {
        let mut hash = Hasher::default();
        hash.update(&base.index_bytes());
        hash.update(&base.entry_bytes());
        Self(hash.finish().hex())
    }

    fn keys(&self) -> [String; 2] {
        ["index", "entries"].map(|part| format!("views/catalogue/{}.{part}", self.0))
    }

    /// Stores a base; its name. One that is there already stays.
    pub(super) async fn put(views: &S3Views, base: &Base) -> StoreResult<Self> {
        let name = Self::of(base);
        for (key, bytes) in name.keys().iter().zip([base.index_bytes(), base.entry_bytes()]) {
            if !views.put(key, bytes, BYTES, FOR_EVER, None).await? {
                return Err(damaged(key, "it holds other bytes than its name says"));
            }
        }
        Ok(name)
    }

    /// The base with this name; `None` where it is not there any more.
    pub(super) async fn get(&self, views: &S3Views) -> StoreResult<Option<Base>> {
        let [index, entries] = self.keys();
        let (index, entries) = tokio::try_join!(views.get(&index), views.get(&entries))?;
        let (Some((index, _)), Some((entries, _))) = (index, entries) else { return Ok(None) };
        Base::open(index, entries).map(Some).map_err(|e| damaged(&self.0, e))
    }

    /// Deletes it.
    pub(super) async fn delete(&self, views: &S3Views) -> StoreResult<()> {
        for key in self.keys() {
            views.delete(&key).await?;
        }
        Ok(())
    }
}

fn damaged(what: &str, why: impl Display) -> StoreError {
    StoreError::Broken(format!("`{what}` is damaged: {why}; delete `{KEY}` and all is made anew"))
}
