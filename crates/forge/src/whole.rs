//! The files of a package out of a commit, whichever way listing and contents come: the same are refused.

use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::snapshot::{Contents, Kind, Listing};
use packhouse_core::tree::Tree;

/// Files that are wanted of a listing, with what is left off their paths.
pub(crate) struct Whole {
    prefix: String,
    /// Their paths in the commit.
    pub(crate) paths: Vec<String>,
    executable: Vec<bool>,
}

impl Whole {
    /// All files below `folder`, the root where it is empty. An error says what of them cannot be in a
    /// package, or is over `limits`.
    pub(crate) fn of(listing: &Listing, folder: &str, limits: &Limits) -> Result<Self, String> {
        let prefix = match folder.trim_matches('/') {
            "" | "." => String::new(),
            folder => format!("{folder}/"),
        };
        let paths: Vec<String> =
            listing.paths().filter(|p| p.starts_with(&prefix)).map(str::to_owned).collect();
        if paths.len() > limits.entries as usize {
            return Err(format!("it has more than {} files", limits.entries));
        }
        let (mut bytes, mut executable) = (0_u64, Vec::new());
        for path in &paths {
            let Some(entry) = listing.get(path) else { return Err(gone(path)) };
            let Kind::File { executable: can_run } = entry.kind else {
                return Err(format!("`{}` is a link or a submodule", excerpt(path, 200)));
            };
            bytes = bytes.saturating_add(entry.bytes);
            executable.push(can_run);
        }
        if bytes > limits.unpacked_bytes {
            return Err(format!("it has more than {} MiB", limits.unpacked_bytes >> 20));
        }
        Ok(Self { prefix, paths, executable })
    }

    /// The tree of them.
    pub(crate) fn tree(&self, contents: &Contents) -> Result<Tree, String> {
        let mut tree = Tree::default();
        for (path, executable) in self.paths.iter().zip(&self.executable) {
            let inside = path.strip_prefix(&self.prefix).unwrap_or(path);
            let place = inside.parse().map_err(|error| format!("{error}"))?;
            let content = contents.get(path).ok_or_else(|| gone(path))?;
            tree.insert(place, content.clone(), *executable);
        }
        Ok(tree)
    }
}

fn gone(path: &str) -> String {
    format!("`{}` is gone", excerpt(path, 200))
}
