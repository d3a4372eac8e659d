//! `attune checksum` and the verbs on indices.

use std::path::Path;

use packhouse_client::attune::folder;
use packhouse_core::attune::checksum::{Checksum, Rule};
use packhouse_core::attune::edit::{self, Put};
use packhouse_core::attune::entry;
use packhouse_core::attune::index::{
    self, Entry, INDEX_BYTES, Index, InstallSource, Read, Statistics,
};
use packhouse_core::attune::{archive, pack_folder};
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use serde_json::json;

use super::install::now;
use super::{flawed, key_text, output, public_key, sign};
use crate::args::{
    AttuneChecksum, AttuneIndexEntry, AttuneIndexMerge, AttuneIndexUpdate, AttuneIndexValidate,
    ChecksumRule, EntrySources, Shape,
};
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown};

/// The bytes of a file of at most `limit`.
fn bytes_of(file: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs_err::File::open(file)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("`{}` has more than {limit} bytes", shown(file));
        return Err(Stop::usage(message, "name the right file").into());
    }
    Ok(bytes)
}

pub(super) fn checksum(args: &AttuneChecksum, ui: &Ui) -> anyhow::Result<Exit> {
    let limits = Limits::default();
    let path = &args.path;
    let (checksum, kind) = if path.is_dir() {
        if args.sign_key.is_some() {
            return Err(Stop::usage(
                format!(
                    "`{}` is a folder, and a signature is over the bytes of a file",
                    shown(path)
                ),
                "pack it first, or sign the index that names its checksum",
            )
            .into());
        }
        let rule = match args.rule {
            ChecksumRule::V0 => Rule::V0,
            ChecksumRule::V1 => Rule::V1,
        };
        (folder::checksum(path, rule, &limits)?, "git")
    } else {
        let bytes = bytes_of(path, limits.archive_bytes)?;
        if let Some(key) = &args.sign_key {
            sign(key, path, &bytes, ui)?;
        }
        let name = path.to_string_lossy();
        let kind = if archive::is_archive(&name) { "archive" } else { "file" };
        (Checksum::of_bytes(&bytes), kind)
    };
    let value = json!({"schema": 1, "path": shown(path), "checksum": checksum, "type": kind});
    output::print(ui, args.shown.shape(ui), &value, || format!("{checksum}\n"))?;
    Ok(Exit::Ok)
}

/// The pack's files and the entry that tells of them.
fn entry_of(args: &EntrySources) -> anyhow::Result<Entry> {
    let whole = folder::read(&args.path, &Limits::default())?;
    let tree: Tree = whole.subtree(pack_folder(&whole).unwrap_or_default());
    let pack = entry::pack(&tree).map_err(|flaws| flawed("the pack cannot be used", &flaws))?;
    let default = format!("v{}", pack.version);
    let reference = args.git_ref.as_deref().unwrap_or(&default);
    let git = args.git_url.as_deref().map(|url| (url, reference));
    let checksum = args.archive_checksum.as_deref().map(str::parse::<Checksum>).transpose();
    let checksum = checksum
        .map_err(|e| Stop::usage(e.to_string(), "`packhouse attune checksum ARCHIVE` tells it"))?;
    let archive = args.archive_url.as_deref().zip(checksum);
    // A checkout's checksum is that of the whole commit, wherever in it the pack lies.
    let sources = entry::sources(&whole, git, archive)
        .map_err(|flaw| Stop::usage(flaw.to_string(), "an index names https addresses only"))?;
    entry::entry(&tree, sources).map_err(|flaws| flawed("an index cannot list the pack", &flaws))
}

pub(super) fn entry(args: &AttuneIndexEntry, ui: &Ui) -> anyhow::Result<Exit> {
    let entry = entry_of(&args.sources)?;
    // What it prints is a piece of an index: JSON unless YAML is asked for.
    let shape = match args.format.unwrap_or(args.shown.shape(ui)) {
        Shape::Yaml => Shape::Yaml,
        Shape::Json | Shape::Table => Shape::Json,
    };
    output::print(ui, shape, &serde_json::to_value(&entry)?, String::new)?;
    Ok(Exit::Ok)
}

/// An index that is to be changed: strictly valid, or as good as made by the earlier program.
fn read_index(file: &Path) -> anyhow::Result<Read> {
    let bytes = bytes_of(file, INDEX_BYTES)?;
    index::read(&bytes)
        .map_err(|flaws| flawed(&format!("the index `{}` cannot be used", shown(file)), &flaws))
}

/// Writes `index` whole, and its signature behind it.
fn write_index(index: &Index, file: &Path, sign_key: Option<&Path>, ui: &Ui) -> anyhow::Result<()> {
    let text = index.text().map_err(|flaws| {
        flawed(&format!("`{}` is not written: it would not be valid", shown(file)), &flaws)
    })?;
    packhouse_client::replace::durably(file, text.as_bytes())?;
    if let Some(key) = sign_key {
        sign(key, file, text.as_bytes(), ui)?;
    }
    Ok(())
}

pub(super) fn update(args: &AttuneIndexUpdate, ui: &Ui) -> anyhow::Result<Exit> {
    let entry = entry_of(&args.sources)?;
    let mut index = read_index(&args.index)?.index;
    let put = edit::put(&mut index, entry.clone(), args.update, &now())
        .map_err(|flaw| Stop::new(Exit::Conflict, flaw.reason, "the index is as it was"))?;
    if put != Put::Unchanged || args.signed.sign_key.is_some() {
        write_index(&index, &args.index, args.signed.sign_key.as_deref(), ui)?;
    }
    let checksum = entry.install_sources.first().and_then(InstallSource::checksum);
    let value = json!({
        "schema": 1, "success": true, "index_file": shown(&args.index),
        "pack_ref": entry.reference, "version": entry.version, "checksum": checksum,
        "action": put, "statistics": Statistics::of(&index),
    });
    output::print(ui, args.shown.shape(ui), &value, || {
        let action = json!(put);
        format!(
            "{} {} {} in {}\n",
            entry.reference,
            entry.version,
            action.as_str().unwrap_or_default(),
            shown(&args.index)
        )
    })?;
    Ok(Exit::Ok)
}

pub(super) fn merge(args: &AttuneIndexMerge, ui: &Ui) -> anyhow::Result<Exit> {
    // `--output json --file all.json`: the one that names a shape is none of a file.
    let is_shape = |path: &&std::path::PathBuf| {
        ["table", "json", "yaml"].iter().any(|s| path.as_os_str() == *s)
    };
    let files: Vec<_> = args.output.iter().filter(|path| !is_shape(path)).collect();
    let shapes: Vec<_> = args.output.iter().filter(is_shape).collect();
    let (file, named) = match (&files[..], &shapes[..]) {
        ([file], []) => (*file, None),
        ([file], [shape]) => (*file, Some(*shape)),
        _ => {
            return Err(Stop::usage(
                "no file, or more than one, is named to be written",
                "give `-o FILE`, and `--output json` beside it for the answer's shape",
            )
            .into());
        }
    };
    let shape = match named.and_then(|shape| shape.to_str()) {
        Some("json") => Shape::Json,
        Some("yaml") => Shape::Yaml,
        _ => args.shown.shape(ui),
    };
    if file.exists() && !args.force {
        return Err(Stop::usage(
            format!("`{}` is there already", shown(file)),
            "replace it with `--force`",
        )
        .into());
    }
    let inputs = args.inputs.iter().map(|input| read_index(input));
    let inputs: Vec<Read> = inputs.collect::<anyhow::Result<_>>()?;
    for (input, read) in args.inputs.iter().zip(&inputs) {
        for flaw in read.flaws.iter().take(5) {
            ui.warn(&format!("{}: {}", shown(input), excerpt(&flaw.to_string(), 200)));
        }
    }
    let (index, counts) =
        edit::merge(inputs).ok_or_else(|| Stop::usage("no index is named", "name at least one"))?;
    write_index(&index, file, args.signed.sign_key.as_deref(), ui)?;
    let value = json!({
        "schema": 1, "success": true, "output_file": shown(file),
        "sources_count": args.inputs.len(), "total_loaded": counts.total_loaded,
        "unique_packs": counts.unique_packs, "duplicates_resolved": counts.duplicates_resolved,
        "statistics": Statistics::of(&index),
    });
    output::print(ui, shape, &value, || {
        format!(
            "{}: {} packs of {} ({} more than once)\n",
            shown(file),
            counts.unique_packs,
            counts.total_loaded,
            counts.duplicates_resolved
        )
    })?;
    Ok(Exit::Ok)
}

pub(super) fn validate(args: &AttuneIndexValidate, ui: &Ui) -> anyhow::Result<Exit> {
    let bytes = bytes_of(&args.index, INDEX_BYTES)?;
    if let Some(key) = &args.key {
        let mut beside = args.index.as_os_str().to_owned();
        beside.push(".sig");
        let signature = key_text(&beside.to_string_lossy())?;
        public_key(key)?.verify(&format!("`{}`", shown(&args.index)), &bytes, &signature)?;
    }
    let shape = args.shown.shape(ui);
    match index::strict(&bytes) {
        Ok(index) => {
            let statistics = Statistics::of(&index);
            let value = json!({"schema": 1, "valid": true, "flaws": [], "statistics": statistics});
            output::print(ui, shape, &value, || format!("valid: {} packs\n", statistics.packs))?;
            Ok(Exit::Ok)
        }
        Err(flaws) if shape != Shape::Table => {
            let value = json!({"schema": 1, "valid": false, "flaws": flaws});
            output::print(ui, shape, &value, String::new)?;
            Ok(Exit::Findings)
        }
        Err(flaws) => {
            Err(flawed(&format!("`{}` is no index of format 1.0", shown(&args.index)), &flaws))
        }
    }
}
