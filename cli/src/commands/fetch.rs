//! `packhouse fetch`: download, check every byte, unpack.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use packhouse_client::Client;
use packhouse_client::extract::extract;
use packhouse_client::fetch::{Chosen, Wanted, download, resolve};
use packhouse_client::walk::{Choice, walk};
use packhouse_core::limits::Limits;
use serde_json::json;

use crate::args::{Fetch, Global};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown, size};

/// How many packages are downloaded at once.
const AT_ONCE: usize = 8;

/// What became of a package.
struct Got {
    chosen: Chosen,
    path: PathBuf,
    /// It was there already, with this very content.
    unchanged: bool,
}

pub(crate) fn run(args: &Fetch, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let wanted = args
        .packages
        .iter()
        .map(|text| Ok(text.parse()?))
        .collect::<anyhow::Result<Vec<Wanted>>>()?;
    if args.to.is_some() && wanted.len() > 1 {
        return Err(Stop::usage(
            "`--to` names the place of a single package",
            "use `--into DIR` for several",
        )
        .into());
    }
    let client = context::reader(global)?;
    let chosen = packhouse_client::parallel(&wanted, AT_ONCE, |_, wanted| resolve(&client, wanted));
    let chosen = chosen.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut places: Vec<(PathBuf, Chosen)> = Vec::new();
    for chosen in chosen {
        let place = place(args, &chosen);
        if let Some((_, other)) = places.iter().find(|(taken, _)| *taken == place) {
            let message = format!(
                "`{}` and `{}` would both become `{}`",
                other.title(),
                chosen.title(),
                shown(&place)
            );
            return Err(Stop::usage(message, "fetch them one by one with `--to`").into());
        }
        for warning in &chosen.warnings {
            ui.warn(warning);
        }
        places.push((place, chosen));
    }
    let cache =
        args.cache_dir.clone().or_else(context::cache_dir).map(|folder| folder.join("partial"));
    let unfinished = Unfinished::watch();
    let bar = Bar::new(ui, places.iter().map(|(_, chosen)| chosen.bytes).sum());
    let one = |_: usize, (place, chosen): &(PathBuf, Chosen)| {
        one(args, &client, place, chosen, cache.as_deref(), &bar, &unfinished)
    };
    let results = packhouse_client::parallel(&places, AT_ONCE, one);
    bar.finish();
    // What came is told and stays, also where another one failed.
    for got in results.iter().flatten() {
        let verb = if got.unchanged { "Unchanged" } else { "Fetched" };
        ui.done(
            verb,
            &format!("{} ({}), every byte checked", got.chosen.title(), size(got.chosen.bytes)),
        );
    }
    let got = results.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    if ui.json {
        let packages: Vec<_> = got
            .iter()
            .map(|got| {
                json!({
                    "identifier": got.chosen.identifier,
                    "version": got.chosen.version.text(),
                    "digest": got.chosen.digest,
                    "tree_digest": got.chosen.tree_digest,
                    "bytes": got.chosen.bytes,
                    "path": shown(&got.path),
                    "unchanged": got.unchanged,
                    "warnings": got.chosen.warnings,
                })
            })
            .collect();
        ui.print_json(&json!({"schema": 1, "packages": packages}))?;
    } else {
        let lines: String = got.iter().map(|got| format!("{}\n", shown(&got.path))).collect();
        ui.print(&lines)?;
    }
    Ok(Exit::Ok)
}

fn place(args: &Fetch, chosen: &Chosen) -> PathBuf {
    match &args.to {
        Some(to) => to.clone(),
        None if args.archive => args.into.join(format!("{}.zip", chosen.stem())),
        None => args.into.join(chosen.stem()),
    }
}

fn one(
    args: &Fetch,
    client: &Client,
    place: &Path,
    chosen: &Chosen,
    cache: Option<&Path>,
    bar: &Bar,
    unfinished: &Unfinished,
) -> anyhow::Result<Got> {
    let limits = Limits::default();
    let got = |unchanged| Got { chosen: chosen.clone(), path: place.to_owned(), unchanged };
    if fs_err::symlink_metadata(place).is_ok() {
        if holds(args, place, chosen, &limits) {
            return Ok(got(true));
        }
        if !args.force {
            return Err(Stop::usage(
                format!("`{}` exists already and is not `{}`", shown(place), chosen.title()),
                "choose another place with `--to` or `--into`, or replace it with `--force`",
            )
            .into());
        }
    }
    let before = AtomicU64::new(0);
    let bytes = download(client, chosen, cache, &limits, &|now| {
        bar.add(now.saturating_sub(before.swap(now, Ordering::Relaxed)));
    })?;
    if args.archive {
        // What is kept as an archive must also unpack, to the content that was promised.
        packhouse_core::archive::read(&bytes, &limits, |_, _| {})
            .and_then(|contents| contents.verify_tree_digest(chosen.tree_digest))
            .map_err(packhouse_client::ClientError::from)?;
        let folder = place.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs_err::create_dir_all(folder)?;
        super::pack::write(place, &bytes)?;
    } else {
        extract(&bytes, chosen.tree_digest, place, args.force, &limits, &|path| {
            unfinished.add(path)
        })?;
    }
    Ok(got(false))
}

/// Whether `place` holds `chosen` already.
fn holds(args: &Fetch, place: &Path, chosen: &Chosen, limits: &Limits) -> bool {
    if args.archive {
        return fs_err::read(place)
            .is_ok_and(|bytes| packhouse_core::digest::Digest::of(&bytes) == chosen.digest);
    }
    // Ignore files in a package are files of it like others.
    let all = Choice { include: vec!["*".to_owned()], exclude: Vec::new() };
    walk(place, &all, limits).is_ok_and(|walked| {
        walked.oddities.is_empty() && walked.tree.digest() == chosen.tree_digest
    })
}

/// Folders that are not whole yet; Ctrl-C removes them.
struct Unfinished(std::sync::Arc<Mutex<Vec<PathBuf>>>);

impl Unfinished {
    fn watch() -> Self {
        let folders = std::sync::Arc::new(Mutex::new(Vec::<PathBuf>::new()));
        let seen = folders.clone();
        // Without a handler, an interrupt leaves a hidden folder behind and nothing worse.
        let _ = ctrlc::set_handler(move || {
            for folder in seen.lock().unwrap_or_else(|e| e.into_inner()).iter() {
                let _ = std::fs::remove_dir_all(folder);
            }
            std::process::exit(130);
        });
        Self(folders)
    }

    fn add(&self, folder: &Path) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).push(folder.to_owned());
    }
}

/// One bar for all downloads.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// For bytes of which nobody knows how many there will be.
    pub(super) fn unknown(ui: &Ui) -> Self {
        Self(ui.bars.then(|| {
            let bar = ProgressBar::no_length();
            let style = ProgressStyle::with_template("fetching {bytes} {bytes_per_sec}");
            style.into_iter().for_each(|style| bar.set_style(style));
            bar
        }))
    }

    fn new(ui: &Ui, total: u64) -> Self {
        Self((ui.bars && total >= 256 << 10).then(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template(
                "fetching {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            );
            style.into_iter().for_each(|style| bar.set_style(style));
            bar
        }))
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.iter().for_each(|bar| bar.inc(bytes));
    }

    pub(super) fn finish(&self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}
