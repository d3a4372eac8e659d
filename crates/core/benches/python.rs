//! Times the scanner for processes and steps beside CPython's `ast.parse` on the same files, in turns:
//! `cargo bench -p packhouse-core --bench python -- /usr/lib/python3/dist-packages`.
//!
//! The scanner's time holds reading modules, following every base, and listing; CPython's only parsing.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

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
start = time.perf_counter()
for source in sources:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        pass
print(time.perf_counter() - start)
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
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let start = Instant::now();
        let outline = python::outline(&tree, &manifest.original);
        ours.push(start.elapsed());
        assert!(outline.remarks.len() < paths.len());
        let output =
            Command::new("python3").args(["-c", CPYTHON]).arg(list.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        theirs.push(Duration::from_secs_f64(text.trim().parse().unwrap()));
    }
    ours.sort();
    theirs.sort();
    let (ours, theirs) = (ours[TURNS / 2], theirs[TURNS / 2]);
    let factor = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("scanner {ours:.0?}, CPython's ast {theirs:.0?}: {factor:.1} times as fast");
}
