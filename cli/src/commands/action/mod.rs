//! `packhouse action`: what the GitHub Actions `publish` and `audit` run. They only fetch this program
//! and hand their inputs over in the environment, so that everything else can be tried and tested here.

mod audit;
mod inputs;
mod publish;
mod registry;

use packhouse_core::audit::{Finding, Severity};
use serde_json::{Value, json};

use crate::args::{Action, ActionCommand, Global};
use crate::exit::Exit;
use crate::ui::{Ui, var};

use inputs::Inputs;

pub(crate) fn run(action: &Action, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let inputs = Inputs::read(var);
    match action.command {
        ActionCommand::Publish => publish::run(inputs, global, ui),
        ActionCommand::Audit => audit::run(inputs, global, ui),
    }
}

/// The most findings of one output: GitHub takes one MiB of it.
const LISTED: usize = 500;

/// Findings by severity, worst first, as many as an output holds.
pub(super) fn by_severity<'a>(findings: impl Iterator<Item = &'a Finding>) -> Value {
    let mut all: Vec<&Finding> = findings.collect();
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all.truncate(LISTED);
    let of = |severity| -> Vec<&Finding> {
        all.iter().copied().filter(|finding| finding.severity == severity).collect()
    };
    json!({
        "error": of(Severity::Error), "warning": of(Severity::Warning), "note": of(Severity::Note),
    })
}
