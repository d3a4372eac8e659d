//! `lfs-pointer`: the files themselves are here, and no Git LFS pointers in their place. A checkout
//! without LFS has pointers, and everybody who fetched the package would have them, too.

use super::{Draft, Facts, Rule, Severity};

pub(super) struct LfsPointer;

impl Rule for LfsPointer {
    fn id(&self) -> &'static str {
        "lfs-pointer"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A file is a Git LFS pointer, not the file itself"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, file) in facts.tree.iter() {
            // The LFS specification: the first line is the version, a pointer is below 1024 bytes.
            let pointer = file.bytes.len() < 1024
                && file.bytes.starts_with(b"version https://git-lfs.github.com/spec/v1\n")
                && memchr::memmem::find(&file.bytes, b"\noid sha256:").is_some();
            if pointer {
                let help =
                    "run `git lfs pull` first; in a workflow, set `lfs: true` for the checkout";
                found.push(
                    self.finding("this is a Git LFS pointer, not the file itself")
                        .file(path)
                        .help(help),
                );
            }
        }
    }
}
