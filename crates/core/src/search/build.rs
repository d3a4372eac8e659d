//! Documents to index bytes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::bits::{pack, push_varint};
use super::file::{BLOCK_IDS, BLOCK_TERMS, FORMAT, MAGIC, SECTIONS, doc_bits};
use super::words::{code_words, words};
use super::{Document, facet, postings};

/// What a word is worth by where it stands, in eighths of an impact's step.
const NAME: f32 = 12.0;
const EXPORT: f32 = 5.0;
const OWNER: f32 = 4.0;
const SUMMARY: f32 = 2.0;
/// BM25's saturation and length parameters, for summaries of sixteen words.
const K1: f32 = 1.2;
const B: f32 = 0.75;
const USUAL_WORDS: f32 = 16.0;
/// Words of one document that are read, of its exports and of its summary each.
const FIELD_WORDS: usize = 2_000;

/// Postings by term.
pub(super) type Lists = HashMap<String, Vec<(u32, u8)>>;

/// Writes the index of `documents`.
pub(super) fn build(documents: impl Iterator<Item = Document>) -> Vec<u8> {
    let mut docs = documents.enumerate().collect::<Vec<_>>();
    docs.sort_by(|(_, a), (_, b)| {
        Reverse(a.downloads)
            .cmp(&Reverse(b.downloads))
            .then_with(|| a.identifier.cmp(&b.identifier))
    });

    let mut lists = Lists::new();
    for (doc, (_, document)) in docs.iter().enumerate() {
        for (word, weight) in weights(document) {
            let impact = (weight * 8.0).round().clamp(1.0, 255.0) as u8;
            lists.entry(word).or_default().push((doc as u32, impact));
        }
        facet::write(&mut lists, doc as u32, &document.facets);
    }
    let mut by_key = (0..docs.len()).collect::<Vec<_>>();
    by_key.sort_by(|&a, &b| docs[a].1.identifier.cmp(&docs[b].1.identifier));
    let mut places = vec![0; docs.len()];
    by_key.iter().enumerate().for_each(|(place, &doc)| places[doc] = place);
    let [mut id_blocks, mut ids] = [const { Vec::new() }; 2];
    let mut before = String::new();
    for (place, &doc) in by_key.iter().enumerate() {
        if place % BLOCK_IDS == 0 {
            id_blocks.extend(number(ids.len()));
            before.clear();
        }
        let id = docs[doc].1.identifier.to_string();
        let shared = shared_bytes(&before, &id);
        push_varint(&mut ids, shared);
        push_varint(&mut ids, id.len() - shared);
        ids.extend_from_slice(&id.as_bytes()[shared..]);
        before = id;
    }
    let width = doc_bits(docs.len());
    let packed = |numbers: &mut dyn Iterator<Item = usize>| pack(numbers.map(|n| n as u32), width);
    let is_sorted = by_key.iter().enumerate().all(|(place, &doc)| docs[doc].0 == place);
    let positions = match is_sorted {
        true => Vec::new(),
        false => packed(&mut by_key.iter().map(|&doc| docs[doc].0)),
    };

    let mut lists = lists.into_iter().collect::<Vec<_>>();
    lists.sort_unstable();
    let [term_blocks, terms, postings] = write_terms(&lists, docs.len() as u32);
    let sections: [Vec<u8>; SECTIONS] = [
        id_blocks,
        ids,
        packed(&mut places.iter().copied()),
        packed(&mut by_key.iter().copied()),
        positions,
        term_blocks,
        terms,
        postings,
    ];
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(number(docs.len()));
    bytes.extend(number(lists.len()));
    sections.iter().for_each(|section| bytes.extend(number(section.len())));
    sections.iter().for_each(|section| bytes.extend_from_slice(section));
    bytes
}

/// Blocks of terms, terms and postings.
fn write_terms(lists: &[(String, Vec<(u32, u8)>)], docs: u32) -> [Vec<u8>; 3] {
    let [mut blocks, mut terms, mut postings] = [const { Vec::new() }; 3];
    let mut before = "";
    for (i, (word, list)) in lists.iter().enumerate() {
        if i % BLOCK_TERMS == 0 {
            blocks.extend(number(terms.len()));
            blocks.extend(number(postings.len()));
            before = "";
        }
        let shared = shared_bytes(before, word);
        let rest = word.len() - shared;
        if shared.max(rest) < 16 && shared.min(rest) < 15 {
            terms.push((shared << 4 | rest) as u8);
        } else {
            terms.push(0xff);
            push_varint(&mut terms, shared);
            push_varint(&mut terms, rest);
        }
        terms.extend_from_slice(&word.as_bytes()[shared..]);
        match list[..] {
            [(doc, _)] => push_varint(&mut terms, (doc as usize) << 1),
            _ => {
                let start = postings.len();
                postings::write(&mut postings, docs, list);
                push_varint(&mut terms, list.len() << 1 | 1);
                push_varint(&mut terms, postings.len() - start);
            }
        }
        terms.push(list.iter().map(|&(_, impact)| impact).max().unwrap_or(0));
        before = word;
    }
    [blocks, terms, postings]
}

fn shared_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// The words of a document and what each is worth.
pub(super) fn weights(document: &Document) -> BTreeMap<String, f32> {
    let mut weights = BTreeMap::<String, f32>::new();
    let raise = |weights: &mut BTreeMap<String, f32>, word: String, weight: f32| {
        let held = weights.entry(word).or_default();
        *held = held.max(weight);
    };
    for part in document.identifier.rest().split('/') {
        let of_name = code_words(part);
        // One word of a short name says more than one of a long name, and the first one a little more.
        let share = NAME * (0.6 + 0.4 / of_name.len().max(1) as f32);
        raise(&mut weights, words(part).concat(), share);
        for (i, word) in of_name.into_iter().enumerate() {
            raise(&mut weights, word, if i == 0 { share + 1.0 } else { share });
        }
    }
    for word in words(document.identifier.owner()) {
        raise(&mut weights, word, OWNER);
    }
    let mut exported = BTreeMap::new();
    for word in document.exports.iter().flat_map(|name| code_words(name)).take(FIELD_WORDS) {
        exported.insert(word, EXPORT);
    }
    let of_summary = words(&document.summary).into_iter().take(FIELD_WORDS).collect::<Vec<_>>();
    let length = K1 * (1.0 - B + B * of_summary.len() as f32 / USUAL_WORDS);
    let mut counts = BTreeMap::<String, f32>::new();
    for word in of_summary {
        *counts.entry(word).or_default() += 1.0;
    }
    for (word, weight) in exported {
        *weights.entry(word).or_default() += weight;
    }
    for (word, count) in counts {
        *weights.entry(word).or_default() += SUMMARY * count * (K1 + 1.0) / (count + length);
    }
    weights
}

/// A number of the file. Four bytes are enough for some 50 million documents.
fn number(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes()
}
