//! Packages that need each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChosenPackage, Request, Resolution, Unresolved, UnresolvedKind};
use crate::identifier::Identifier;

/// A circle in a resolution, with how the request comes to it.
pub(super) fn find(request: &Request, resolution: &Resolution) -> Option<Unresolved> {
    let by_id: BTreeMap<&Identifier, &ChosenPackage> =
        resolution.chosen.iter().map(|package| (&package.identifier, package)).collect();
    let mut done: BTreeSet<&Identifier> = BTreeSet::new();
    for start in by_id.keys() {
        // The way down, with the next dependency to look at of each.
        let mut way: Vec<(&Identifier, usize)> = Vec::new();
        if !done.contains(start) {
            way.push((start, 0));
        }
        while let Some((at, next)) = way.last_mut() {
            let package = by_id.get(*at)?;
            let Some(dependency) = package.dependencies.get(*next) else {
                done.insert(at);
                way.pop();
                continue;
            };
            *next += 1;
            if let Some(from) = way.iter().position(|(id, _)| *id == dependency) {
                let circle: Vec<&Identifier> = way[from..].iter().map(|(id, _)| *id).collect();
                return Some(told(request, &by_id, &circle));
            }
            if !done.contains(dependency) {
                way.push((dependency, 0));
            }
        }
    }
    None
}

fn told(
    request: &Request,
    by_id: &BTreeMap<&Identifier, &ChosenPackage>,
    circle: &[&Identifier],
) -> Unresolved {
    let title = |id: &&Identifier| match by_id.get(*id).and_then(|p| p.version.as_ref()) {
        Some(version) => format!("{id}@{version}"),
        None => id.to_string(),
    };
    let mut names: Vec<String> = circle.iter().map(title).collect();
    names.extend(names.first().cloned());
    let long = names.len() > 8;
    let shown =
        if long { format!("{} → …", names[..8].join(" → ")) } else { names.join(" → ") };
    let lines = vec![
        format!("`{}` needs packages that need each other:", request.title),
        format!("  {shown}"),
    ];
    let help = "ask for a version of one of them that does not need the next".to_owned();
    Unresolved { kind: UnresolvedKind::Cycle, lines, help }
}
