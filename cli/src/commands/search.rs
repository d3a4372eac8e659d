//! `packhouse search`.

use packhouse_core::escape::excerpt;
use serde_json::json;

use crate::args::{Global, Search};
use crate::context;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Search, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let client = context::reader(global)?;
    let query = args.words.join(" ");
    let mut found = client.search(&query)?;
    let more = found.packages.len().saturating_sub(args.limit);
    found.packages.truncate(args.limit);
    if ui.json {
        let more = more > 0 || found.truncated;
        ui.print_json(&json!({"schema": 1, "packages": found.packages, "total": found.total, "truncated": more}))?;
        return Ok(Exit::Ok);
    }
    if found.packages.is_empty() {
        ui.note(&format!("nothing matches `{}`", excerpt(&query, 100)));
        return Ok(Exit::Ok);
    }
    let name = |hit: &packhouse_core::api::read::Hit| {
        excerpt(&format!("{}@{}", hit.identifier, hit.version), 120)
    };
    let width = found.packages.iter().map(|hit| name(hit).len()).max().unwrap_or_default().min(48);
    let lines: String = found
        .packages
        .iter()
        .map(|hit| {
            let name = name(hit);
            let blank = " ".repeat(width.saturating_sub(name.len()));
            let line = format!("{}{blank}  {}", ui.bold(&name), excerpt(&hit.summary, 100));
            format!("{}\n", line.trim_end())
        })
        .collect();
    ui.print(&lines)?;
    if more > 0 || found.truncated {
        let total = found.total;
        ui.note(&format!("{} of {total}; `--limit` shows more", found.packages.len()));
    }
    Ok(Exit::Ok)
}
