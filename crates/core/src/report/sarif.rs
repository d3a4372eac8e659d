//! Findings as SARIF 2.1.0 (OASIS standard), for code scanning and editors.

use serde_json::{Value, json};

use super::{Audited, rule_page};
use crate::audit::{Finding, RULES, Severity};

/// Renders `packages` as one SARIF log with one run, indented, with a final line break. Addresses of
/// files are relative to the repository's root.
pub fn render(packages: &[Audited]) -> String {
    let results: Vec<_> = packages
        .iter()
        .flat_map(|package| package.findings.iter().map(move |finding| result(package, finding)))
        .collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "packhouse",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": "https://github.com/packhouse/packhouse",
                "rules": rules(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the repository"}}},
            "results": results,
        }],
    });
    // Values under text keys: serialising them cannot fail.
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

/// The metadata of every rule, in the order of [`RULES`].
fn rules() -> Vec<Value> {
    let rule = |rule: &&dyn crate::audit::Rule| {
        json!({
            "id": rule.id(),
            "name": rule.id(),
            "shortDescription": {"text": rule.summary()},
            "helpUri": rule_page(rule.id()),
            "help": {"text": format!("{}: {}", rule.summary(), rule_page(rule.id()))},
            "defaultConfiguration": {"level": level(rule.severity())},
        })
    };
    RULES.iter().map(rule).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn result(package: &Audited, finding: &Finding) -> Value {
    let mut text = finding.message.clone();
    if let Some(help) = &finding.help {
        text.push_str(&format!(". Help: {help}"));
    }
    // Code scanning needs a place for every result: what concerns the whole package is shown at
    // its folder's first file that a reader would open.
    let path = package.path(finding).unwrap_or_else(|| readable_place(package));
    let mut region = json!({"startLine": finding.line.unwrap_or(1)});
    if let Some(column) = finding.column {
        region["startColumn"] = json!(column);
    }
    let print = fingerprint(package, finding);
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&path), "uriBaseId": "SRCROOT"},
            "region": region,
        }}],
        // The second is the one name that GitHub's code scanning looks for.
        "partialFingerprints": {"packhouse/v1": print, "primaryLocationLineHash": format!("{print}:1")},
    });
    if let Some(index) = RULES.iter().position(|rule| rule.id() == finding.rule) {
        result["ruleIndex"] = json!(index);
    }
    result
}

/// Two packages of one repository can have findings with one fingerprint: the folder tells them apart.
fn fingerprint(package: &Audited, finding: &Finding) -> String {
    if package.folder.is_empty() {
        return finding.fingerprint.clone();
    }
    crate::digest::Digest::of(format!("{}\0{}", package.folder, finding.fingerprint).as_bytes())
        .hex()[..16]
        .to_owned()
}

fn readable_place(package: &Audited) -> String {
    let first = package.findings.iter().find_map(|finding| package.path(finding));
    first.unwrap_or_else(|| {
        format!("{}/README.md", package.folder).trim_start_matches('/').to_owned()
    })
}

/// `path` as a relative reference of RFC 3986: everything but unreserved characters and `/` encoded.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte as char)
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
