//! `packhouse compose package-register`.

use packhouse_core::compose::{self, AuditResult, PackageOutline, RegisteredPackage};
use packhouse_core::escape::excerpt;
use packhouse_core::formats::{self, Found};
use packhouse_core::limits::Limits;
use packhouse_core::python::Status;
use serde_json::{Value, json};

use super::{Registry, folder, here, is_address};
use crate::args::{ComposeRegister, Global};
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

pub(super) fn run(args: &ComposeRegister, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let registry = Registry::of(global)?;
    let body = match (&args.from_file, &args.target) {
        (Some(file), _) => from_file(file, args.no_audit)?,
        (None, Some(target)) if is_address(target) => {
            if !args.no_audit {
                let result = registry.audit(target, args.reference.as_deref(), false)?;
                if !passed(&result, ui) {
                    return Ok(Exit::Findings);
                }
            }
            let mut body = json!({ "kind": "repo_url", "url": target, "audit": !args.no_audit });
            if let Some(reference) = &args.reference {
                body["ref"] = json!(reference);
            }
            body
        }
        (None, Some(target)) => {
            if args.reference.is_some() {
                let hint = "leave `--ref` out, or name the repository's address";
                return Err(
                    Stop::usage("a folder has no `--ref`: it is read as it is", hint).into()
                );
            }
            let tree = folder(target)?;
            if !args.no_audit && !passed(&here(target, &tree, false), ui) {
                return Ok(Exit::Findings);
            }
            let read = formats::by_id("pyproject").map(|format| format.read(&tree));
            let outline = match read {
                Some(Found::Package(manifest)) => compose::outline(&tree, &manifest.original),
                _ => None,
            };
            let outline = outline.ok_or_else(|| {
                Stop::usage(
                    format!("`{}` has no `[project]` table with a `name`", excerpt(target, 200)),
                    "give its `pyproject.toml` one",
                )
            })?;
            request(&outline, args.no_audit)
        }
        (None, None) => {
            let message = "Either --from-file or a target URL/path is required.";
            return Err(Stop::usage(message, "").into());
        }
    };
    let package: RegisteredPackage = registry.post("/compose/v1/packages", &body)?;
    ui.done("Registered", &format!("{} as {}", excerpt(&package.name, 200), package.database_id));
    ui.print_json(&package)?;
    Ok(Exit::Ok)
}

fn request(outline: &PackageOutline, no_audit: bool) -> Value {
    json!({ "kind": "outline", "outline": outline, "audit": !no_audit })
}

/// The outline in a file, checked before anything is sent.
fn from_file(file: &std::path::Path, no_audit: bool) -> anyhow::Result<Value> {
    use std::io::Read as _;
    let limit = Limits::default().request_bytes as u64;
    let (mut text, shown) = (String::new(), crate::ui::shown(file));
    fs_err::File::open(file)?.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let message = format!("`{shown}` has more than {limit} bytes");
        return Err(Stop::usage(message, "an outline names classes and their ports only").into());
    }
    let outline: PackageOutline = serde_json::from_str(&text).map_err(|error| {
        Stop::usage(
            format!("`{shown}` is no outline of a package: {}", excerpt(&error.to_string(), 300)),
            "write `{\"package_type\": \"pypi\", \"name\": …, \"compute\": [{\"module\", \"name\", \
             \"compute_type\", \"inputs\", \"outputs\"}]}`, ports as texts that hold JSON",
        )
    })?;
    Ok(request(&outline, no_audit))
}

/// Whether no check failed; tells those that did.
fn passed(result: &AuditResult, ui: &Ui) -> bool {
    let failed: Vec<_> = result.checks.iter().filter(|c| c.status == Status::Fail).collect();
    if failed.is_empty() {
        ui.note("Audit PASSED. Registering...");
        return true;
    }
    ui.error("Audit FAILED. Aborting registration.");
    for check in failed {
        let detail = match check.detail.as_str() {
            "" => String::new(),
            detail => format!(" — {}", excerpt(detail, 500)),
        };
        ui.text(&format!("  FAIL: {}{detail}\n", excerpt(&check.name, 100)));
    }
    ui.hint("Use --no-audit to register anyway, or fix the issues and retry.");
    false
}
