//! Lists the pages of `docs/rules` and `docs/errors`, so that `packhouse explain` has them inside.

use std::fmt::Write as _;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut list = String::from("&[\n");
    for (folder, kind) in [("rules", "rule"), ("errors", "error")] {
        let folder = docs.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        if !folder.is_dir() {
            continue;
        }
        let mut pages: Vec<_> = std::fs::read_dir(&folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        pages.sort();
        for page in pages {
            let id = page.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if page.extension().is_some_and(|extension| extension == "md") && id != "README" {
                let path = page.canonicalize()?;
                let _ = writeln!(list, "    ({kind:?}, {id:?}, include_str!({path:?})),");
            }
        }
    }
    list.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    std::fs::write(Path::new(&out).join("pages.rs"), list)
}
