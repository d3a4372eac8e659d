//! The blobs of an export: which there must be, and under which names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use packhouse_client::url::encode;
use packhouse_client::{Client, ClientError};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Marks;
use packhouse_core::secret::Secret;

use super::{Layout, digest_of, place, temporary};
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

/// Blobs that are brought at once.
const AT_ONCE: usize = 8;

/// A blob's digest, length and name.
type Named = (Digest, u64, String);

/// What each package needs; the latest that was said of it counts.
#[derive(Default)]
pub(super) struct Needs {
    /// Whether it is in service, and the blob.
    by_package: BTreeMap<Identifier, Vec<(bool, Named)>>,
}

/// One blob.
#[derive(Default)]
struct Need {
    bytes: u64,
    /// Under these names it is served; none where it is out of service.
    names: BTreeSet<String>,
}

impl Needs {
    /// All blobs of a package's releases.
    pub(super) fn set(&mut self, package: &Identifier, releases: Vec<(Marks, Vec<Named>)>) {
        let kept = releases.into_iter().filter(|(marks, _)| marks.removed.is_none());
        let needs = kept.flat_map(|(marks, blobs)| {
            let served = marks.quarantined.is_none();
            blobs.into_iter().map(move |blob| (served, blob))
        });
        self.by_package.insert(package.clone(), needs.collect());
    }

    fn by_digest(&self) -> BTreeMap<Digest, Need> {
        let mut needs: BTreeMap<Digest, Need> = BTreeMap::new();
        for (served, (digest, bytes, name)) in self.by_package.values().flatten() {
            let need = needs.entry(*digest).or_default();
            need.bytes = *bytes;
            if *served && is_file_name(name) {
                need.names.insert(name.clone());
            }
        }
        needs
    }

    /// Every file that there must be.
    fn files(&self, layout: &Layout) -> BTreeMap<PathBuf, Digest> {
        let mut files = BTreeMap::new();
        for (digest, need) in self.by_digest() {
            let folder = layout.served(&digest);
            files.extend(need.names.iter().map(|name| (folder.join(name), digest)));
            if need.names.is_empty() {
                files.insert(layout.kept(&digest), digest);
            }
        }
        files
    }

    /// Adds the files to a list of checksums.
    pub(super) fn list(&self, layout: &Layout, sums: &mut BTreeMap<PathBuf, Digest>) {
        sums.extend(self.files(layout));
    }

    /// Drops files of an earlier export that must not be there any more: what was removed or taken
    /// out of service since.
    pub(super) fn prune(&self, layout: &Layout) -> anyhow::Result<()> {
        let files = self.files(layout);
        let roots = [layout.public().join("blobs/sha256"), layout.backup().join("blobs")];
        for root in roots.iter().filter(|root| root.is_dir()) {
            prune(root, &files)?;
        }
        Ok(())
    }
}

/// Whether a name cannot lead out of its folder.
fn is_file_name(name: &str) -> bool {
    let plain = !name.is_empty() && name != "." && name != "..";
    plain && !name.contains(['/', '\\', '\0', '\n', '\r'])
}

fn prune(folder: &Path, files: &BTreeMap<PathBuf, Digest>) -> anyhow::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            prune(&path, files)?;
            let _ = std::fs::remove_dir(&path); // only where nothing is left in it
        } else if !files.contains_key(&path) {
            fs_err::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Brings every blob that is not there yet; how many there are, and their bytes.
pub(super) fn bring(
    layout: &Layout,
    client: &Client,
    token: &Secret,
    needs: &Needs,
    ui: &Ui,
) -> anyhow::Result<(u64, u64)> {
    let needs: Vec<(Digest, Need)> = needs.by_digest().into_iter().collect();
    let results = packhouse_client::parallel(&needs, AT_ONCE, |at, (digest, need)| {
        if at % 100 == 99 {
            ui.step(&format!("blob {} of {}", at + 1, needs.len()));
        }
        one(layout, client, token, digest, need)
    });
    results.into_iter().collect::<anyhow::Result<()>>()?;
    let bytes = needs.iter().map(|(_, need)| need.bytes).sum();
    Ok((needs.len() as u64, bytes))
}

fn one(
    layout: &Layout,
    client: &Client,
    token: &Secret,
    digest: &Digest,
    need: &Need,
) -> anyhow::Result<()> {
    let Some((first, others)) =
        need.names.iter().collect::<Vec<_>>().split_first().map(|(first, others)| {
            ((*first).clone(), others.iter().map(|name| (*name).clone()).collect::<Vec<_>>())
        })
    else {
        let kept = layout.kept(digest);
        if digest_of(&kept)? == Some(*digest) {
            return Ok(());
        }
        let served = any_in(&layout.served(digest))?;
        if let Some(served) = served.filter(|path| digest_of(path).ok().flatten() == Some(*digest))
        {
            return copy(&served, &kept, false); // taken out of service since the last export
        }
        let path = format!("/v1/admin/blobs/{digest}");
        return download(client, &path, token, digest, need.bytes, &kept, false);
    };
    let place = layout.served(digest).join(&first);
    if digest_of(&place)? != Some(*digest) {
        let path = format!("/blobs/sha256/{digest}/{}", encode(&first));
        download(client, &path, token, digest, need.bytes, &place, true)?;
    }
    for name in others {
        let other = layout.served(digest).join(name);
        if digest_of(&other)? != Some(*digest) {
            copy(&place, &other, true)?;
        }
    }
    Ok(())
}

/// A file in a folder.
pub(super) fn any_in(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with(".packhouse-");
        if entry.file_type()?.is_file() && !hidden {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

fn copy(from: &Path, to: &Path, public: bool) -> anyhow::Result<()> {
    let mut file = temporary(to)?;
    std::io::copy(&mut fs_err::File::open(from)?, &mut file)?;
    place(file, to, public)
}

fn download(
    client: &Client,
    path: &str,
    token: &Secret,
    digest: &Digest,
    bytes: u64,
    to: &Path,
    public: bool,
) -> anyhow::Result<()> {
    let file = temporary(to)?;
    let open = || {
        let mut begun = file.as_file().try_clone()?;
        begun.set_len(0)?;
        std::io::Seek::rewind(&mut begun)?;
        Ok(Box::new(begun) as Box<dyn Write>)
    };
    // The operator's token: a private registry shows its public addresses to nobody else.
    let found = client.bytes_to(path, Some(token), bytes, open).map_err(|error| match error {
        ClientError::Refused(refusal) if matches!(refusal.status, 404 | 410 | 451) => {
            let message =
                format!("the blob {digest} went away while the export ran: {}", refusal.message);
            let again = "run the export again: it keeps what is right and takes what changed";
            anyhow::Error::from(Stop::new(Exit::Conflict, message, again))
        }
        error => error.into(),
    })?;
    if found != *digest {
        let message = format!("`{path}` has sha256:{found}, the records promised sha256:{digest}");
        let hint = "restore that blob of the registry from a backup";
        return Err(Stop::new(Exit::Integrity, message, hint).into());
    }
    place(file, to, public)
}
