//! The files of a commit as data: a listing, and the contents that are asked for.
//!
//! Nothing is checked out. Few files are had one by one; many from the commit's archive, which is
//! read as it comes, so that only what was asked for is ever in memory.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use packhouse_core::escape::excerpt;
use packhouse_core::snapshot::{Contents, Entry, Listing};
use serde::Deserialize;
use ureq::Agent;
use ureq::tls::TlsConfig;

use super::{GitHub, GitHubError, GitHubResult, named};

/// The most files of a repository that is looked at; GitHub lists no more either.
const TREE_ENTRIES: usize = 100_000;
/// Up to so many files are had one by one.
const ONE_BY_ONE: usize = 40;
/// The largest file that is had by itself, in bytes.
const ALONE_BYTES: u64 = 8 << 20;
/// How many at once.
const AT_ONCE: usize = 6;
/// The most that an archive may unpack to, in bytes: files that nobody asked for pass by, and count.
const UNPACKED_BYTES: u64 = 2 << 30;
/// How long an archive may take.
const ARCHIVE: Duration = Duration::from_secs(90);

#[derive(Deserialize)]
struct Tree {
    tree: Vec<Item>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct Item {
    path: String,
    mode: String,
    sha: String,
    #[serde(default)]
    size: u64,
}

impl GitHub {
    /// Every file of `commit`.
    ///
    /// # Errors
    ///
    /// [`GitHubError::Odd`] for more files than GitHub lists: [`TREE_ENTRIES`], folders included, and 7 MB.
    pub async fn listing(&self, repository: &str, commit: &str) -> GitHubResult<Listing> {
        let path = format!("/repos/{repository}/git/trees/{commit}?recursive=1");
        let tree: Tree = self.get(&path).await?;
        if tree.truncated || tree.tree.len() > TREE_ENTRIES {
            return Err(GitHubError::Odd {
                call: named("GET", &path),
                why: format!(
                    "the repository has more files than GitHub lists at once: {TREE_ENTRIES} with their folders, or fewer with long names"
                ),
            });
        }
        let mut listing = Listing::default();
        for Item { path, mode, sha, size } in tree.tree {
            let Some(kind) = crate::git::kind(&mode) else { continue };
            if crate::git::is_commit(&sha) {
                listing.insert(path, Entry { kind, id: sha, bytes: size });
            }
        }
        Ok(listing)
    }

    /// The contents of `wanted`, which are paths of `listing`.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]. The caller bounds what is wanted.
    pub async fn contents(
        &self,
        repository: &str,
        commit: &str,
        listing: &Listing,
        wanted: &[String],
    ) -> GitHubResult<Contents> {
        let large = |path: &String| listing.get(path).is_some_and(|e| e.bytes > ALONE_BYTES);
        if wanted.len() > ONE_BY_ONE || wanted.iter().any(large) {
            return self.archived(repository, commit, listing, wanted).await;
        }
        self.completed(repository, commit, listing, wanted, Contents::new()).await
    }

    /// As [`contents`](Self::contents), from the commit's archive however few they are: one call for all.
    ///
    /// # Errors
    ///
    /// [`GitHubError`].
    pub(super) async fn archived(
        &self,
        repository: &str,
        commit: &str,
        listing: &Listing,
        wanted: &[String],
    ) -> GitHubResult<Contents> {
        let contents = self.archive(repository, commit, listing, wanted).await?;
        self.completed(repository, commit, listing, wanted, contents).await
    }

    /// `contents` with what it lacks of `wanted`, had one by one.
    async fn completed(
        &self,
        repository: &str,
        commit: &str,
        listing: &Listing,
        wanted: &[String],
        mut contents: Contents,
    ) -> GitHubResult<Contents> {
        // An archive leaves out, and changes, what the repository's attributes say (`export-ignore`,
        // `export-subst`); a release does not.
        let missing: HashSet<String> = wanted
            .iter()
            .filter(|path| !contents.contains_key(*path))
            .filter_map(|path| Some(listing.get(path)?.id.clone()))
            .collect();
        if missing.len() > 10 * ONE_BY_ONE {
            return Err(GitHubError::Odd {
                call: named("GET", &format!("/repos/{repository}/tarball/{commit}")),
                why: format!("{} files are not in the archive", missing.len()),
            });
        }
        let blobs: HashMap<String, Arc<[u8]>> = stream::iter(missing)
            .map(|id| async move {
                let path = format!("/repos/{repository}/git/blobs/{id}");
                let answer = self.call("GET", &path, None::<&()>).await?;
                Ok::<_, GitHubError>((id, answer.body.into()))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for path in wanted {
            if let Some(blob) = listing.get(path).and_then(|entry| blobs.get(&entry.id)) {
                contents.entry(path.clone()).or_insert_with(|| blob.clone());
            }
        }
        Ok(contents)
    }

    async fn archive(
        &self,
        repository: &str,
        commit: &str,
        listing: &Listing,
        wanted: &[String],
    ) -> GitHubResult<Contents> {
        let path = format!("/repos/{repository}/tarball/{commit}");
        let call = named("GET", &path);
        let answer = self.call("GET", &path, None::<&()>).await?;
        let url = answer.location.filter(|url| admits(&self.api, url));
        let url = url.ok_or_else(|| GitHubError::Odd {
            call: call.clone(),
            why: "it does not lead to an archive on GitHub".to_owned(),
        })?;
        let sizes: HashMap<String, u64> = wanted
            .iter()
            .filter_map(|path| Some((path.clone(), listing.get(path)?.bytes)))
            .collect();
        let unusable = |why: String| GitHubError::Odd { call: call.clone(), why };
        let work = tokio::task::spawn_blocking(move || {
            let body = download(&url)?;
            unpack(body, &sizes)
        });
        let unpacked = work.await.map_err(|_| unusable("reading it broke off".to_owned()))?;
        // The address has a token in it, so an error's own text is not shown.
        unpacked.map_err(|error| unusable(excerpt(&error, 200)))
    }
}

/// Whether `url` is where the API at `api` keeps its archives: its own host, or the one that GitHub
/// has for them.
fn admits(api: &str, url: &str) -> bool {
    let authority = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        Some((scheme.to_owned(), rest[..end].to_ascii_lowercase()))
    };
    let (Some((scheme, host)), Some(found)) = (authority(api), authority(url)) else {
        return false;
    };
    let archives = format!("codeload.{}", host.strip_prefix("api.").unwrap_or(&host));
    found.0 == scheme && (found.1 == host || found.1 == archives)
}

/// The archive as it comes; at most so many bytes are read of it as it may unpack to.
fn download(url: &str) -> Result<impl Read + use<>, String> {
    let config = Agent::config_builder()
        .timeout_global(Some(ARCHIVE))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("packhouse/", env!("CARGO_PKG_VERSION")));
    let agent: Agent = if url.starts_with("http:") {
        config.proxy(None).build().into()
    } else {
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(crypto).build();
        config.https_only(true).tls_config(tls).build().into()
    };
    let answer = agent.get(url).call().map_err(|_| "the download failed".to_owned())?;
    match answer.status().as_u16() {
        200 => Ok(answer.into_body().into_reader()),
        status => Err(format!("the download is answered with {status}")),
    }
}

/// Reads a gzipped tar and keeps the files of `sizes` that have exactly the size there. Its one
/// topmost folder is left off the paths.
fn unpack(packed: impl Read, sizes: &HashMap<String, u64>) -> Result<Contents, String> {
    let wrong = |error: std::io::Error| format!("the archive is damaged: {error}");
    let unpacked = Bounded { inner: flate2::read::GzDecoder::new(packed), left: UNPACKED_BYTES };
    let mut archive = tar::Archive::new(unpacked);
    let mut contents = Contents::new();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let path = entry.path_bytes();
        let own = std::str::from_utf8(&path).ok().and_then(|path| path.split_once('/'));
        let Some((_, own)) = own else { continue };
        let Some(size) = sizes.get(own).copied() else { continue };
        let own = own.to_owned();
        let kind = entry.header().entry_type();
        if kind.is_symlink() {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            contents.insert(own, target.into());
        } else if kind.is_file() && entry.size() == size {
            let mut bytes =
                Vec::with_capacity(usize::try_from(size).unwrap_or_default().min(1 << 20));
            entry.read_to_end(&mut bytes).map_err(wrong)?;
            contents.insert(own, bytes.into());
        }
    }
    Ok(contents)
}

/// A reader that ends in an error after so many bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            std::io::Error::other(format!("it unpacks to more than {UNPACKED_BYTES} bytes"))
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_comes_from_github_only() {
        let github = "https://api.github.com";
        assert!(admits(github, "https://codeload.github.com/acme/x/legacy.tar.gz/abc?token=x"));
        assert!(admits("https://git.example.org/api/v3", "https://codeload.git.example.org/x"));
        assert!(admits("http://127.0.0.1:5", "http://127.0.0.1:5/archive"));
        for url in [
            "http://codeload.github.com/x",
            "https://codeload.github.com.evil.org/x",
            "https://evil.org/codeload.github.com",
            "https://codeload.github.com@evil.org/",
            "http://127.0.0.1:6/archive",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!admits(github, url), "{url}");
        }
    }

    fn tarball(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut builder = tar::Builder::new(gzip);
        for (path, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(if kind.is_file() { bytes.len() as u64 } else { 0 });
            header.set_mode(0o644);
            if kind.is_symlink() {
                let target = std::str::from_utf8(bytes).unwrap();
                builder.append_link(&mut header, path, target).unwrap();
            } else {
                builder.append_data(&mut header, path, *bytes).unwrap();
            }
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn only_what_was_asked_for_and_has_the_listed_size_is_kept() {
        use tar::EntryType as Kind;
        let packed = tarball(&[
            ("top/a", Kind::Regular, b"123"),
            ("top/b", Kind::Regular, b"other"),
            ("top/link", Kind::Symlink, b"../../etc/passwd"),
            ("top/substituted", Kind::Regular, b"abc"),
        ]);
        let sizes = [("a", 3), ("link", 16), ("substituted", 9), ("not-there", 1)];
        let sizes = sizes.map(|(path, size)| (path.to_owned(), size)).into();
        let contents = unpack(&packed[..], &sizes).unwrap();
        let mut paths: Vec<_> = contents.keys().collect();
        paths.sort();
        assert_eq!(paths, ["a", "link"]);
        assert_eq!(&*contents["link"], b"../../etc/passwd");
        assert!(unpack(&packed[..packed.len() / 2], &sizes).is_err());
        assert!(unpack(&b"no archive"[..], &sizes).is_err());
    }

    #[test]
    fn a_bomb_ends_in_an_error() {
        let endless = Bounded { inner: std::io::repeat(0), left: 1 << 16 };
        let error = std::io::copy(&mut { endless }, &mut std::io::sink()).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }
}
