//! `packhouse apl`: APM's registry module as commands.

use std::path::Path;
use std::process::ExitCode;

use packhouse_client::apl::{Access, AplError, AplResult, Form, Registry};
use packhouse_client::http::Options;
use packhouse_core::apl::{Config, FILE, PackageId, config};
use packhouse_core::escape::printable;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use serde_json::{Map, Value, json};

use crate::args::{Apl, AplTree, AplVerb, Global};
use crate::context;
use crate::ui::{Ui, var};

/// What a verb answers beside `rc` and `msg`, and what people read.
struct Answer {
    fields: Value,
    lines: Vec<String>,
}

impl Answer {
    fn of(name: &str, value: Value, lines: Vec<String>) -> Self {
        Self { fields: json!({ name: value }), lines }
    }
}

pub(crate) fn run(args: &Apl, global: &Global, ui: &Ui) -> anyhow::Result<ExitCode> {
    let answered = access(global).and_then(|access| answer(&args.verb, access));
    let (rc, message, fields) = match answered {
        Ok(answer) => {
            if !ui.json {
                let lines: String =
                    answer.lines.iter().map(|line| printable(line) + "\n").collect();
                ui.print(&lines)?;
            }
            (0, String::new(), answer.fields)
        }
        Err(error) => {
            ui.error(&error.to_string());
            (error.rc(), error.to_string(), json!({}))
        }
    };
    if ui.json {
        let mut document = Map::new();
        document.insert("rc".to_owned(), rc.into());
        document.insert("msg".to_owned(), message.into());
        document.extend(fields.as_object().cloned().unwrap_or_default());
        ui.print_json(&Value::Object(document))?;
    }
    Ok(ExitCode::from(rc))
}

/// What a server is spoken to with.
fn access(global: &Global) -> AplResult<Access> {
    let token = context::given_token(global);
    // A token that is none is told as everything else is: as `rc` and `msg`.
    let token = token.map_err(|error| AplError::Token(error.to_string()))?;
    let ca_file = var("SSL_CERT_FILE").map(std::path::PathBuf::from);
    Ok(Access { token, options: Options { ca_file, ..Options::default() } })
}

fn answer(verb: &AplVerb, access: Access) -> AplResult<Answer> {
    let nothing = || Answer { fields: json!({}), lines: Vec::new() };
    match verb {
        AplVerb::New(args) => {
            Registry::new(&args.kind, &args.uri.uri, access)?;
            Ok(nothing())
        }
        AplVerb::CreateIndex(args) => {
            Registry::open(&args.uri.uri, access)?.create_index(args.force)?;
            Ok(nothing())
        }
        AplVerb::List(args) => {
            let registry = Registry::open(&args.uri.uri, access)?;
            let (group, name, version) = (&args.group, &args.name, &args.version);
            let found =
                registry.list_packages(group.as_deref(), name.as_deref(), version.as_deref())?;
            let lines = found.iter().map(|config| config.id.to_string()).collect();
            let packages = found.iter().map(Config::to_json).collect();
            Ok(Answer::of("packages", packages, lines))
        }
        AplVerb::Add(args) => {
            let id = Registry::open(&args.uri.uri, access)?.add_package(&args.zip)?.to_string();
            Ok(Answer::of("id", id.clone().into(), vec![id]))
        }
        AplVerb::Get(args) => {
            let id: PackageId = args.id.parse()?;
            let path = Registry::open(&args.uri.uri, access)?.get_package(&id, &args.into)?;
            let path = path.display().to_string();
            Ok(Answer::of("path", path.clone().into(), vec![path]))
        }
        AplVerb::Tree(args) => {
            let registry = Registry::open(&args.uri.uri, access)?;
            let asked = asked(args, &registry)?;
            let form = if args.flat { Form::Flat } else { Form::Nested };
            let tree = registry.dependency_tree(&asked, args.strategy.parse()?, form)?;
            let lines = match form {
                Form::Flat => vec![tree.to_string()],
                Form::Nested => drawn(&tree, 0),
            };
            Ok(Answer::of("tree", tree, lines))
        }
    }
}

/// The configs whose tree is asked for.
fn asked(args: &AplTree, registry: &Registry) -> AplResult<Vec<Config>> {
    if args.ids.is_empty() {
        let path = args.project.as_deref().unwrap_or(Path::new(FILE));
        return Ok(vec![project(path)?]);
    }
    args.ids.iter().map(|id| registry.config(&id.parse::<PackageId>()?)).collect()
}

fn project(path: &Path) -> AplResult<Config> {
    let limit = Limits::default().manifest_bytes as u64;
    if fs_err::metadata(path)?.len() > limit {
        return Err(AplError::Large(path.to_owned(), limit));
    }
    let mut tree = Tree::default();
    if let Ok(file) = FILE.parse() {
        tree.insert(file, fs_err::read(path)?, false);
    }
    config(&tree).map_err(|error| AplError::Contents(path.to_owned(), Box::new(error)))
}

/// A tree as indented lines.
fn drawn(tree: &Value, depth: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for node in tree.as_array().into_iter().flatten() {
        let text = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default();
        let mark = if node.get("repeated").is_some() { " (repeated)" } else { "" };
        let id = format!("{}-{}-v{}", text("group"), text("name"), text("version"));
        lines.push(format!("{}{id}{mark}", "  ".repeat(depth)));
        for key in ["dependencies", "devDependencies"] {
            lines.extend(node.get(key).map(|below| drawn(below, depth + 1)).unwrap_or_default());
        }
    }
    lines
}
