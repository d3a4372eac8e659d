//! From an identifier to bytes that are proven: choose a version, download, check, unpack.
//!
//! A package's index file says what bytes a version is; the address of the download is built here
//! from their digest, so nobody can send a reader elsewhere. An interrupted download is continued.

use std::cell::RefCell;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use packhouse_core::api::read::{IndexFile, IndexVersion};
use packhouse_core::digest::{Digest, Hasher, TreeDigest};
use packhouse_core::escape::excerpt;
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::requirement::{Grammar, Requirement};
use packhouse_core::version::{Order, Version};
use ureq::http::{Method, header};

use crate::error::ClientError;
use crate::http::{Client, Failure, refused};

/// Archives from this size on are kept on disk while they come, so that they can be continued.
const RESUMED_BYTES: u64 = 1 << 20;

/// What is asked for: `owner/name[/sub]`, optionally `@version` or `@requirement`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The package.
    pub identifier: Identifier,
    /// A version or a requirement, as it was written.
    pub version: Option<String>,
}

impl std::str::FromStr for Wanted {
    type Err = ClientError;
    fn from_str(text: &str) -> Result<Self, ClientError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version.trim())),
            None => (text, None),
        };
        let help = "write `owner/name`, `owner/name@1.2.3` or `owner/name@^1.2`";
        let identifier =
            name.parse::<Identifier>().map_err(|e| ClientError::usage(e.to_string(), help))?;
        if version == Some("") {
            return Err(ClientError::usage(format!("`{}` ends in `@`", excerpt(text, 200)), help));
        }
        Ok(Self { identifier, version: version.map(str::to_owned) })
    }
}

/// A version that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The package, in the registry's spelling.
    pub identifier: Identifier,
    /// The version.
    pub version: Version,
    /// SHA-256 of its archive.
    pub digest: Digest,
    /// Its content's identity.
    pub tree_digest: TreeDigest,
    /// Size of the archive in bytes.
    pub bytes: u64,
    /// What a consumer should know: yanked, deprecated.
    pub warnings: Vec<String>,
}

impl Chosen {
    /// `identifier@version`.
    pub fn title(&self) -> String {
        format!("{}@{}", self.identifier, self.version)
    }

    /// A plain name for a folder or file: `<owner>-<name>-<version>`.
    pub fn stem(&self) -> String {
        format!("{}-{}", self.identifier.file_stem(), self.version.key())
    }
}

/// Chooses the version that `wanted` means: exactly that one, or the newest that fits; a yanked one
/// only where it is named, a prerelease only where it is named or there is nothing else.
///
/// # Errors
///
/// [`ClientError::Missing`] that lists what there is; [`ClientError::Integrity`] for an index file
/// that says what cannot be.
pub fn choose(index: &IndexFile, wanted: &Wanted) -> Result<Chosen, ClientError> {
    let mut known = Vec::new();
    for entry in &index.versions {
        if let Ok(version) = Version::parse(entry.order, &entry.version) {
            known.push((version, entry));
        }
    }
    known.sort_by(|a, b| b.0.cmp(&a.0));
    let name = &wanted.identifier;
    let Some(text) = &wanted.version else {
        let usable =
            |(_, entry): &&(Version, &IndexVersion)| entry.in_service() && entry.yanked.is_none();
        let usable = known.iter().filter(usable);
        return match usable.max_by(|(a, _), (b, _)| a.preference().cmp(&b.preference())) {
            Some((version, entry)) => chosen(wanted, version, entry),
            None => Err(missing(format!("`{name}` has no version that can be used"), &known)),
        };
    };
    let exact = |(version, _): &&(Version, &IndexVersion)| {
        Version::parse(version.order(), text).is_ok_and(|asked| asked == *version)
    };
    if let Some((version, entry)) = known.iter().find(exact) {
        return chosen(wanted, version, entry);
    }
    let grammar = match known.first().map(|(version, _)| version.order()) {
        Some(Order::Pep440) => Grammar::Pep508,
        _ => Grammar::Cargo,
    };
    // A whole version means that one: `^1.2.3` asks for what is near.
    let whole = known.iter().any(|(version, _)| Version::parse(version.order(), text).is_ok());
    let requirement = if whole { None } else { Requirement::parse(grammar, text).ok() };
    let fits = requirement.as_ref().and_then(|requirement| {
        known.iter().find(|(version, entry)| {
            entry.in_service() && entry.yanked.is_none() && requirement.admits(version)
        })
    });
    match fits {
        Some((version, entry)) => chosen(wanted, version, entry),
        None => Err(missing(format!("`{name}` has no version `{}`", excerpt(text, 100)), &known)),
    }
}

fn missing(message: String, known: &[(Version, &IndexVersion)]) -> ClientError {
    let usable: Vec<_> = known
        .iter()
        .filter(|(_, entry)| entry.in_service() && entry.yanked.is_none())
        .map(|(version, _)| format!("`{version}`"))
        .collect();
    let help = match usable.len() {
        0 => "all of it is yanked or out of service; `packhouse info` tells why".to_owned(),
        1..=8 => format!("there is {}", usable.join(", ")),
        more => format!("there is {} and {} more", usable[..8].join(", "), more - 8),
    };
    ClientError::Missing { message, help }
}

fn chosen(wanted: &Wanted, version: &Version, entry: &IndexVersion) -> Result<Chosen, ClientError> {
    let identifier = wanted.identifier.clone();
    let gone = [("was removed", &entry.removed), ("is quarantined", &entry.quarantined)];
    if let Some((how, Some(mark))) = gone.iter().find(|(_, mark)| mark.is_some()) {
        return Err(ClientError::Missing {
            message: format!("`{identifier}@{version}` {how}: {}", excerpt(&mark.reason, 500)),
            help: "choose another version".to_owned(),
        });
    }
    let mut warnings = Vec::new();
    for (how, mark) in [("yanked", &entry.yanked), ("deprecated", &entry.deprecated)] {
        let Some(mark) = mark else { continue };
        let instead = mark.replacement.as_ref().map(|r| format!("; use `{}`", excerpt(r, 200)));
        let reason = excerpt(&mark.reason, 500);
        warnings.push(format!(
            "`{identifier}@{version}` is {how}: {reason}{}",
            instead.unwrap_or_default()
        ));
    }
    let wrong = |_| {
        ClientError::Integrity(format!(
            "the registry's index of `{identifier}` has a digest that is none"
        ))
    };
    Ok(Chosen {
        digest: entry.digest.parse().map_err(wrong)?,
        tree_digest: TreeDigest(entry.tree_digest.parse().map_err(wrong)?),
        bytes: entry.bytes,
        version: version.clone(),
        identifier,
        warnings,
    })
}

/// Finds and chooses what is asked for.
///
/// # Errors
///
/// Those of [`Client::index`] and [`choose`]; [`ClientError::Missing`] for an unknown package, with
/// a name that was probably meant.
pub fn resolve(client: &Client, wanted: &Wanted) -> Result<Chosen, ClientError> {
    match client.index(&wanted.identifier)? {
        Some(index) => choose(&index, wanted),
        None => {
            let near = near(client, &wanted.identifier);
            Err(ClientError::Missing {
                message: format!(
                    "there is no package `{}` at {}",
                    wanted.identifier,
                    client.registry()
                ),
                help: match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "look for it with `packhouse search`".to_owned(),
                },
            })
        }
    }
}

/// The package that was probably meant; the registry's search forgives slips.
fn near(client: &Client, identifier: &Identifier) -> Option<Identifier> {
    let found = client.search(identifier.key()).ok().filter(|found| !found.packages.is_empty());
    let found = found.or_else(|| client.search(identifier.name()).ok())?;
    found.packages.iter().find_map(|hit| hit.identifier.parse().ok())
}

/// Downloads the archive of `chosen` and checks its digest while it comes; `received` is told how
/// many bytes are there. Interrupted downloads are kept in `partials`, where one is given.
///
/// # Errors
///
/// [`ClientError::Integrity`] for other bytes than promised, of which nothing is kept;
/// [`ClientError::Archive`] is left to whoever unpacks them.
pub fn download(
    client: &Client,
    chosen: &Chosen,
    partials: Option<&Path>,
    limits: &Limits,
    received: &(dyn Fn(u64) + Sync),
) -> Result<Vec<u8>, ClientError> {
    if chosen.bytes > limits.archive_bytes {
        return Err(ClientError::Integrity(format!(
            "`{}` would be {} bytes, at most {} are taken here",
            chosen.title(),
            chosen.bytes,
            limits.archive_bytes
        )));
    }
    let folder = partials.filter(|_| chosen.bytes >= RESUMED_BYTES);
    let begun = Partial::open(folder, chosen);
    let kept = begun.bytes.len();
    let state = RefCell::new(begun);
    let path =
        format!("/blobs/sha256/{}/{}.zip", chosen.digest, crate::url::encode(&chosen.stem()));
    let token = client.read_token();
    let got = loop {
        let (have, tag) = {
            let s = state.borrow();
            (s.bytes.len() as u64, s.tag.clone())
        };
        let mut call = client.call(Method::GET, &path).bearer(token);
        if have > 0 {
            call = call.header(header::RANGE.as_str(), format!("bytes={have}-"));
            if let Some(tag) = &tag {
                call = call.header(header::IF_RANGE.as_str(), tag);
            }
        }
        let deadline = std::time::Duration::from_secs(3600);
        let status = client.attempt(&call, |answer| {
            let mut state = state.borrow_mut();
            // A try of this very call may have brought some of it: then its range is out of date.
            let current = state.bytes.len() as u64 == have;
            match answer.status {
                200 => state.restart(),
                206 if current && starts_at(answer.header(header::CONTENT_RANGE), have) => {}
                206 => return Ok(Next::Again),
                416 => {
                    state.restart();
                    return Ok(Next::Again);
                }
                status => {
                    return answer.read(64 << 10, deadline).map(|body| Next::Refused(status, body));
                }
            }
            state.note_tag(answer.header(header::ETAG));
            let left = chosen.bytes - state.bytes.len() as u64;
            let result = answer.stream(left, deadline, |piece| {
                state.add(piece);
                received(state.bytes.len() as u64);
                Ok(())
            });
            // What came before a fault is continued by the next call, with a range of its own.
            match result {
                Err(failure) if failure.is_passing() && state.bytes.len() as u64 > have => {
                    Ok(Next::Again)
                }
                Err(failure) => Err(failure),
                Ok(()) if (state.bytes.len() as u64) < chosen.bytes => Err(Failure::foreign(
                    format!("{} bytes, the index promised {}", state.bytes.len(), chosen.bytes),
                )),
                Ok(()) => Ok(Next::Done),
            }
        });
        match status {
            Ok(Next::Done) => break Ok(()),
            Ok(Next::Again) if state.borrow_mut().may_go_on() => {}
            Ok(Next::Again) => {
                break Err(ClientError::Unreachable {
                    what: format!("downloading `{}`", chosen.title()),
                    cause: "the answer broke off again and again".to_owned(),
                });
            }
            Ok(Next::Refused(status, body)) => break Err(refused(&call, status, &body)),
            Err(error) => break Err(error),
        }
    };
    let state = state.into_inner();
    match got {
        Ok(()) => match state.finish(chosen) {
            // What an earlier run kept may be what is wrong (a crash, a full disk): it is gone now,
            // and the whole comes once more.
            Err(ClientError::Integrity(_)) if kept > 0 => {
                received(0);
                download(client, chosen, None, limits, received)
            }
            other => other,
        },
        Err(error @ ClientError::NotARegistry { .. }) => {
            state.forget();
            Err(error)
        }
        Err(error) => Err(error),
    }
}

enum Next {
    Done,
    Again,
    Refused(u16, Vec<u8>),
}

/// Whether a `Content-Range` begins where it should.
fn starts_at(range: Option<&str>, at: u64) -> bool {
    range.is_some_and(|range| range.starts_with(&format!("bytes {at}-")))
}

/// An archive that is on its way: in memory, and on disk where it can be continued.
struct Partial {
    bytes: Vec<u8>,
    hasher: Hasher,
    tag: Option<String>,
    disk: Option<Disk>,
    rounds: u32,
}

struct Disk {
    path: PathBuf,
    file: fs_err::File,
}

impl Partial {
    /// What an earlier run left; a folder that cannot be used, or a file that another process is
    /// filling, only means that this download cannot be continued.
    fn open(folder: Option<&Path>, chosen: &Chosen) -> Self {
        let mut partial = Self {
            bytes: Vec::with_capacity(chosen.bytes as usize),
            hasher: Hasher::default(),
            tag: None,
            disk: None,
            rounds: 0,
        };
        let Some(folder) = folder else { return partial };
        let path = folder.join(format!("{}.partial", chosen.digest));
        let open = || {
            fs_err::create_dir_all(folder)?;
            let mut options = fs_err::OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
            file.file().try_lock().map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(file)
        };
        let Ok(mut file) = open() else { return partial };
        // One byte less than the whole, so that there is always something to ask for.
        let limit = chosen.bytes.saturating_sub(1);
        let read = (&mut file).take(limit).read_to_end(&mut partial.bytes);
        let at = partial.bytes.len() as u64;
        if read.is_err()
            || file.set_len(at).is_err()
            || file.seek(std::io::SeekFrom::Start(at)).is_err()
        {
            partial.bytes.clear();
            return partial;
        }
        partial.hasher.update(&partial.bytes);
        partial.tag = fs_err::read_to_string(path.with_extension("etag")).ok();
        partial.disk = Some(Disk { path, file });
        partial
    }

    fn add(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        self.hasher.update(piece);
        // A full disk costs the continuation and not the download.
        if let Some(disk) = &mut self.disk
            && disk.file.write_all(piece).is_err()
        {
            self.drop_disk();
        }
    }

    fn restart(&mut self) {
        self.bytes.clear();
        self.hasher = Hasher::default();
        let rewound = self.disk.as_mut().map(|disk| {
            disk.file.set_len(0).and_then(|()| disk.file.seek(std::io::SeekFrom::Start(0)))
        });
        if let Some(Err(_)) = rewound {
            self.drop_disk();
        }
    }

    /// Keeps the strong tag of what is coming, for whoever continues it.
    fn note_tag(&mut self, tag: Option<&str>) {
        self.tag = tag.filter(|tag| tag.starts_with('"') && tag.len() < 200).map(str::to_owned);
        if let (Some(disk), Some(tag)) = (&self.disk, &self.tag) {
            let _ = fs_err::write(disk.path.with_extension("etag"), tag);
        }
    }

    /// Whether another round makes sense: twenty breaks are enough.
    fn may_go_on(&mut self) -> bool {
        self.rounds += 1;
        self.rounds < 20
    }

    fn drop_disk(&mut self) {
        if let Some(disk) = self.disk.take() {
            let _ = fs_err::remove_file(&disk.path);
            let _ = fs_err::remove_file(disk.path.with_extension("etag"));
        }
    }

    /// Bytes that cannot become right are not kept.
    fn forget(mut self) {
        self.drop_disk();
    }

    /// The bytes, if they are the promised ones; nothing stays on disk either way.
    fn finish(mut self, chosen: &Chosen) -> Result<Vec<u8>, ClientError> {
        self.drop_disk();
        let found = std::mem::take(&mut self.hasher).finish();
        if found != chosen.digest {
            return Err(ClientError::Integrity(format!(
                "the archive of `{}` has sha256:{found}, the index promised sha256:{}",
                chosen.title(),
                chosen.digest
            )));
        }
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use packhouse_core::api::read::{IndexMark, PublisherId};

    fn index(versions: &[(&str, &str)]) -> IndexFile {
        let mark = |on: bool| {
            on.then(|| IndexMark {
                at: String::new(),
                reason: "why\u{1b}".to_owned(),
                replacement: Some("2.0.0".to_owned()),
            })
        };
        let versions = versions.iter().map(|(version, marks)| IndexVersion {
            version: (*version).to_owned(),
            order: Order::SemVer,
            format: "packhouse".to_owned(),
            digest: Digest::of(version.as_bytes()).hex(),
            tree_digest: Digest::of(b"t").hex(),
            bytes: 5,
            released_at: String::new(),
            publisher: PublisherId::Open,
            workflow: None,
            dependencies: vec![],
            requires: vec![],
            yanked: mark(marks.contains('y')),
            deprecated: mark(marks.contains('d')),
            quarantined: mark(marks.contains('q')),
            removed: mark(marks.contains('r')),
        });
        IndexFile {
            schema: 1,
            identifier: "acme/x".to_owned(),
            native: None,
            latest: Some("9.9.9".to_owned()),
            exports: Vec::new(),
            versions: versions.collect(),
        }
    }

    fn pick(index: &IndexFile, wanted: &str) -> String {
        match choose(index, &wanted.parse().unwrap()) {
            Ok(chosen) => [vec![chosen.version.to_string()], chosen.warnings].concat().join("; "),
            Err(error) => format!("{error} ({})", error.help().unwrap_or_default()),
        }
    }

    #[test]
    fn the_newest_that_can_be_used_is_chosen() {
        let all = index(&[
            ("3.0.0-rc.1", ""),
            ("2.1.0", "y"),
            ("2.0.0", "q"),
            ("1.2.0", "d"),
            ("1.1.0", ""),
            ("1.0.0", "r"),
        ]);
        let table: Vec<_> = [
            "acme/x",
            "acme/x@1.1.0",
            "acme/x@^1",
            "acme/x@1.1",
            "acme/x@2.1.0",
            "acme/x@^2",
            "acme/x@2.0.0",
            "acme/x@1.0.0",
            "acme/x@3.0.0-rc.1",
            "acme/x@>=3.0.0-rc",
            "acme/x@4.0.0",
            "acme/x@\u{1b}[2J",
        ]
        .iter()
        .map(|wanted| format!("{} -> {}", excerpt(wanted, 50), pick(&all, wanted)))
        .collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        acme/x -> 1.2.0; `acme/x@1.2.0` is deprecated: why\u{1b}; use `2.0.0`
        acme/x@1.1.0 -> 1.1.0
        acme/x@^1 -> 1.2.0; `acme/x@1.2.0` is deprecated: why\u{1b}; use `2.0.0`
        acme/x@1.1 -> 1.2.0; `acme/x@1.2.0` is deprecated: why\u{1b}; use `2.0.0`
        acme/x@2.1.0 -> 2.1.0; `acme/x@2.1.0` is yanked: why\u{1b}; use `2.0.0`
        acme/x@^2 -> `acme/x` has no version `^2` (there is `3.0.0-rc.1`, `1.2.0`, `1.1.0`)
        acme/x@2.0.0 -> `acme/x@2.0.0` is quarantined: why\u{1b} (choose another version)
        acme/x@1.0.0 -> `acme/x@1.0.0` was removed: why\u{1b} (choose another version)
        acme/x@3.0.0-rc.1 -> 3.0.0-rc.1
        acme/x@>=3.0.0-rc -> 3.0.0-rc.1
        acme/x@4.0.0 -> `acme/x` has no version `4.0.0` (there is `3.0.0-rc.1`, `1.2.0`, `1.1.0`)
        acme/x@\u{1b}[2J -> `acme/x` has no version `\u{1b}[2J` (there is `3.0.0-rc.1`, `1.2.0`, `1.1.0`)
        ");
        assert!(pick(&index(&[("1.0.0-a", "")]), "acme/x").starts_with("1.0.0-a"));
        assert!(pick(&index(&[]), "acme/x").contains("no version that can be used"));
    }

    #[test]
    fn an_order_that_is_none_or_a_digest_that_is_none_is_noticed() {
        let mut wrong = index(&[("1.0.0", "")]);
        wrong.versions[0].digest = "../../etc/passwd".to_owned();
        assert!(pick(&wrong, "acme/x").contains("a digest that is none"));
        wrong.versions[0].version = "../x".to_owned();
        assert!(pick(&wrong, "acme/x").contains("no version that can be used"));
    }

    #[test]
    fn what_is_asked_for_is_parsed_once() {
        for text in ["acme", "acme/x@", "@1", "acme/x/y/z", "acme/../x"] {
            assert!(matches!(text.parse::<Wanted>(), Err(ClientError::Usage { .. })), "{text}");
        }
        let wanted: Wanted = "Acme/X@>=1, <2".parse().unwrap();
        assert_eq!(wanted.version.as_deref(), Some(">=1, <2"));
    }
}
