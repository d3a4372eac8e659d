//! `attune list`, `show`, `search` and `registries`.

use std::path::Path;

use packhouse_client::ClientError;
use packhouse_client::attune::indices::Indices;
use packhouse_client::attune::{Event, folder, record};
use packhouse_core::attune::entry::{self, Pack};
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use serde_json::{Value, json};

use super::{flawed, indices, output};
use crate::args::{AttuneList, AttuneRegistries, AttuneSearch, AttuneShow, Global};
use crate::exit::Exit;
use crate::ui::{Ui, shown};

/// There is no such pack.
pub(super) fn none(pack: &str, packs_dir: &Path) -> ClientError {
    ClientError::Missing {
        message: format!("no pack `{}` is installed in `{}`", excerpt(pack, 80), shown(packs_dir)),
        help: "`packhouse attune list` shows what is".to_owned(),
    }
}

fn text(pack: &Pack, key: &str) -> String {
    let found = pack.manifest.original.get(key).and_then(Value::as_str);
    excerpt(found.unwrap_or_default(), 200)
}

pub(super) fn list(args: &AttuneList, ui: &Ui) -> anyhow::Result<Exit> {
    let packs_dir = &args.packs.packs_dir;
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for name in record::installed(packs_dir)? {
        if args.name.as_ref().is_some_and(|word| !name.contains(word.as_str())) {
            continue;
        }
        let record = record::read(packs_dir, &name)?;
        let version = record.as_ref().map(|record| excerpt(&record.version, 60));
        let source = record.as_ref().map(|record| excerpt(&record.url, 100));
        rows.push(json!({"ref": name, "version": version, "source": source}));
        let unknown = || "(put there by hand)".to_owned();
        lines.push(vec![name, version.unwrap_or_default(), source.unwrap_or_else(unknown)]);
    }
    if rows.is_empty() {
        ui.note(&format!("no pack is installed in `{}`", shown(packs_dir)));
    }
    let value = json!({"schema": 1, "packs": rows});
    output::print(ui, args.packs.shown.shape(ui), &value, || output::table(&lines))?;
    Ok(Exit::Ok)
}

pub(super) fn show(args: &AttuneShow, ui: &Ui) -> anyhow::Result<Exit> {
    let packs_dir = &args.packs.packs_dir;
    if !record::installed(packs_dir)?.contains(&args.pack) {
        return Err(none(&args.pack, packs_dir).into());
    }
    let tree = folder::read(&packs_dir.join(&args.pack), &Limits::default())?;
    let pack = entry::pack(&tree).map_err(|flaws| flawed("the pack cannot be used", &flaws))?;
    let record = record::read(packs_dir, &args.pack)?;
    let content = packhouse_core::attune::checksum::of_tree(&tree);
    let changed = record.as_ref().map(|record| record.content != content);
    let value = json!({
        "schema": 1, "ref": pack.reference, "version": pack.version, "label": text(&pack, "label"),
        "description": text(&pack, "description"), "content": content, "changed": changed,
        "record": record,
    });
    let lines = || {
        let mut rows = vec![
            vec!["pack".to_owned(), format!("{} {}", pack.reference, excerpt(&pack.version, 60))],
            vec!["label".to_owned(), text(&pack, "label")],
            vec!["content".to_owned(), content.to_string()],
        ];
        if let Some(record) = &record {
            rows.push(vec!["from".to_owned(), excerpt(&record.url, 200)]);
            rows.push(vec!["commit".to_owned(), record.commit.clone().unwrap_or_default()]);
            rows.push(vec!["installed".to_owned(), excerpt(&record.installed_at, 40)]);
        }
        if changed == Some(true) {
            rows.push(vec![
                "changed".to_owned(),
                "files differ from what was installed".to_owned(),
            ]);
        }
        rows.retain(|row| !row[1].is_empty());
        output::table(&rows)
    };
    output::print(ui, args.packs.shown.shape(ui), &value, lines)?;
    Ok(Exit::Ok)
}

pub(super) fn search(args: &AttuneSearch, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let sources = indices(&args.indexed)?;
    // `--registry` of every command is an address; what is none names an index, as in Attune.
    let registry = global.registry.as_deref().filter(|name| !name.contains("://"));
    let registry = args.named.as_deref().or(registry);
    let indices = Indices { sources: &sources, packs_dir: &args.packs.packs_dir };
    let warn = |event: Event| {
        if let Event::Warning { message } = event {
            ui.warn(&message);
        }
    };
    let found = indices.search(&args.word, registry, &warn)?;
    if found.is_empty() {
        let asked = sources.iter().filter(|source| source.enabled).count();
        ui.note(&format!("no pack matches ({asked} indices asked)"));
    }
    let rows: Vec<Value> = found
        .iter()
        .map(|hit| {
            let pack = &hit.entry;
            json!({
                "ref": pack.reference, "label": pack.label, "version": pack.version,
                "description": pack.description, "author": pack.author,
                "keywords": pack.keywords, "registry": hit.registry,
            })
        })
        .collect();
    let lines = || {
        let row = |hit: &packhouse_client::attune::indices::Listed| {
            let pack = &hit.entry;
            let cells = [&pack.reference, &pack.version, &pack.label, &hit.registry];
            cells.map(|cell| excerpt(cell, 60)).to_vec()
        };
        output::table(&found.iter().map(row).collect::<Vec<_>>())
    };
    output::print(ui, args.packs.shown.shape(ui), &Value::Array(rows), lines)?;
    Ok(Exit::Ok)
}

pub(super) fn registries(args: &AttuneRegistries, ui: &Ui) -> anyhow::Result<Exit> {
    let sources = indices(&args.indexed)?;
    if sources.is_empty() {
        ui.note("no index is configured: give `--index URL`, or `pack_registry` in `attune.yaml`");
    }
    let rows: Vec<Value> = sources
        .iter()
        .map(|source| {
            json!({
                "name": source.name, "url": source.url, "priority": source.priority,
                "enabled": source.enabled, "signed": source.key.is_some(),
            })
        })
        .collect();
    let lines = || {
        let row = |source: &packhouse_core::attune::config::Source| {
            let state = match (source.enabled, source.key.is_some()) {
                (false, _) => "disabled",
                (true, true) => "signed",
                (true, false) => "enabled",
            };
            vec![
                excerpt(&source.name, 60),
                excerpt(&source.url, 120),
                source.priority.to_string(),
                state.to_owned(),
            ]
        };
        output::table(&sources.iter().map(row).collect::<Vec<_>>())
    };
    output::print(ui, args.shown.shape(ui), &Value::Array(rows), lines)?;
    Ok(Exit::Ok)
}
