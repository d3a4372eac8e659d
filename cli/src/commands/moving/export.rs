//! `packhouse admin export`: the whole registry as files.
//!
//! Records come first, then the blobs that they name, then the index files that name the blobs: so
//! what is served while an export runs is whole. Each file is written whole or not at all; what is
//! there and right stays.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use packhouse_client::Client;
use packhouse_core::api::transfer::StaticSite;
use packhouse_core::digest::{Digest, Hasher};
use packhouse_core::release::Release;
use packhouse_core::secret::Secret;
use packhouse_registry::ports::Record;
use packhouse_registry::transfer::{blobs_of, index_file};
use serde_json::Value;

use super::blobs::{Needs, bring};
use super::tally::Tally;
use super::{Layout, Manifest, damaged, digest_of, place, temporary, write};
use crate::ui::{Ui, shown, size};

/// `DIR/public`, `DIR/backup`.
pub(crate) fn export(
    folder: &Path,
    client: &Client,
    token: &Secret,
    ui: &Ui,
) -> anyhow::Result<()> {
    let layout = Layout::new(folder);
    fs_err::create_dir_all(layout.public())?;
    fs_err::create_dir_all(layout.backup())?;
    close(&layout.backup())?;
    if layout.next_index().exists() {
        fs_err::remove_dir_all(layout.next_index())?; // of a run that was cut short
    }
    let records = read_records(&layout, client, token, ui)?;
    let (blobs, blob_bytes) = bring(&layout, client, token, &records.needs, ui)?;
    let mut sums = publish_index(&layout, &records.index)?;
    records.needs.prune(&layout)?;
    records.needs.list(&layout, &mut sums);

    let registry = client.registry().to_string();
    let site = StaticSite { schema: 1, is_static: true, of: registry.clone() };
    let marker = serde_json::to_vec_pretty(&site)?;
    write(&layout.public().join("registry.json"), &marker, true)?;
    sums.insert(layout.public().join("registry.json"), Digest::of(&marker));
    let sha256 = records.sha256;
    place(records.file, &layout.records(), false)?;
    sums.insert(layout.records(), sha256);
    let manifest = Manifest {
        schema: 1,
        registry,
        packhouse: env!("CARGO_PKG_VERSION").to_owned(),
        records_sha256: sha256,
        counts: records.tally.counts(),
        blobs,
        blob_bytes,
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    write(&layout.manifest(), &text, false)?;
    sums.insert(layout.manifest(), Digest::of(&text));
    let lines: String = sums
        .iter()
        .filter_map(|(path, digest)| Some((path.strip_prefix(layout.root()).ok()?, digest)))
        .map(|(path, digest)| format!("{digest}  {}\n", path.to_string_lossy().replace('\\', "/")))
        .collect();
    write(&layout.backup().join("SHA256SUMS"), lines.as_bytes(), false)?;

    let counts = manifest.counts;
    ui.done(
        "Exported",
        &format!(
            "{} packages, {} releases, {} events, {blobs} blobs ({}) into `{}`, every byte checked",
            counts.packages,
            counts.releases,
            counts.events,
            size(blob_bytes),
            shown(folder)
        ),
    );
    ui.note("`backup/` is confidential: serve `public/` only");
    if ui.json {
        let mut document: Value = serde_json::to_value(&manifest)?;
        document["path"] = shown(folder).into();
        ui.print_json(&document)?;
    }
    Ok(())
}

/// Makes a folder its owner's alone.
fn close(folder: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// What the registry's records say.
struct Records {
    file: tempfile::NamedTempFile,
    sha256: Digest,
    tally: Tally,
    needs: Needs,
    /// By path below `index/`: the SHA-256.
    index: BTreeMap<String, Digest>,
}

fn read_records(
    layout: &Layout,
    client: &Client,
    token: &Secret,
    ui: &Ui,
) -> anyhow::Result<Records> {
    let mut records = Records {
        file: temporary(&layout.records())?,
        sha256: Digest::of(b""),
        tally: Tally::default(),
        needs: Needs::default(),
        index: BTreeMap::new(),
    };
    let mut out = BufWriter::new(records.file.as_file().try_clone()?);
    let mut hasher = Hasher::default();
    let mut package: Vec<Release> = Vec::new();
    let mut after = None;
    loop {
        let page = client.export_page(token, after.as_deref())?;
        hasher.update(&page.lines);
        out.write_all(&page.lines)?;
        for line in page.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record = records.tally.add(line).map_err(|why| damaged(&layout.records(), why))?;
            match record {
                Record::Release { mut release, .. } => {
                    release.described.original = Value::Null;
                    if package.first().is_some_and(|held| held.identifier != release.identifier) {
                        package.clear();
                    }
                    package.push(release);
                }
                // Behind a package's releases comes its head.
                Record::Head(head) => {
                    let releases = std::mem::take(&mut package);
                    let blobs =
                        releases.iter().map(|release| (release.marks.clone(), blobs_of(release)));
                    records.needs.set(&head.identifier, blobs.collect());
                    if !releases.is_empty() {
                        let name = format!("{}.json", head.identifier.key());
                        let bytes = index_file(&head, releases)?;
                        write(&layout.next_index().join(&name), &bytes, true)?;
                        records.index.insert(name, Digest::of(&bytes));
                    }
                }
                _ => {}
            }
        }
        let counts = records.tally.counts();
        ui.step(&format!("{} packages, {} events", counts.packages, counts.events));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    out.flush()?;
    records.sha256 = hasher.finish();
    Ok(records)
}

/// Puts index files in their places, now that all that they name is there.
fn publish_index(
    layout: &Layout,
    index: &BTreeMap<String, Digest>,
) -> anyhow::Result<BTreeMap<PathBuf, Digest>> {
    let mut sums = BTreeMap::new();
    for (name, digest) in index {
        let path = layout.public().join("index").join(name);
        if digest_of(&path)? != Some(*digest) {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs_err::create_dir_all(folder)?;
            fs_err::rename(layout.next_index().join(name), &path)?;
        }
        sums.insert(path, *digest);
    }
    if layout.next_index().exists() {
        fs_err::remove_dir_all(layout.next_index())?;
    }
    Ok(sums)
}
