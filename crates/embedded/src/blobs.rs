//! [`Blobs`] in files.
//!
//! Uploads are written to a name of their own, synced, and linked into `staging/`; promotion links
//! the very same file into `blobs/` and syncs that folder. No file is ever written to under its
//! final name, so what is there is whole. Paths are made of ids and digests only.

use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use fs_err as fs;
use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use packhouse_core::digest::{Digest, Hasher};
use packhouse_registry::app::PublicUrl;
use packhouse_registry::ports::{
    BlobBody, Blobs, IntentId, Part, Staged, StoreError, StoreResult, Upload, UploadBounds,
};
use packhouse_registry::uploads::{Receiver, Staging, UploadSigner};
use tokio::task::spawn_blocking;

use crate::fault;
use crate::folder::{DataDir, create_private, link_once, random_name, sync_dir};

/// What is read or written in one go.
const CHUNK_BYTES: usize = 256 << 10;

/// The blobs of a data folder. Any number of values and processes may have them open.
#[derive(Clone, Debug)]
pub struct FileBlobs {
    folders: Arc<Folders>,
    signer: UploadSigner,
}

#[derive(Debug)]
struct Folders {
    staging: PathBuf,
    blobs: PathBuf,
}

impl FileBlobs {
    /// Opens the blobs of a data folder; upload URLs start with `public_url`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when its folders can neither be found nor made.
    pub fn open(folder: &DataDir, public_url: &PublicUrl) -> StoreResult<Self> {
        let folders = Folders { staging: folder.staging(), blobs: folder.blobs() };
        for path in [&folders.staging, &folders.blobs] {
            fs::create_dir_all(path).map_err(fault::file)?;
        }
        let signer = UploadSigner::new(public_url, folder.upload_key());
        Ok(Self { folders: Arc::new(folders), signer })
    }

    /// What makes and checks its signed uploads; [`packhouse_registry::uploads::router`] takes it.
    pub fn signer(&self) -> &UploadSigner {
        &self.signer
    }

    /// Makes the 256 folders of blobs ahead of time, once in the life of a data folder: publishes
    /// then need not sync a new folder's name. Meant for a background thread after the start.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a folder cannot be made.
    pub fn make_folders(&self) -> StoreResult<()> {
        let root = &self.folders.blobs;
        // Made last, so its presence says that all are there.
        if root.join("ff").is_dir() {
            return Ok(());
        }
        for shard in 0..=u8::MAX {
            make_dir(&root.join(format!("{shard:02x}"))).map_err(fault::file)?;
        }
        sync_dir(root).map_err(fault::file)
    }

    /// Deletes whatever in `staging/` was last written before `age` ago: uploads whose intent is
    /// gone, and pieces that a killed process left. `age` must exceed the life of an intent and of
    /// an upload. Answers how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the folder cannot be read.
    pub async fn discard_orphans(&self, age: Duration) -> StoreResult<u64> {
        let folders = Arc::clone(&self.folders);
        blocking(move || {
            let mut dropped = 0;
            for entry in fs::read_dir(&folders.staging)? {
                let entry = entry?;
                let written = match entry.metadata() {
                    Err(e) if e.kind() == ErrorKind::NotFound => continue, // promoted meanwhile
                    metadata => metadata?.modified()?,
                };
                if written.elapsed().is_ok_and(|since| since > age) && remove(&entry.path())? {
                    dropped += 1;
                }
            }
            Ok(dropped)
        })
        .await
    }
}

impl Folders {
    fn staged(&self, intent: &IntentId, part: Part) -> PathBuf {
        self.staging.join(format!("{intent}.{}", part.name()))
    }

    fn temporary(&self) -> io::Result<PathBuf> {
        Ok(self.staging.join(format!("{}.new", random_name()?)))
    }

    fn shard(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(&digest.hex()[..2])
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.shard(digest).join(digest.hex())
    }

    /// Gives a synced file its digest's name. The folder is synced even when the name was there:
    /// the process that made it may not have come so far.
    fn link_blob(&self, file: &Path, digest: &Digest) -> io::Result<()> {
        let shard = self.shard(digest);
        if make_dir(&shard)? {
            sync_dir(&self.blobs)?;
        }
        link_once(file, &self.blob(digest))?;
        sync_dir(&shard)
    }

    /// The staged file, if it is this very version.
    fn open_staged(&self, staged: &Staged) -> io::Result<Option<fs::File>> {
        let file = match fs::File::open(self.staged(&staged.intent, staged.part)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let same = version(&file.metadata()?) == staged.version;
        Ok(same.then_some(file))
    }
}

/// Tells versions of a staged file apart. Staged files are never written to, only dropped and made
/// anew; a new file at an old inode differs in its time of writing.
fn version(metadata: &std::fs::Metadata) -> String {
    let written = metadata.modified().ok();
    let since = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let nanoseconds = since.unwrap_or_default().as_nanos();
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    format!("{inode:x}-{nanoseconds:x}-{:x}", metadata.len())
}

/// Makes a folder; `false` when it is there.
fn make_dir(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// Removes a file; `false` when there is none.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn digest_of(file: &mut fs::File) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&buffer[..length]),
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> StoreResult<T> {
    spawn_blocking(work).await.map_err(fault::task)?.map_err(fault::file)
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn upload(&self, bounds: &UploadBounds, _now: Timestamp) -> StoreResult<Upload> {
        Ok(self.signer.upload(bounds))
    }

    async fn pin(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Staged>> {
        let metadata = match fs::metadata(self.folders.staged(intent, part)) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(fault::file)?,
        };
        let version = version(&metadata);
        Ok(Some(Staged { intent: intent.clone(), part, version, bytes: metadata.len() }))
    }

    async fn read_staged(&self, staged: &Staged) -> StoreResult<Option<Bytes>> {
        let (folders, staged) = (Arc::clone(&self.folders), staged.clone());
        blocking(move || {
            let Some(mut file) = folders.open_staged(&staged)? else { return Ok(None) };
            let mut bytes = Vec::with_capacity(usize::try_from(staged.bytes).unwrap_or_default());
            file.read_to_end(&mut bytes)?;
            Ok(Some(Bytes::from(bytes)))
        })
        .await
    }

    async fn promote(&self, staged: &Staged, digest: &Digest) -> StoreResult<bool> {
        let (folders, staged, digest) = (Arc::clone(&self.folders), staged.clone(), *digest);
        blocking(move || {
            let Some(mut file) = folders.open_staged(&staged)? else { return Ok(false) };
            if digest_of(&mut file)? != digest {
                return Ok(false);
            }
            // The name still means the file that was read: only a discard takes it away.
            folders.link_blob(&folders.staged(&staged.intent, staged.part), &digest)?;
            Ok(true)
        })
        .await
    }

    async fn put(&self, bytes: Bytes) -> StoreResult<Digest> {
        let folders = Arc::clone(&self.folders);
        blocking(move || {
            let digest = Digest::of(&bytes);
            if folders.blob(&digest).try_exists()? {
                // Whole, since it was synced before it got its name; the name may not be durable.
                sync_dir(&folders.shard(&digest))?;
                return Ok(digest);
            }
            let mut file = Temporary::new(folders.temporary()?)?;
            file.write(&bytes)?;
            file.file.sync_data()?;
            folders.link_blob(&file.path, &digest)?;
            Ok(digest)
        })
        .await
    }

    async fn size(&self, digest: &Digest) -> StoreResult<Option<u64>> {
        match fs::metadata(self.folders.blob(digest)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(fault::file(e)),
        }
    }

    async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> StoreResult<Option<BlobBody>> {
        let path = self.folders.blob(digest);
        let opened = blocking(move || {
            let mut file = match fs::File::open(path) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            let bytes = file.metadata()?.len();
            let offset = offset.min(bytes);
            let length = length.min(bytes - offset);
            file.seek(SeekFrom::Start(offset))?;
            let first = next_chunk(&mut file, length)?;
            Ok(Some((file, bytes, length, first)))
        });
        let Some((file, bytes, length, first)) = opened.await? else { return Ok(None) };
        let left = length - first.len() as u64;
        let rest = stream::try_unfold((file, left), |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let read = spawn_blocking(move || {
                let chunk = next_chunk(&mut file, left)?;
                Ok::<_, io::Error>((chunk, file))
            });
            let (chunk, file) = read.await.map_err(io::Error::other)??;
            let left = left - chunk.len() as u64;
            Ok(Some((chunk, (file, left))))
        });
        let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
        Ok(Some(BlobBody { bytes, stream: first.chain(rest).boxed() }))
    }

    async fn discard(&self, intent: &IntentId) -> StoreResult<()> {
        let (folders, intent) = (Arc::clone(&self.folders), intent.clone());
        blocking(move || {
            remove(&folders.staged(&intent, Part::Archive))?;
            remove(&folders.staged(&intent, Part::Artifacts))?;
            Ok(())
        })
        .await
    }

    async fn delete(&self, digest: &Digest) -> StoreResult<()> {
        let (folders, digest) = (Arc::clone(&self.folders), *digest);
        blocking(move || match remove(&folders.blob(&digest))? {
            true => sync_dir(&folders.shard(&digest)),
            false => Ok(()),
        })
        .await
    }
}

/// The next bytes of a file, at least one of the `left` ones.
fn next_chunk(file: &mut fs::File, left: u64) -> io::Result<Bytes> {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
    let mut chunk = vec![0; length];
    file.read_exact(&mut chunk)?;
    Ok(chunk.into())
}

/// A file that vanishes with its value; links to it stay.
struct Temporary {
    file: fs::File,
    path: PathBuf,
}

impl Temporary {
    fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: create_private(&path)?, path })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays behind is an orphan, which `discard_orphans` takes.
        let _ = fs::remove_file(&self.path);
    }
}

#[async_trait]
impl Staging for FileBlobs {
    async fn staged(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Digest>> {
        let path = self.folders.staged(intent, part);
        blocking(move || match fs::File::open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            file => digest_of(&mut file?).map(Some),
        })
        .await
    }

    async fn receive(
        &self,
        intent: &IntentId,
        part: Part,
        bytes: u64,
    ) -> StoreResult<Box<dyn Receiver>> {
        let target = self.folders.staged(intent, part);
        let path = self.folders.temporary().map_err(fault::file)?;
        let file = blocking(move || Temporary::new(path)).await?;
        let capacity = usize::try_from(bytes).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let buffer = BytesMut::with_capacity(capacity);
        Ok(Box::new(FileReceiver { file: Some(file), target, buffer }))
    }
}

struct FileReceiver {
    /// `None` only while a write is under way, or after one that was cut short.
    file: Option<Temporary>,
    target: PathBuf,
    buffer: BytesMut,
}

impl FileReceiver {
    fn take(&mut self) -> StoreResult<Temporary> {
        let gone = || StoreError::Unavailable("an upload was cut short".to_owned());
        self.file.take().ok_or_else(gone)
    }
}

#[async_trait]
impl Receiver for FileReceiver {
    async fn write(&mut self, bytes: Bytes) -> StoreResult<()> {
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        let mut file = self.take()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = blocking(move || {
            file.write(&buffer)?;
            buffer.clear();
            Ok((file, buffer))
        });
        let (file, buffer) = written.await?;
        (self.file, self.buffer) = (Some(file), buffer);
        Ok(())
    }

    async fn keep(mut self: Box<Self>) -> StoreResult<bool> {
        let mut file = self.take()?;
        blocking(move || {
            file.write(&self.buffer)?;
            file.file.sync_data()?;
            // A link fails where the name is taken: the first upload stays.
            link_once(&file.path, &self.target)
        })
        .await
    }
}
