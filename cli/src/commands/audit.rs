//! `packhouse audit`: what a publish would say, and more.

use std::path::Path;
use std::sync::Arc;

use packhouse_client::plan::{self, Opened, Source};
use packhouse_core::limits::Limits;
use packhouse_core::quality::Advisories;
use packhouse_core::report::{self, Outcome};
use packhouse_core::review::Checked;

use crate::args::{Audit, Global, ReportFormat};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

pub(crate) fn run(args: &Audit, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let fail_on = args.fail_on.parse().map_err(|e: report::FailOnError| {
        Stop::usage(e.to_string(), "`--fail-on error` is the default")
    })?;
    let limits = Limits::default();
    let advisories = match &args.advisories {
        Some(folder) => Some(Arc::new(packhouse_client::quality::advisories(folder)?)),
        None => None,
    };
    let mut checked = Vec::new();
    for path in &args.paths {
        checked.push(one(path, args, global, &limits, advisories.clone(), ui)?);
    }
    let audited: Vec<_> = checked.iter().map(Checked::audited).collect();
    let format = if ui.json { ReportFormat::Json } else { args.format };
    match format {
        // The findings are what was asked for, so they go to stdout.
        ReportFormat::Human => {
            ui.print(&report::human::render(&audited, style(ui, ui.color_out)))?
        }
        ReportFormat::Json => ui.print(&report::json::render(&audited))?,
        ReportFormat::Github => ui.print(&report::github::render(&audited))?,
        ReportFormat::Sarif => ui.print(&report::sarif::render(&audited))?,
        ReportFormat::Markdown => ui.print(&report::markdown::render(&audited))?,
    }
    if ui.in_actions && format == ReportFormat::Human {
        ui.text(&report::github::render(&audited));
        crate::github::summary(ui, &report::markdown::render(&audited));
    }
    let all = checked.iter().flat_map(|checked| &checked.findings);
    Ok(match report::outcome(all, fail_on) {
        Outcome::Clean | Outcome::Passed(_) => Exit::Ok,
        Outcome::Failed(_) => Exit::Findings,
    })
}

fn one(
    path: &Path,
    args: &Audit,
    global: &Global,
    limits: &Limits,
    advisories: Option<Arc<Advisories>>,
    ui: &Ui,
) -> anyhow::Result<Checked> {
    let opened = plan::open(path, &args.files.choice(), limits)?;
    let (mut setting, mut facts) = (plan::Setting::default(), None);
    let folder = match &opened {
        Opened::Broken { folder, .. } => folder,
        Opened::Package(source) => {
            setting = context::cheap_setting(&context::job(), source, args.tag.as_deref(), ui);
            setting.advisories = advisories;
            if source.manifest.format == "kicad" {
                let given = args.kicad_tools_version.as_deref();
                setting.tools = super::project::tools::find(&[], given)?;
            }
            if args.strict {
                setting.strict = Some(packhouse_client::built::strict(source)?);
            }
            if let Some(registry) = context::registry_of(global, Some(&source.manifest))? {
                facts = known(source, &setting, &context::client(global, &registry)?, &[])?;
            }
            &source.folder
        }
    };
    let folder = context::report_folder(folder);
    let mut checked = Checked::new(opened, &folder, &setting, facts.as_ref(), limits);
    checked.findings = packhouse_core::audit::cut(checked.findings);
    Ok(checked)
}

/// What the registry knows of a package that has a name.
pub(super) fn known(
    source: &Source,
    setting: &plan::Setting,
    client: &packhouse_client::Client,
    beside: &[packhouse_core::identifier::Identifier],
) -> anyhow::Result<Option<packhouse_core::audit::RegistryFacts>> {
    let Ok(identifier) = source.identifier(setting) else { return Ok(None) };
    let version = source.version(&identifier, setting).ok();
    Ok(Some(client.facts(&identifier, version.as_ref(), &source.manifest, beside)?))
}

/// How reports look here.
pub(super) fn style(_: &Ui, color: bool) -> report::human::Style {
    let width = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    report::human::Style { color, width }
}
