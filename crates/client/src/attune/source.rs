//! What somebody asks to install: an address, a path, or a pack's ref.

use std::path::{Path, PathBuf};

use packhouse_core::attune::archive::is_archive;
use packhouse_core::attune::is_pack_ref;
use packhouse_core::escape::excerpt;

use crate::error::ClientError;

/// Where a pack is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A repository.
    Git {
        /// As the `git` wrapper takes it.
        url: String,
        /// A branch, a tag or a commit; else the default branch.
        reference: Option<String>,
    },
    /// An archive by address.
    Archive {
        /// The address.
        url: String,
    },
    /// An archive here.
    File(PathBuf),
    /// A folder here.
    Folder(PathBuf),
    /// A pack of an index.
    Index {
        /// Its ref.
        reference: String,
        /// The version that is wanted; `None` for whichever there is.
        version: Option<String>,
    },
}

impl Source {
    /// Reads `text` as Attune does: an address, else a repository, else a path, else a ref. `git_ref`
    /// makes an address a repository's.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] for a text that is none of these.
    pub fn parse(text: &str, git_ref: Option<&str>) -> Result<Self, ClientError> {
        let reference = git_ref.map(str::to_owned);
        if text.starts_with("https://") || text.starts_with("http://") {
            let is_git = text.trim_end_matches('/').ends_with(".git") || reference.is_some();
            return Ok(match is_git {
                true => Self::Git { url: text.to_owned(), reference },
                false => Self::Archive { url: text.to_owned() },
            });
        }
        if text.starts_with("ssh://") || text.starts_with("file://") {
            return Ok(Self::Git { url: text.to_owned(), reference });
        }
        if let Some(rest) = text.strip_prefix("git@") {
            // `git@host:owner/name.git`, as people copy it.
            let (host, path) = rest.split_once(':').ok_or_else(|| wrong(text))?;
            let url = format!("ssh://git@{host}/{}", path.trim_start_matches('/'));
            return Ok(Self::Git { url, reference });
        }
        if text.contains("git://") {
            return Err(ClientError::usage(
                format!("`{}` is sent in the clear and proves nothing", excerpt(text, 200)),
                "use the repository's https or ssh address",
            ));
        }
        let path = Path::new(text);
        match path.metadata() {
            Ok(found) if found.is_dir() => return Ok(Self::Folder(path.to_owned())),
            Ok(_) if is_archive(text) => return Ok(Self::File(path.to_owned())),
            Ok(_) => {
                return Err(ClientError::usage(
                    format!("`{}` is no archive of a pack", excerpt(text, 200)),
                    "archives end in `.zip`, `.tar.gz` or `.tgz`",
                ));
            }
            Err(_) => {}
        }
        Self::listed(text)
    }

    /// Reads `text` as `ref` or `ref@version`, whatever lies on this machine under that name.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] for a text that is neither.
    pub fn listed(text: &str) -> Result<Self, ClientError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version.to_owned())),
            None => (text, None),
        };
        if !is_pack_ref(name) {
            return Err(wrong(text));
        }
        let version = version.filter(|version| version != "latest");
        Ok(Self::Index { reference: name.to_owned(), version })
    }
}

fn wrong(text: &str) -> ClientError {
    ClientError::usage(
        format!("`{}` is no address, no path that is there, and no pack's ref", excerpt(text, 200)),
        "write `https://…`, `git@host:owner/name.git`, `./folder`, or `weather` or `weather@1.2.0`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_attunes_order() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        let file = format!("{folder}/a.tgz");
        fs_err::write(&file, "").unwrap();
        let git = |url: &str, reference: Option<&str>| Source::Git {
            url: url.to_owned(),
            reference: reference.map(str::to_owned),
        };
        let index = |reference: &str, version: Option<&str>| Source::Index {
            reference: reference.to_owned(),
            version: version.map(str::to_owned),
        };
        for (text, given, expected) in [
            ("https://h/a.git", None, git("https://h/a.git", None)),
            ("https://h/a", Some("v1"), git("https://h/a", Some("v1"))),
            ("https://h/a.zip", None, Source::Archive { url: "https://h/a.zip".to_owned() }),
            ("git@h:o/n.git", None, git("ssh://git@h/o/n.git", None)),
            ("ssh://git@h:22/n", Some("main"), git("ssh://git@h:22/n", Some("main"))),
            (folder, None, Source::Folder(dir.path().to_owned())),
            (&file, None, Source::File(file.clone().into())),
            ("core", None, index("core", None)),
            ("core@1.2.0", None, index("core", Some("1.2.0"))),
            ("core@latest", None, index("core", None)),
        ] {
            assert_eq!(Source::parse(text, given).unwrap(), expected, "{text}");
        }
        for text in ["", "git://h/a.git", "Core", "../nowhere", "-x", "git@h"] {
            assert!(Source::parse(text, None).is_err(), "{text}");
        }
    }
}
