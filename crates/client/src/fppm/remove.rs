//! Removing: exactly the package that is named, and every trace of it.

use packhouse_core::fppm::{Shortname, cmake};

use super::install::Repositories;
use super::{Workspace, read, shown, write};
use crate::error::ClientError;

/// Removes a package; what was found of it.
///
/// # Errors
///
/// [`ClientError::Missing`] where nothing of it is there; [`ClientError::Usage`] over local edits without
/// `force`. Nothing has changed then.
pub fn remove(
    workspace: &mut Workspace,
    name: &Shortname,
    force: bool,
    git: &dyn Repositories,
) -> Result<Vec<String>, ClientError> {
    let place = workspace.place(name);
    let installed = workspace.is_installed(name)?;
    if installed && !force {
        match git.state(&place)? {
            Some((_, false)) => {}
            state => {
                let found = if state.is_some() { "has local edits" } else { "is no clone" };
                return Err(ClientError::usage(
                    format!("`{}` {found}", shown(&place)),
                    "commit them elsewhere, or remove them with `--force`",
                ));
            }
        }
    }
    let list = workspace.packages().join(cmake::LIST);
    let unlisted = read(&list)?.and_then(|text| cmake::unlisted(&text, name));
    let recorded = workspace.project.remove(name);
    let locked = workspace.lock.packages.remove(name).is_some();
    if !installed && unlisted.is_none() && !recorded && !locked {
        return Err(ClientError::Missing {
            message: format!("the project has no package `{name}`"),
            help: "look at the spelling: upper and lower case differ".to_owned(),
        });
    }
    let mut found = Vec::new();
    if let Some(text) = unlisted {
        write(&list, &text)?;
        found.push(format!("{}/{}", cmake::FOLDER, cmake::LIST));
    }
    if recorded || locked {
        workspace.save()?;
        found.push(super::PROJECT.to_owned());
    }
    // The folder last: what is left of it by a crash is removed by running it again.
    if installed {
        fs_err::remove_dir_all(&place)?;
        found.push(format!("{}/{}", cmake::FOLDER, name.folder()));
    }
    Ok(found)
}
