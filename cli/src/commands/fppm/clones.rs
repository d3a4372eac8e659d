//! Repositories, as the `git` program clones them.

use std::path::Path;

use packhouse_client::ClientError;
use packhouse_client::fppm::install::Repositories;
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::secret::Secret;
use packhouse_forge::git::{Checkout, Cloned, GitError};

use crate::commands::git::refused;
use crate::ui::{Ui, shown};

pub(super) struct Clones<'a> {
    pub(super) ui: &'a Ui,
}

impl Repositories for Clones<'_> {
    fn install(
        &self,
        url: &str,
        reference: &str,
        header: Option<&Secret>,
        folder: &Path,
    ) -> Result<String, ClientError> {
        self.ui.step(&format!("cloning {}", printable(url)));
        let cloned = Cloned::make(url, reference, header, folder).map_err(|error| {
            let help = "look at the address and the version; `git ls-remote` lists what there is";
            refused(format!("`{}` cannot be installed", excerpt(url, 200)), error, help)
        })?;
        Ok(cloned.commit().as_str().to_owned())
    }

    fn state(&self, folder: &Path) -> Result<Option<(String, bool)>, ClientError> {
        // A folder without one would be taken for a part of the project's own checkout.
        if !folder.join(".git").exists() {
            return Ok(None);
        }
        let failed = |error: GitError| ClientError::Usage {
            message: format!("git cannot tell what `{}` is: {error}", shown(folder)),
            help: "overwrite it with `--force`".to_owned(),
        };
        let Some(checkout) = Checkout::find(folder).map_err(failed)? else { return Ok(None) };
        let Some(commit) = checkout.head().map_err(failed)? else { return Ok(None) };
        Ok(Some((commit.as_str().to_owned(), checkout.is_dirty().map_err(failed)?)))
    }
}
