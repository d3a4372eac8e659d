//! `packhouse cache`: what is in the cache, what is old in it, and whether it is whole.

use std::time::Duration;

use packhouse_client::cache::Cache;
use serde_json::json;

use crate::args::{CacheArgs, CacheVerb};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown, size};

pub(crate) fn run(args: &CacheArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let folder = args.cache_dir.clone().or_else(context::cache_dir).ok_or_else(|| {
        Stop::usage("there is no home folder to keep a cache in", "give `--cache-dir DIR`")
    })?;
    match args.verb {
        CacheVerb::Info => {
            let info = Cache::open(&folder)?.info();
            if ui.json {
                ui.print_json(&json!({
                    "schema": 1, "path": shown(&folder), "trees": info.trees, "files": info.files,
                    "bytes": info.bytes, "indexes": info.indexes, "partials": info.partials,
                }))?;
            } else {
                ui.print(&format!(
                    "{}\n{} packages, {} files, {}\n{} index files, {} interrupted downloads\n",
                    shown(&folder),
                    info.trees,
                    info.files,
                    size(info.bytes),
                    info.indexes,
                    info.partials
                ))?;
            }
        }
        CacheVerb::Prune { days } => {
            ui.step("waiting for programs that use the cache");
            let age = Duration::from_secs(u64::from(days) * 24 * 3600);
            let pruned = Cache::prune(&folder, age)?;
            ui.done("Pruned", &format!("{} packages, {}", pruned.trees, size(pruned.bytes)));
            if ui.json {
                ui.print_json(&json!({"schema": 1, "trees": pruned.trees, "bytes": pruned.bytes}))?;
            }
        }
        CacheVerb::Verify => {
            let cache = Cache::open(&folder)?;
            let trees = cache.trees();
            let damaged: Vec<(String, String)> = trees
                .iter()
                .filter_map(|digest| Some((digest.to_string(), cache.check(*digest).err()?)))
                .collect();
            if ui.json {
                let rows: Vec<_> = damaged
                    .iter()
                    .map(|(tree, why)| json!({"tree": tree, "problem": why}))
                    .collect();
                ui.print_json(&json!({"schema": 1, "trees": trees.len(), "damaged": rows}))?;
            }
            if !damaged.is_empty() {
                let lines: String =
                    damaged.iter().map(|(tree, why)| format!("\n  {tree}: {why}")).collect();
                let message = format!(
                    "{} of {} trees were damaged, and were taken out:{lines}",
                    damaged.len(),
                    trees.len()
                );
                return Err(Stop::new(
                    Exit::Integrity,
                    message,
                    "the next sync fetches them again",
                )
                .into());
            }
            ui.done("Verified", &format!("{} packages, every byte", trees.len()));
        }
    }
    Ok(Exit::Ok)
}
