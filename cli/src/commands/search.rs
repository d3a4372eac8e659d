//! `packhouse search`.

use packhouse_client::Wanted;
use packhouse_core::api::read::{Hit, Offer, SearchAnswer, SearchHit};
use packhouse_core::escape::{excerpt, printable};

use crate::args::{Global, Search};
use crate::context;
use crate::exit::Exit;
use crate::ui::Ui;

/// The widest that a column becomes; what is longer pushes the next one aside.
const COLUMN: usize = 48;

pub(crate) fn run(args: &Search, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let client = context::reader(global)?;
    let query = args.words.join(" ");
    let found = client.find(&Wanted {
        query: &query,
        kind: args.kind.as_deref(),
        format: args.format.as_deref(),
        page: args.page,
        limit: args.limit,
    })?;
    if ui.json {
        ui.print_json(&found)?;
        return Ok(Exit::Ok);
    }
    if found.hits.is_empty() {
        ui.note(&match (args.page, query.trim()) {
            (1, "") => "there is nothing".to_owned(),
            (1, query) => format!("nothing matches `{}`", excerpt(query, 100)),
            (page, _) => format!("there is no page {page}: {} were found", found.total),
        });
        return Ok(Exit::Ok);
    }
    ui.print(&rendered(&found, args.kind.is_some(), ui))?;
    if let Some(next) = found.next {
        let before = u64::from(found.page - 1) * u64::from(found.limit);
        let (first, last) = (before + 1, before + found.hits.len() as u64);
        ui.note(&format!("{first} to {last} of {}; `--page {next}` shows more", found.total));
    }
    Ok(Exit::Ok)
}

/// A line for each hit, and below it how its package is installed.
fn rendered(found: &SearchAnswer, exports: bool, ui: &Ui) -> String {
    let rows: Vec<_> = found.hits.iter().map(|hit| columns(hit, exports)).collect();
    let width = |at: usize| {
        let widths = rows.iter().map(|row| row[at].chars().count());
        widths.max().unwrap_or_default().min(COLUMN)
    };
    let widths = [0, 1, 2].map(width);
    let mut text = String::new();
    for (at, (row, hit)) in rows.iter().zip(&found.hits).enumerate() {
        let mut line = String::new();
        // A column that nobody has anything in is left out.
        for (column, (cell, width)) in row.iter().zip(widths).enumerate().filter(|c| c.1.1 > 0) {
            let blank = " ".repeat(width.saturating_sub(cell.chars().count()));
            let cell = if column == 0 { ui.bold(cell) } else { cell.clone() };
            line.push_str(&format!("{cell}{blank}  "));
        }
        line.push_str(&excerpt(&hit.package.summary, 100));
        text.push_str(&format!("{}\n", line.trim_end()));
        // Exports of one package follow one another: it is told once how they are had.
        let package = &hit.package.identifier;
        if found.hits.get(at + 1).is_none_or(|next| next.package.identifier != *package) {
            text.push_str(&format!("    {}\n", ui.dim(&printable(&hit.install))));
            let figures = figures(&hit.package);
            if !figures.is_empty() {
                text.push_str(&format!("    {}\n", ui.dim(&figures)));
            }
        }
    }
    text
}

/// What is found, and what tells it from others.
fn columns(hit: &SearchHit, exports: bool) -> [String; 3] {
    let package = excerpt(&format!("{}@{}", hit.package.identifier, hit.package.version), 120);
    let package = if hit.yanked { format!("{package} (yanked)") } else { package };
    let name = |offer: &Offer| match &offer.module {
        Some(module) => excerpt(&format!("{module}.{}", offer.name), 120),
        None => excerpt(&offer.name, 120),
    };
    match hit.exports.first() {
        Some(offer) if exports => {
            let place = offer.path.as_ref().filter(|_| offer.module.is_none());
            let place = place.map(|path| excerpt(path, 120)).unwrap_or_default();
            [format!("{} {}", excerpt(&offer.kind, 40), name(offer)), place, package]
        }
        _ => {
            let offers: Vec<_> =
                hit.exports.iter().map(|offer| format!("{} {}", offer.kind, name(offer))).collect();
            [package, excerpt(&hit.package.format, 40), excerpt(&offers.join(", "), 120)]
        }
    }
}

/// How the package stands: downloads, what its publisher claims, and advisories.
fn figures(hit: &Hit) -> String {
    let claim = hit.quality.as_ref().filter(|claim| claim.check().is_ok());
    let downloads = hit.downloads.filter(|count| *count > 0);
    let advisories = hit.advisories.as_ref().filter(|ids| !ids.is_empty());
    let told = [
        downloads.map(|count| format!("{count} downloads")),
        claim.and_then(|claim| claim.tests).map(|tests| format!("tests {tests}")),
        claim.and_then(|claim| claim.coverage).map(|coverage| format!("coverage {coverage}")),
        advisories.map(|ids| excerpt(&format!("advisories {}", ids.join(", ")), 200)),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
