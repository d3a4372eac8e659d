//! Reports of tests and coverage, and folders of advisories, as they lie on this machine.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use packhouse_core::digest::{Digest, Hasher};
use packhouse_core::escape::printable;
use packhouse_core::quality::{
    Advisories, Claim, REPORT_BYTES, REPORTS, ReportError, Tests, advisories, junit, lcov, osv,
};

use crate::error::ClientError;

/// Folders within folders of advisories, at most.
const DEPTH: usize = 8;
/// All advisories of a folder, in bytes.
const FOLDER_BYTES: u64 = 2 << 30;

/// What `tests` (JUnit) and `coverage` (LCOV) say together; `None` where there are no reports.
///
/// # Errors
///
/// [`ClientError::Usage`] for the first report that cannot be read, with its name, the place in it, the
/// reason and what would be right.
pub fn claim(tests: &[PathBuf], coverage: &[PathBuf]) -> Result<Option<Claim>, ClientError> {
    for (option, reports) in [("--test-report", tests), ("--coverage", coverage)] {
        if reports.len() > REPORTS {
            let message = format!("`{option}` is given {} times", reports.len());
            let help = format!("at most {REPORTS} reports are read: merge them first");
            return Err(ClientError::usage(message, help));
        }
    }
    let mut claim = Claim::default();
    for path in tests {
        let report = read(path, REPORT_BYTES)?;
        let counted = junit::read(&report).map_err(|error| broken(path, error))?;
        claim.tests.get_or_insert_with(Tests::default).add(&counted);
    }
    let mut reader = lcov::Reader::default();
    for path in coverage {
        let report = read(path, REPORT_BYTES)?;
        reader.read(&report).map_err(|error| broken(path, error))?;
        claim.coverage = Some(reader.finish());
    }
    Ok((!claim.is_empty()).then_some(claim))
}

/// The advisories in a folder and those below it: every regular file that ends in `.json`.
///
/// # Errors
///
/// [`ClientError::Usage`] for the first file that is no advisory, with its name, the place in it, the
/// reason and what would be right: half a folder would say that nothing is wrong with the rest.
pub fn advisories(folder: &Path) -> Result<Advisories, ClientError> {
    let mut all = Advisories::default();
    for file in listed(folder)? {
        let bytes = read(&file.path, osv::ADVISORY_BYTES)?;
        let advisory = osv::read(&bytes).map_err(|error| broken(&file.path, error))?;
        advisory.into_iter().for_each(|advisory| all.add(advisory));
    }
    Ok(all)
}

/// What differs when a file of a folder of advisories was added, changed or taken away, as far as names,
/// sizes and times tell.
///
/// # Errors
///
/// Where the folder cannot be listed, or holds more than is read.
pub fn fingerprint(folder: &Path) -> Result<Digest, ClientError> {
    let mut hash = Hasher::default();
    for file in listed(folder)? {
        let since = file.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        hash.update(file.path.as_os_str().as_encoded_bytes());
        hash.update(format!("\0{} {}\0", file.bytes, since.as_nanos()).as_bytes());
    }
    Ok(hash.finish())
}

/// A file of a folder of advisories.
struct Listed {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// The advisories below `folder` in the order of their paths. Links are not followed.
fn listed(folder: &Path) -> Result<Vec<Listed>, ClientError> {
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((place, depth)) = open.pop() {
        for entry in fs_err::read_dir(&place)? {
            let path = entry?.path();
            // One that was taken away meanwhile is not there.
            let metadata = match fs_err::symlink_metadata(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if metadata.is_dir() && depth < DEPTH {
                open.push((path, depth + 1));
            } else if metadata.is_file() && path.extension().is_some_and(|end| end == "json") {
                bytes += metadata.len();
                let modified = metadata.modified()?;
                found.push(Listed { path, bytes: metadata.len(), modified });
            }
        }
        if found.len() > advisories::ADVISORIES || bytes > FOLDER_BYTES {
            let message = format!("`{}` holds more advisories than are read", shown(folder));
            let help = format!(
                "at most {} files of {} GiB together: leave out ecosystems that nobody needs",
                advisories::ADVISORIES,
                FOLDER_BYTES >> 30
            );
            return Err(ClientError::usage(message, help));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// A file of at most `limit` bytes and one more, by which its reader knows that there are too many.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn broken(path: &Path, error: ReportError) -> ClientError {
    ClientError::usage(format!("`{}`: {error}", shown(path)), error.help)
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}
