//! StackStorm's packs and its index, the older model: read, never written.

use serde_json::Value;

use super::index::{Contents, Entry, FORMAT, Index, InstallSource, PACKS};
use super::read::Read;
use super::{Flaw, PACK_FILE};
use crate::escape::excerpt;

/// Ref and version of a `pack.yaml` that has a `name` and no `ref`.
pub(super) fn pack(original: &Value) -> Result<(String, String), Flaw> {
    let name = original.get("name").and_then(Value::as_str).unwrap_or_default();
    if !is_ref(name) {
        let reason = format!(
            "`{}` is no ref (a-z, 0-9 and `_`): give the pack one with `ref: my_pack`",
            excerpt(name, 80)
        );
        return Err(Flaw::new(format!("{PACK_FILE}: name"), reason));
    }
    // Numbers are cast to text there, so `version: 0.2` is one.
    let version = match original.get("version") {
        Some(Value::String(text)) if is_version(text) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => {
            let reason = "is missing, or no version: write for example `version: 1.2.3`";
            return Err(Flaw::new(format!("{PACK_FILE}: version"), reason));
        }
    };
    Ok((name.to_owned(), version))
}

/// `a-z`, `0-9` and `_`; `_global` is kept.
fn is_ref(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text != "_global"
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_version(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

/// An index whose `packs` is a map; `None` where it is another one's.
pub(super) fn index(value: &Value) -> Option<Result<Read, Vec<Flaw>>> {
    let packs = value.get("packs")?.as_object()?;
    if packs.len() > PACKS {
        let reason = format!("lists {} packs, at most {PACKS} are read", packs.len());
        return Some(Err(vec![Flaw::new("packs", reason)]));
    }
    let seconds = value.pointer("/metadata/generated_ts").and_then(Value::as_i64);
    let time = seconds.and_then(|s| jiff::Timestamp::from_second(s).ok());
    let mut index = Index {
        registry_name: "StackStorm".to_owned(),
        registry_url: String::new(),
        version: FORMAT.to_owned(),
        last_updated: time.map(|time| time.to_string()).unwrap_or_default(),
        packs: Vec::new(),
    };
    let (mut fatal, mut flaws) = (Vec::new(), Vec::new());
    for (reference, pack) in packs {
        let place = format!("packs.{}", excerpt(reference, 64));
        match entry(reference, pack, &place) {
            Ok(entry) => index.packs.push(entry),
            Err(flaw) => fatal.push(flaw),
        }
        fatal.truncate(100);
    }
    if !fatal.is_empty() {
        return Some(Err(fatal));
    }
    index.packs.sort_by(|a, b| a.reference.cmp(&b.reference));
    flaws.push(Flaw::new("packs", "is StackStorm's map of packs: it names no checksums"));
    Some(Ok(Read { index, flaws }))
}

fn entry(reference: &str, pack: &Value, place: &str) -> Result<Entry, Flaw> {
    if !is_ref(reference) {
        return Err(Flaw::new(place, "is no ref: a-z, 0-9 and `_`"));
    }
    let text = |key: &str| match pack.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let version = text("version")
        .filter(|version| is_version(version))
        .ok_or_else(|| Flaw::new(format!("{place}.version"), "is missing, or no version"))?;
    let url = text("repo_url")
        .filter(|url| url.starts_with("https://") && url.len() <= 2_000)
        .ok_or_else(|| Flaw::new(format!("{place}.repo_url"), "is missing, or not https"))?;
    let keywords = pack.get("keywords").and_then(Value::as_array).into_iter().flatten();
    let mut keywords: Vec<String> =
        keywords.filter_map(|word| word.as_str().map(str::to_owned)).take(200).collect();
    keywords.sort();
    keywords.dedup();
    Ok(Entry {
        reference: reference.to_owned(),
        label: text("name").unwrap_or_else(|| reference.to_owned()),
        description: text("description").unwrap_or_default(),
        author: text("author").unwrap_or_else(|| "Unknown".to_owned()),
        email: text("email"),
        homepage: None,
        repository: Some(url.clone()),
        use_case: None,
        license: "NOASSERTION".to_owned(),
        keywords,
        runtime_deps: Vec::new(),
        install_sources: vec![InstallSource::Git {
            url,
            reference: format!("v{version}"),
            checksum: None,
        }],
        contents: Contents::default(),
        dependencies: None,
        meta: None,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::super::index::read;

    #[test]
    fn an_index_of_stackstorm_is_read() {
        let index = serde_json::json!({
            "metadata": {"generated_ts": 1_700_000_000, "hash": "x"},
            "packs": {
                "zabbix": {"name": "Zabbix", "ref": "zabbix", "version": "1.2.0", "author": "Ada",
                    "repo_url": "https://example.org/zabbix", "keywords": ["b", "a"], "versions": ["1.2.0"]},
                "aws": {"version": 0.2, "repo_url": "https://example.org/aws", "content": {}},
            },
        });
        let found = read(index.to_string().as_bytes()).unwrap().index;
        assert_eq!(found.last_updated, "2023-11-14T22:13:20Z");
        let rows: Vec<_> =
            found.packs.iter().map(|e| (e.reference.as_str(), e.version.as_str())).collect();
        assert_eq!(rows, [("aws", "0.2"), ("zabbix", "1.2.0")]);
        let wrong = serde_json::json!({"packs": {"../x": {}, "y": {"version": "1"}, "z": {"version": "1", "repo_url": "ext::sh"}}});
        let flaws = read(wrong.to_string().as_bytes()).unwrap_err();
        let places: Vec<_> = flaws.iter().map(|flaw| flaw.place.as_str()).collect();
        assert_eq!(places, ["packs.../x", "packs.y.repo_url", "packs.z.repo_url"]);
    }
}
