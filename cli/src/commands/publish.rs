//! `packhouse publish`: audit, pack, prove who asks, upload, confirm, read back.

use std::collections::HashMap;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use packhouse_client::plan::{Ready, Setting, Source, pack_artifacts};
use packhouse_client::publish::{self, Outcome, Progress, Published, Step};
use packhouse_client::{Client, RegistryUrl};
use packhouse_core::api::{Receipt, RehearsalAnswer};
use packhouse_core::audit::{Finding, Severity};
use packhouse_core::escape::printable;
use packhouse_core::limits::Limits;
use packhouse_core::quality::Claim;
use packhouse_core::report::{self, Audited, FailOn};
use packhouse_core::review::Checked;
use packhouse_core::secret::Secret;
use serde_json::{Value, json};

use super::audit::{known, style};
use crate::args::{Global, Publish};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown, size};

pub(crate) fn run(args: &Publish, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let limits = Limits::default();
    // A report that cannot be read stops the publish before anybody is asked.
    let claim = packhouse_client::quality::claim(&args.test_reports, &args.coverage)?;
    let sources = sources(args, &limits, ui)?;
    let registry = context::registry(global, sources.first().map(|(source, _)| &source.manifest))?;
    // Who cannot publish learns it before anything is packed or asked.
    let tokens = context::tokens(global, &registry)?;
    let client = context::client(global, &registry)?;
    let Some(ready) = audited(args, sources, &client, &limits, ui)? else {
        return Ok(Exit::Findings);
    };
    let ready = with_artifacts(args, ready, &limits)?;
    let ready = with_claim(claim, ready, ui)?;
    let progress = Shown::new(ui);
    if args.dry_run {
        let skip = args.skip_duplicate_versions;
        let answers = publish::rehearse(&client, &tokens, &ready, skip, &progress)?;
        return rehearsed(args, &ready, &answers, ui);
    }
    let results =
        publish::publish(&client, &tokens, &ready, args.skip_duplicate_versions, &progress)?;
    progress.finish();
    published(args, &ready, &results, client.registry(), ui)
}

/// The packages that are meant, each with its version set.
fn sources(args: &Publish, limits: &Limits, ui: &Ui) -> anyhow::Result<Vec<(Source, Setting)>> {
    let job = context::job();
    let mut sources = Vec::new();
    for path in &args.paths {
        let mut source = context::open(path, &args.files, limits)?;
        let mut setting = context::cheap_setting(&job, &source, args.tag.as_deref(), ui);
        context::apply_version(&mut source, args.version.as_deref(), &mut setting, ui)?;
        sources.push((source, setting));
    }
    let mut seen = HashMap::new();
    for (source, setting) in &sources {
        // One without a name is told by the audit, with the line.
        let Ok(identifier) = source.identifier(setting) else { continue };
        if let Some(other) = seen.insert(identifier.clone(), &source.folder) {
            return Err(Stop::usage(
                format!(
                    "`{}` and `{}` are both `{identifier}`",
                    shown(other),
                    shown(&source.folder)
                ),
                "name each package once",
            )
            .into());
        }
    }
    Ok(sources)
}

/// Audits and packs everything; `None` where errors stop it, which are told.
fn audited(
    args: &Publish,
    sources: Vec<(Source, Setting)>,
    client: &Client,
    limits: &Limits,
    ui: &Ui,
) -> anyhow::Result<Option<Vec<Ready>>> {
    let beside: Vec<_> =
        sources.iter().filter_map(|(source, setting)| source.identifier(setting).ok()).collect();
    let mut ready = Vec::new();
    let mut checked = Vec::new();
    for (source, setting) in sources {
        let facts = known(&source, &setting, client, &beside)?;
        // Under a policy other than `tag` a job's tag names the train, and not the version.
        let mut judged = setting.clone();
        if args.tag.is_none() && args.version.is_none() && beside.len() > 1 {
            judged.tag = None;
        }
        let mut findings = source.audit(&judged, facts.as_ref(), limits);
        // That a version is taken is the registry's to say: it names the digest that holds it, and
        // `--skip-duplicate-versions` goes on.
        findings.retain(|finding| finding.rule != "version-not-above" || !is_error(finding));
        if !findings.iter().any(is_error) {
            ready.push(source.pack(&setting)?);
        }
        let folder = context::report_folder(&source.folder);
        checked.push(Checked::of(source, &folder, &setting, findings));
    }
    let audited: Vec<_> = checked.iter().map(Checked::audited).collect();
    let all = checked.iter().flat_map(|checked| &checked.findings);
    let failed = matches!(report::outcome(all, FailOn::Error), report::Outcome::Failed(_));
    tell(&audited, failed, ui)?;
    Ok(if failed { None } else { Some(ready) })
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}

/// Tells findings: all of them where they stop the publish, else only how many there are.
fn tell(audited: &[Audited], failed: bool, ui: &Ui) -> anyhow::Result<()> {
    let findings = audited.iter().flat_map(|package| package.findings);
    let findings = super::action::by_severity(findings).to_string();
    crate::github::outputs(ui, &[("findings", &findings)]);
    let counts = report::Counts::all(audited);
    if counts == report::Counts::default() {
        return Ok(());
    }
    if ui.in_actions {
        ui.text(&report::github::render(audited));
    }
    if failed {
        ui.text(&report::human::render(audited, style(ui, ui.color)));
        ui.error(&format!("nothing was published: {counts}"));
        ui.hint("`packhouse explain <rule>` tells more of a rule");
        let summary = report::markdown::render(audited);
        crate::github::summary(ui, &summary);
        crate::github::outputs(ui, &[("status", "failed"), ("comment-content", &summary)]);
        if ui.json {
            ui.print(&report::json::render(audited))?;
        }
    } else if ui.verbose {
        ui.text(&report::human::render(audited, style(ui, ui.color)));
    } else {
        ui.note(&format!("{counts}; `packhouse audit` shows them"));
    }
    Ok(())
}

fn with_artifacts(
    args: &Publish,
    mut ready: Vec<Ready>,
    limits: &Limits,
) -> anyhow::Result<Vec<Ready>> {
    let Some(folder) = &args.artifacts else { return Ok(ready) };
    let [package] = &mut ready[..] else {
        return Err(Stop::usage(
            format!("`--artifacts` belongs to a single package, there are {}", ready.len()),
            "publish packages with artifacts one by one",
        )
        .into());
    };
    package.artifacts = Some(pack_artifacts(folder, limits)?);
    Ok(ready)
}

fn with_claim(claim: Option<Claim>, mut ready: Vec<Ready>, ui: &Ui) -> anyhow::Result<Vec<Ready>> {
    let Some(claim) = claim else { return Ok(ready) };
    let [package] = &mut ready[..] else {
        return Err(Stop::usage(
            format!("reports belong to a single package, there are {}", ready.len()),
            "publish packages with `--test-report` or `--coverage` one by one",
        )
        .into());
    };
    let tests = claim.tests.map(|tests| format!("tests {tests}"));
    let coverage = claim.coverage.map(|coverage| format!("coverage {coverage}"));
    for told in tests.iter().chain(&coverage) {
        ui.note(&format!("{}: {told}", package.title()));
    }
    package.quality = Some(claim);
    Ok(ready)
}

fn rehearsed(
    args: &Publish,
    ready: &[Ready],
    answers: &[Option<RehearsalAnswer>],
    ui: &Ui,
) -> anyhow::Result<Exit> {
    for (package, answer) in ready.iter().zip(answers) {
        let Some(answer) = answer else {
            ui.warn(&skipped(&package.title()));
            continue;
        };
        let what = match (answer.outcome.as_str(), answer.first_release) {
            ("already-released", _) => "is released with this very content: nothing would happen",
            (_, true) => {
                "would be released, as its first release, which pins the package to this repository"
            }
            _ => "would be released",
        };
        ui.done("Rehearsed", &format!("{}: {what}", package.title()));
    }
    let packages: Vec<Value> = ready
        .iter()
        .zip(answers)
        .map(|(package, answer)| {
            let told = answer.as_ref();
            json!({
                "identifier": package.identifier,
                "version": package.version.text(),
                "status": "rehearsed",
                "outcome": told.map_or_else(|| "skipped".to_owned(), |a| printable(&a.outcome)),
                "first_release": told.map(|a| a.first_release),
                "policy": told.map(|a| &a.policy),
                "latest": told.and_then(|a| a.latest.as_deref()).map(printable),
                "digest": package.archive.digest,
                "bytes": package.archive.bytes.len(),
            })
        })
        .collect();
    let told: Vec<_> = packages.iter().filter_map(|p| p["outcome"].as_str()).collect();
    let rows = ready.iter().zip(told).map(|(package, outcome)| {
        format!("| `{}` | rehearsed: {} |\n", package.title(), report::markdown::prose(outcome))
    });
    let summary = format!("| package | status |\n|---|---|\n{}", rows.collect::<String>());
    crate::github::summary(ui, &summary);
    crate::github::outputs(ui, &[("comment-content", &summary)]);
    results(args, ready, "rehearsed", packages, ui)?;
    if !ui.json {
        for package in ready {
            ui.print(&format!("{}\n", package.title()))?;
        }
    }
    Ok(Exit::Ok)
}

fn skipped(title: &str) -> String {
    format!("{title} is skipped: it is published with other content, which stays")
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Published => "published",
        Outcome::AlreadyPublished => "already-published",
        Outcome::Skipped => "skipped",
    }
}

fn published(
    args: &Publish,
    ready: &[Ready],
    results: &[Published],
    registry: &RegistryUrl,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let mut summary =
        format!("### Published to {registry}\n\n| package | status | SHA-256 |\n|---|---|---|\n");
    for (package, result) in ready.iter().zip(results) {
        let title = package.title();
        match (result.outcome, &result.receipt) {
            (Outcome::Skipped, _) | (_, None) => ui.warn(&skipped(&title)),
            (outcome, Some(receipt)) => {
                let verb = if outcome == Outcome::Published { "Published" } else { "Unchanged" };
                let seen = if result.note.is_none() { ", read back" } else { "" };
                ui.done(verb, &format!("{title}: {}{seen}", size(receipt.bytes)));
                for warning in receipt.warnings.iter().take(20) {
                    ui.warn(&packhouse_core::escape::excerpt_lines(warning, 500));
                }
            }
        }
        if let Some(note) = &result.note {
            ui.note(&format!("{title}: {note}"));
        }
        // Only a web page is linked to; a registry could name anything.
        let page = result.receipt.as_ref().map(|receipt| printable(&receipt.url));
        let page =
            page.filter(|url| url.starts_with("http") && !url.contains(['(', ')', ' ', '<']));
        let shown = match page {
            Some(url) => format!("[`{title}`]({url})"),
            None => format!("`{title}`"),
        };
        summary.push_str(&format!(
            "| {shown} | {} | `{}` |\n",
            word(result.outcome),
            package.archive.digest
        ));
    }
    if let Some(first) = ready.first() {
        summary.push_str(&format!(
            "\nAnybody gets it with `packhouse fetch {}`, or downloads the archive and compares `sha256sum`.\n",
            first.title()
        ));
    }
    crate::github::summary(ui, &summary);
    crate::github::outputs(ui, &[("comment-content", &summary)]);
    let packages: Vec<Value> = ready
        .iter()
        .zip(results)
        .map(|(package, result)| {
            json!({
                "identifier": package.identifier,
                "version": package.version.text(),
                "status": word(result.outcome),
                "digest": package.archive.digest,
                "receipt": result.receipt,
            })
        })
        .collect();
    let skipped = results.iter().all(|result| result.outcome == Outcome::Skipped);
    let fresh = results.iter().any(|result| result.outcome == Outcome::Published);
    let status = if skipped {
        "skipped"
    } else if fresh {
        "published"
    } else {
        "already-published"
    };
    let url = results.iter().find_map(|r| r.receipt.as_ref()).map(|r: &Receipt| printable(&r.url));
    crate::github::outputs(ui, &[("url", url.as_deref().unwrap_or_default())]);
    self::results(args, ready, status, packages, ui)?;
    if !ui.json {
        for (package, result) in ready.iter().zip(results) {
            if let Some(receipt) = &result.receipt {
                ui.print(&format!(
                    "{}  {}  {}\n",
                    package.title(),
                    package.archive.digest,
                    printable(&receipt.url)
                ))?;
            }
        }
    }
    Ok(Exit::Ok)
}

/// The result for programs: stdout with `--json`, a file with `--receipt`, outputs in Actions.
fn results(
    args: &Publish,
    ready: &[Ready],
    status: &str,
    packages: Vec<Value>,
    ui: &Ui,
) -> anyhow::Result<()> {
    if let Some(first) = ready.first() {
        let digest = first.archive.digest.hex();
        let identifier = first.identifier.to_string();
        crate::github::outputs(
            ui,
            &[
                ("identifier", identifier.as_str()),
                ("version", first.version.text()),
                ("digest", digest.as_str()),
                ("status", status),
            ],
        );
    }
    crate::github::outputs(ui, &[("results", &Value::from(packages.clone()).to_string())]);
    let document = json!({"schema": 1, "status": status, "packages": packages});
    if let Some(file) = &args.receipt {
        fs_err::write(file, serde_json::to_string_pretty(&document)? + "\n")?;
    }
    if ui.json { ui.print_json(&document) } else { Ok(()) }
}

/// Progress for people: bars on a terminal, lines with `--verbose` and in CI.
struct Shown<'a> {
    ui: &'a Ui,
    bars: Option<MultiProgress>,
    uploads: Mutex<HashMap<String, ProgressBar>>,
}

/// Smaller uploads are over before a bar could be read.
const BAR_BYTES: u64 = 256 << 10;

impl<'a> Shown<'a> {
    fn new(ui: &'a Ui) -> Self {
        Self { ui, bars: ui.bars.then(MultiProgress::new), uploads: Mutex::default() }
    }

    fn finish(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }

    fn with_bar(&self, package: &Ready, act: impl FnOnce(&ProgressBar)) {
        let total = package.archive.bytes.len() as u64;
        let Some(bars) = self.bars.as_ref().filter(|_| total >= BAR_BYTES) else { return };
        let mut uploads = self.uploads.lock().unwrap_or_else(|e| e.into_inner());
        let bar = uploads.entry(package.title()).or_insert_with(|| {
            let style = ProgressStyle::with_template(
                "{prefix} {bar:24} {bytes}/{total_bytes} {bytes_per_sec}",
            );
            let bar = bars.add(ProgressBar::new(total).with_prefix(package.title()));
            style.into_iter().for_each(|style| bar.set_style(style));
            bar
        });
        act(bar);
    }
}

impl Progress for Shown<'_> {
    fn mask(&self, token: &Secret) {
        self.ui.mask(token);
    }

    fn step(&self, package: &Ready, step: Step) {
        match step {
            Step::Upload => self.with_bar(package, |bar| bar.set_position(0)),
            Step::Confirm => self.with_bar(package, ProgressBar::finish_and_clear),
            _ => {}
        }
        self.ui.step(&format!("{} {}", step.as_str(), package.title()));
    }

    fn sent(&self, package: &Ready, bytes: u64) {
        self.with_bar(package, |bar| bar.set_position(bytes));
    }
}
