//! Times the scanner for processes and steps beside CPython's `ast.parse` on the same files, in turns:
//! `cargo bench -p packhouse-core --bench python -- FOLDER`; `tests/long/scanner` makes such a folder.
//!
//! The scanner's time holds reading modules, following every base, and listing; CPython's only parsing.
//! Both are told as time that passes and as time of the processor, which other programs do not distort.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use packhouse_core::formats::{Found, by_id};
use packhouse_core::python;
use packhouse_core::tree::Tree;

const MANIFEST: &str = "[project]\nname = \"all\"\nversion = \"1\"\ndependencies = [\"process-bigraph\"]\n\
    [tool.setuptools]\npackage-dir = { \"\" = \".\" }\n";
/// What one package may have, so that both read the same.
const FILES: usize = 5_000;
const BYTES: u64 = 23 << 20;
const FILE_BYTES: u64 = 256 << 10;
const TURNS: usize = 5;

const CPYTHON: &str = "
import ast, sys, time, warnings
warnings.simplefilter('ignore')
sources = [open(path, 'rb').read() for path in open(sys.argv[1]).read().split('\\n') if path]
start, used = time.perf_counter(), time.process_time()
for source in sources:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        pass
print(time.perf_counter() - start, time.process_time() - used)
";

fn gather(folder: &Path, prefix: &str, tree: &mut Tree, paths: &mut Vec<String>, left: &mut u64) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (kind, inside) = (entry.file_type().unwrap(), format!("{prefix}{name}"));
        if kind.is_dir() {
            gather(&entry.path(), &format!("{inside}/"), tree, paths, left);
        } else if kind.is_file() && name.ends_with(".py") && paths.len() < FILES {
            let importable = inside.trim_end_matches(".py").split('/').all(|part| {
                part.starts_with(|c: char| c.is_alphabetic() || c == '_')
                    && part.chars().all(|c| c.is_alphanumeric() || c == '_')
            });
            let bytes = entry.metadata().unwrap().len();
            if importable && bytes <= FILE_BYTES && bytes <= *left {
                *left -= bytes;
                tree.insert(inside.parse().unwrap(), fs::read(entry.path()).unwrap(), false);
                paths.push(entry.path().display().to_string());
            }
        }
    }
}

/// What this process used of the processor so far, in seconds; by hundredths, as Linux counts.
fn used() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.unwrap_or_else(|| "/usr/lib/python3/dist-packages".to_owned());
    let (mut tree, mut paths, mut left) = (Tree::default(), Vec::new(), BYTES);
    gather(Path::new(&folder), "", &mut tree, &mut paths, &mut left);
    tree.insert("pyproject.toml".parse().unwrap(), MANIFEST.as_bytes(), false);
    let mut alone = Tree::default();
    alone.insert("pyproject.toml".parse().unwrap(), MANIFEST.as_bytes(), false);
    let Found::Package(manifest) = by_id("pyproject").unwrap().read(&alone) else { panic!() };
    let list = tempfile::NamedTempFile::new().unwrap();
    fs::write(list.path(), paths.join("\n")).unwrap();
    println!("{} files, {} KiB", paths.len(), ((BYTES - left) >> 10));
    let (mut ours, mut theirs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..TURNS {
        let (start, before) = (Instant::now(), used());
        let outline = python::outline(&tree, &manifest.original);
        ours[0].push(start.elapsed().as_secs_f64());
        ours[1].push(used() - before);
        assert!(outline.remarks.len() < paths.len());
        let output =
            Command::new("python3").args(["-c", CPYTHON]).arg(list.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for (nth, seconds) in text.split_whitespace().enumerate() {
            theirs[nth].push(seconds.parse().unwrap());
        }
    }
    for (what, (ours, theirs)) in ["passed", "used"].iter().zip(ours.into_iter().zip(theirs)) {
        let (ours, theirs) = (middle(ours), middle(theirs));
        let factor = theirs / ours;
        println!("{what}: scanner {ours:.2} s, CPython's ast {theirs:.2} s: {factor:.1} times");
    }
}
