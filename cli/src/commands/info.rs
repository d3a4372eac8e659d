//! `packhouse info`: a package, or one of its releases.

use packhouse_client::fetch::{Chosen, Wanted, choose, resolve};
use packhouse_client::{Client, ClientError};
use packhouse_core::api::read::{IndexFile, IndexVersion, ReleaseInfo};
use packhouse_core::escape::{excerpt, excerpt_lines};
use packhouse_core::quality::Claim;
use serde_json::json;

use crate::args::{Global, Info};
use crate::context;
use crate::exit::Exit;
use crate::ui::{Ui, size};

/// How many versions are listed.
const LISTED: usize = 10;

pub(crate) fn run(args: &Info, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let wanted: Wanted = args.package.parse()?;
    let client = context::reader(global)?;
    let Some(index) = client.index(&wanted.identifier)? else {
        resolve(&client, &wanted)?; // names what was probably meant
        return Ok(Exit::NotFound);
    };
    let chosen = match choose(&index, &wanted) {
        Ok(chosen) => Some(chosen),
        // A package whose every version was taken out of service is there all the same.
        Err(_) if wanted.version.is_none() => None,
        Err(error) => return Err(error.into()),
    };
    let release = match &chosen {
        Some(chosen) => release(&client, chosen)?,
        None => None,
    };
    if ui.json {
        ui.print_json(&json!({"schema": 1, "release": release, "index": index}))?;
        return Ok(Exit::Ok);
    }
    for warning in chosen.iter().flat_map(|chosen| &chosen.warnings) {
        ui.warn(warning);
    }
    for warning in release.iter().flat_map(|release| release.warnings.iter().take(LISTED)) {
        ui.warn(&excerpt_lines(warning, 500));
    }
    let mut out = String::new();
    match (&release, &chosen) {
        (Some(info), _) => describe(&mut out, info, outside(&index, &info.hashes.sha256), ui),
        (None, Some(chosen)) => indexed(&mut out, chosen, &index, ui),
        (None, None) => out.push_str(&format!("{}\n", ui.bold(&excerpt(&index.identifier, 300)))),
    }
    if wanted.version.is_none() {
        versions(&mut out, &index, ui);
    }
    ui.print(&out)?;
    Ok(Exit::Ok)
}

fn release(client: &Client, chosen: &Chosen) -> anyhow::Result<Option<ReleaseInfo>> {
    match client.release(&chosen.identifier, chosen.version.text()) {
        Ok(answer) => Ok(Some(answer.info)),
        // The files of an export: the index is all that they tell of a release.
        Err(ClientError::NotARegistry { .. }) if client.is_static() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the index file says of a release.
fn indexed(out: &mut String, chosen: &Chosen, index: &IndexFile, ui: &Ui) {
    out.push_str(&format!("{}@{}\n", ui.bold(&chosen.identifier.to_string()), chosen.version));
    let entry = index.versions.iter().find(|v| v.digest == chosen.digest.hex());
    let released = entry.map(|v| v.released_at.get(..19).unwrap_or(&v.released_at));
    let rows = [
        ("format", entry.map(|v| excerpt(&v.format, 100)).unwrap_or_default()),
        ("released", excerpt(released.unwrap_or_default(), 40).replace('T', " ")),
        ("size", size(chosen.bytes)),
        ("digest", chosen.digest.hex()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("{} {value}\n", ui.dim(&format!("{name:<11}"))));
    }
}

/// What a release needs from outside of the registry: tools and libraries.
fn outside(index: &IndexFile, digest: &str) -> String {
    let entry = index.versions.iter().find(|version| version.digest == digest);
    let requires = entry.map_or(&[][..], |entry| &entry.requires);
    let shown = requires.iter().take(LISTED).map(|external| {
        let requirement = external.requirement.as_ref().map(|r| format!(" {r}"));
        excerpt(&format!("{}{}", external.name, requirement.unwrap_or_default()), 100)
    });
    let more = requires.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

fn describe(out: &mut String, info: &ReleaseInfo, outside: String, ui: &Ui) {
    let text = |text: &str| excerpt(text, 500);
    out.push_str(&format!("{}@{}\n", ui.bold(&text(&info.identifier)), text(&info.version)));
    if !info.summary.is_empty() {
        out.push_str(&format!("{}\n", text(&info.summary)));
    }
    let needs: Vec<_> = info
        .dependencies
        .requires
        .iter()
        .map(|need| match &need.release {
            Some(release) => text(&format!("{}@{release}", need.identifier)),
            None => text(&need.identifier),
        })
        .collect();
    let rows = [
        ("format", text(&info.format)),
        ("license", text(&info.license)),
        ("repository", text(&info.repository)),
        (
            "released",
            text(info.released_at.get(..19).unwrap_or(&info.released_at)).replace('T', " "),
        ),
        ("size", size(info.size)),
        ("downloads", info.stats.total_downloads.to_string()),
        ("tests", claim(info).tests.map(|tests| tests.to_string()).unwrap_or_default()),
        ("coverage", claim(info).coverage.map(|part| part.to_string()).unwrap_or_default()),
        ("advisories", advisories(info)),
        ("needs", needs.join(", ")),
        ("outside", outside),
        ("digest", text(&info.hashes.sha256)),
        ("page", text(&info.url)),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("{} {value}\n", ui.dim(&format!("{name:<11}"))));
    }
}

/// What the publisher claims, as far as it can be true.
fn claim(info: &ReleaseInfo) -> Claim {
    info.quality.clone().filter(|claim| claim.check().is_ok()).unwrap_or_default()
}

/// Which advisories are about a release; empty where nobody looked.
fn advisories(info: &ReleaseInfo) -> String {
    let Some(notices) = &info.advisories else { return String::new() };
    let named = notices.iter().take(LISTED).map(|notice| {
        let through = notice.dependency.as_ref().map(|name| format!(" through {name}"));
        let fixed = notice.fixed.as_ref().map(|fixed| format!(", fixed in {fixed}"));
        let (id, affected) = (&notice.id, &notice.affected);
        let (through, fixed) = (through.unwrap_or_default(), fixed.unwrap_or_default());
        excerpt(&format!("{id}{through} ({affected}{fixed})"), 300)
    });
    let more = notices.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {more} more; `--json` lists all"));
    let all: Vec<String> = named.chain(more).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

fn versions(out: &mut String, index: &IndexFile, ui: &Ui) {
    out.push_str(&format!("{}\n", ui.dim("versions")));
    for version in index.versions.iter().take(LISTED) {
        let date = excerpt(version.released_at.get(..10).unwrap_or_default(), 10);
        out.push_str(&format!(
            "  {:<20} {date}{}\n",
            excerpt(&version.version, 60),
            marks(version)
        ));
    }
    if index.versions.len() > LISTED {
        out.push_str(&format!(
            "  and {} more; `--json` lists all\n",
            index.versions.len() - LISTED
        ));
    }
}

fn marks(version: &IndexVersion) -> String {
    let marks = [
        ("removed", &version.removed),
        ("quarantined", &version.quarantined),
        ("yanked", &version.yanked),
        ("deprecated", &version.deprecated),
    ];
    marks
        .iter()
        .filter_map(|(how, mark)| {
            Some(format!("  {how}: {}", excerpt(&mark.as_ref()?.reason, 100)))
        })
        .collect()
}
