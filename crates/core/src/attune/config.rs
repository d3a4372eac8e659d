//! Which indices are asked, and in which order: `pack_registry` of Attune's configuration.

use serde_json::Value;

use super::Flaw;
use crate::escape::excerpt;
use crate::formats;
use crate::secret::Secret;
use crate::tree::TreePath;

/// How many indices may be configured.
const INDICES: usize = 50;
/// The priority of an index that says none.
const PRIORITY: i64 = 100;
/// Headers that belong to the connection and not to the one who asks.
const FORBIDDEN: [&str; 14] = [
    "host",
    "content-length",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
    "proxy-connection",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
];

/// An index that is asked.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is called; else its address.
    pub name: String,
    /// `https://…`, `http://` on this machine, or a file.
    pub url: String,
    /// Lower ones go first; equal ones in the order of the file.
    pub priority: i64,
    /// Whether it is asked.
    pub enabled: bool,
    /// Sent with each request to it; values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// The Ed25519 key that its bytes must be signed with, in Base64.
    pub key: Option<String>,
}

impl Source {
    /// The index at `url`, with a name and nothing else.
    pub fn at(url: &str) -> Self {
        Self {
            name: url.to_owned(),
            url: url.to_owned(),
            priority: PRIORITY,
            enabled: true,
            headers: Vec::new(),
            key: None,
        }
    }
}

/// Reads a configuration, YAML or JSON, and answers its indices in the order in which they are asked.
/// `pack_registry: {enabled: false}` is none.
///
/// # Errors
///
/// The first thing that is wrong, with its place.
pub fn read(path: &TreePath, bytes: &[u8]) -> Result<Vec<Source>, Flaw> {
    let value = formats::yaml_as_json(path.clone(), bytes).map_err(|broken| {
        let place = format!("{}:{}:{}", broken.path, broken.at.line, broken.at.column);
        Flaw::new(place, format!("{}; {}", broken.message, broken.help))
    })?;
    let Some(registry) = value.get("pack_registry") else { return Ok(Vec::new()) };
    if registry.get("enabled") == Some(&Value::Bool(false)) {
        return Ok(Vec::new());
    }
    let place = "pack_registry.indices";
    let list = match registry.get("indices") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() <= INDICES => list,
        Some(_) => {
            return Err(Flaw::new(place, format!("is no list of at most {INDICES} indices")));
        }
    };
    let mut sources = Vec::new();
    for (number, one) in list.iter().enumerate() {
        sources.push(source(one, &format!("{place}[{number}]"))?);
    }
    sources.sort_by_key(|source| source.priority);
    Ok(sources)
}

fn source(value: &Value, place: &str) -> Result<Source, Flaw> {
    let wrong = |key: &str, reason: &str| Err(Flaw::new(format!("{place}.{key}"), reason));
    let Some(url) = value.get("url").and_then(Value::as_str).filter(|url| !url.is_empty()) else {
        return wrong("url", "is missing, or no text");
    };
    let mut source = Source::at(url);
    match value.get("name") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) if !name.is_empty() => source.name.clone_from(name),
        Some(_) => return wrong("name", "is no text"),
    }
    match value.get("priority") {
        None => {}
        Some(number) => match number.as_i64() {
            Some(priority) => source.priority = priority,
            None => return wrong("priority", "is no whole number"),
        },
    }
    match value.get("enabled") {
        None => {}
        Some(Value::Bool(enabled)) => source.enabled = *enabled,
        Some(_) => return wrong("enabled", "is neither `true` nor `false`"),
    }
    match value.get("key") {
        None => {}
        Some(Value::String(key)) => source.key = Some(key.clone()),
        Some(_) => return wrong("key", "is no text: write the public key in Base64"),
    }
    match value.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Object(headers)) => {
            for (name, value) in headers {
                let token = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
                let lower = name.to_ascii_lowercase();
                if name.is_empty() || !name.bytes().all(token) || FORBIDDEN.contains(&&*lower) {
                    let reason = format!("`{}` may not be set here", excerpt(name, 60));
                    return Err(Flaw::new(format!("{place}.headers"), reason));
                }
                match value.as_str() {
                    Some(text) if text.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                        source.headers.push((name.clone(), Secret::new(text)));
                    }
                    _ => return wrong("headers", "holds a value that is no plain text"),
                }
            }
        }
        Some(_) => return wrong("headers", "is no map of texts"),
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Source>, Flaw> {
        read(&"attune.yaml".parse().unwrap(), text.as_bytes())
    }

    #[test]
    fn lower_priorities_go_first() {
        let sources = parsed(
            "pack_registry:\n  indices:\n  - {url: 'https://b.example/i.json'}\n  - {url: 'https://a.example/i.json', priority: 1, name: ours, key: abc, headers: {Authorization: Bearer x}}\n  - {url: 'https://c.example/i.json', enabled: false}\n",
        )
        .unwrap();
        let names: Vec<_> = sources.iter().map(|s| (s.name.as_str(), s.enabled)).collect();
        assert_eq!(
            names,
            [
                ("ours", true),
                ("https://b.example/i.json", true),
                ("https://c.example/i.json", false)
            ]
        );
        assert_eq!(sources[0].headers[0].0, "Authorization");
        assert!(parsed("database: {}\n").unwrap().is_empty());
        assert!(parsed("pack_registry: {enabled: false, indices: [{url: x}]}").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let told = |inner: &str| {
            parsed(&format!("pack_registry: {{indices: [{{{inner}}}]}}")).unwrap_err().to_string()
        };
        insta::assert_snapshot!(
            [
                told("name: x"),
                told("url: x, priority: high"),
                told("url: x, enabled: 3"),
                told("url: x, headers: {Host: a}"),
                told("url: x, headers: {A: \"b\\nc\"}"),
                told("url: x, key: [1]"),
                parsed("a: [").unwrap_err().to_string(),
                parsed("pack_registry: {indices: 3}").unwrap_err().to_string(),
            ]
            .join("\n")
        );
    }
}
