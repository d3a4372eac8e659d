//! `packhouse admin import`: what an export wrote, into a registry.
//!
//! Records go in as they stand in the file, some hundred at a time; the registry names the blobs
//! that it lacks for them, and takes the records once it has those. Whatever was cut short is run
//! again from its start, and costs little where it has been before.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use packhouse_client::{Client, ClientError};
use packhouse_core::api::transfer::MissingBlob;
use packhouse_core::digest::Digest;
use packhouse_core::secret::Secret;
use packhouse_registry::transfer::LINE_BYTES;
use serde_json::json;

use super::blobs::any_in;
use super::tally::Tally;
use super::{Layout, Manifest, damaged, digest_of};
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown};

/// A call's records end behind the one that reaches this size, in bytes.
const BATCH_BYTES: usize = 256 << 10;
/// Records of one call.
const BATCH: usize = 100;
/// Blobs that are brought at once.
const AT_ONCE: usize = 4;
/// Times that one batch is sent: the registry may name further blobs each time.
const ROUNDS: usize = 8;

pub(crate) fn import(
    folder: &Path,
    client: &Client,
    token: &Secret,
    ui: &Ui,
) -> anyhow::Result<()> {
    let layout = Layout::new(folder);
    let manifest = manifest(&layout)?;
    let records = layout.records();
    if digest_of(&records)? != Some(manifest.records_sha256) {
        return Err(damaged(&records, "its SHA-256 is not the one in `manifest.json`").into());
    }
    let source = send(&layout, client, token, ui)?;
    if source.counts() != manifest.counts {
        return Err(damaged(&records, "it holds other records than `manifest.json` says").into());
    }
    ui.step("reading the registry back");
    let there = read_back(client, token)?;
    let difference = source.held_against(&there);
    let went_on = there.counts().events > manifest.counts.events;
    if difference.missing > 0 || (difference.other > 0 && !went_on) {
        let message = format!(
            "the registry lacks {} of the records and has {} otherwise",
            difference.missing, difference.other
        );
        let hint = "run the import again; if it repeats, import into an empty registry";
        return Err(Stop::new(Exit::Integrity, message, hint).into());
    }
    let counts = manifest.counts;
    let blobs = manifest.blobs;
    ui.done(
        "Imported",
        &format!(
            "{} packages, {} releases, {} events, {blobs} blobs into {}; each event follows on the one before it",
            counts.packages,
            counts.releases,
            counts.events,
            client.registry()
        ),
    );
    if went_on {
        ui.note("the registry has events of its own behind those: newer records of it were kept");
    }
    if ui.json {
        let registry = client.registry().to_string();
        let document = json!({
            "schema": 1, "registry": registry, "counts": counts, "blobs": blobs,
            "went_on": went_on, "path": shown(folder),
        });
        ui.print_json(&document)?;
    }
    Ok(())
}

fn manifest(layout: &Layout) -> anyhow::Result<Manifest> {
    let path = layout.manifest();
    let text = match fs_err::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("`{}` holds no export that is complete", shown(layout.root()));
            let hint = "name the folder that `packhouse admin export` wrote, or run that again";
            return Err(Stop::new(Exit::NotFound, message, hint).into());
        }
        Err(e) => return Err(e.into()),
    };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| damaged(&path, e))?;
    if manifest.schema != 1 {
        return Err(damaged(&path, format!("it has schema {}, not 1", manifest.schema)).into());
    }
    Ok(manifest)
}

/// Sends all records, each batch behind the blobs that it needs.
fn send(layout: &Layout, client: &Client, token: &Secret, ui: &Ui) -> anyhow::Result<Tally> {
    let path = layout.records();
    let mut tally = Tally::default();
    let mut file = BufReader::with_capacity(1 << 20, fs_err::File::open(&path)?);
    let (mut batch, mut count, mut at) = (Vec::new(), 0, 0_u64);
    loop {
        let mut line = Vec::new();
        if file.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        at += 1;
        tally
            .add(line.trim_ascii_end())
            .map_err(|why| damaged(&path, format!("line {at}: {why}")))?;
        if count > 0 && batch.len() + line.len() > LINE_BYTES {
            batch_in(layout, client, token, &batch)?;
            (batch, count) = (Vec::new(), 0);
        }
        batch.extend(line);
        count += 1;
        if batch.len() >= BATCH_BYTES || count >= BATCH {
            batch_in(layout, client, token, &batch)?;
            ui.step(&format!("{at} records"));
            (batch, count) = (Vec::new(), 0);
        }
    }
    if count > 0 {
        batch_in(layout, client, token, &batch)?;
    }
    Ok(tally)
}

fn batch_in(layout: &Layout, client: &Client, token: &Secret, lines: &[u8]) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        let answer = client.import_lines(token, lines)?;
        if answer.missing.is_empty() {
            return Ok(());
        }
        let work = |_: usize, blob: &MissingBlob| blob_in(layout, client, token, blob);
        let brought = packhouse_client::parallel(&answer.missing, AT_ONCE, work);
        brought.into_iter().collect::<anyhow::Result<()>>()?;
    }
    let message = "the registry lacks blobs that it took".to_owned();
    Err(Stop::new(Exit::Unreachable, message, "look into its log, then run the import again")
        .into())
}

fn blob_in(
    layout: &Layout,
    client: &Client,
    token: &Secret,
    blob: &MissingBlob,
) -> anyhow::Result<()> {
    let digest: Digest = blob.digest.parse().map_err(|_| ClientError::NotARegistry {
        what: format!("POST /v1/admin/import at {}", client.registry()),
        found: "a blob whose digest is none".to_owned(),
    })?;
    let kept = layout.kept(&digest);
    let path = if kept.is_file() { Some(kept) } else { any_in(&layout.served(&digest))? };
    let missing = || damaged(layout.root(), format!("the blob {digest} is missing"));
    let path = path.ok_or_else(missing)?;
    let bytes = fs_err::read(&path)?;
    if Digest::of(&bytes) != digest {
        return Err(damaged(&path, format!("its SHA-256 is not {digest}")).into());
    }
    Ok(client.import_blob(token, &digest, &bytes)?)
}

/// All that the registry holds now.
fn read_back(client: &Client, token: &Secret) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        let page = client.export_page(token, after.as_deref())?;
        for line in page.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            tally.add(line).map_err(|why| {
                let message = format!("the registry's records do not fit together: {why}");
                Stop::new(Exit::Integrity, message, "import into an empty registry")
            })?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(tally),
        }
    }
}
