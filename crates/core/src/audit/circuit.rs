//! What the strict rules of `ato` circuits share: builds, folders and names as `ato.yaml` gives them.

use serde_json::Value;

use super::ato_code::{self, Code};
use super::{Draft, Facts};
use crate::manifest::{Manifest, Name};
use crate::tree::{TreeFile, TreePath};

/// The strict set is about circuits.
pub(super) fn is_circuit(facts: &Facts) -> bool {
    facts.manifest.format == "ato"
}

/// The package's own identifier, as it is written.
pub(super) fn own(m: &Manifest) -> Option<String> {
    match &m.name.as_ref()?.value {
        Name::Full(identifier) => Some(identifier.to_string()),
        Name::Native(_) => None,
    }
}

/// The package's own identifier and those of its dependencies.
pub(super) fn identifiers(m: &Manifest) -> Vec<String> {
    let needed = m.dependencies.iter().filter_map(|d| d.target.identifier());
    own(m).into_iter().chain(needed.map(ToString::to_string)).collect()
}

/// The names of the build targets.
pub(super) fn targets(m: &Manifest) -> impl Iterator<Item = &str> {
    m.exports.iter().filter(|export| export.kind == "build").map(|export| export.name.as_str())
}

/// What `ato.yaml` says of a target.
pub(super) fn build<'a>(m: &'a Manifest, target: &str) -> Option<&'a Value> {
    m.original.get("builds")?.get(target)
}

/// The file of the target `usage`, which stands below the folder of sources or the package's own.
pub(super) fn usage_file<'a>(facts: &Facts<'a>) -> Option<(String, &'a TreeFile)> {
    let m = facts.manifest;
    let usage = m.exports.iter().find(|export| export.kind == "build" && export.name == "usage")?;
    let source = folder(m, "src").unwrap_or_default();
    [source.as_str(), ""].into_iter().find_map(|base| {
        let path = resolve(base, usage.path.as_deref()?)?;
        facts.tree.get(&path).map(|file| (path, file))
    })
}

/// A folder that `paths` names, without a final `/`; empty at the root.
pub(super) fn folder(m: &Manifest, key: &str) -> Option<String> {
    resolve("", m.original.get("paths")?.get(key)?.as_str()?)
}

/// `path` seen from `base`, with `.` and `..` taken out; `None` where it is absolute or leads out of the package.
pub(super) fn resolve(base: &str, path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return None;
    }
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The package's own `.ato` files, read; installed dependencies below `.ato/` are not its own.
pub(super) fn code<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a TreePath, Code)> + use<'a> {
    let own = facts.tree.iter().filter(|(path, file)| {
        let path = path.as_str();
        let installed = path.split('/').any(|part| part == ".ato");
        path.ends_with(".ato") && !installed && file.bytes.len() <= ato_code::MAX_BYTES
    });
    own.map(|(path, file)| (path, ato_code::read(&file.bytes)))
}

/// Whether `path` lies below `folder`, of which empty is the root.
pub(super) fn below(folder: &str, path: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Puts a finding at the place of a target in the manifest.
pub(super) fn at_target(draft: Draft, m: &Manifest, target: &str) -> Draft {
    let keys = [format!("builds.{target}"), format!("builds.{target}.entry")];
    let draft = draft.file(&m.path);
    match keys.iter().find_map(|key| m.places.get(key)) {
        Some(at) => draft.at(*at),
        None => draft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_package() {
        for (base, path, expected) in [
            ("layouts/a", "../../parts/x.step", Some("parts/x.step")),
            ("", "./layouts/", Some("layouts")),
            ("layouts", "a\\b.step", Some("layouts/a/b.step")),
            ("layouts", "../../x", None),
            ("", "/etc/x", None),
            ("", "C:/x", None),
        ] {
            assert_eq!(resolve(base, path).as_deref(), expected, "{base} {path}");
        }
        assert!(below("", "a") && below("a", "a/b") && !below("a", "ab/c") && !below("a", "a"));
    }
}
