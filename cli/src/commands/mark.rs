//! `packhouse yank` and `packhouse deprecate`.

use packhouse_core::api::{MarkAnswer, MarkRequest};
use serde_json::{Value, json};

use super::exact;
use crate::args::{Global, Mark};
use crate::context;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn yank(args: &Mark, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    mark(args, global, ui, ["Yanked", "Unyanked"], |client, tokens, identifier, request| {
        Ok(client.yank(tokens, identifier, request, &|token| ui.mask(token))?)
    })
}

pub(crate) fn deprecate(args: &Mark, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    mark(args, global, ui, ["Deprecated", "Undeprecated"], |client, tokens, identifier, request| {
        Ok(client.deprecate(tokens, identifier, request, &|token| ui.mask(token))?)
    })
}

fn mark(
    args: &Mark,
    global: &Global,
    ui: &Ui,
    verbs: [&str; 2],
    call: impl Fn(
        &packhouse_client::Client,
        &packhouse_client::token::TokenSource,
        &packhouse_core::identifier::Identifier,
        &MarkRequest,
    ) -> anyhow::Result<MarkAnswer>,
) -> anyhow::Result<Exit> {
    let (identifier, version) = exact(&args.package)?;
    let named = global.registry.is_some();
    let manifest = if named { None } else { context::nearest_manifest() };
    let registry = context::registry(global, manifest.as_ref())?;
    let tokens = context::tokens(global, &registry)?;
    let client = context::client(global, &registry)?;
    let request = MarkRequest {
        version: version.clone(),
        reason: args.reason.clone().unwrap_or_default(),
        replacement: args.replacement.clone(),
        undo: args.undo,
    };
    let answer = call(&client, &tokens, &identifier, &request)?;
    ui.done(verbs[usize::from(args.undo)], &format!("{identifier}@{version}"));
    if ui.json {
        ui.print_json(&document(&answer)?)?
    }
    Ok(Exit::Ok)
}

/// An answer's marks as the result for programs.
pub(super) fn document(answer: &MarkAnswer) -> anyhow::Result<Value> {
    let mut document = json!({"schema": 1});
    if let (Value::Object(all), Value::Object(own)) = (&mut document, serde_json::to_value(answer)?)
    {
        all.extend(own);
    }
    Ok(document)
}
