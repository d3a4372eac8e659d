//! The same search without an index: every document is looked at for every query.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::query::{SLIP, STARTED};
use super::{Document, Facet, Index, QUERY_WORDS, Typed, build, words};

/// The positions and scores of what `query`, which is not blank, finds among documents that have all of
/// `facets`, best first.
fn search(documents: &[Document], query: &str, facets: &[Facet]) -> Vec<(usize, f32)> {
    let passes = |doc: &usize| {
        let mut held = facets.iter().map(|facet| count(&documents[*doc], facet));
        held.all(|count| count > 0)
    };
    let held = documents.iter().map(impacts).collect::<Vec<_>>();
    let terms = held.iter().flat_map(|held| held.keys()).collect::<BTreeSet<_>>();
    let texts = words::words(query).into_iter().take(QUERY_WORDS).collect::<Vec<_>>();
    // Per word: how many postings its terms have, and what each document gets for it.
    let mut of_words = texts
        .iter()
        .enumerate()
        .map(|(i, text)| {
            let near = near_terms(&terms, text, i + 1 == texts.len());
            let counts =
                near.iter().map(|(term, _)| held.iter().filter(|h| h.contains_key(*term)).count());
            let postings = counts.sum::<usize>();
            let (docs, some) = (documents.len() as f32, postings.min(documents.len()) as f32);
            let rarity = (1.0 + (docs - some + 0.5) / (some + 0.5)).ln();
            let worth = |held: &BTreeMap<String, u8>| {
                let each = near.iter().filter_map(|(term, left)| {
                    held.get(*term).map(|&impact| rarity * left * f32::from(impact))
                });
                each.fold(0.0_f32, f32::max)
            };
            (postings, held.iter().map(worth).collect::<Vec<_>>())
        })
        .collect::<Vec<_>>();
    of_words.sort_by_key(|(postings, _)| *postings);

    let worth_of =
        |doc: usize| of_words.iter().map(move |(_, worth)| worth[doc]).filter(|&w| w > 0.0);
    let with_all = |doc: &usize| !texts.is_empty() && worth_of(*doc).count() == texts.len();
    let all = (0..documents.len()).filter(with_all).filter(passes).collect::<Vec<_>>();
    let mut found = BTreeMap::new();
    for doc in (0..documents.len()).filter(passes) {
        let (count, sum) = (worth_of(doc).count(), worth_of(doc).sum::<f32>());
        if all.is_empty() && count > 0 && texts.len() > 1 {
            found.insert(doc, count as f32 / texts.len() as f32 * sum);
        } else if all.contains(&doc) {
            found.insert(doc, sum);
        }
    }
    let typed = Typed::new(query.trim());
    if typed.key.contains('/') {
        for (doc, document) in documents.iter().enumerate() {
            if passes(&doc) && document.identifier.key().starts_with(&typed.key) {
                found.entry(doc).or_insert(0.0);
            }
        }
    }
    let mut found = found.into_iter().collect::<Vec<_>>();
    found.sort_by(|&(a, of_a), &(b, of_b)| {
        let popularity =
            |doc: usize| (Reverse(documents[doc].downloads), documents[doc].identifier.clone());
        let rank = |doc: usize| typed.rank(&documents[doc].identifier.to_string());
        rank(b)
            .cmp(&rank(a))
            .then(of_b.total_cmp(&of_a))
            .then_with(|| popularity(a).cmp(&popularity(b)))
    });
    found
}

/// How many things the document has of a facet.
fn count(document: &Document, facet: &Facet) -> usize {
    document.facets.iter().find(|(held, _)| held == facet).map_or(0, |(_, count)| *count)
}

fn impacts(document: &Document) -> BTreeMap<String, u8> {
    let weights = build::weights(document).into_iter();
    weights.map(|(word, weight)| (word, (weight * 8.0).round().clamp(1.0, 255.0) as u8)).collect()
}

/// The terms that a word stands for, and what each leaves of its worth.
fn near_terms<'t>(terms: &BTreeSet<&'t String>, text: &str, is_last: bool) -> Vec<(&'t str, f32)> {
    let mut near = Vec::new();
    for &term in terms {
        if term == text {
            near.push((term.as_str(), 1.0));
        } else if is_last && term.starts_with(text) {
            near.push((term.as_str(), STARTED));
        }
    }
    let chars = text.chars().count();
    for limit in 1..=(usize::from(chars >= 4) + usize::from(chars >= 8)) {
        if near.is_empty() {
            let slips = |term: &str| strsim::osa_distance(term, text);
            near.extend(
                terms
                    .iter()
                    .filter(|term| slips(term) <= limit)
                    .map(|term| (term.as_str(), SLIP.powi(slips(term) as i32))),
            );
        }
    }
    near
}

fn facet() -> impl Strategy<Value = Facet> {
    let name = "a|aa|bab|process";
    prop_oneof![name.prop_map(Facet::Kind), name.prop_map(Facet::Format)]
}

fn document() -> impl Strategy<Value = Document> {
    let word = "[ab]{1,3}|[ab]{4,9}|[éß字]{1,2}|a[éi]b[o0]{1,6}|TempSensor|温度";
    let summary = prop::collection::vec(word, 0..5).prop_map(|words| words.join(" "));
    let exports = prop::collection::vec("[A-B]a{1,2}[A-B]b|[ab]_[ab]", 0..2);
    let name = "(acme|bolt)/[ab]{1,4}(-[ab]{1,2})?(/ab)?";
    let facets = prop::collection::btree_map(facet(), 1_usize..400, 0..3);
    (name, summary, exports, facets, 0_u64..4).prop_map(
        |(name, summary, exports, facets, downloads)| Document {
            identifier: name.parse().unwrap(),
            summary,
            exports,
            facets: facets.into_iter().collect(),
            downloads,
        },
    )
}

proptest! {
    #[test]
    fn a_search_finds_what_looking_at_every_document_finds(
        documents in prop::collection::vec(document(), 1..30),
        queries in prop::collection::vec(
            "[ab]{1,9}|(acme|bolt)/[ab]{0,3}|[ab]{1,4} [abé]{1,8}|[ab]{1,3} [ab]{4} [ab]{1,9}|温|tempsensr|sensor TEMP|[éß字]|qqqqqq [ab]", 1..8,
        ),
        facets in prop::collection::vec(facet(), 0..3),
    ) {
        let mut keys = BTreeSet::new();
        let documents = documents.into_iter().filter(|d| keys.insert(d.identifier.key().to_owned())).collect::<Vec<_>>();
        let index = Index::build(documents.iter().cloned());
        let nothing = Index::build(std::iter::empty());
        let terms = documents.iter().flat_map(|d| impacts(d).into_keys()).collect::<BTreeSet<_>>();
        // Beyond, a word stands for the best of its terms only.
        prop_assume!(terms.len() <= 150);
        for query in queries {
            let [hits, _] = index.search_with(&nothing, &query, &facets, usize::MAX);
            let hits = hits.into_iter().map(|hit| (hit.position, hit.score)).collect::<Vec<_>>();
            let near = |is_last| words::words(&query).iter().any(|w| near_terms(&terms.iter().collect(), w, is_last).len() > 32);
            if !near(true) {
                prop_assert_eq!(hits, search(&documents, &query, &facets), "{} {:?}", query, facets);
            }
        }
        for (position, document) in documents.iter().enumerate() {
            prop_assert_eq!(index.position(&document.identifier), Some(position));
        }
        prop_assert_eq!(index.position(&"acme/none-such".parse().unwrap()), None);
        let counted = |document: &Document| {
            let counts = facets.iter().map(|facet| count(document, facet).min(255) as u8);
            match counts.clone().any(|count| count == 0) {
                true => 0,
                false => counts.max().unwrap_or(1),
            }
        };
        prop_assert_eq!(index.counts(&facets), documents.iter().map(counted).collect::<Vec<_>>());
        let [popular, _] = index.search_with(&nothing, " ", &facets, usize::MAX);
        prop_assert_eq!(popular.len(), documents.iter().filter(|document| counted(document) > 0).count());
        let kinds = documents.iter().flat_map(|document| &document.facets).filter_map(|(facet, _)| match facet {
            Facet::Kind(kind) => Some(kind.clone()),
            Facet::Format(_) => None,
        });
        prop_assert_eq!(index.kinds(), kinds.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn two_indexes_find_together_what_one_of_all_documents_finds(
        documents in prop::collection::vec((document(), any::<bool>()), 0..30),
        queries in prop::collection::vec(
            "|[ab]{1,9}|(acme|bolt)/[ab]{0,3}|[ab]{1,4} [abé]{1,8}|温|tempsensr|sensor TEMP|qqqqqq [ab]", 1..8,
        ),
        facets in prop::collection::vec(facet(), 0..2),
    ) {
        let nothing = Index::build(std::iter::empty());
        let mut keys = BTreeSet::new();
        let documents = documents.into_iter().filter(|(d, _)| keys.insert(d.identifier.key().to_owned())).collect::<Vec<_>>();
        let of = |kept: &dyn Fn(bool) -> bool| {
            Index::build(documents.iter().filter(|(_, is_new)| kept(*is_new)).map(|(d, _)| d.clone()))
        };
        let (all, old, new) = (of(&|_| true), of(&|is_new| !is_new), of(&|is_new| is_new));
        let terms = documents.iter().flat_map(|(d, _)| impacts(d).into_keys()).collect::<BTreeSet<_>>();
        for query in queries {
            let near = |w: &String| near_terms(&terms.iter().collect(), w, true).len() > 32;
            // Beyond, a word stands for the best of its terms only.
            if words::words(&query).iter().any(near) {
                continue;
            }
            let [mut expected, _] = all.search_with(&nothing, &query, &facets, usize::MAX);
            let [mut found, changed] = old.search_with(&new, &query, &facets, usize::MAX);
            found.extend(changed);
            let order = |a: &super::Hit, b: &super::Hit| b.rank().cmp(&a.rank()).then_with(|| a.identifier.cmp(&b.identifier));
            expected.sort_by(order);
            found.sort_by(order);
            let shown = |hits: &[super::Hit]| hits.iter().map(|hit| (hit.identifier.clone(), hit.typed, hit.score)).collect::<Vec<_>>();
            prop_assert_eq!(shown(&found), shown(&expected), "{}", query);
        }
    }

    #[test]
    fn cut_flipped_and_random_bytes_neither_panic_nor_loop(
        documents in prop::collection::vec(document(), 1..20), cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..9), random in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let good = Index::build(documents.into_iter()).to_bytes().to_vec();
        prop_assert!(Index::from_bytes(&good[..cut.index(good.len())]).is_err());
        let mut flipped = good.clone();
        flips.iter().for_each(|(place, bit)| flipped[place.index(good.len())] ^= 1 << bit);
        // A good header over random sections.
        let mut filled = good.clone();
        filled[super::file::HEADER_BYTES..].iter_mut().zip(random.iter().cycle()).for_each(|(byte, random)| *byte = *random);
        for bytes in [flipped, filled, random] {
            if let Ok(index) = Index::from_bytes(bytes) {
                for query in ["", "a", "ab aa", "abababab", "acme/", "acme/ab", "tempsensr", "qqqq b"] {
                    prop_assert!(index.search(query, 20).len() <= 20);
                    let [kept, _] = index.search_with(&index, query, &[Facet::Kind("a".to_owned())], 20);
                    prop_assert!(kept.len() <= 20);
                }
                index.counts(&[Facet::Format("a".to_owned())]);
                index.kinds();
                index.position(&"acme/ab".parse().unwrap());
            }
        }
    }
}
