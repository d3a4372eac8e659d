//! The registry of processes and steps, as its clients know it: what goes over `/compose/v1`.
//!
//! Names of fields and their order are those of its published API. Ports travel as texts that hold JSON.

pub mod as_code;
mod request;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use request::{AuditRequest, Invalid, Issue, RegistrationRequest, Wanted};

use crate::manifest::Export;
use crate::python::{Class, Kind, PROCESS_BIGRAPH};

/// Classes of one package at the most.
pub const CLASSES: usize = 1_000;

/// A process or a step, as a package's outline has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeOutline {
    /// The module that it is imported from.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// What it is.
    pub compute_type: Kind,
    /// Its input ports: a text that holds JSON.
    pub inputs: String,
    /// Its output ports: a text that holds JSON.
    pub outputs: String,
}

/// What a package offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageOutline {
    /// `pypi` or `conda`.
    pub package_type: String,
    /// Its name.
    pub name: String,
    /// Its processes and steps.
    pub compute: Vec<ComputeOutline>,
}

/// A process or a step, as the registry answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compute {
    /// The module that it is imported from.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// What it is.
    pub compute_type: Kind,
    /// Its input ports: a text that holds JSON.
    pub inputs: String,
    /// Its output ports: a text that holds JSON.
    pub outputs: String,
    /// Its number; 0 for one of process-bigraph itself.
    pub database_id: u64,
}

/// A package, as the registry answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredPackage {
    /// Its number.
    pub database_id: u64,
    /// `pypi` or `conda`.
    pub package_type: String,
    /// Its name.
    pub name: String,
    /// Its processes.
    pub processes: Vec<Compute>,
    /// Its steps.
    pub steps: Vec<Compute>,
    /// What was checked when it was registered; the first program does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audited>,
}

/// What was checked of a package when it was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// Whether a failed check would have kept it out: not so with `"audit": false`.
    pub asked: bool,
    /// The checks that failed; `None` where there was nothing to check, as of an outline.
    pub failed: Option<Vec<String>>,
}

/// A package in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageListing {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `pypi` or `conda`.
    pub package_type: String,
    /// How many processes it has.
    pub num_processes: usize,
    /// How many steps it has.
    pub num_steps: usize,
    /// When it was registered first.
    pub created_at: Option<String>,
}

/// What an audit answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditResult {
    /// What was audited.
    pub target: String,
    /// The checks in their order.
    pub checks: Vec<crate::python::Check>,
    /// What to do about those that did not pass.
    pub fixes: Vec<String>,
    /// All of it for people.
    pub summary: String,
}

impl AuditResult {
    /// The answer about `target`.
    pub fn new(target: &str, audit: crate::python::Audit) -> Self {
        let summary = audit.summary(target);
        Self { target: target.to_owned(), checks: audit.checks, fixes: audit.fixes, summary }
    }

    /// The names of the checks that failed.
    pub fn failed(&self) -> Vec<&str> {
        let failed = self.checks.iter().filter(|c| c.status == crate::python::Status::Fail);
        failed.map(|check| check.name.as_str()).collect()
    }
}

fn port(value: Option<&Value>) -> String {
    value.filter(|value| value.is_object()).unwrap_or(&json!({})).to_string()
}

impl ComputeOutline {
    /// A class that was found in a package's source.
    pub fn of(class: &Class) -> Self {
        Self {
            module: class.module.clone(),
            name: class.name.clone(),
            compute_type: class.kind,
            inputs: port(class.inputs.as_ref()),
            outputs: port(class.outputs.as_ref()),
        }
    }

    /// An export of a release; `None` for one that is neither a process nor a step.
    pub fn of_export(export: &Export) -> Option<Self> {
        let compute_type = match export.kind.as_str() {
            "process" => Kind::Process,
            "step" => Kind::Step,
            _ => return None,
        };
        let module = export.details.get("module").and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            module: module.to_owned(),
            name: export.name.clone(),
            compute_type,
            inputs: port(export.details.get("inputs")),
            outputs: port(export.details.get("outputs")),
        })
    }

    /// It as the registry answers it.
    pub fn numbered(self, database_id: u64) -> Compute {
        let Self { module, name, compute_type, inputs, outputs } = self;
        Compute { module, name, compute_type, inputs, outputs, database_id }
    }
}

/// The outline of the package in `tree`, whose `pyproject.toml` is `manifest`; its name is that of the
/// project.
pub fn outline(tree: &crate::tree::Tree, manifest: &Value) -> Option<PackageOutline> {
    let name = manifest.pointer("/project/name")?.as_str()?.to_owned();
    let found = crate::python::outline(tree, manifest);
    let compute = found.classes.iter().map(ComputeOutline::of).collect();
    Some(PackageOutline { package_type: "pypi".to_owned(), name, compute })
}

/// The processes or steps of the release of process-bigraph that the registry knows.
pub fn core(kind: Kind) -> Vec<Compute> {
    let classes = PROCESS_BIGRAPH.classes.iter().filter(|class| class.kind == kind);
    classes
        .map(|class| Compute {
            module: class.module.clone(),
            name: class.name.clone(),
            compute_type: class.kind,
            inputs: port(class.inputs.as_ref()),
            outputs: port(class.outputs.as_ref()),
            database_id: 0,
        })
        .collect()
}
