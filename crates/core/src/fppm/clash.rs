//! Packages that the stock client takes for each other: it finds, updates and removes an installed one
//! by the beginning of its folder's name.

use std::collections::BTreeMap;

use super::Shortname;
use crate::identifier::Identifier;

/// The most pairs that are told: one page tells enough.
const PAIRS: usize = 100;

/// What mends a clash.
pub const HELP: &str = "give one of them another name, or use `packhouse fppm`";

/// What becomes of a pair of packages.
pub fn told(short: &Shortname, long: &Shortname) -> String {
    format!(
        "`{long}` begins with the name of `{short}`: removing or updating the latter with `fppm` hits both"
    )
}

/// The pairs of a package and its owner's others, as F Prime's view names them: the owner takes the
/// namespace's place.
pub fn beside(identifier: &Identifier, others: &[Identifier]) -> Vec<(Shortname, Shortname)> {
    let shortname = |id: &Identifier| {
        format!("{}/{}", id.owner().to_ascii_lowercase(), id.name()).parse::<Shortname>().ok()
    };
    let Some(own) = shortname(identifier) else { return Vec::new() };
    let same = |other: &&Identifier| {
        *other != identifier && other.owner().eq_ignore_ascii_case(identifier.owner())
    };
    let others = others.iter().filter(same).filter_map(shortname);
    let pairs = others.filter_map(|other| prefixed([&own, &other].into_iter()).pop());
    pairs.take(PAIRS).collect()
}

/// Pairs of packages of which the folder of the first begins that of the second; at most 100.
pub fn prefixed<'n>(names: impl Iterator<Item = &'n Shortname>) -> Vec<(Shortname, Shortname)> {
    let sorted: BTreeMap<String, &Shortname> = names.map(|name| (name.folder(), name)).collect();
    let mut found = Vec::new();
    // Those that begin with a text follow it directly in this order.
    let mut open: Vec<(&str, &Shortname)> = Vec::new();
    for (folder, name) in &sorted {
        while open.last().is_some_and(|(before, _)| !folder.starts_with(before)) {
            open.pop();
        }
        if let Some((_, before)) = open.last()
            && found.len() < PAIRS
        {
            found.push(((*before).clone(), (*name).clone()));
        }
        open.push((folder, name));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_begins_with_another_is_found() {
        let names: Vec<Shortname> = ["a/Pkg", "a/PkgFile", "a/Pk", "b/Pkg", "a/Q", "a/Pkg-2"]
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let found: Vec<_> =
            prefixed(names.iter()).iter().map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(found, ["a/Pk a/Pkg", "a/Pkg a/Pkg-2", "a/Pkg a/PkgFile"]);
    }

    #[test]
    fn a_package_clashes_with_its_owners_others_only() {
        let id = |text: &str| text.parse::<Identifier>().unwrap();
        let others =
            ["acme/Pkg", "acme/PkgFile", "acme/Pk", "other/PkgFileX", "acme/Queue"].map(id);
        let found: Vec<_> =
            beside(&id("Acme/Pkg"), &others).iter().map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(found, ["acme/Pkg acme/PkgFile", "acme/Pk acme/Pkg"]);
        assert!(beside(&id("acme/Queue"), &others).is_empty());
    }
}
