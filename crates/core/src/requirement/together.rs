//! Whether requirements of PEP 508 can be met by one version, whatever versions there are.
//!
//! What a specifier says of a version changes only at the versions that it names. So a handful of
//! versions stand for all: those that are named, and the ones next to them on both sides.

use std::collections::BTreeSet;

use pep440_rs::{Prerelease, PrereleaseKind, Version, VersionSpecifier};

use super::pep508;

/// Specifiers that are looked at; more may always be met, as far as is known.
const CLAUSES: usize = 64;
/// Numbers of a version that are looked at.
const NUMBERS: usize = 16;

/// Whether some version fits all of `rules`, or there are too many to tell.
///
/// Prereleases count: an installer takes one where nothing else is left.
pub(super) fn possible(rules: &[&pep508::Rule]) -> bool {
    let clauses: Vec<&VersionSpecifier> = rules.iter().flat_map(|rule| rule.clauses()).collect();
    let long = clauses.iter().any(|clause| clause.version().release().len() > NUMBERS);
    if clauses.len() > CLAUSES || long {
        return true;
    }
    let versions = candidates(&clauses);
    versions.iter().any(|version| clauses.iter().all(|clause| pep508::fits(clause, version)))
}

fn candidates(clauses: &[&VersionSpecifier]) -> BTreeSet<Version> {
    let named: Vec<&Version> = clauses.iter().map(|clause| clause.version()).collect();
    let length = named.iter().map(|version| version.release().len()).max().unwrap_or(0);
    let epoch = named.iter().map(|version| version.epoch()).max().unwrap_or(0);
    // Below and above everything, and in between.
    let mut all = BTreeSet::from([Version::new([0_u64]).with_epoch(epoch + 1)]);
    for version in named {
        all.insert(version.clone());
        for epoch in [0, version.epoch()] {
            for numbers in beside(version.release(), length) {
                let plain = Version::new(numbers).with_epoch(epoch);
                all.extend(early_and_late(&plain, version));
                all.insert(plain);
            }
        }
    }
    all
}

/// The numbers themselves and, of each beginning of them, the ones just below and above: filled up with
/// zeros to one more than any other has, so that nothing lies in between.
fn beside(release: &[u64], length: usize) -> Vec<Vec<u64>> {
    let mut all = vec![release.to_vec(), vec![0]];
    let padded: Vec<u64> =
        release.iter().copied().chain(std::iter::repeat(0)).take(length).collect();
    for last in [1, u64::MAX] {
        all.push([&padded[..], &[last]].concat());
    }
    for (at, number) in padded.iter().enumerate() {
        let (before, mut above) = (&padded[..at], padded[..=at].to_vec());
        above[at] = number.saturating_add(1);
        all.push(above);
        if let Some(less) = number.checked_sub(1) {
            let rest = vec![u64::MAX; length - at];
            all.push([before, &[less], &rest[..]].concat());
        }
    }
    all
}

/// Development, pre- and post releases of `plain`: the first, the last, and those beside `named`'s.
fn early_and_late(plain: &Version, named: &Version) -> Vec<Version> {
    let of = |kind, number| Some(Prerelease { kind, number });
    let mut all = vec![
        plain.clone().with_dev(Some(0)),
        plain.clone().with_pre(of(PrereleaseKind::Rc, u64::MAX)),
        plain.clone().with_post(Some(0)),
        plain.clone().with_post(Some(u64::MAX)),
    ];
    let near = |number: u64| [number.checked_sub(1), Some(number), number.checked_add(1)];
    if let Some(pre) = named.pre() {
        for number in near(pre.number).into_iter().flatten() {
            let version = plain.clone().with_pre(of(pre.kind, number));
            all.push(version.clone().with_dev(Some(0)));
            all.push(version.clone().with_post(Some(0)));
            for post in named.post().map(near).into_iter().flatten().flatten() {
                all.push(version.clone().with_post(Some(post)));
            }
            for dev in named.dev().map(near).into_iter().flatten().flatten() {
                all.push(version.clone().with_post(named.post()).with_dev(Some(dev)));
            }
            all.push(version);
        }
    }
    for post in named.post().map(near).into_iter().flatten().flatten() {
        let version = plain.clone().with_post(Some(post));
        for dev in named.dev().map(near).into_iter().flatten().flatten() {
            all.push(version.clone().with_dev(Some(dev)));
        }
        all.push(version.clone().with_dev(Some(0)));
        all.push(version);
    }
    for dev in named.dev().map(near).into_iter().flatten().flatten() {
        all.push(plain.clone().with_dev(Some(dev)));
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Grammar, Requirement};
    use crate::version::{Order, Version};

    fn possible(texts: &[&str]) -> bool {
        let parsed: Vec<Requirement> =
            texts.iter().map(|text| Requirement::parse(Grammar::Pep508, text).unwrap()).collect();
        Requirement::possible(&parsed.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_no_version_meets_is_known() {
        for texts in [
            &[">=2,<1"][..],
            &["==1.0", "==1.1"],
            &["==1.0", "!=1.0"],
            &[">=1.2", "~=1.0.3"],
            &["==1.*", ">=2"],
            &[">1.0,<=1.0"],
            &["<1.0", ">=1.0rc1"],
            &["===1.0", "===1.0.0"],
            &["==1.0+a", "==1.0+b"],
            &["<1!0", ">=1!1"],
            &["==1.2.*", "!=1.2.*"],
            &[">=1", "<2", "==3"],
        ] {
            assert!(!possible(texts), "{texts:?}");
        }
        for texts in [
            &[][..],
            &[">=1,<2", "!=1.5"],
            &[">1.0,<1.0.1"],
            &["==1.0", "==1.0.0"],
            &["==1.0", "==1.0+local"],
            &["~=1.4", "==1.9.*"],
            &[">=1.0rc1", "<1.0rc2"],
            &[">=1.0.dev3,<1.0.dev5", "!=1.0.dev3"],
            &[">1.0.post1", "<1.0.post3", "<1.1"],
            &["!=1", "!=2", "!=3.*"],
            &["===1.0", ">=0.5"],
            &[">=1!1.0", ">=9"],
        ] {
            assert!(possible(texts), "{texts:?}");
        }
    }

    proptest! {
        #[test]
        fn a_version_that_fits_is_never_denied(
            version in "(1!)?[0-3](\\.[0-3]){0,2}(a[0-2]|rc1)?(\\.post[0-2])?(\\.dev[0-2])?",
            clauses in prop::collection::vec(
                "(==|!=|<|>|<=|>=)(1!)?[0-3](\\.[0-3]){0,2}(a[0-2]|rc1)?(\\.post[0-2])?(\\.dev[0-2])?|(==|!=)[0-3](\\.[0-3])?\\.\\*|~=[0-3]\\.[0-3](\\.[0-3])?",
                1..5,
            ),
        ) {
            let version = Version::parse(Order::Pep440, &version).unwrap();
            let all: Vec<Requirement> =
                clauses.iter().map(|text| Requirement::parse(Grammar::Pep508, text).unwrap()).collect();
            if all.iter().all(|one| one.admits(&version)) {
                prop_assert!(Requirement::possible(&all.iter().collect::<Vec<_>>()), "{version} {clauses:?}");
            }
        }
    }
}
