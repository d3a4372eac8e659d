//! `packhouse doctor`: looks at a live registry from outside and says what is not as it should be.
//!
//! It writes nothing, and what it asks needs no token, except where it is told to look at tokens.

mod package;
mod service;
mod tokens;

use packhouse_client::probe::Seen;
use packhouse_client::{Client, ClientError};
use packhouse_core::escape::excerpt;
use packhouse_core::secret::Secret;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Doctor, Global};
use crate::context;
use crate::exit::Exit;
use crate::ui::Ui;

/// Every check, in its order; `docs/doctor.md` has a line for each.
const CHECKS: [&str; 21] = [
    "reachable",
    "https",
    "clock",
    "health",
    "openapi",
    "public-url",
    "host-header",
    "redirects",
    "errors",
    "writes",
    "false-token",
    "admin",
    "staging",
    "private",
    "packages",
    "index",
    "index-caching",
    "blob",
    "blob-caching",
    "user-bytes",
    "function-url",
];
/// Those that need an API token.
const WITH_TOKEN: [&str; 1] = ["tokens"];

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
    Skipped,
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    fix: &'static str,
}

/// One visit.
struct Visit<'a> {
    client: Client,
    token: Option<Secret>,
    args: &'a Doctor,
    findings: Vec<Finding>,
    /// Whether strangers may read.
    private: bool,
}

impl Visit<'_> {
    fn note(
        &mut self,
        check: &'static str,
        verdict: Verdict,
        found: impl AsRef<str>,
        fix: &'static str,
    ) {
        let found = excerpt(found.as_ref(), 300);
        let fix = if matches!(verdict, Verdict::Warning | Verdict::Failed) { fix } else { "" };
        self.findings.push(Finding { check, verdict, found, fix });
    }

    fn ok(&mut self, check: &'static str, found: impl AsRef<str>) {
        self.note(check, Verdict::Ok, found, "");
    }

    /// `good` or failed.
    fn judge(
        &mut self,
        check: &'static str,
        good: bool,
        found: impl AsRef<str>,
        fix: &'static str,
    ) {
        self.note(check, if good { Verdict::Ok } else { Verdict::Failed }, found, fix);
    }

    /// What a stranger gets at `path`.
    fn stranger(&self, path: &str) -> Result<Seen, ClientError> {
        self.client.probe("GET", path, &[], None, None)
    }

    /// What whoever may read gets at `path`.
    fn reader(&self, path: &str) -> Result<Seen, ClientError> {
        self.client.probe("GET", path, &[], self.token.as_ref(), None)
    }
}

/// A status and, where there is one, the error's code.
fn said(seen: &Seen) -> String {
    let code = seen.json().and_then(|json| Some(json.pointer("/error/code")?.as_str()?.to_owned()));
    code.map_or(format!("status {}", seen.status), |code| {
        format!("status {} `{code}`", seen.status)
    })
}

/// Whether an answer is an error in the shape of `/v1`, with this status and code.
fn is_error(seen: &Seen, status: u16, code: &str) -> bool {
    let Some(json) = seen.json() else { return false };
    let text = |at: &str| json.pointer(at).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
    let shaped = text("/detail") && text("/error/message") && text("/error/request_id");
    seen.status == status && shaped && json.pointer("/error/code") == Some(&json!(code))
}

pub(crate) fn run(args: &Doctor, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let manifest = if global.registry.is_some() { None } else { context::nearest_manifest() };
    let registry = context::registry(global, manifest.as_ref())?;
    let token = if registry.trusted { context::given_token(global)? } else { None };
    let client = context::client(global, &registry)?;
    let mut visit = Visit { client, token, args, findings: Vec::new(), private: false };
    if service::reachable(&mut visit) {
        service::look(&mut visit);
        package::look(&mut visit);
        service::functions(&mut visit, global)?;
        tokens::look(&mut visit);
    }
    let Visit { findings, token, .. } = visit;
    let with_token = if token.is_some() { &WITH_TOKEN[..] } else { &[] };
    let left: Vec<Finding> = CHECKS
        .iter()
        .chain(with_token)
        .filter(|check| findings.iter().all(|finding| finding.check != **check))
        .map(|check| Finding {
            check,
            verdict: Verdict::Skipped,
            found: "could not be looked at".to_owned(),
            fix: "",
        })
        .collect();
    let mut findings = findings;
    findings.extend(left);
    tell(&findings, ui)
}

fn tell(findings: &[Finding], ui: &Ui) -> anyhow::Result<Exit> {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (failed, warnings) = (count(Verdict::Failed), count(Verdict::Warning));
    if ui.json {
        ui.print_json(&json!({
            "schema": 1, "checks": findings, "failed": failed, "warnings": warnings,
        }))?;
    } else {
        let line = |finding: &Finding| {
            let verdict = match finding.verdict {
                Verdict::Ok => ui.dim("ok     "),
                Verdict::Warning => ui.bold("warning"),
                Verdict::Failed => ui.bold("FAILED "),
                Verdict::Skipped => ui.dim("skipped"),
            };
            let fix = match finding.fix {
                "" => String::new(),
                fix => format!("{:24}fix: {fix}\n", ""),
            };
            format!("{verdict} {:<15} {}\n{fix}", finding.check, finding.found)
        };
        ui.print(&findings.iter().map(line).collect::<String>())?;
    }
    ui.done(
        "Looked",
        &format!("at {} things: {failed} failed, {warnings} warnings", findings.len()),
    );
    Ok(if failed > 0 { Exit::Findings } else { Exit::Ok })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_line_for_each_check() {
        let page = include_str!("../../../../docs/doctor.md");
        let lines = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let told: Vec<&str> = lines.filter_map(|line| line.split('`').next()).collect();
        let all: Vec<&str> = CHECKS.iter().chain(&WITH_TOKEN).copied().collect();
        assert_eq!(told, all);
    }
}
