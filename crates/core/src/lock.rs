//! `packhouse.lock`: what a project got, so that everybody gets the same.
//!
//! The text is TOML, but only so much of it as is written here: comments, `schema = 1`, and one
//! `[[package]]` a package with one key a line. A reader of just that is small, fast, and knows the
//! line of everything. Packages stand in the order of identifiers and nothing speaks of the whole, so
//! that two branches that add different packages merge without a conflict.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::api::read::PublisherId;
use crate::claims::Pins;
use crate::digest::{Digest, TreeDigest};
use crate::escape::excerpt;
use crate::identifier::Identifier;
use crate::release::SCHEMA;
use crate::version::{Order, Version};

/// The file's name.
pub const FILE: &str = "packhouse.lock";
/// The longest lockfile in bytes.
pub const LOCK_BYTES: usize = 16 << 20;
/// The most packages in one.
pub const PACKAGES: usize = 20_000;

/// A lockfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// In the order of identifiers, each once.
    pub packages: Vec<Locked>,
}

/// A package that is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The package.
    pub identifier: Identifier,
    /// Its version; a folder or repository may have none.
    pub version: Option<Version>,
    /// Where it is from.
    pub source: Source,
    /// SHA-256 of its archive, where a registry has one.
    pub digest: Option<Digest>,
    /// Its content's identity.
    pub tree_digest: TreeDigest,
    /// Size of its archive in bytes.
    pub bytes: Option<u64>,
    /// The format's id.
    pub format: String,
    /// Who published it.
    pub publisher: Option<LockedPublisher>,
    /// What it needs.
    pub dependencies: Vec<Identifier>,
}

/// Where a package is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A registry.
    Registry {
        /// Its address.
        url: String,
    },
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// Branch or tag, as the manifest asks for it.
        reference: Option<String>,
        /// The folder in it.
        path: Option<String>,
        /// The full name of the commit.
        commit: String,
    },
    /// A folder.
    File {
        /// Its path, from the project's folder.
        path: String,
    },
}

/// Who published a release, by what does not change when names do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockedPublisher {
    /// A CI job.
    Job {
        /// The issuer, repository and owner.
        pins: Pins,
        /// The workflow's path.
        workflow: Option<String>,
    },
    /// An API token, by its public id.
    Token(String),
    /// Nobody: an open registry, or an import.
    Nobody,
}

impl LockedPublisher {
    /// As the registry's index tells it.
    pub fn new(publisher: &PublisherId, workflow: Option<&str>) -> Self {
        match publisher {
            PublisherId::Oidc(pins) => {
                Self::Job { pins: pins.clone(), workflow: workflow.map(|text| excerpt(text, 500)) }
            }
            PublisherId::Token { token_id } => Self::Token(excerpt(token_id, 100)),
            PublisherId::Open | PublisherId::Imported { .. } => Self::Nobody,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Job { pins, .. } => format!(
                "repository {} of owner {} ({})",
                pins.repository_id, pins.owner_id, pins.issuer
            ),
            Self::Token(id) => format!("API token {id}"),
            Self::Nobody => "nobody in particular".to_owned(),
        }
    }
}

/// What a consumer must know where another publisher made `new` than the release that `old` locks:
/// another repository or owner, or none where there was one. A workflow's change is told, too.
pub fn identity_change(old: &Locked, new: &LockedPublisher) -> Option<String> {
    let was = old.publisher.as_ref()?;
    let same = match (was, new) {
        (
            LockedPublisher::Job { pins: a, workflow: was },
            LockedPublisher::Job { pins: b, workflow: is },
        ) => {
            if a == b && was.is_some() && was != is {
                let (was, is) = (was.as_deref().unwrap_or("none"), is.as_deref().unwrap_or("none"));
                return Some(format!(
                    "`{}` was published by the workflow `{was}`, and its new release by `{is}`",
                    old.identifier
                ));
            }
            a == b
        }
        // Whatever comes behind nobody is no less than that.
        (LockedPublisher::Nobody, _) => true,
        (was, is) => was == is,
    };
    (!same).then(|| {
        format!(
            "`{}` was published by {}, and its new release by {}",
            old.identifier,
            was.shown(),
            new.shown()
        )
    })
}

/// Why a text is no lockfile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{FILE}:{line}: {message}")]
pub struct LockError {
    /// The line, from 1.
    pub line: usize,
    /// What was found, and what would be right.
    pub message: String,
}

impl Lock {
    /// The locked package of this identifier.
    pub fn get(&self, identifier: &Identifier) -> Option<&Locked> {
        let found = self.packages.binary_search_by(|p| p.identifier.cmp(identifier));
        found.ok().and_then(|at| self.packages.get(at))
    }

    /// Reads a text of at most [`LOCK_BYTES`] bytes and [`PACKAGES`] packages.
    ///
    /// # Errors
    ///
    /// [`LockError`] with the line, for anything that [`Lock::to_text`] would not have written: an
    /// unknown key, a value of the wrong kind, a package twice, a dependency that is not there.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        if text.len() > LOCK_BYTES {
            return Err(wrong(
                1,
                format!("has {} bytes, at most {LOCK_BYTES} are read", text.len()),
            ));
        }
        let mut lines = Lines { at: 0, schema: false };
        let mut packages: Vec<(usize, Locked)> = Vec::new();
        let mut open: Option<Fields> = None;
        for (number, line) in text.lines().enumerate() {
            lines.at = number + 1;
            let line = line.trim();
            if ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
                let message = "has a conflict of a merge: keep the packages of both sides, then run `packhouse sync`";
                return Err(wrong(lines.at, message));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line == "[[package]]" {
                if let Some(fields) = open.replace(Fields::new(lines.at)) {
                    packages.push((fields.line, fields.package()?));
                }
                if packages.len() > PACKAGES {
                    return Err(wrong(lines.at, format!("has more than {PACKAGES} packages")));
                }
                continue;
            }
            let (key, value) = line.split_once(" = ").ok_or_else(|| {
                wrong(
                    lines.at,
                    format!("`{}` is neither `[[package]]` nor `key = value`", excerpt(line, 100)),
                )
            })?;
            let value = Value::parse(value).ok_or_else(|| {
                wrong(
                    lines.at,
                    format!("`{}` is no text, number or list of texts", excerpt(value, 100)),
                )
            })?;
            match &mut open {
                Some(fields) => fields.set(lines.at, key, value)?,
                None => lines.head(key, &value)?,
            }
        }
        if !lines.schema {
            return Err(wrong(1, format!("has no `schema = {SCHEMA}`")));
        }
        if let Some(fields) = open {
            packages.push((fields.line, fields.package()?));
        }
        packages.sort_by(|a, b| a.1.identifier.cmp(&b.1.identifier));
        for pair in packages.windows(2) {
            if let [(_, a), (line, b)] = pair
                && a.identifier == b.identifier
            {
                return Err(wrong(*line, format!("has `{}` twice: remove one", b.identifier)));
            }
        }
        let known: BTreeSet<&Identifier> = packages.iter().map(|(_, p)| &p.identifier).collect();
        for (line, package) in &packages {
            if let Some(missing) = package.dependencies.iter().find(|d| !known.contains(d)) {
                let message =
                    format!("`{}` needs `{missing}`, which is not locked", package.identifier);
                return Err(wrong(*line, message));
            }
        }
        Ok(Self { packages: packages.into_iter().map(|(_, package)| package).collect() })
    }

    /// The text: the same for the same content, whatever the order of [`Lock::packages`].
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# What this project got, so that everybody gets the same. Written by `packhouse`: commit it.\nschema = {SCHEMA}\n"
        );
        let mut packages: Vec<&Locked> = self.packages.iter().collect();
        packages.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        for package in packages {
            package.write(&mut text);
        }
        text
    }
}

impl Locked {
    fn write(&self, text: &mut String) {
        text.push_str("\n[[package]]\n");
        let mut put = |key: &str, value: &str| {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        };
        put("identifier", &self.identifier.to_string());
        if let Some(version) = &self.version {
            put("version", version.text());
            match version.order() {
                Order::SemVer => {}
                Order::Pep440 => put("order", "pep440"),
                Order::Apl => put("order", "apl"),
            }
        }
        match &self.source {
            Source::Registry { url } => put("registry", url),
            Source::Git { url, reference, path, commit } => {
                put("git", url);
                reference.iter().for_each(|reference| put("ref", reference));
                path.iter().for_each(|path| put("path", path));
                put("commit", commit);
            }
            Source::File { path } => put("file", path),
        }
        put("format", &self.format);
        if let Some(digest) = &self.digest {
            put("digest", &digest.hex());
        }
        put("tree-digest", &self.tree_digest.0.hex());
        match &self.publisher {
            Some(LockedPublisher::Job { pins, workflow }) => {
                put("issuer", &pins.issuer);
                put("repository-id", &pins.repository_id);
                put("owner-id", &pins.owner_id);
                workflow.iter().for_each(|workflow| put("workflow", workflow));
            }
            Some(LockedPublisher::Token(id)) => put("token-id", id),
            Some(LockedPublisher::Nobody) => put("publisher", "nobody"),
            None => {}
        }
        if let Some(bytes) = self.bytes {
            let _ = writeln!(text, "bytes = {bytes}");
        }
        if !self.dependencies.is_empty() {
            text.push_str("dependencies = [\n");
            // One a line would need a reader of several lines; a list is short.
            text.truncate(text.len() - 1);
            let mut needs: Vec<String> =
                self.dependencies.iter().map(|d| quoted(&d.to_string())).collect();
            needs.sort();
            let _ = writeln!(text, "{}]", needs.join(", "));
        }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

enum Value {
    Text(String),
    Number(u64),
    List(Vec<String>),
}

impl Value {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let mut rest = inner.trim_start();
            let mut list = Vec::new();
            loop {
                if let Some(end) = rest.strip_prefix(']') {
                    return end.trim().is_empty().then_some(Self::List(list));
                }
                let (one, after) = unquoted(rest)?;
                list.push(one);
                let after = after.trim_start();
                rest = match after.strip_prefix(',') {
                    Some(more) => more.trim_start(),
                    None if after.starts_with(']') => after,
                    None => return None,
                };
            }
        }
        if text.starts_with('"') {
            let (text, rest) = unquoted(text)?;
            return rest.trim().is_empty().then_some(Self::Text(text));
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok().map(Self::Number)).flatten()
    }
}

/// The basic string that `text` starts with, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let at = rest.find(['"', '\\'])?;
        out.push_str(rest.get(..at)?);
        let escape = rest.get(at + 1..)?;
        if rest.as_bytes().get(at) == Some(&b'"') {
            return Some((out, escape));
        }
        rest = match escape.as_bytes().first()? {
            b'"' => {
                out.push('"');
                escape.get(1..)?
            }
            b'\\' => {
                out.push('\\');
                escape.get(1..)?
            }
            b'u' => {
                out.push(char::from_u32(u32::from_str_radix(escape.get(1..5)?, 16).ok()?)?);
                escape.get(5..)?
            }
            _ => return None,
        };
    }
}

fn wrong(line: usize, message: impl Into<String>) -> LockError {
    LockError { line, message: message.into() }
}

/// Where the reader is, and whether the head was read.
struct Lines {
    at: usize,
    schema: bool,
}

impl Lines {
    fn head(&mut self, key: &str, value: &Value) -> Result<(), LockError> {
        match (key, value) {
            ("schema", Value::Number(number)) if *number == u64::from(SCHEMA) => {
                self.schema = true;
                Ok(())
            }
            ("schema", Value::Number(number)) => Err(wrong(
                self.at,
                format!(
                    "has schema {number}, and this packhouse reads {SCHEMA}: a newer one wrote it"
                ),
            )),
            _ => Err(wrong(
                self.at,
                format!(
                    "`{}` stands above the first `[[package]]`, where only `schema` may",
                    excerpt(key, 60)
                ),
            )),
        }
    }
}

/// The keys of one package.
struct Fields {
    line: usize,
    texts: std::collections::BTreeMap<&'static str, String>,
    bytes: Option<u64>,
    dependencies: Vec<Identifier>,
}

const TEXTS: [&str; 18] = [
    "identifier",
    "version",
    "order",
    "registry",
    "git",
    "ref",
    "path",
    "commit",
    "file",
    "format",
    "digest",
    "tree-digest",
    "issuer",
    "repository-id",
    "owner-id",
    "workflow",
    "token-id",
    "publisher",
];

impl Fields {
    fn new(line: usize) -> Self {
        Self { line, texts: Default::default(), bytes: None, dependencies: Vec::new() }
    }

    fn set(&mut self, line: usize, key: &str, value: Value) -> Result<(), LockError> {
        match (key, value) {
            ("bytes", Value::Number(bytes)) => self.bytes = Some(bytes),
            ("dependencies", Value::List(names)) => {
                for name in names {
                    let name =
                        name.parse::<Identifier>().map_err(|e| wrong(line, e.to_string()))?;
                    self.dependencies.push(name);
                }
            }
            (key, Value::Text(text)) => {
                let known = TEXTS.iter().find(|known| **known == key);
                let known = known.ok_or_else(|| {
                    wrong(
                        line,
                        format!("has the key `{}`, which is not known here", excerpt(key, 60)),
                    )
                })?;
                if self.texts.insert(known, text).is_some() {
                    return Err(wrong(line, format!("has the key `{known}` twice")));
                }
            }
            (key, _) => {
                return Err(wrong(
                    line,
                    format!("`{}` has a value of another kind", excerpt(key, 60)),
                ));
            }
        }
        Ok(())
    }

    fn package(mut self) -> Result<Locked, LockError> {
        let line = self.line;
        let mut take = |key: &'static str| self.texts.remove(key);
        let needed = |key: &str, value: Option<String>| {
            value.ok_or_else(|| wrong(line, format!("this package has no `{key}`")))
        };
        let digest = |key: &str, text: String| {
            text.parse::<Digest>().map_err(|_| {
                wrong(
                    line,
                    format!("`{key}` is `{}`, it should be 64 hex digits", excerpt(&text, 80)),
                )
            })
        };
        let identifier = needed("identifier", take("identifier"))?
            .parse::<Identifier>()
            .map_err(|e| wrong(line, e.to_string()))?;
        let order = match take("order").as_deref() {
            None => Order::SemVer,
            Some("pep440") => Order::Pep440,
            Some("apl") => Order::Apl,
            Some(other) => {
                return Err(wrong(
                    line,
                    format!("`order` is `{}`, it should be `pep440` or `apl`", excerpt(other, 60)),
                ));
            }
        };
        let version = take("version").map(|text| Version::parse(order, &text)).transpose();
        let version = version.map_err(|e| wrong(line, e.to_string()))?;
        let source = match (take("registry"), take("git"), take("file")) {
            (Some(url), None, None) => Source::Registry { url },
            (None, Some(url), None) => {
                let commit = needed("commit", take("commit"))?;
                let hex = commit.bytes().all(|b| b.is_ascii_hexdigit());
                if !hex || !matches!(commit.len(), 40 | 64) {
                    return Err(wrong(
                        line,
                        format!(
                            "`commit` is `{}`, it should be 40 hex digits",
                            excerpt(&commit, 80)
                        ),
                    ));
                }
                Source::Git { url, reference: take("ref"), path: take("path"), commit }
            }
            (None, None, Some(path)) => Source::File { path },
            _ => {
                return Err(wrong(
                    line,
                    "this package has not exactly one of `registry`, `git` and `file`",
                ));
            }
        };
        let archive = take("digest").map(|text| digest("digest", text)).transpose()?;
        if matches!(source, Source::Registry { .. })
            && (archive.is_none() || version.is_none() || self.bytes.is_none())
        {
            return Err(wrong(line, "a package of a registry has `version`, `digest` and `bytes`"));
        }
        let tree_digest =
            TreeDigest(digest("tree-digest", needed("tree-digest", take("tree-digest"))?)?);
        let workflow = take("workflow");
        let job = (take("issuer"), take("repository-id"), take("owner-id"));
        let publisher = match (job, take("token-id"), take("publisher").as_deref()) {
            ((Some(issuer), Some(repository_id), Some(owner_id)), None, None) => {
                let pins = Pins { issuer, repository_id, owner_id };
                Some(LockedPublisher::Job { pins, workflow })
            }
            ((None, None, None), Some(id), None) => Some(LockedPublisher::Token(id)),
            ((None, None, None), None, Some("nobody")) => Some(LockedPublisher::Nobody),
            ((None, None, None), None, None) => None,
            _ => {
                let message = "its publisher is `issuer`, `repository-id` and `owner-id`, or `token-id`, or `publisher = \"nobody\"`";
                return Err(wrong(line, message));
            }
        };
        let format = take("format").unwrap_or_default();
        if let Some(key) = self.texts.keys().next() {
            return Err(wrong(
                line,
                format!("has the key `{key}`, which does not belong to its source"),
            ));
        }
        self.dependencies.sort();
        let (bytes, dependencies) = (self.bytes, self.dependencies);
        Ok(Locked {
            identifier,
            version,
            source,
            digest: archive,
            tree_digest,
            bytes,
            format,
            publisher,
            dependencies,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn package(name: &str) -> Locked {
        Locked {
            identifier: name.parse().unwrap(),
            version: Some(Version::parse(Order::SemVer, "1.2.3").unwrap()),
            source: Source::Registry { url: "https://packages.example.org".to_owned() },
            digest: Some(Digest::of(b"a")),
            tree_digest: TreeDigest(Digest::of(b"t")),
            bytes: Some(17),
            format: "ato".to_owned(),
            publisher: Some(LockedPublisher::Job {
                pins: Pins {
                    issuer: "https://i".into(),
                    repository_id: "1".into(),
                    owner_id: "2".into(),
                },
                workflow: Some(".github/workflows/publish.yml".to_owned()),
            }),
            dependencies: vec![],
        }
    }

    #[test]
    fn a_lockfile_is_read_as_it_was_written_and_merges() {
        let source = |name: &str, source: Source| Locked {
            source,
            digest: None,
            bytes: None,
            publisher: None,
            version: None,
            ..package(name)
        };
        let commit = "0123456789012345678901234567890123456789".to_owned();
        let git = Source::Git {
            url: "https://h/x.git".into(),
            reference: Some("v\"1".into()),
            path: Some("a\\b".into()),
            commit,
        };
        let mut all = vec![
            package("acme/b"),
            package("Acme/a"),
            source("acme/g", git),
            source("acme/f", Source::File { path: "../f".into() }),
        ];
        all[0].dependencies = vec!["acme/f".parse().unwrap(), "acme/a".parse().unwrap()];
        all[1].publisher = Some(LockedPublisher::Nobody);
        let text = Lock { packages: all }.to_text();
        let lock = Lock::parse(&text).unwrap();
        assert_eq!(lock.to_text(), text);
        assert_eq!(Lock::parse(&text.replace('\n', "\r\n")).unwrap(), lock);
        assert!(lock.get(&"acme/F".parse().unwrap()).is_some());
        // Two branches that added different packages, one behind the other.
        let more = format!(
            "{text}\n[[package]]\n{}",
            Lock { packages: vec![package("acme/c")] }
                .to_text()
                .split_once("[[package]]\n")
                .unwrap()
                .1
        );
        assert_eq!(Lock::parse(&more).unwrap().packages.len(), 5);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let good = Lock { packages: vec![package("acme/a")] }.to_text();
        let wrong =
            |from: &str, to: &str| Lock::parse(&good.replace(from, to)).unwrap_err().to_string();
        let table = [
            wrong("schema = 1", "schema = 2"),
            wrong("schema = 1", ""),
            wrong("schema = 1", "<<<<<<< ours"),
            wrong("bytes = 17", "bites = 17"),
            wrong("bytes = 17", "bytes = \"17\""),
            wrong("bytes = 17", ""),
            wrong("bytes = 17", "bytes"),
            wrong("acme/a", "acme"),
            wrong("1.2.3", "1.2"),
            wrong("tree-digest = \"", "tree-digest = \"x"),
            wrong("bytes = 17", "bytes = 17\ndependencies = [\"acme/x\"]"),
            wrong("bytes = 17", "bytes = 17\nfile = \"../x\""),
            wrong("issuer =", "file ="),
            wrong("format = \"ato\"", "format = \"ato\"\nformat = \"ato\""),
            Lock::parse(&format!("{good}{}", good.split_once("schema = 1\n").unwrap().1))
                .unwrap_err()
                .to_string(),
        ];
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn another_publisher_is_told() {
        let old = package("acme/a");
        let job = |repository: &str, workflow: &str| LockedPublisher::Job {
            pins: Pins {
                issuer: "https://i".into(),
                repository_id: repository.into(),
                owner_id: "2".into(),
            },
            workflow: Some(workflow.to_owned()),
        };
        assert_eq!(identity_change(&old, &job("1", ".github/workflows/publish.yml")), None);
        assert!(
            identity_change(&old, &job("9", ".github/workflows/publish.yml"))
                .unwrap()
                .contains("repository 9")
        );
        assert!(
            identity_change(&old, &job("1", ".github/workflows/other.yml"))
                .unwrap()
                .contains("other.yml")
        );
        assert!(identity_change(&old, &LockedPublisher::Nobody).is_some());
        assert!(identity_change(&old, &LockedPublisher::Token("t".into())).is_some());
        let imported = Locked { publisher: Some(LockedPublisher::Nobody), ..old };
        assert_eq!(identity_change(&imported, &job("9", "x")), None);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_written_alike(
            parts in prop::collection::vec(prop::sample::select(vec![
                "schema = 1\n", "[[package]]\n", "identifier = \"acme/a\"\n", "version = \"1.0.0\"\n", "registry = \"r\"\n",
                "file = \"x\"\n", "bytes = 1\n", "dependencies = [\"acme/a\", ", "]\n", "\"", "\\u0041", " = ", "#\n", "é\n",
                "tree-digest = \"0000000000000000000000000000000000000000000000000000000000000000\"\n", "format = \"ato\"\n",
            ]), 0..20)
        ) {
            let text = parts.concat();
            if let Ok(lock) = Lock::parse(&text) {
                prop_assert_eq!(Lock::parse(&lock.to_text()).unwrap(), lock);
            }
        }
    }
}
