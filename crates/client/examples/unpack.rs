//! Unpacks an archive from the disk, after its digest and that of its content were compared:
//!
//! ```text
//! unpack ARCHIVE SHA256 TREE-SHA256 FOLDER
//! ```
//!
//! `packhouse pack --json` prints both. This is `packhouse fetch` without a registry; the benchmarks
//! run it beside `unzip`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use packhouse_client::extract::extract;
use packhouse_core::digest::{Digest, TreeDigest};
use packhouse_core::limits::Limits;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [archive, digest, tree_digest, folder] = &arguments[..] else {
        bail!("usage: unpack ARCHIVE SHA256 TREE-SHA256 FOLDER");
    };
    let (digest, tree_digest): (Digest, Digest) = (digest.parse()?, tree_digest.parse()?);
    let bytes = fs_err::read(archive)?;
    let found = Digest::of(&bytes);
    ensure!(found == digest, "`{archive}` has the SHA-256 {found}, not {digest}");
    extract(
        &bytes,
        TreeDigest(tree_digest),
        Path::new(folder),
        false,
        &Limits::default(),
        &|_| {},
    )?;
    Ok(ExitCode::SUCCESS)
}
