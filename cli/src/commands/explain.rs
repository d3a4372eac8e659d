//! `packhouse explain`: the pages of rules, error codes and exit codes, without a network.

use packhouse_core::api::{ErrorCode, LocalCode};
use packhouse_core::audit;
use packhouse_core::escape::excerpt;
use serde_json::json;

use crate::args::Explain;
use crate::exit::{Exit, Stop};
use crate::suggest::nearest;
use crate::ui::Ui;

/// (kind, id, Markdown) of every page.
const PAGES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));
const EXIT_CODES: &str = include_str!("../../../docs/exit-codes.md");

pub(crate) fn run(args: &Explain, ui: &Ui) -> anyhow::Result<Exit> {
    let Some(topic) = &args.topic else { return everything(ui) };
    if topic.parse::<u8>().is_ok() || topic == "exit-codes" {
        return show("exit code", topic, &exit_code(topic), ui);
    }
    let topic = topic.to_ascii_lowercase();
    if let Some((kind, id, text)) = PAGES.iter().find(|(_, id, _)| *id == topic) {
        return show(kind, id, text, ui);
    }
    // A rule or code whose page is not written yet still has its sentence.
    if let Some(rule) = audit::rule(&topic) {
        return show("rule", rule.id(), &format!("# {}\n\n{}.\n", rule.id(), rule.summary()), ui);
    }
    let known = audit::RULES.iter().map(|rule| rule.id());
    let known = known.chain(ErrorCode::ALL.iter().map(|code| code.as_str()));
    let known = known.chain(LocalCode::ALL.iter().map(|code| code.as_str()));
    let hint = match nearest(&topic, known) {
        Some(near) => format!("did you mean `packhouse explain {near}`?"),
        None => "`packhouse explain` lists everything there is".to_owned(),
    };
    let message = format!("there is neither a rule nor an error code `{}`", excerpt(&topic, 100));
    Err(Stop::new(Exit::NotFound, message, hint).into())
}

/// The row of the table, or all of it where there is no such code.
fn exit_code(code: &str) -> String {
    let row = EXIT_CODES.lines().find(|line| line.starts_with(&format!("| {code} |")));
    row.map_or_else(
        || EXIT_CODES.to_owned(),
        |row| {
            let mut cells = row.trim_matches(['|', ' ']).splitn(3, " | ").skip(1);
            let (name, when) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            format!("# Exit code {code}: {name}\n\n{}\n", when.trim_end_matches([' ', '|']))
        },
    )
}

fn show(kind: &str, id: &str, text: &str, ui: &Ui) -> anyhow::Result<Exit> {
    if ui.json {
        ui.print_json(&json!({"schema": 1, "kind": kind, "id": id, "markdown": text}))?;
    } else {
        ui.print(&format!("{}\n", text.trim_end()))?;
    }
    Ok(Exit::Ok)
}

fn everything(ui: &Ui) -> anyhow::Result<Exit> {
    if ui.json {
        let rules: Vec<_> = audit::RULES
            .iter()
            .map(|rule| json!({"id": rule.id(), "severity": rule.severity(), "summary": rule.summary()}))
            .collect();
        let errors = ErrorCode::ALL.iter().map(|code| code.as_str());
        let errors: Vec<_> =
            errors.chain(LocalCode::ALL.iter().map(|code| code.as_str())).collect();
        ui.print_json(&json!({"schema": 1, "rules": rules, "errors": errors}))?;
        return Ok(Exit::Ok);
    }
    let mut out = format!("{}\n", ui.bold("rules"));
    for rule in audit::RULES {
        out.push_str(&format!("  {:<24} {:<8} {}\n", rule.id(), rule.severity(), rule.summary()));
    }
    out.push_str(&format!("{}\n", ui.bold("errors of a registry")));
    for code in ErrorCode::ALL {
        out.push_str(&format!("  {code}\n"));
    }
    out.push_str(&format!("{}\n", ui.bold("errors of this program")));
    for code in LocalCode::ALL {
        out.push_str(&format!("  {code}\n"));
    }
    out.push_str(&format!("{}\n  exit-codes\n", ui.bold("and")));
    ui.print(&out)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_explained_by_its_page() {
        for rule in audit::RULES {
            let page = PAGES.iter().find(|(kind, id, _)| *kind == "rule" && *id == rule.id());
            assert!(page.is_some_and(|(_, _, text)| text.len() > 100), "{}", rule.id());
        }
    }

    #[test]
    fn an_exit_code_is_one_row() {
        assert_eq!(
            exit_code("5"),
            "# Exit code 5: conflict\n\nThe version is published with other content: raise the version. An import of a git repository ended, and the registry refused versions of it. Or no set of versions fits, or installed files were edited.\n"
        );
        assert!(exit_code("99").contains("| 70 |"));
    }
}
