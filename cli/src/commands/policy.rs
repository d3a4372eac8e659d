//! `packhouse policy`: from where a package may be published.

use packhouse_core::api::PolicyAnswer;
use packhouse_core::escape::printable;
use packhouse_core::policy::{Policy, Source};
use serde_json::{Value, json};

use super::identifier;
use crate::args::{Global, Policy as Args, PolicySet, PolicyVerb};
use crate::context;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Args, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let answer = match &args.verb {
        PolicyVerb::Show { package } => context::reader(global)?.policy(&identifier(package)?)?,
        PolicyVerb::Set(set) => change(set, global, ui)?,
    };
    show(&answer, ui)?;
    Ok(Exit::Ok)
}

fn change(set: &PolicySet, global: &Global, ui: &Ui) -> anyhow::Result<PolicyAnswer> {
    let identifier = identifier(&set.package)?;
    let source = match (&set.source.train, &set.source.branch) {
        (Some(tag), _) => Source::Train { tag: tag.clone() },
        (_, Some(branch)) => Source::Branch { branch: branch.clone() },
        _ => Source::Tag,
    };
    let policy = Policy {
        source,
        workflow: set.workflow.clone(),
        job_workflow: set.job_workflow.clone(),
        environment: set.environment.clone(),
        protected_ref: set.protected_ref,
        runner: set.runner.clone(),
    };
    let manifest = if global.registry.is_some() { None } else { context::nearest_manifest() };
    let registry = context::registry(global, manifest.as_ref())?;
    let tokens = context::tokens(global, &registry)?;
    let client = context::client(global, &registry)?;
    let answer = client.set_policy(&tokens, &identifier, &policy, &|token| ui.mask(token))?;
    ui.done("Changed", &format!("the policy of {identifier}"));
    Ok(answer)
}

/// A package's policy, for people or programs.
pub(super) fn show(answer: &PolicyAnswer, ui: &Ui) -> anyhow::Result<()> {
    if ui.json {
        let mut document = json!({"schema": 1});
        if let (Value::Object(all), Value::Object(own)) =
            (&mut document, serde_json::to_value(answer)?)
        {
            all.extend(own);
        }
        return ui.print_json(&document);
    }
    let policy = &answer.policy;
    let from = match &policy.source {
        Source::Tag => "a tag that equals the version".to_owned(),
        Source::Train { tag } => format!("a tag that fits `{tag}`"),
        Source::Branch { branch } => format!("the protected branch `{branch}`"),
    };
    let pins = match &answer.pins {
        Some(pins) => format!(
            "repository {} of owner {} at {}",
            pins.repository_id, pins.owner_id, pins.issuer
        ),
        None => "nothing: the next release from a CI job pins it".to_owned(),
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let yes = |value: bool| if value { "yes".to_owned() } else { String::new() };
    let rows = [
        ("published from", from),
        ("workflow", text(&policy.workflow)),
        ("held by", text(&policy.job_workflow)),
        ("environment", text(&policy.environment)),
        ("protected ref", yes(policy.protected_ref)),
        ("runner", text(&policy.runner)),
        ("pinned to", pins),
        (
            "API tokens",
            if answer.tokens_allowed { "allowed" } else { "only while it is not pinned" }
                .to_owned(),
        ),
    ];
    let mut out = format!("{}\n", ui.bold(&printable(&answer.identifier)));
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("{} {}\n", ui.dim(&format!("{name:<14}")), printable(value)));
    }
    ui.print(&out)
}
