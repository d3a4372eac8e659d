//! Our search index and tantivy's over the same 100,000 packages, in turns: sizes, builds, opening
//! and queries. Prints medians; `build-ours` and `build-tantivy` are what it starts to see memory.

#[path = "../../../../crates/core/benches/corpus/mod.rs"]
mod corpus;

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use packhouse_core::search::{Document, Index};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, DisjunctionMaxQuery, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, STORED, Schema, TEXT, Value};
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

const ROUNDS: usize = 7;
const LIMIT: usize = 10;
type Res<T> = Result<T, Box<dyn Error>>;

/// The peer: identifier (stored) and summary, one segment.
struct Tantivy {
    reader: IndexReader,
    id: Field,
    summary: Field,
}

impl Tantivy {
    fn build(documents: &[Document], folder: &Path) -> Res<()> {
        let mut schema = Schema::builder();
        let id = schema.add_text_field("id", TEXT | STORED);
        let summary = schema.add_text_field("summary", TEXT);
        let index = tantivy::Index::create_in_dir(folder, schema.build())?;
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 100_000_000)?;
        for document in documents {
            let mut doc = TantivyDocument::new();
            doc.add_text(id, document.identifier.to_string());
            doc.add_text(summary, &document.summary);
            writer.add_document(doc)?;
        }
        writer.commit()?;
        let segments = index.searchable_segment_ids()?;
        if segments.len() > 1 {
            writer.merge(&segments).wait()?;
        }
        writer.garbage_collect_files().wait()?;
        writer.wait_merging_threads()?;
        Ok(())
    }
    fn open(folder: &Path) -> Res<Self> {
        let index = tantivy::Index::open_in_dir(folder)?;
        let (id, summary) = (index.schema().get_field("id")?, index.schema().get_field("summary")?);
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { reader, id, summary })
    }
    /// The identifiers of the best documents that have all words, in either field.
    fn search(&self, query: &str, slips: u8) -> Res<Vec<String>> {
        let words = query.split(['/', '-', ' ']).filter(|word| !word.is_empty());
        let of_word = |word: &str| -> Box<dyn Query> {
            let of_field = |field| -> Box<dyn Query> {
                let term = Term::from_field_text(field, word);
                match slips {
                    0 => Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)),
                    _ => Box::new(FuzzyTermQuery::new(term, slips, true)),
                }
            };
            Box::new(DisjunctionMaxQuery::new(vec![of_field(self.id), of_field(self.summary)]))
        };
        let mut words = words.map(of_word).collect::<Vec<_>>();
        let query = match words.len() {
            1 => words.remove(0),
            _ => Box::new(BooleanQuery::new(words.into_iter().map(|w| (Occur::Must, w)).collect())),
        };
        let searcher = self.reader.searcher();
        let top = searcher.search(&query, &TopDocs::with_limit(LIMIT).order_by_score())?;
        let mut found = Vec::new();
        for (_, address) in top {
            let doc: TantivyDocument = searcher.doc(address)?;
            found.extend(doc.get_first(self.id).and_then(|id| id.as_str()).map(str::to_owned));
        }
        Ok(found)
    }
}

/// Milliseconds that `work` takes, and what it gives.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed().as_secs_f64() * 1e3, result)
}

fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

/// The most memory this process has held, in MB.
fn peak() -> Res<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1e3)
}

fn row(what: &str, ours: f64, theirs: f64, digits: usize) {
    println!("| {what} | {ours:.digits$} | {theirs:.digits$} | {:.2} × |", theirs / ours);
}

fn main() -> Res<()> {
    let corpus = corpus::make(corpus::PACKAGES);
    let folder = tempfile::tempdir()?;
    if let Some(part) = std::env::args().nth(1) {
        let before = peak()?;
        match part.as_str() {
            "build-ours" => drop(black_box(Index::build(corpus.documents.iter().cloned()))),
            _ => Tantivy::build(&corpus.documents, folder.path())?,
        }
        println!("{}", peak()? - before);
        return Ok(());
    }

    println!("| what | ours | tantivy | |\n|---|---:|---:|---:|");
    let memory = |part: &str| -> Res<f64> {
        let output = Command::new(std::env::current_exe()?).arg(part).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    row("memory of a build beside the corpus, MB", memory("build-ours")?, memory("build-tantivy")?, 0);
    let file = folder.path().join("ours");
    let [mut ours, mut theirs] = [const { Vec::new() }; 2];
    for round in 0..5 {
        let (time, index) = timed(|| Index::build(corpus.documents.iter().cloned()));
        ours.push(time);
        std::fs::write(&file, index.to_bytes())?;
        let peer = folder.path().join(round.to_string());
        std::fs::create_dir(&peer)?;
        let (time, built) = timed(|| Tantivy::build(&corpus.documents, &peer));
        built?;
        theirs.push(time);
    }
    row("build, ms", percentile(&mut ours, 50), percentile(&mut theirs, 50), 0);
    let peer = folder.path().join("0");
    let mut peer_bytes = 0;
    for entry in std::fs::read_dir(&peer)? {
        peer_bytes += entry?.metadata()?.len();
    }
    let our_bytes = std::fs::metadata(&file)?.len();
    row("size, MB", our_bytes as f64 / 1e6, peer_bytes as f64 / 1e6, 2);

    // Opening: ours from bytes in memory, and read from the page cache first; the peer maps files.
    let (_, queries) = &corpus.queries[1];
    let [mut ours, mut read, mut theirs] = [const { Vec::new() }; 3];
    let bytes = std::fs::read(&file)?;
    for query in &queries[..50] {
        let (time, found) = timed(|| Index::from_bytes(&bytes).map(|i| i.search(query, LIMIT).len()));
        found?;
        ours.push(time);
        let (time, found) = timed(|| -> Res<usize> {
            Ok(Index::from_bytes(std::fs::read(&file)?)?.search(query, LIMIT).len())
        });
        found?;
        read.push(time);
        let (time, found) = timed(|| Tantivy::open(&peer)?.search(query, 0));
        found?;
        theirs.push(time);
    }
    let peer_time = percentile(&mut theirs, 50);
    row("open and first query, bytes at hand, ms", percentile(&mut ours, 50), peer_time, 3);
    row("the same, read from a file first, ms", percentile(&mut read, 50), peer_time, 3);

    let index = Index::from_bytes(bytes)?;
    let tantivy = Tantivy::open(&peer)?;
    let [mut all_ours, mut all_theirs] = [const { Vec::new() }; 2];
    for (kind, queries) in &corpus.queries {
        // The peer has no prefixes in this query; whole words of it are what it looks for.
        let slips = match *kind {
            "one slip" => 1,
            "two slips" => 2,
            _ => 0,
        };
        let [mut ours, mut theirs] = [const { Vec::new() }; 2];
        for query in queries {
            let [mut one, mut other] = [const { Vec::new() }; 2];
            for _ in 0..ROUNDS {
                one.push(timed(|| index.search(black_box(query), LIMIT)).0 * 1e3);
                let (time, found) = timed(|| tantivy.search(black_box(query), slips));
                found?;
                other.push(time * 1e3);
            }
            ours.push(percentile(&mut one, 50));
            theirs.push(percentile(&mut other, 50));
        }
        if ["one word", "two words", "three words"].contains(kind) {
            all_ours.extend(&ours);
            all_theirs.extend(&theirs);
        }
        for percent in [50, 99] {
            let [ours, theirs] = [&mut ours, &mut theirs].map(|times| percentile(times, percent));
            row(&format!("{kind}, p{percent}, µs"), ours, theirs, 1);
        }
    }
    for percent in [50, 99] {
        let [ours, theirs] = [&mut all_ours, &mut all_theirs].map(|t| percentile(t, percent));
        row(&format!("one to three words, p{percent}, µs"), ours, theirs, 1);
    }
    Ok(())
}
