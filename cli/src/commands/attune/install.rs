//! `attune install`, `uninstall` and `test`.

use std::path::Path;

use packhouse_client::ClientError;
use packhouse_client::attune::install::{self, Install, InstallError};
use packhouse_client::attune::runner::{self, Failed, TestResult};
use packhouse_client::attune::source::Source;
use packhouse_client::attune::{Event, folder};
use packhouse_core::attune::entry;
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use serde_json::{Value, json};

use super::{flawed, indices, output, public_key};
use crate::args::{AttuneInstall, AttuneTest, AttuneUninstall, Shape};
use crate::commands::git::Uncached;
use crate::exit::{self, Exit, Stop};
use crate::ui::Ui;

pub(super) fn install(args: &AttuneInstall, ui: &Ui) -> anyhow::Result<Exit> {
    let shape = args.packs.shown.shape(ui);
    let source = Source::parse(&args.source, args.reference.as_deref())?;
    if args.no_registry && matches!(source, Source::Index { .. }) {
        return Err(Stop::usage(
            format!("`{}` is no address and no path that is there", excerpt(&args.source, 200)),
            "leave out `--no-registry` to look for it in the indices",
        )
        .into());
    }
    let sources = indices(&args.indexed)?;
    let asked = Install {
        asked: &args.source,
        source,
        packs_dir: &args.packs.packs_dir,
        indices: &sources,
        git: &Uncached,
        key: args.key.as_deref().map(public_key).transpose()?,
        force: args.force,
        skip_deps: args.skip_deps,
        skip_tests: args.skip_tests,
        now: &now(),
    };
    let record = match install::install(&asked, &|event: Event| output::tell(ui, shape, &event)) {
        Ok(record) => record,
        Err(error) => return failed(error, shape, ui),
    };
    let value = serde_json::to_value(&record)?;
    match shape {
        Shape::Json => ui.print(&format!("{}\n", json!({"event": "Installed", "pack": value})))?,
        shape => output::print(ui, shape, &value, || {
            format!("{} {}\n", record.reference, excerpt(&record.version, 60))
        })?,
    }
    Ok(Exit::Ok)
}

/// The time as records and indices hold it: UTC, to the second.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Ends with what is in the way; programs get it as the last of their lines.
fn failed(error: InstallError, shape: Shape, ui: &Ui) -> anyhow::Result<Exit> {
    let (exit, hint, facts) = facts(&error);
    if shape != Shape::Json {
        ui.text("✗ nothing was installed\n");
        return Err(match error {
            InstallError::Client(error) => error.into(),
            other => Stop::new(exit, other.to_string(), hint).into(),
        });
    }
    let mut line = json!({
        "event": "Failed",
        "error": {"exit": exit.code(), "message": error.to_string(), "help": hint},
    });
    if let (Value::Object(line), Some((key, value))) = (&mut line, facts) {
        line.insert(key.to_owned(), value);
    }
    ui.error(&error.to_string());
    ui.print(&format!("{line}\n"))?;
    Ok(exit)
}

type Facts = Option<(&'static str, Value)>;

/// How it ends, what would be right, and what is known beyond the message.
fn facts(error: &InstallError) -> (Exit, String, Facts) {
    let json = |value: serde_json::Result<Value>| value.unwrap_or_default();
    match error {
        InstallError::Client(error) => {
            (exit::of(error), error.help().unwrap_or_default().to_owned(), None)
        }
        InstallError::Exists(_) => (Exit::Usage, "replace it with `--force`".to_owned(), None),
        InstallError::Invalid(flaws) => (
            Exit::Usage,
            "mend these places, or tell whoever keeps the pack".to_owned(),
            Some(("flaws", json(serde_json::to_value(flaws)))),
        ),
        InstallError::Unmet(report) => (
            Exit::Findings,
            "install what is missing first, or give `--skip-deps`".to_owned(),
            Some(("validation", json(serde_json::to_value(report)))),
        ),
        InstallError::Tests(result) => (
            Exit::Findings,
            "tell whoever keeps the pack, or give `--skip-tests`".to_owned(),
            Some(("tests", json(serde_json::to_value(result)))),
        ),
    }
}

pub(super) fn uninstall(args: &AttuneUninstall, ui: &Ui) -> anyhow::Result<Exit> {
    let packs_dir = &args.packs.packs_dir;
    if !install::uninstall(packs_dir, &args.pack, args.force)? {
        return Err(super::look::none(&args.pack, packs_dir).into());
    }
    let value = json!({"schema": 1, "success": true, "ref": args.pack});
    output::print(ui, args.packs.shown.shape(ui), &value, String::new)?;
    ui.done("Uninstalled", &args.pack);
    Ok(Exit::Ok)
}

pub(super) fn test(args: &AttuneTest, ui: &Ui) -> anyhow::Result<Exit> {
    let given = Path::new(&args.path);
    let installed = args.packs.packs_dir.join(&args.path);
    let folder = match given.is_dir() {
        false if packhouse_core::attune::is_pack_ref(&args.path) && installed.is_dir() => {
            installed.as_path()
        }
        _ => given,
    };
    if !folder.is_dir() {
        return Err(ClientError::Missing {
            message: format!("`{}` is no folder and no installed pack", excerpt(&args.path, 200)),
            help: "name the pack's folder".to_owned(),
        }
        .into());
    }
    let tree = folder::read(folder, &Limits::default())?;
    let pack = entry::pack(&tree).map_err(|flaws| flawed("the pack cannot be used", &flaws))?;
    let scratch = tempfile::tempdir()?;
    let result = runner::test(&tree, &pack.manifest, scratch.path()).map_err(|e| match e {
        Failed::Flaw(flaw) => flawed("the tests cannot be run", &[flaw]),
        Failed::Client(error) => error.into(),
    })?;
    let value =
        json!({"schema": 1, "ref": pack.reference, "version": pack.version, "result": result});
    output::print(ui, args.packs.shown.shape(ui), &value, || told(&result, args.detailed))?;
    Ok(if result.status == "failed" { Exit::Findings } else { Exit::Ok })
}

fn told(result: &TestResult, detailed: bool) -> String {
    let mut text = String::new();
    for runner in &result.runners {
        let sign = if runner.passed { "✓" } else { "✗" };
        text.push_str(&format!("{sign} {} ({} ms)\n", runner.name, runner.duration_ms));
        if detailed || !runner.passed {
            text.extend(runner.output.iter().map(|line| format!("    {line}\n")));
        }
    }
    match result.status.as_str() {
        "none" => text.push_str("the pack describes no tests\n"),
        status => {
            let passed = result.runners.iter().filter(|runner| runner.passed).count();
            text.push_str(&format!("{status}: {passed} of {}\n", result.runners.len()));
        }
    }
    text
}
