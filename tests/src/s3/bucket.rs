//! A versioned bucket in memory.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use packhouse_core::digest::Digest;

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its id.
    pub id: String,
    /// When it was put.
    pub modified: SystemTime,
    /// The bytes.
    pub bytes: Bytes,
    /// SHA-256 in base64, where the upload asked for it.
    pub sha256: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

impl Version {
    /// SHA-256 of the bytes in base64, as S3 writes it.
    pub fn real_sha256(&self) -> String {
        BASE64.encode(Digest::of(&self.bytes).as_bytes())
    }

    /// The entity tag: any text that changes with the bytes.
    pub(super) fn tag(&self) -> String {
        Digest::of(&self.bytes).hex()[..32].to_owned()
    }
}

/// What must hold for a put.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// No object may be there.
    pub(super) absent: bool,
    /// The object that is there must have this tag.
    pub(super) tag: Option<String>,
}

/// Versions of objects by key, the newest last; `None` is a delete marker.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    objects: BTreeMap<String, Vec<(String, Option<Version>)>>,
    versions: u64,
}

impl Bucket {
    /// Puts a version if the conditions hold; `None` if they do not.
    pub(super) fn put(
        &mut self,
        key: &str,
        mut version: Version,
        conditions: &Conditions,
    ) -> Option<String> {
        let held = self.newest(key);
        let holds = (!conditions.absent || held.is_none())
            && conditions.tag.as_ref().is_none_or(|tag| held.is_some_and(|h| h.tag() == *tag));
        if !holds {
            return None;
        }
        let id = self.next_id();
        version.id.clone_from(&id);
        version.modified = SystemTime::now();
        self.objects.entry(key.to_owned()).or_default().push((id.clone(), Some(version)));
        Some(id)
    }

    pub(super) fn overwrite(&mut self, key: &str, bytes: Bytes) {
        let version = Version {
            id: String::new(),
            modified: SystemTime::UNIX_EPOCH,
            bytes,
            sha256: None,
            content_type: None,
            cache_control: None,
            content_disposition: None,
            tags: Vec::new(),
        };
        self.put(key, version, &Conditions::default());
    }

    /// The object as it is now.
    pub(super) fn newest(&self, key: &str) -> Option<&Version> {
        self.objects.get(key)?.last()?.1.as_ref()
    }

    /// Sets the tags of the object as it is now; `false` where there is none.
    pub(super) fn set_tags(&mut self, key: &str, tags: Vec<(String, String)>) -> bool {
        let newest = self.objects.get_mut(key).and_then(|all| all.last_mut());
        let Some((_, Some(version))) = newest else { return false };
        version.tags = tags;
        true
    }

    /// One version.
    pub(super) fn version(&self, key: &str, id: Option<&str>) -> Option<&Version> {
        match id {
            None => self.newest(key),
            Some(id) => {
                let mut all = self.objects.get(key)?.iter();
                all.find(|(held, _)| held == id)?.1.as_ref()
            }
        }
    }

    /// Deletes a version for good, or lays a delete marker over the object.
    pub(super) fn delete(&mut self, key: &str, id: Option<&str>) {
        let marker = self.next_id();
        let Some(versions) = self.objects.get_mut(key) else { return };
        match id {
            Some(id) => versions.retain(|(held, _)| held != id),
            None => versions.push((marker, None)),
        }
        if versions.is_empty() {
            self.objects.remove(key);
        }
    }

    /// Keys with an object, ascending.
    pub(super) fn keys(&self) -> Vec<String> {
        let there = self.objects.keys().filter(|key| self.newest(key).is_some());
        there.cloned().collect()
    }

    /// (key, version id, whether it is a delete marker) of all versions below a prefix.
    pub(super) fn versions(&self, prefix: &str) -> Vec<(String, String, bool)> {
        let below = self.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let each = below.flat_map(|(key, versions)| {
            versions.iter().map(|(id, version)| (key.clone(), id.clone(), version.is_none()))
        });
        each.collect()
    }

    fn next_id(&mut self) -> String {
        self.versions += 1;
        format!("v{:08}", self.versions)
    }
}
