//! Reading fields of a value tree: what is missing is `None`, what is there and wrong becomes a
//! problem with its field path and place, and reading goes on.

use std::fmt::Display;

use super::value::{Node, Source, Value, shown};
use super::{Broken, Found};
use crate::identifier::Identifier;
use crate::manifest::{Author, Field, Manifest, Place, Problem};
use crate::requirement::{Grammar, Requirement};
use crate::tree::{Tree, TreePath};
use crate::version::{Order, Version};

/// How many problems (and as many unknown keys) are kept: one page tells enough.
const PROBLEMS: usize = 50;

/// Opens `file` at the root of `tree` and reads it with `read`.
pub(super) fn load(
    file: &str,
    tree: &Tree,
    read: impl FnOnce(&Source) -> Result<Option<Manifest>, Broken>,
) -> Found {
    let (Some(found), Ok(path)) = (tree.get(file), file.parse::<TreePath>()) else {
        return Found::Missing;
    };
    match Source::open(path, &found.bytes).and_then(|source| read(&source)) {
        Ok(Some(manifest)) => Found::Package(manifest),
        Ok(None) => Found::Missing,
        Err(broken) => Found::Broken(broken),
    }
}

/// A value with its path from the root, in the manifest's own spelling.
#[derive(Clone)]
pub(crate) struct At<'n> {
    pub(crate) node: &'n Node,
    pub(crate) path: String,
}

impl<'n> At<'n> {
    /// The root, which must be a map.
    pub(crate) fn root(source: &Source, node: &'n Node, example: &str) -> Result<Self, Broken> {
        match node.value {
            Value::Map(_) => Ok(At { node, path: String::new() }),
            Value::Null => {
                Err(source.broken(0, None, "is empty", format!("write for example {example}")))
            }
            _ => Err(source.broken(
                node.span.start,
                None,
                format!("is {}, a manifest is a map of fields", node.kind()),
                format!("write for example {example}"),
            )),
        }
    }

    /// The value under `key`; `None` for none, an empty one (`homepage:`), and in what is no map.
    pub(crate) fn get(&self, key: &str) -> Option<At<'n>> {
        let node = self.node.get(key).filter(|node| node.value != Value::Null)?;
        Some(At { node, path: self.join(key) })
    }

    /// The path of `key` in here.
    pub(crate) fn join(&self, key: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let key = match key.chars().all(plain) && !key.is_empty() {
            true => key.to_owned(),
            false => format!("\"{}\"", shown(key)),
        };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The entries, when this is a map.
    pub(crate) fn entries(&self) -> Vec<(&'n str, At<'n>)> {
        match &self.node.value {
            Value::Map(entries) => entries
                .iter()
                .map(|e| (e.key.as_str(), At { node: &e.node, path: self.join(&e.key) }))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The items, when this is a list.
    pub(crate) fn items(&self) -> Vec<At<'n>> {
        match &self.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, node)| At { node, path: format!("{}[{i}]", self.path) })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The text, when this is one.
    pub(crate) fn text(&self) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads fields into a manifest.
pub(super) struct Reader {
    pub(super) manifest: Manifest,
    /// Whether the manifest is TOML, for the spelling of hints.
    toml: bool,
}

impl Reader {
    pub(super) fn new(format: &'static str, order: Order, source: &Source) -> Self {
        let toml = source.path.as_str().ends_with(".toml");
        Self { manifest: Manifest::new(format, order, source.path.clone()), toml }
    }

    /// Says that `at` is wrong.
    pub(super) fn problem(&mut self, at: &At, message: impl Display, help: impl Display) {
        self.problem_at(at.path.clone(), at.node.at, message, help);
    }

    pub(super) fn problem_at(
        &mut self,
        field: String,
        at: Place,
        message: impl Display,
        help: impl Display,
    ) {
        let (message, help) = (message.to_string(), help.to_string());
        self.push_problem(Problem { file: None, field, at, message, help });
    }

    pub(super) fn push_problem(&mut self, problem: Problem) {
        if self.manifest.problems.len() < PROBLEMS {
            self.manifest.problems.push(problem);
        }
    }

    /// Says that `at` is no `wanted`, with a number's or boolean's quotes as the likely cure.
    fn wrong_kind(&mut self, at: &At, wanted: &str, example: &str) {
        let key = at.path.rsplit('.').next().unwrap_or(&at.path).to_owned();
        let assign = if self.toml { " = " } else { ": " };
        let help = match &at.node.value {
            Value::Number(raw) if wanted == "a text" => {
                format!("quote it: `{}`", quoted(&key, assign, raw))
            }
            Value::Bool(bool) if wanted == "a text" => {
                format!("quote it: `{}`", quoted(&key, assign, &bool.to_string()))
            }
            _ => format!("write for example `{example}`"),
        };
        self.problem(at, format!("is {}, it should be {wanted}", at.node.kind()), help);
    }

    /// A text; an empty one counts as missing.
    pub(super) fn text(&mut self, at: Option<At>, example: &str) -> Option<Field<String>> {
        let at = at?;
        let Some(text) = at.text() else {
            self.wrong_kind(&at, "a text", example);
            return None;
        };
        self.manifest.places.insert(at.path.clone(), at.node.at);
        let text = text.trim();
        (!text.is_empty()).then(|| Field { value: text.to_owned(), at: at.node.at })
    }

    /// A text read by `parse`; its error is the problem's message.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        at: Option<At>,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Field<T>> {
        let at = at?;
        let text = self.text(Some(at.clone()), example)?;
        match parse(&text.value) {
            Ok(value) => Some(Field { value, at: text.at }),
            Err(error) => {
                self.problem(&at, error, format!("write for example `{example}`"));
                None
            }
        }
    }

    /// A version in the manifest's order.
    pub(super) fn version(&mut self, at: Option<At>, example: &str) -> Option<Field<Version>> {
        let order = self.manifest.order;
        if let (Some(at), Order::SemVer) = (&at, order)
            && let Value::Number(raw) = &at.node.value
        {
            let message = format!("is the number `{}`, a version has three", shown(raw));
            self.problem(at, message, format!("write for example `{example}`"));
            return None;
        }
        self.parsed(at, example, |text| Version::parse(order, text))
    }

    /// A whole identifier.
    pub(super) fn identifier(
        &mut self,
        at: Option<At>,
        example: &str,
    ) -> Option<Field<Identifier>> {
        self.parsed(at, example, str::parse)
    }

    /// A requirement in `grammar`.
    pub(super) fn requirement(
        &mut self,
        at: Option<At>,
        grammar: Grammar,
        example: &str,
    ) -> Option<Requirement> {
        self.parsed(at, example, |text| Requirement::parse(grammar, text)).map(|field| field.value)
    }

    /// A map, or a problem.
    pub(super) fn map<'n>(&mut self, at: Option<At<'n>>, example: &str) -> Option<At<'n>> {
        let at = at?;
        self.manifest.places.insert(at.path.clone(), at.node.at);
        if matches!(at.node.value, Value::Map(_)) {
            return Some(at);
        }
        self.wrong_kind(&at, "a map", example);
        None
    }

    /// The items of a list, or a problem.
    pub(super) fn list<'n>(&mut self, at: Option<At<'n>>, example: &str) -> Vec<At<'n>> {
        let Some(at) = at else { return Vec::new() };
        self.manifest.places.insert(at.path.clone(), at.node.at);
        if !matches!(at.node.value, Value::List(_)) {
            self.wrong_kind(&at, "a list", example);
        }
        at.items()
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, at: Option<At>, example: &str) -> Vec<String> {
        let items = self.list(at, example);
        items.into_iter().filter_map(|at| self.text(Some(at), example)).map(|f| f.value).collect()
    }

    /// A list of `{name, email}`; a plain text `Name <email>` is understood too.
    pub(super) fn authors(&mut self, at: Option<At>, example: &str) -> Vec<Author> {
        let mut authors = Vec::new();
        for at in self.list(at, example) {
            let author = match &at.node.value {
                Value::Text(text) => author(text),
                _ => {
                    let Some(map) = self.map(Some(at), example) else { continue };
                    let mut field =
                        |key| self.text(map.get(key), example).map(|f| f.value).unwrap_or_default();
                    Author { name: field("name"), email: field("email") }
                }
            };
            if author != Author::default() {
                authors.push(author);
            }
        }
        authors
    }

    /// A path of a file of the package.
    pub(super) fn path(&mut self, at: Option<At>, example: &str) -> Option<Field<TreePath>> {
        let tidy = |text: &str| text.strip_prefix("./").unwrap_or(text).parse::<TreePath>();
        self.parsed(at, example, tidy)
    }

    /// The manifest, its problems in the order of the text.
    pub(super) fn finish(mut self, node: &Node) -> Manifest {
        self.manifest.problems.sort_by(|a, b| (&a.file, a.at).cmp(&(&b.file, b.at)));
        self.manifest.original = node.to_json();
        self.manifest
    }

    /// Notes keys of `at` that are not in `known`, with what was probably meant.
    pub(super) fn known_keys(&mut self, at: &At, known: &[&str]) {
        let Value::Map(entries) = &at.node.value else { return };
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            if self.manifest.unknown_keys.len() >= PROBLEMS {
                return;
            }
            let help = match nearest(&entry.key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.manifest.unknown_keys.push(Problem {
                file: None,
                field: at.join(&entry.key),
                at: entry.key_at,
                message: format!("the key `{}` is not known here", shown(&entry.key)),
                help,
            });
        }
    }
}

fn quoted(key: &str, assign: &str, raw: &str) -> String {
    match key.ends_with(']') {
        true => format!("\"{}\"", shown(raw)),
        false => format!("{key}{assign}\"{}\"", shown(raw)),
    }
}

/// `Name <email>`, or either alone.
pub(super) fn author(text: &str) -> Author {
    let text = text.trim();
    let split = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    match split {
        Some((name, email)) => {
            Author { name: name.trim().to_owned(), email: email.trim().to_owned() }
        }
        None if text.contains('@') && !text.contains(' ') => {
            Author { name: String::new(), email: text.to_owned() }
        }
        None => Author { name: text.to_owned(), email: String::new() },
    }
}

/// The known key that a hurried writer meant, if one is near.
pub fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key: String = key.chars().take(64).collect::<String>().to_ascii_lowercase();
    let near = |k: &&str| strsim::damerau_levenshtein(&key, k);
    let best = known.iter().copied().min_by_key(near)?;
    (near(&best) <= (best.len() / 3).max(1)).then_some(best)
}
