//! Coverage in LCOV's tracefiles, as `geninfo` describes them.
//!
//! A file may be in several records and reports; its lines, functions and branches count once, and are
//! reached where any record says so. Only where a record names none are its own totals taken.

use std::collections::HashMap;

use super::{Coverage, Covered, ReportError};
use crate::escape::excerpt;

/// The longest line of a report in bytes: branches may be written as expressions.
const LINE_BYTES: usize = 16 << 10;
/// Lines, functions and branches that are held apart, over all reports.
const HELD: usize = 4_000_000;

const HELP: &str =
    "give a tracefile as `lcov`, `cargo llvm-cov --lcov` or `coverage lcov` write it";

/// Coverage of one or more reports.
#[derive(Default)]
pub struct Reader {
    /// The place of each file in `files`, by its path.
    places: HashMap<String, usize>,
    files: Vec<File>,
    held: usize,
}

/// What is known of a source file.
#[derive(Default)]
struct File {
    lines: Kind<u32>,
    functions: Kind<String>,
    branches: Kind<(u32, String)>,
}

/// What is counted of one kind in a file: each by its name, or only totals.
struct Kind<K> {
    each: HashMap<K, bool>,
    total: Covered,
}

impl<K> Default for Kind<K> {
    fn default() -> Self {
        Self { each: HashMap::new(), total: Covered::default() }
    }
}

impl<K: std::hash::Hash + Eq> Kind<K> {
    /// Notes one; whether it is new.
    fn note(&mut self, name: K, hit: bool) -> bool {
        let mut new = false;
        *self.each.entry(name).or_insert_with(|| {
            new = true;
            false
        }) |= hit;
        new
    }

    fn covered(&self) -> Covered {
        if self.each.is_empty() {
            return self.total;
        }
        let hit = self.each.values().filter(|hit| **hit).count();
        Covered { found: self.each.len() as u64, hit: hit as u64 }
    }
}

impl Reader {
    /// Reads one more report of at most [`super::REPORT_BYTES`].
    ///
    /// # Errors
    ///
    /// [`ReportError`] at the first line that is wrong, and for a report without a source file.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), ReportError> {
        let text = super::text(bytes)?;
        let mut record: Option<Record<'_>> = None;
        let mut records = 0_usize;
        let mut number = 0;
        for line in text.lines() {
            number += 1;
            let line = line.trim_end();
            let wrong = |message: String| ReportError::new(format!("line {number}"), message, HELP);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.len() > LINE_BYTES {
                return Err(wrong(format!(
                    "it has {} bytes, at most {LINE_BYTES} are read",
                    line.len()
                )));
            }
            if line == "end_of_record" {
                let done = record.take();
                let done =
                    done.ok_or_else(|| wrong("a record ends that did not begin".to_owned()))?;
                self.files[done.file].totals(done.totals).map_err(wrong)?;
                records += 1;
                continue;
            }
            let Some((key, value)) = line.split_once(':') else {
                return Err(wrong(format!("`{}` is no line of a tracefile", excerpt(line, 60))));
            };
            match (key, &mut record) {
                ("SF", None) if !value.is_empty() => {
                    let file = *self.places.entry(value.to_owned()).or_insert(self.files.len());
                    if file == self.files.len() {
                        self.files.push(File::default());
                    }
                    record = Some(Record { path: value, file, totals: Default::default() });
                }
                ("SF", None) => return Err(wrong("`SF:` names no file".to_owned())),
                ("SF", Some(open)) => {
                    let open = excerpt(open.path, 200);
                    return Err(wrong(format!("the record of `{open}` has no `end_of_record`")));
                }
                // A test's name may stand before its files.
                ("TN", None) => {}
                (_, None) => {
                    return Err(wrong(format!("`{}:` stands before any `SF:`", excerpt(key, 20))));
                }
                (_, Some(record)) => {
                    let totals = &mut record.totals;
                    let new = self.files[record.file].line(totals, key, value).map_err(wrong)?;
                    self.held += usize::from(new);
                    if self.held > HELD {
                        return Err(wrong(format!(
                            "more than {HELD} lines, functions and branches are too many"
                        )));
                    }
                }
            }
        }
        let end = format!("line {}", number.max(1));
        if let Some(open) = record {
            let open = excerpt(open.path, 200);
            let message = format!("it ends in the record of `{open}`, without `end_of_record`");
            return Err(ReportError::new(end, message, HELP));
        }
        if records == 0 {
            return Err(ReportError::new(end, "it holds no source file", HELP));
        }
        Ok(())
    }

    /// The counts of all reports.
    pub fn finish(&self) -> Coverage {
        let mut sum = Coverage::default();
        let add = |sum: &mut Covered, more: Covered| {
            sum.found = sum.found.saturating_add(more.found);
            sum.hit = sum.hit.saturating_add(more.hit);
        };
        for file in &self.files {
            add(&mut sum.lines, file.lines.covered());
            add(&mut sum.functions, file.functions.covered());
            add(&mut sum.branches, file.branches.covered());
        }
        sum
    }
}

/// The record that is open.
struct Record<'a> {
    path: &'a str,
    /// The place of its file.
    file: usize,
    totals: Totals,
}

/// What `LF`, `LH`, `FNF`, `FNH`, `BRF` and `BRH` say: of lines, functions, branches.
type Totals = [Covered; 3];

impl File {
    /// Takes one line of a record in; whether something is held for it that was not before.
    fn line(&mut self, totals: &mut Totals, key: &str, value: &str) -> Result<bool, String> {
        let count = || count(key, value);
        let [lines, functions, branches] = totals;
        match key {
            "DA" => {
                let (line, rest) = two(key, value)?;
                let hits = rest.split(',').next().unwrap_or_default();
                Ok(self.lines.note(number(key, line)?, is_hit(key, hits)?))
            }
            // `FN:line,name` or `FN:line,last line,name`; a name may have commas.
            "FN" => {
                let (line, rest) = two(key, value)?;
                number(key, line)?;
                let name = match rest.split_once(',') {
                    Some((last, name)) if number(key, last).is_ok() => name,
                    _ => rest,
                };
                Ok(self.functions.note(name.to_owned(), false))
            }
            "FNDA" => {
                let (hits, name) = two(key, value)?;
                Ok(self.functions.note(name.to_owned(), is_hit(key, hits)?))
            }
            // Of the second version: `FNL` has places, which `FNA` names.
            "FNA" => {
                let (index, rest) = two(key, value)?;
                number(key, index)?;
                let (hits, name) = two(key, rest)?;
                Ok(self.functions.note(name.to_owned(), is_hit(key, hits)?))
            }
            // `BRDA:line,block,branch,taken`, where `-` stands for code that was never reached.
            "BRDA" => {
                let (line, rest) = two(key, value)?;
                let Some((branch, taken)) = rest.rsplit_once(',').filter(|(b, _)| b.contains(','))
                else {
                    return Err(format!("`{key}:` needs line, block, branch and count"));
                };
                let hit = taken != "-" && is_hit(key, taken)?;
                Ok(self.branches.note((number(key, line)?, branch.to_owned()), hit))
            }
            "LF" => count().map(|n| lines.found = n).map(|()| false),
            "LH" => count().map(|n| lines.hit = n).map(|()| false),
            "FNF" => count().map(|n| functions.found = n).map(|()| false),
            "FNH" => count().map(|n| functions.hit = n).map(|()| false),
            "BRF" => count().map(|n| branches.found = n).map(|()| false),
            "BRH" => count().map(|n| branches.hit = n).map(|()| false),
            // Versions of files, conditions, and what later versions of the format bring.
            _ if !key.is_empty() && key.bytes().all(|b| b.is_ascii_uppercase()) => Ok(false),
            _ => Err(format!("`{}:` is no key of a tracefile", excerpt(key, 20))),
        }
    }

    /// The totals at the end of a record.
    fn totals(&mut self, totals: Totals) -> Result<(), String> {
        let kinds = [&mut self.lines.total, &mut self.functions.total, &mut self.branches.total];
        for ((kind, total), what) in
            kinds.into_iter().zip(totals).zip(["lines", "functions", "branches"])
        {
            if total.hit > total.found {
                return Err(format!("{} of {} {what} are reached", total.hit, total.found));
            }
            // Of several records the one that knows most.
            if (total.found, total.hit) > (kind.found, kind.hit) {
                *kind = total;
            }
        }
        Ok(())
    }
}

fn two<'a>(key: &str, value: &'a str) -> Result<(&'a str, &'a str), String> {
    let parts = value.split_once(',');
    parts.ok_or_else(|| format!("`{key}:` needs more than `{}`", excerpt(value, 60)))
}

fn number(key: &str, text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{key}:` has `{}` where a number belongs", excerpt(text, 40)))
}

/// The largest total of a record, far above what a report of the largest size could list.
const MOST: u64 = 1 << 32;

fn count(key: &str, text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number <= MOST);
    number.ok_or_else(|| format!("`{key}:` has `{}` where a count belongs", excerpt(text, 40)))
}

/// Whether a count of hits says that it was reached. Some tools write very large or, for a counter that
/// ran over, negative numbers.
fn is_hit(key: &str, text: &str) -> Result<bool, String> {
    match text.parse::<f64>() {
        Ok(hits) if hits.is_finite() => Ok(hits > 0.0),
        _ => Err(format!("`{key}:` has `{}` where a count of hits belongs", excerpt(text, 40))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(reports: &[&str]) -> Coverage {
        let mut reader = Reader::default();
        for report in reports {
            reader.read(report.as_bytes()).unwrap();
        }
        reader.finish()
    }

    #[test]
    fn what_any_record_reached_counts_once() {
        let one = "TN:unit\nSF:src/a.rs\nFN:1,main\nFN:5,9,f(a,b)\nFNDA:2,main\nFNDA:0,f(a,b)\n\
            FNF:2\nFNH:1\nBRDA:2,0,0,1\nBRDA:2,0,1,-\nDA:1,2\nDA:2,0,abc==\nDA:5,0\nLF:9\nLH:9\nend_of_record\n";
        let two = "# later\r\nTN:\r\nSF:src/a.rs\r\nDA:2,7\r\nBRDA:2,0,(a, b) == true,0\r\nend_of_record\r\n\
            SF:src/b.rs\nLF:10\nLH:4\nFNL:0,3,9\nFNA:0,1,g\nVER:3\nend_of_record\n";
        let expected = Coverage {
            lines: Covered { found: 13, hit: 6 },
            functions: Covered { found: 3, hit: 2 },
            branches: Covered { found: 3, hit: 1 },
        };
        assert_eq!(coverage(&[one, two]), expected);
        assert_eq!(coverage(&[two, one, one]), expected);
    }
}
