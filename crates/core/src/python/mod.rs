//! Python packages of process-bigraph: which classes of theirs are processes and steps.
//!
//! Source text is parsed and never run. [`outline`] reads what can be imported from a tree, follows
//! the bases of every class, and tells those that come from process-bigraph's `Process` or `Step`.

mod checks;
mod layout;
mod literal;
mod marker;
mod module;
mod nesting;
mod resolve;
mod table;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::manifest::Export;
use crate::tree::Tree;
pub use checks::{Audit, Check, Published, Status, Way, audit, declares, is_bigraph};
pub(crate) use marker::Markers;
use module::{File, Module};
use resolve::{Answer, Target, World};
pub use table::{Known, PROCESS_BIGRAPH, Table};

/// Source files of one package that are read.
const FILES: usize = 5_000;
/// Their sum, in bytes.
const BYTES: usize = 24 << 20;
/// Classes of one package that are listed.
const CLASSES: usize = 500;
/// Remarks on one package.
const REMARKS: usize = 100;

/// What a class is for process-bigraph.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It runs through time.
    Process,
    /// It runs when its inputs change.
    Step,
}

impl Kind {
    /// `process` or `step`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Step => "step",
        }
    }
}

/// A class that is a process or a step, and can be imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// What it is.
    pub kind: Kind,
    /// The module that it is imported from.
    pub module: String,
    /// Its name there; `Outer.Inner` for a nested one.
    pub name: String,
    /// The file.
    pub path: String,
    /// The line of its name.
    pub line: u32,
    /// How far it is from process-bigraph's own class.
    pub relation: Relation,
    /// The classes from its base to process-bigraph's own, by module and name.
    pub chain: Vec<String>,
    /// Its input ports, where they are literals.
    pub inputs: Option<Value>,
    /// Its output ports, where they are literals.
    pub outputs: Option<Value>,
    /// Its configuration, where it is a literal.
    pub config: Option<Value>,
    /// The first line of its docstring.
    pub summary: Option<String>,
}

impl Class {
    /// As a manifest lists it.
    pub fn export(&self) -> Export {
        let mut details = serde_json::Map::new();
        for (key, value) in [
            ("module", json!(self.module)),
            ("line", json!(self.line)),
            ("relation", json!(self.relation)),
            ("chain", json!(self.chain)),
            ("inputs", json!(self.inputs)),
            ("outputs", json!(self.outputs)),
            ("config", json!(self.config)),
        ] {
            details.insert(key.to_owned(), value);
        }
        Export {
            kind: self.kind.as_str().to_owned(),
            name: self.name.clone(),
            path: Some(self.path.clone()),
            summary: self.summary.clone(),
            details,
        }
    }
}

/// How far a class is from process-bigraph's `Process` or `Step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// One of its bases is that class, by whatever name.
    Direct,
    /// It comes from it through other classes.
    Indirect,
}

/// Something about a source file that people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What was found.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// What a package offers to process-bigraph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// In the order of path and line.
    pub classes: Vec<Class>,
    /// Processes and steps that nobody can import, as they live in a function: path, line and name.
    pub local: Vec<(String, u32, String)>,
    /// What could not be read or followed.
    pub remarks: Vec<Remark>,
}

/// The processes and steps of the package in `tree`, whose `pyproject.toml` is `manifest`.
///
/// At most 5,000 files with 24 MiB in all are read, at most 500 classes listed; what was left out is
/// a remark. The same tree has the same outline everywhere.
pub fn outline(tree: &Tree, manifest: &Value) -> Outline {
    let mut outline = Outline::default();
    let modules = modules(tree, manifest, &mut outline.remarks);
    let mut world = World::new(&modules, &PROCESS_BIGRAPH, &[]);
    list(&mut world, &mut outline);
    outline.remarks.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
    outline.remarks.truncate(REMARKS);
    outline
}

/// Reads the importable files, in parallel.
fn modules(tree: &Tree, manifest: &Value, remarks: &mut Vec<Remark>) -> Vec<Module> {
    let mut files = layout::files(tree, manifest);
    let (whole, mut bytes, mut kept) = (files.len(), 0, 0);
    for file in files.iter().take(FILES) {
        bytes += tree.get(file.path.as_str()).map_or(0, |file| file.bytes.len());
        if bytes > BYTES {
            break;
        }
        kept += 1;
    }
    files.truncate(kept);
    if kept < whole {
        remarks.push(Remark {
            path: "pyproject.toml".to_owned(),
            line: 1,
            column: 1,
            message: format!("the package has {whole} modules, of which {kept} were read"),
            help: format!(
                "at most {FILES} files with {BYTES} bytes are read for processes and steps"
            ),
        });
    }
    let read = |file: File| {
        let path = file.path.to_string();
        let bytes = tree.get(&path).map(|file| &*file.bytes).unwrap_or_default();
        Module::read(file, bytes).map_err(|unread| Remark {
            path,
            line: unread.line,
            column: unread.column,
            message: unread.message,
            help: "its classes are not listed; mend the file, or leave it out".to_owned(),
        })
    };
    let all: Vec<Result<Module, Remark>> = files.into_par_iter().map(read).collect();
    let mut modules = Vec::with_capacity(all.len());
    for one in all {
        match one {
            Ok(module) => modules.push(module),
            Err(remark) => remarks.push(remark),
        }
    }
    modules
}

/// Decides about every class.
fn list(world: &mut World, outline: &mut Outline) {
    let mut whole = 0_usize;
    for (m, module) in world.modules.iter().enumerate() {
        for (c, class) in module.classes.iter().enumerate() {
            let path = || module.file.path.to_string();
            let (kind, chain) = match world.answer(m, c) {
                Answer::Is(kind, chain) => (kind, chain),
                Answer::Unknown { base, why } if !class.local && !class.unreached => {
                    outline.remarks.push(Remark {
                        path: path(),
                        line: class.line,
                        column: 1,
                        message: format!("base `{base}` of class `{}`: {why}", class.name),
                        help:
                            "so it is not known whether it is a process or a step; it is not listed"
                                .to_owned(),
                    });
                    continue;
                }
                _ => continue,
            };
            if class.local {
                if outline.local.len() < CLASSES {
                    outline.local.push((path(), class.line, class.name.clone()));
                }
                continue;
            }
            if class.unreached || !is_bound(module, c) {
                continue;
            }
            whole += 1;
            if outline.classes.len() >= CLASSES {
                continue;
            }
            let direct = chain.len() <= 1;
            outline.classes.push(Class {
                kind,
                module: module.file.module.clone(),
                name: class.name.clone(),
                path: path(),
                line: class.line,
                relation: if direct { Relation::Direct } else { Relation::Indirect },
                chain,
                inputs: world.port((m, c), |c| &c.inputs, |k| &k.inputs, 0),
                outputs: world.port((m, c), |c| &c.outputs, |k| &k.outputs, 0),
                config: world.port((m, c), |c| &c.config, |k| &k.config, 0),
                summary: class.summary.clone(),
            });
        }
    }
    if whole > outline.classes.len() {
        outline.remarks.push(Remark {
            path: "pyproject.toml".to_owned(),
            line: 1,
            column: 1,
            message: format!("the package has {whole} processes and steps"),
            help: format!("the first {CLASSES} are listed"),
        });
    }
}

/// Whether the class can still be had by its name once the module is imported: no later binding took
/// it. Of several under conditions, the first one stands for all.
fn is_bound(module: &Module, c: usize) -> bool {
    let class = &module.classes[c];
    let name = class.name.rsplit('.').next().unwrap_or(&class.name);
    let bindings = module.scopes[class.scope].names.get(name);
    let first = bindings.into_iter().flatten().find_map(|binding| match binding {
        module::Binding::Class(nth) => Some(*nth),
        _ => None,
    });
    first == Some(c)
}

/// The table of a release of process-bigraph, from its own source.
///
/// # Errors
///
/// What is missing in a tree that is not process-bigraph's.
pub fn table_of(tree: &Tree, manifest: &Value, version: &str) -> Result<Table, String> {
    const ROOTS: [(&str, Kind); 2] = [
        ("process_bigraph.composite.Process", Kind::Process),
        ("process_bigraph.composite.Step", Kind::Step),
    ];
    const MAKERS: [(&str, Kind); 4] = [
        ("process_bigraph.composite.process", Kind::Process),
        ("process_bigraph.composite.as_process", Kind::Process),
        ("process_bigraph.composite.step", Kind::Step),
        ("process_bigraph.composite.as_step", Kind::Step),
    ];
    let (mut outline, empty) = (Outline::default(), Table::default());
    let modules = modules(tree, manifest, &mut outline.remarks);
    let mut world = World::new(&modules, &empty, &ROOTS);
    list(&mut world, &mut outline);
    let mut table = Table { version: version.to_owned(), ..Table::default() };
    table.classes = outline
        .classes
        .into_iter()
        .map(|c| Known {
            module: c.module,
            name: c.name,
            kind: c.kind,
            chain: c.chain,
            inputs: c.inputs,
            outputs: c.outputs,
            config: c.config,
        })
        .collect();
    table.classes.sort_by_key(Known::full);
    for (root, _) in ROOTS {
        if !table.classes.iter().any(|class| class.full() == root) {
            return Err(format!("the source has no `{root}`"));
        }
    }
    for (m, module) in modules.iter().enumerate() {
        table.modules.insert(module.file.module.clone());
        let mut names: Vec<&String> = module.scopes[0].names.keys().collect();
        names.extend(table.classes.iter().map(|class| &class.name));
        for name in names {
            let key = format!("{}.{name}", module.file.module);
            match world.exported(m, name) {
                Some(Target::Class(m, c)) => {
                    let full = modules[m].full(c);
                    if table.classes.iter().any(|class| class.full() == full) {
                        table.names.insert(key, full);
                    }
                }
                Some(Target::Computed(full)) => {
                    if let Some((_, kind)) = MAKERS.iter().find(|(maker, _)| *maker == full) {
                        table.makers.insert(key, *kind);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
