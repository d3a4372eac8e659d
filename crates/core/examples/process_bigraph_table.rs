//! Writes the table of process-bigraph's classes (`src/python/process_bigraph.json`) from an unpacked
//! source distribution: `cargo run -p packhouse-core --example process_bigraph_table -- FOLDER`.
#![allow(clippy::print_stdout, reason = "a generator prints what it makes")]

use std::fs;
use std::path::Path;

use packhouse_core::formats::{Found, read_root};
use packhouse_core::python;
use packhouse_core::tree::Tree;

type Fault = Box<dyn std::error::Error>;

fn gather(folder: &Path, prefix: &str, tree: &mut Tree) -> Result<(), Fault> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{path}/"), tree)?;
        } else if entry.file_type()?.is_file()
            && let Ok(path) = path.parse()
        {
            tree.insert(path, fs::read(entry.path())?, false);
        }
    }
    Ok(())
}

fn main() -> Result<(), Fault> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the source distribution")?;
    let mut tree = Tree::default();
    gather(Path::new(&folder), "", &mut tree)?;
    let Found::Package(manifest) = read_root(&tree) else {
        return Err("the folder has no readable `pyproject.toml`".into());
    };
    let version = manifest.version.ok_or("the project has no version")?;
    let table = python::table_of(&tree, &manifest.original, version.value.text())?;
    println!("{}", serde_json::to_string_pretty(&table)?);
    Ok(())
}
