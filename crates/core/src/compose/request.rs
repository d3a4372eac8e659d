//! Requests, checked as the first program's framework checks them: each mistake with its type, place,
//! message and what was found there.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{CLASSES, ComputeOutline, PackageOutline};
use crate::python::Kind;

/// Mistakes in one request that are told.
const ISSUES: usize = 50;

/// A mistake in a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// `missing`, `string_type`, `enum`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Where: `body`, then keys and numbers.
    pub loc: Vec<Value>,
    /// What would be right.
    pub msg: String,
    /// What was found.
    pub input: Value,
    /// What the message was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

/// The mistakes of a request.
pub type Invalid = Vec<Issue>;

/// What is registered, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationRequest {
    /// `repo_url`, `local_path` or `outline`.
    pub kind: String,
    /// The repository.
    pub url: Option<String>,
    /// A branch, tag or commit.
    pub reference: Option<String>,
    /// A folder on the machine of the registry.
    pub path: Option<String>,
    /// What the package offers, as the caller says.
    pub outline: Option<PackageOutline>,
    /// Whether failed checks keep it out.
    pub audit: bool,
}

/// What is audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRequest {
    /// A repository's address, or a folder.
    pub target: String,
    /// A branch, tag or commit.
    pub reference: Option<String>,
    /// Whether an installation was asked for: it never happens, and the answer says so.
    pub run_install: bool,
}

/// What a list of processes or steps is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// process-bigraph itself.
    Core,
    /// The packages.
    Db,
    /// Both.
    Union,
}

impl Wanted {
    /// Reads `source`; `None` is the default.
    ///
    /// # Errors
    ///
    /// The one mistake.
    pub fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        match text {
            None | Some("union") => Ok(Self::Union),
            Some("core") => Ok(Self::Core),
            Some("db") => Ok(Self::Db),
            Some(other) => Err(vec![one_of(
                vec![json!("query"), json!("source")],
                &json!(other),
                "'core', 'db' or 'union'",
            )]),
        }
    }
}

/// The JSON of a body.
///
/// # Errors
///
/// The place at which it is none.
fn parse(body: &[u8]) -> Result<Value, Invalid> {
    if body.is_empty() {
        return Err(vec![issue("missing", vec![json!("body")], "Field required", &Value::Null)]);
    }
    serde_json::from_slice(body).map_err(|error| {
        // A place in the text, as lines are told: everything before it is well formed.
        let lines = body.split_inclusive(|b| *b == b'\n').take(error.line().saturating_sub(1));
        let at = lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
        let mut one =
            issue("json_invalid", vec![json!("body"), json!(at)], "JSON decode error", &json!({}));
        one.ctx = Some(json!({ "error": crate::escape::excerpt(&error.to_string(), 200) }));
        vec![one]
    })
}

impl AuditRequest {
    /// Checks a body.
    ///
    /// # Errors
    ///
    /// All its mistakes.
    pub fn read(body: &[u8]) -> Result<Self, Invalid> {
        let body = parse(body)?;
        let mut reader = Reader::default();
        let map = reader.map(&body, &[json!("body")]).cloned().unwrap_or_default();
        let at = |key: &str| vec![json!("body"), json!(key)];
        let request = Self {
            target: reader.text(&map, "target", &at("target")).unwrap_or_default(),
            reference: reader.optional(&map, "ref", &at("ref")),
            run_install: reader.truth(&map, "run_install", &at("run_install"), false),
        };
        reader.done(request)
    }
}

impl RegistrationRequest {
    /// Checks a body. Which of the fields a kind needs is not checked here.
    ///
    /// # Errors
    ///
    /// All its mistakes.
    pub fn read(body: &[u8]) -> Result<Self, Invalid> {
        let body = parse(body)?;
        let mut reader = Reader::default();
        let map = reader.map(&body, &[json!("body")]).cloned().unwrap_or_default();
        let at = |key: &str| vec![json!("body"), json!(key)];
        let request = Self {
            kind: reader.text(&map, "kind", &at("kind")).unwrap_or_default(),
            url: reader.optional(&map, "url", &at("url")),
            reference: reader.optional(&map, "ref", &at("ref")),
            path: reader.optional(&map, "path", &at("path")),
            outline: match map.get("outline").filter(|outline| !outline.is_null()) {
                Some(outline) => reader.outline(outline, at("outline")),
                None => None,
            },
            audit: reader.truth(&map, "audit", &at("audit"), true),
        };
        reader.done(request)
    }
}

fn issue(kind: &str, loc: Vec<Value>, msg: &str, input: &Value) -> Issue {
    Issue { kind: kind.to_owned(), loc, msg: msg.to_owned(), input: input.clone(), ctx: None }
}

fn one_of(loc: Vec<Value>, input: &Value, expected: &str) -> Issue {
    let ctx = Some(json!({ "expected": expected }));
    Issue { ctx, ..issue("enum", loc, &format!("Input should be {expected}"), input) }
}

/// Collects mistakes.
#[derive(Default)]
struct Reader {
    issues: Vec<Issue>,
}

impl Reader {
    fn done<T>(self, request: T) -> Result<T, Invalid> {
        if self.issues.is_empty() { Ok(request) } else { Err(self.issues) }
    }

    fn say(&mut self, issue: Issue) {
        if self.issues.len() < ISSUES {
            self.issues.push(issue);
        }
    }

    fn map<'v>(&mut self, value: &'v Value, loc: &[Value]) -> Option<&'v Map<String, Value>> {
        if let Value::Object(map) = value {
            return Some(map);
        }
        let msg = "Input should be a valid dictionary or object to extract fields from";
        self.say(issue("model_attributes_type", loc.to_vec(), msg, value));
        // What is missing in what is no object is not told on top of it.
        None
    }

    fn text(&mut self, map: &Map<String, Value>, key: &str, loc: &[Value]) -> Option<String> {
        match map.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                let msg = "Input should be a valid string";
                self.say(issue("string_type", loc.to_vec(), msg, other));
                None
            }
            None => {
                if !self.issues.iter().any(|i| i.kind == "model_attributes_type") {
                    let whole = Value::Object(map.clone());
                    self.say(issue("missing", loc.to_vec(), "Field required", &whole));
                }
                None
            }
        }
    }

    fn optional(&mut self, map: &Map<String, Value>, key: &str, loc: &[Value]) -> Option<String> {
        match map.get(key) {
            None | Some(Value::Null) => None,
            Some(_) => self.text(map, key, loc),
        }
    }

    /// A truth in any of the spellings that the first program takes.
    fn truth(&mut self, map: &Map<String, Value>, key: &str, loc: &[Value], default: bool) -> bool {
        let Some(value) = map.get(key) else { return default };
        let word = match value {
            Value::Bool(truth) => return *truth,
            Value::String(text) => text.to_ascii_lowercase(),
            Value::Number(number) => number.to_string(),
            other => {
                let msg = "Input should be a valid boolean";
                self.say(issue("bool_type", loc.to_vec(), msg, other));
                return default;
            }
        };
        match word.as_str() {
            "1" | "1.0" | "true" | "t" | "yes" | "y" | "on" => true,
            "0" | "0.0" | "false" | "f" | "no" | "n" | "off" => false,
            _ => {
                let msg = "Input should be a valid boolean, unable to interpret input";
                self.say(issue("bool_parsing", loc.to_vec(), msg, value));
                default
            }
        }
    }

    fn outline(&mut self, value: &Value, loc: Vec<Value>) -> Option<PackageOutline> {
        let at = |key: &str| [loc.clone(), vec![json!(key)]].concat();
        let map = self.map(value, &loc)?;
        let package_type = self.choice(map, "package_type", at("package_type"), &["pypi", "conda"]);
        let name = self.text(map, "name", &at("name"));
        let listed = match map.get("compute") {
            Some(Value::Array(items)) if items.len() > CLASSES => {
                let msg = format!("List should have at most {CLASSES} items after validation");
                let found = json!(items.len());
                self.say(issue("too_long", at("compute"), &msg, &found));
                None
            }
            Some(Value::Array(items)) => Some(items),
            Some(other) => {
                self.say(issue("list_type", at("compute"), "Input should be a valid list", other));
                None
            }
            None => {
                self.say(issue("missing", at("compute"), "Field required", value));
                None
            }
        };
        let mut compute = Vec::new();
        for (nth, item) in listed?.iter().enumerate() {
            let loc = [at("compute"), vec![json!(nth)]].concat();
            compute.extend(self.compute(item, loc));
        }
        Some(PackageOutline { package_type: package_type?, name: name?, compute })
    }

    fn compute(&mut self, value: &Value, loc: Vec<Value>) -> Option<ComputeOutline> {
        let at = |key: &str| [loc.clone(), vec![json!(key)]].concat();
        let map = self.map(value, &loc)?;
        let module = self.text(map, "module", &at("module"));
        let name = self.text(map, "name", &at("name"));
        let kind = self.choice(map, "compute_type", at("compute_type"), &["process", "step"]);
        let inputs = self.text(map, "inputs", &at("inputs"));
        let outputs = self.text(map, "outputs", &at("outputs"));
        let compute_type = if kind? == "step" { Kind::Step } else { Kind::Process };
        Some(ComputeOutline {
            module: module?,
            name: name?,
            compute_type,
            inputs: inputs?,
            outputs: outputs?,
        })
    }

    fn choice(
        &mut self,
        map: &Map<String, Value>,
        key: &str,
        loc: Vec<Value>,
        choices: &[&str; 2],
    ) -> Option<String> {
        let Some(value) = map.get(key) else { return self.text(map, key, &loc) };
        match value.as_str().filter(|text| choices.contains(text)) {
            Some(text) => Some(text.to_owned()),
            None => {
                self.say(one_of(loc, value, &format!("'{}' or '{}'", choices[0], choices[1])));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> String {
        let issues = RegistrationRequest::read(body.as_bytes()).unwrap_err();
        let line = |issue: &Issue| {
            let loc: Vec<String> = issue.loc.iter().map(ToString::to_string).collect();
            format!("{} {} {}: {}", issue.kind, loc.join("."), issue.msg, issue.input)
        };
        issues.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_mistake_has_its_type_place_and_input() {
        assert_eq!(told("{}"), r#"missing "body"."kind" Field required: {}"#);
        assert_eq!(told(""), r#"missing "body" Field required: null"#);
        assert_eq!(told("{\n\"kind\": x}"), r#"json_invalid "body".10 JSON decode error: {}"#);
        assert_eq!(
            told("[]"),
            r#"model_attributes_type "body" Input should be a valid dictionary or object to extract fields from: []"#
        );
        assert_eq!(
            told(r#"{"kind": 5}"#),
            r#"string_type "body"."kind" Input should be a valid string: 5"#
        );
        let outline = r#"{"kind": "outline", "outline": {"package_type": "npm", "name": "x", "compute":
            [{"module": "m", "name": "n", "compute_type": "Process", "inputs": {}, "outputs": "{}"}]}}"#;
        assert_eq!(
            told(outline),
            r#"enum "body"."outline"."package_type" Input should be 'pypi' or 'conda': "npm"
enum "body"."outline"."compute".0."compute_type" Input should be 'process' or 'step': "Process"
string_type "body"."outline"."compute".0."inputs" Input should be a valid string: {}"#
        );
        let deep = "[".repeat(100_000);
        assert!(told(&deep).starts_with("json_invalid"));
    }

    #[test]
    fn unknown_keys_and_nulls_do_not_matter() {
        let body =
            br#"{"kind": "repo_url", "url": "https://x", "ref": null, "more": 1, "audit": "no"}"#;
        let request = RegistrationRequest::read(body).unwrap();
        assert_eq!((request.reference, request.audit), (None, false));
        let request = AuditRequest::read(br#"{"target": "/x", "run_install": "yes"}"#).unwrap();
        assert!(request.run_install && request.reference.is_none());
        assert!(AuditRequest::read(br#"{"target": null}"#).is_err());
    }

    #[test]
    fn a_source_is_one_of_three() {
        assert_eq!(Wanted::parse(None), Ok(Wanted::Union));
        assert_eq!(Wanted::parse(Some("databse")).unwrap_err()[0].kind, "enum");
    }
}
