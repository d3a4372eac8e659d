//! Download counts from the CDN's access logs: what the CDN answers, no function sees.
//!
//! Standard logs of CloudFront are read, gzipped, in the tab-separated format (which names its
//! columns) and in the JSON format (one object a line). A download is a `GET` of
//! `/blobs/sha256/<hex>/<file>` that got its first byte: answered 200, or 206 from byte 0. `HEAD`,
//! revalidations, later ranges and answers that broke off count nothing, and one client's repeats
//! within one log file are one download.

mod line;
mod releases;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use flate2::write::MultiGzDecoder;
use jiff::civil::Date;
use packhouse_core::digest::{Digest, Hasher};

use line::{Column, Columns, Line};
pub use releases::{Taken, downloads, take_in};

/// A line is at most this long; CloudFront's own bound is 8 KiB of address and 20 KiB of headers.
const LINE_BYTES: usize = 64 << 10;
/// A file name in an address is at most this long; those of the registry are shorter.
const FILE_BYTES: usize = 512;

/// What bounds the memory and the time that one log file may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the file, unpacked.
    pub unpacked_bytes: u64,
    /// (blob, file name, day) that are told apart; fetches of more are left out.
    pub addresses: usize,
    /// (client, blob) that are remembered; beyond, all are forgotten and repeats count again.
    pub clients: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { unpacked_bytes: 2 << 30, addresses: 100_000, clients: 500_000 }
    }
}

/// What makes a log file unreadable as a whole.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No gzip, damaged, or cut off.
    #[error("the log is not a whole gzip file: {0}")]
    Gzip(std::io::Error),
    /// It unpacks to too much.
    #[error("the log unpacks to more than {0} bytes")]
    TooLong(u64),
    /// It has lines, and none of them can be read: the format is another one.
    #[error("none of the {0} lines of the log has the columns that are needed")]
    Format(u64),
}

/// Fetches of one blob under one file name on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// SHA-256 of the blob.
    pub digest: Digest,
    /// The file name, as it was in the address. The CDN takes any: only the registry knows which
    /// ones it gave out.
    pub file: String,
    /// The day (UTC).
    pub day: Date,
    /// How often.
    pub count: u64,
}

/// What one log file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetches {
    /// By blob, file name and day, ascending.
    pub fetched: Vec<Fetched>,
    /// Lines, comments aside.
    pub lines: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
    /// Fetches that were left out because of [`Bounds::addresses`].
    pub left_out: u64,
}

/// Reads one log file, piece by piece.
pub struct LogReader {
    decoder: MultiGzDecoder<Lines>,
    limit: u64,
}

impl LogReader {
    /// A reader of one file.
    pub fn new(bounds: Bounds) -> Self {
        let lines = Lines {
            bounds,
            columns: None,
            pending: Vec::new(),
            skipping: false,
            unpacked: 0,
            counts: BTreeMap::new(),
            seen: HashSet::new(),
            told: Fetches::default(),
        };
        Self { decoder: MultiGzDecoder::new(lines), limit: bounds.unpacked_bytes }
    }

    /// Reads the next piece of the file, of any length.
    ///
    /// # Errors
    ///
    /// [`LogError::Gzip`] and [`LogError::TooLong`].
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), LogError> {
        let fed = self.decoder.write_all(piece);
        fed.map_err(|error| self.why(error))
    }

    /// What the file says, now that all of it was read.
    ///
    /// # Errors
    ///
    /// All of [`LogError`].
    pub fn finish(mut self) -> Result<Fetches, LogError> {
        if let Err(error) = self.decoder.try_finish() {
            return Err(self.why(error));
        }
        self.decoder.get_mut().finish()
    }

    fn why(&self, error: std::io::Error) -> LogError {
        if self.decoder.get_ref().unpacked > self.limit {
            LogError::TooLong(self.limit)
        } else {
            LogError::Gzip(error)
        }
    }
}

/// The unpacked file, line by line.
struct Lines {
    bounds: Bounds,
    columns: Option<Columns>,
    /// The line so far.
    pending: Vec<u8>,
    /// Whether the rest of the line is dropped: it is too long.
    skipping: bool,
    unpacked: u64,
    counts: BTreeMap<(Digest, String, Date), u64>,
    seen: HashSet<[u8; 16]>,
    told: Fetches,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.unpacked += bytes.len() as u64;
        if self.unpacked > self.bounds.unpacked_bytes {
            return Err(std::io::Error::other("too long"));
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            let part = text.unwrap_or(piece);
            if !self.skipping && self.pending.len() + part.len() > LINE_BYTES {
                self.skipping = true;
                self.pending.clear();
            }
            if !self.skipping {
                self.pending.extend_from_slice(part);
            }
            if text.is_some() {
                self.end_line();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.skipping) {
            self.told.lines += 1;
            self.told.unreadable += 1;
        } else {
            self.line(line.strip_suffix(b"\r").unwrap_or(&line));
        }
        // The next line takes the same memory.
        self.pending = line;
        self.pending.clear();
    }

    fn line(&mut self, line: &[u8]) {
        if let Some(comment) = line.strip_prefix(b"#") {
            if let Some(columns) = Columns::named(comment) {
                self.columns = Some(columns);
            }
            return;
        }
        if line.is_empty() {
            return;
        }
        self.told.lines += 1;
        match Line::read(line, self.columns.as_ref()) {
            Some(line) => self.count(&line),
            None => self.told.unreadable += 1,
        }
    }

    fn count(&mut self, line: &Line<'_>) {
        let Some((digest, file, day)) = fetch(line) else { return };
        let client = client(line, &digest);
        if self.seen.contains(&client) {
            return;
        }
        if self.seen.len() >= self.bounds.clients {
            self.seen.clear();
        }
        self.seen.insert(client);
        let full = self.counts.len() >= self.bounds.addresses;
        let key = (digest, file.to_owned(), day);
        if full && !self.counts.contains_key(&key) {
            self.told.left_out += 1;
        } else {
            *self.counts.entry(key).or_default() += 1;
        }
    }

    fn finish(&mut self) -> Result<Fetches, LogError> {
        if !self.pending.is_empty() || self.skipping {
            self.end_line();
        }
        let mut told = std::mem::take(&mut self.told);
        if told.lines > 0 && told.lines == told.unreadable {
            return Err(LogError::Format(told.lines));
        }
        let counts = std::mem::take(&mut self.counts).into_iter();
        let each = counts.map(|((digest, file, day), count)| Fetched { digest, file, day, count });
        told.fetched = each.collect();
        Ok(told)
    }
}

/// Which blob a line says that somebody got, under which name, and on which day.
fn fetch<'a>(line: &'a Line<'_>) -> Option<(Digest, &'a str, Date)> {
    let whole = match line.get(Column::Status) {
        "200" => true,
        "206" => line.get(Column::RangeStart) == "0",
        _ => false,
    };
    let broke_off =
        matches!(line.get(Column::Result), "Error" | "LimitExceeded" | "CapacityExceeded");
    if !whole || broke_off || line.get(Column::Method) != "GET" {
        return None;
    }
    let (hex, file) = line.get(Column::Path).strip_prefix("/blobs/sha256/")?.split_once('/')?;
    let exact = hex.len() == 64 && !hex.bytes().any(|byte| byte.is_ascii_uppercase());
    if !exact || file.is_empty() || file.len() > FILE_BYTES || file.contains('/') {
        return None;
    }
    // The long way of dates only: `jiff` reads others, too.
    let day = line.get(Column::Date);
    let day = (day.len() == 10).then(|| day.parse().ok()).flatten()?;
    Some((hex.parse().ok()?, file, day))
}

/// Half a digest instead of address and program: nothing of a person is kept, and a collision costs
/// one count.
fn client(line: &Line<'_>, digest: &Digest) -> [u8; 16] {
    let mut hasher = Hasher::default();
    for part in [line.get(Column::Ip), "\n", line.get(Column::Agent), "\n"] {
        hasher.update(part.as_bytes());
    }
    hasher.update(digest.as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finish().as_bytes()[..16]);
    half
}

#[cfg(test)]
mod tests;
