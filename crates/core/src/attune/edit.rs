//! Changing an index: one pack put in, several indices made into one.

use serde::Serialize;

use super::Flaw;
use super::index::{Entry, Index, Read};

/// What became of a pack that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Put {
    /// It was not there.
    Added,
    /// It took the place of the one that was there.
    Updated,
    /// The very same was there.
    Unchanged,
}

/// Puts `entry` into `index`, which is sorted by it. `last_updated` becomes `now` where something changed.
///
/// # Errors
///
/// A pack of this ref is there, and `replace` is not set.
pub fn put(index: &mut Index, mut entry: Entry, replace: bool, now: &str) -> Result<Put, Flaw> {
    entry.sort();
    let before = index.packs.clone();
    let put = match index.packs.iter_mut().find(|held| held.reference == entry.reference) {
        Some(held) if *held == entry => Put::Unchanged,
        Some(held) if replace => {
            *held = entry;
            Put::Updated
        }
        Some(held) => {
            let reason = format!(
                "`{}` is there at version {}: `--update` replaces it",
                held.reference, held.version
            );
            return Err(Flaw::new("ref", reason));
        }
        None => {
            index.packs.push(entry);
            Put::Added
        }
    };
    index.packs.sort_by(|a, b| a.reference.cmp(&b.reference));
    if index.packs != before {
        index.last_updated = now.to_owned();
    }
    Ok(put)
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Packs of all inputs.
    pub total_loaded: usize,
    /// Packs of the result.
    pub unique_packs: usize,
    /// How often a ref was there already.
    pub duplicates_resolved: usize,
}

/// Makes one index of `inputs`: of each ref the entry with the higher version, on a tie the one of the
/// earlier input. Name and homepage are the first input's, `last_updated` the latest.
///
/// Versions are compared as SemVer does: numbers as numbers, a prerelease before its release, build
/// metadata not at all. A text that is no version loses against one that is.
///
/// `None` where there is no input.
pub fn merge(inputs: Vec<Read>) -> Option<(Index, Merged)> {
    let mut inputs = inputs.into_iter().map(|read| read.index);
    let mut merged = inputs.next()?;
    let mut counts = Merged { total_loaded: merged.packs.len(), ..Merged::default() };
    for input in inputs {
        counts.total_loaded += input.packs.len();
        let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
        if time(&input.last_updated) > time(&merged.last_updated) {
            merged.last_updated = input.last_updated;
        }
        let mut places: std::collections::HashMap<String, usize> =
            merged.packs.iter().enumerate().map(|(n, e)| (e.reference.clone(), n)).collect();
        for entry in input.packs {
            match places.get(&entry.reference) {
                Some(&at) => {
                    counts.duplicates_resolved += 1;
                    // `None` is less than any version.
                    if entry.semver() > merged.packs[at].semver() {
                        merged.packs[at] = entry;
                    }
                }
                None => {
                    places.insert(entry.reference.clone(), merged.packs.len());
                    merged.packs.push(entry);
                }
            }
        }
    }
    for entry in &mut merged.packs {
        entry.sort();
    }
    merged.packs.sort_by(|a, b| a.reference.cmp(&b.reference));
    counts.unique_packs = merged.packs.len();
    Some((merged, counts))
}

#[cfg(test)]
mod tests {
    use super::super::index::{Contents, InstallSource};
    use super::*;

    fn entry(reference: &str, version: &str, author: &str) -> Entry {
        Entry {
            reference: reference.to_owned(),
            label: reference.to_owned(),
            description: String::new(),
            version: version.to_owned(),
            author: author.to_owned(),
            email: None,
            homepage: None,
            repository: None,
            use_case: None,
            license: "MIT".to_owned(),
            keywords: vec!["b".to_owned(), "a".to_owned(), "b".to_owned()],
            runtime_deps: Vec::new(),
            install_sources: vec![InstallSource::Git {
                url: "https://example.org/x.git".to_owned(),
                reference: "v1".to_owned(),
                checksum: Some(super::super::checksum::Checksum::of_bytes(b"")),
            }],
            contents: Contents::default(),
            dependencies: None,
            meta: None,
        }
    }

    fn index(name: &str, now: &str, packs: &[(&str, &str)]) -> Read {
        let mut index = Index::new(name, "https://example.org", now);
        index.packs = packs.iter().map(|(r, v)| entry(r, v, name)).collect();
        Read { index, flaws: Vec::new() }
    }

    #[test]
    fn a_merge_keeps_the_higher_version() {
        let (merged, counts) = merge(vec![
            index(
                "one",
                "2026-01-02T00:00:00Z",
                &[
                    ("ten", "1.9.0"),
                    ("pre", "2.0.0-rc.1"),
                    ("build", "1.0.0+a"),
                    ("tie", "1.0.0"),
                    ("low", "3.0.0"),
                    ("odd", "latest"),
                ],
            ),
            index(
                "two",
                "2026-01-03T00:00:00Z",
                &[
                    ("ten", "1.10.0"),
                    ("pre", "2.0.0"),
                    ("build", "1.0.0+b"),
                    ("tie", "1.0.0"),
                    ("odd", "0.0.1"),
                ],
            ),
            index(
                "three",
                "2026-01-01T00:00:00Z",
                &[("ten", "1.9.9"), ("pre", "2.0.0-rc.2"), ("low", "2.9.9"), ("new", "0.1.0")],
            ),
        ])
        .unwrap();
        let rows: Vec<_> = merged
            .packs
            .iter()
            .map(|e| format!("{} {} of {}", e.reference, e.version, e.author))
            .collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        build 1.0.0+a of one
        low 3.0.0 of one
        new 0.1.0 of three
        odd 0.0.1 of two
        pre 2.0.0 of two
        ten 1.10.0 of two
        tie 1.0.0 of one
        ");
        assert_eq!(
            (merged.registry_name.as_str(), merged.last_updated.as_str()),
            ("one", "2026-01-03T00:00:00Z")
        );
        assert_eq!(counts, Merged { total_loaded: 15, unique_packs: 7, duplicates_resolved: 8 });
        assert!(merged.text().is_ok(), "{:?}", merged.text());
        assert!(merge(Vec::new()).is_none());
    }

    #[test]
    fn a_pack_is_put_in_sorted_and_time_moves_only_with_it() {
        let mut index = index("one", "2026-01-01T00:00:00Z", &[("m", "1.0.0")]).index;
        let now = "2026-02-02T00:00:00Z";
        assert_eq!(put(&mut index, entry("a", "1.0.0", "x"), false, now), Ok(Put::Added));
        assert_eq!((index.packs[0].reference.as_str(), index.last_updated.as_str()), ("a", now));
        assert_eq!(index.packs[0].keywords, ["a", "b"]);
        let later = "2026-03-03T00:00:00Z";
        assert_eq!(put(&mut index, entry("a", "1.0.0", "x"), false, later), Ok(Put::Unchanged));
        assert_eq!(index.last_updated, now);
        let refused = put(&mut index, entry("a", "1.1.0", "x"), false, later).unwrap_err();
        assert!(refused.to_string().contains("--update"), "{refused}");
        assert_eq!(put(&mut index, entry("a", "1.1.0", "x"), true, later), Ok(Put::Updated));
        assert_eq!(index.last_updated, later);
    }
}
