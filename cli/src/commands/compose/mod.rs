//! `packhouse compose`: the registry of processes and steps.

mod register;

use std::path::Path;

use packhouse_client::Client;
use packhouse_client::walk::{Choice, walk};
use packhouse_core::compose::AuditResult;
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::limits::Limits;
use packhouse_core::python::{self, Way};
use packhouse_core::tree::Tree;
use serde::Serialize;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::args::{Compose, ComposeAudit, ComposeList, ComposeVerb, Global};
use crate::context;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Compose, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    match &args.verb {
        ComposeVerb::Packages(_) => list(global, ui, "/compose/v1/packages", "packages"),
        ComposeVerb::PackageGet(get) => {
            let client = context::reader(global)?;
            let package: Value = client.get(&format!("/compose/v1/packages/{}", get.id))?;
            ui.print_json(&package)?;
            Ok(Exit::Ok)
        }
        ComposeVerb::PackageAudit(audit) => self::audit(audit, global, ui),
        ComposeVerb::PackageRegister(register) => register::run(register, global, ui),
        ComposeVerb::Processes(of) => classes(of, global, ui, "processes"),
        ComposeVerb::Steps(of) => classes(of, global, ui, "steps"),
    }
}

/// A list; it is JSON, for people too, as clients of this registry know it.
fn list(global: &Global, ui: &Ui, path: &str, what: &str) -> anyhow::Result<Exit> {
    let found: Vec<Value> = context::reader(global)?.get(path)?;
    if found.is_empty() && !ui.json {
        ui.note(&format!("No {what} registered."));
        return Ok(Exit::Ok);
    }
    ui.print_json(&found)?;
    Ok(Exit::Ok)
}

fn classes(of: &ComposeList, global: &Global, ui: &Ui, what: &str) -> anyhow::Result<Exit> {
    list(global, ui, &format!("/compose/v1/{what}?source={}", of.source.as_str()), what)
}

fn audit(args: &ComposeAudit, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let result = if is_address(&args.target) {
        let registry = Registry::of(global)?;
        registry.audit(&args.target, args.reference.as_deref(), args.install)?
    } else {
        here(&args.target, &folder(&args.target)?, args.install)
    };
    if ui.json {
        ui.print_json(&result)?;
    } else {
        ui.print(&report(&result))?;
    }
    Ok(if result.failed().is_empty() { Exit::Ok } else { Exit::Findings })
}

/// The checks of an audit for people.
fn report(result: &AuditResult) -> String {
    let mut text = format!("Audit: {}\n", printable(&result.target));
    for check in &result.checks {
        text += &format!("  {:<5} {}\n", check.status.as_str(), excerpt(&check.name, 100));
        if !check.detail.is_empty() {
            text += &format!("         {}\n", excerpt(&check.detail, 1_000));
        }
    }
    if !result.fixes.is_empty() {
        text += "\nRecommended fixes:\n";
        for fix in &result.fixes {
            text += &format!("  - {}\n", excerpt(fix, 1_000));
        }
    }
    text
}

/// The registry, and the token that writes and audits are shown.
struct Registry {
    client: Client,
    token: Option<packhouse_core::secret::Secret>,
}

impl Registry {
    fn of(global: &Global) -> anyhow::Result<Self> {
        Ok(Self { client: context::reader(global)?, token: context::given_token(global)? })
    }

    fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        // Once: a registration whose answer got lost would be told as taken the second time.
        Ok(self.client.send_once(Method::POST, path, self.token.as_ref(), Some(body))?)
    }

    fn audit(
        &self,
        target: &str,
        reference: Option<&str>,
        install: bool,
    ) -> anyhow::Result<AuditResult> {
        let body = json!({ "target": target, "ref": reference, "run_install": install });
        self.post("/compose/v1/packages/audit", &body)
    }
}

/// Whether a target is an address; a path is read on this machine.
fn is_address(target: &str) -> bool {
    target.contains("://") || target.starts_with("git@")
}

/// The files of a folder on this machine.
fn folder(target: &str) -> anyhow::Result<Tree> {
    Ok(walk(Path::new(target), &Choice::default(), &Limits::default())?.tree)
}

/// The audit of a folder on this machine.
fn here(target: &str, tree: &Tree, install: bool) -> AuditResult {
    AuditResult::new(target, python::audit(tree, &Way { install, ..Way::default() }))
}
