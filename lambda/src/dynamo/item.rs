//! Items as they lie in the table.
//!
//! A record is JSON. Up to [`PLAIN_BYTES`] it is the text attribute `d`, which anybody can read in
//! the console; a longer one is deflated into the binary attribute `z`; one that is long even then
//! lies beside the table under its SHA-256, which is the attribute `r`. So items stay far below
//! DynamoDB's 400 KB, and lists of many releases fit few of its 1 MB pages.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use packhouse_registry::ports::{StoreError, StoreResult};
use serde::{Deserialize, Serialize};

use super::key::Key;
use super::records::Records;

/// Up to this many bytes a record stays plain text.
const PLAIN_BYTES: usize = 1 << 10;
/// Up to this many bytes a deflated record stays in its item.
const PACKED_BYTES: usize = 48 << 10;
/// No record of ours inflates to more.
const RECORD_BYTES: u64 = 64 << 20;

/// The attributes of an item by name.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// A record that is to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Put {
    /// The record as JSON.
    pub(super) json: String,
    /// Second of the Unix epoch after which DynamoDB may delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<i64>,
    /// What expires here, and when: an entry of the index `due`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<(String, String)>,
}

impl Put {
    /// `record` as JSON, without an end.
    pub(super) fn of(what: &str, record: &impl Serialize) -> StoreResult<Self> {
        let json = serde_json::to_string(record).map_err(|e| damaged(what, e))?;
        Ok(Self { json, ttl: None, due: None })
    }

    /// DynamoDB may delete it from this second on; it is late by hours, so readers compare as well.
    pub(super) fn until(mut self, second: i64) -> Self {
        self.ttl = Some(second);
        self
    }

    /// Listed in the index `due` under `kind` at `second`.
    pub(super) fn due(mut self, kind: &str, second: i64) -> Self {
        self.due = Some((kind.to_owned(), due_key(second)));
        self
    }
}

/// A second as the sort key of the index `due`: as text, in order of time.
pub(super) fn due_key(second: i64) -> String {
    format!("{:020}", second.max(0))
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Changes with every write.
    pub(super) version: u64,
    /// The record as JSON.
    pub(super) json: String,
}

/// Error of a record that cannot be read or written.
pub(super) fn damaged(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("the record of {what} is damaged: {error}"))
}

/// A version that no other write has: 53 random bits, which DynamoDB's numbers hold exactly.
pub(super) fn fresh_version() -> StoreResult<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|e| StoreError::Unavailable(format!("no randomness: {e}")))?;
    Ok(u64::from_le_bytes(bytes) >> 11)
}

/// The attributes of an item with this record; one that is long is stored in `records` first.
pub(super) async fn encode(
    key: &Key,
    put: &Put,
    version: u64,
    records: &dyn Records,
) -> StoreResult<Attributes> {
    let mut attributes = key_attributes(key);
    attributes.insert("v".to_owned(), number(version));
    let (name, value) = if put.json.len() <= PLAIN_BYTES {
        ("d", AttributeValue::S(put.json.clone()))
    } else {
        let packed = deflate(put.json.as_bytes()).map_err(|e| damaged(&key.pk, e))?;
        if packed.len() <= PACKED_BYTES {
            ("z", AttributeValue::B(Blob::new(packed)))
        } else {
            ("r", AttributeValue::S(records.put(packed.into()).await?.hex()))
        }
    };
    attributes.insert(name.to_owned(), value);
    if let Some(ttl) = put.ttl {
        attributes.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    }
    if let Some((kind, at)) = &put.due {
        attributes.insert("due_pk".to_owned(), AttributeValue::S(kind.clone()));
        attributes.insert("due_sk".to_owned(), AttributeValue::S(at.clone()));
    }
    Ok(attributes)
}

/// The item in these attributes.
pub(super) async fn decode(attributes: &Attributes, records: &dyn Records) -> StoreResult<Item> {
    let key = key_of(attributes)?;
    let version = attributes.get("v").and_then(|v| v.as_n().ok()).and_then(|n| n.parse().ok());
    let version = version.ok_or_else(|| damaged(&key.pk, "it has no version"))?;
    let json = match (attributes.get("d"), attributes.get("z"), attributes.get("r")) {
        (Some(AttributeValue::S(text)), _, _) => text.clone(),
        (_, Some(AttributeValue::B(packed)), _) => inflate(&key.pk, packed.as_ref())?,
        (_, _, Some(AttributeValue::S(hex))) => {
            let digest = hex.parse().map_err(|e| damaged(&key.pk, e))?;
            let packed = records.get(&digest).await?;
            let packed = packed.ok_or_else(|| damaged(&key.pk, format!("{hex} is not there")))?;
            inflate(&key.pk, &packed)?
        }
        _ => return Err(damaged(&key.pk, "it has no content")),
    };
    Ok(Item { version, json })
}

/// `pk` and `sk`.
pub(super) fn key_attributes(key: &Key) -> Attributes {
    Attributes::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

/// The key in an item's attributes.
pub(super) fn key_of(attributes: &Attributes) -> StoreResult<Key> {
    let text = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned();
    match (text("pk"), text("sk")) {
        (Some(pk), Some(sk)) => Ok(Key { pk, sk }),
        _ => Err(damaged("an item", "it has no key")),
    }
}

/// A number attribute.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn deflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let out = Vec::with_capacity(bytes.len() / 3);
    let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}

pub(super) fn inflate(what: &str, packed: &[u8]) -> StoreResult<String> {
    let mut json = String::with_capacity(packed.len() * 4);
    let mut decoder = flate2::read::ZlibDecoder::new(packed).take(RECORD_BYTES);
    decoder.read_to_string(&mut json).map_err(|e| damaged(what, e))?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::super::records::MemoryRecords;
    use super::*;

    #[tokio::test]
    async fn a_record_of_any_length_comes_back_and_its_item_stays_small() {
        let records = MemoryRecords::default();
        let key = Key::feed();
        let mut seed = 1_u64;
        let mut noise = |bytes: usize| -> String {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'a' + (seed >> 59) as u8 % 26)
            };
            (0..bytes).map(|_| next()).collect()
        };
        for (bytes, name) in [(10, "d"), (40_000, "z"), (600_000, "r")] {
            let put = Put::of("noise", &noise(bytes)).unwrap();
            let attributes = encode(&key, &put, 7, &records).await.unwrap();
            assert!(attributes.contains_key(name), "{bytes}");
            let length = |value: &AttributeValue| match value {
                AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
                AttributeValue::B(bytes) => bytes.as_ref().len(),
                other => panic!("{other:?}"),
            };
            assert!(attributes.values().map(length).sum::<usize>() < 60_000);
            let item = decode(&attributes, &records).await.unwrap();
            assert_eq!((item.version, item.json), (7, put.json));
        }
    }
}
