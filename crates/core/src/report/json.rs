//! Findings as JSON, schema 1: fields are added within a schema, never renamed or removed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Audited, Counts};
use crate::audit::Finding;
use crate::escape::printable;
use crate::manifest::Export;

/// The whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// 1.
    pub schema: u32,
    /// What was audited.
    pub packages: Vec<Package>,
    /// The sum over all packages.
    pub counts: Counts,
}

/// A package of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Package {
    /// Identifier or native name; the manifest's path where it has neither.
    pub package: String,
    /// Its version, where it is known.
    pub version: Option<String>,
    /// Its folder in the repository; empty at the root. Paths of findings are relative to it.
    pub folder: String,
    /// How many findings.
    pub counts: Counts,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// What it offers: of each its `kind`, `name`, `path` and `summary`, and what its format tells beyond
    /// that beside them (a process: `module`, `line`, `relation`, `chain`, `inputs`, `outputs`, `config`).
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub exports: Vec<Map<String, Value>>,
}

/// An export as one flat object.
fn offered(export: &Export) -> Map<String, Value> {
    let mut flat = Map::new();
    flat.insert("kind".to_owned(), json!(export.kind));
    if let Some(module) = export.details.get("module") {
        flat.insert("module".to_owned(), module.clone());
    }
    flat.insert("name".to_owned(), json!(export.name));
    flat.insert("path".to_owned(), json!(export.path));
    for (key, value) in &export.details {
        flat.entry(key.clone()).or_insert_with(|| value.clone());
    }
    flat.entry("summary").or_insert_with(|| json!(export.summary));
    flat
}

/// The report on `packages`.
pub fn report(packages: &[Audited]) -> Report {
    let package = |audited: &Audited| Package {
        package: printable(&audited.package),
        version: audited.version.as_deref().map(printable),
        folder: printable(&audited.folder),
        counts: Counts::of(audited.findings),
        findings: audited.findings.to_vec(),
        exports: audited.exports.iter().map(offered).collect(),
    };
    let counts = Counts::all(packages);
    Report { schema: 1, packages: packages.iter().map(package).collect(), counts }
}

/// The report on `packages` as indented JSON with a final line break.
pub fn render(packages: &[Audited]) -> String {
    // Texts and numbers under text keys: serialising them cannot fail.
    serde_json::to_string_pretty(&report(packages)).unwrap_or_default() + "\n"
}
