//! Documents to index bytes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::Document;
use super::file::{BEST, BEST_FROM, BLOCK_TERMS, FORMAT, MAGIC, SECTIONS, SKIP};
use super::words::{code_words, words};

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

/// Writes the index of `documents`.
pub(super) fn build(documents: impl Iterator<Item = Document>) -> Vec<u8> {
    let mut docs = documents.enumerate().collect::<Vec<_>>();
    docs.sort_by(|(_, a), (_, b)| {
        Reverse(a.downloads)
            .cmp(&Reverse(b.downloads))
            .then_with(|| a.identifier.cmp(&b.identifier))
    });

    let mut lists = HashMap::<String, Vec<(u32, u8)>>::new();
    let [mut table, mut texts, mut by_key] = [const { Vec::new() }; 3];
    for (doc, (position, document)) in docs.iter().enumerate() {
        table.extend(number(texts.len()));
        table.extend(number(*position));
        texts.extend_from_slice(document.identifier.to_string().as_bytes());
        for (word, weight) in weights(document) {
            let impact = (weight * 8.0).round().clamp(1.0, 255.0) as u8;
            lists.entry(word).or_default().push((doc as u32, impact));
        }
    }
    let mut sorted = (0..docs.len()).collect::<Vec<_>>();
    sorted.sort_by(|&a, &b| docs[a].1.identifier.cmp(&docs[b].1.identifier));
    sorted.iter().for_each(|&doc| by_key.extend(number(doc)));

    let mut lists = lists.into_iter().collect::<Vec<_>>();
    lists.sort_unstable();
    let [mut blocks, mut terms, mut postings] = [const { Vec::new() }; 3];
    let mut before = "";
    for (i, (word, list)) in lists.iter().enumerate() {
        if i % BLOCK_TERMS == 0 {
            blocks.extend(number(terms.len()));
            before = "";
        }
        let shared = before.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
        varint(&mut terms, shared);
        varint(&mut terms, word.len() - shared);
        terms.extend_from_slice(&word.as_bytes()[shared..]);
        varint(&mut terms, list.len());
        match list[..] {
            [(doc, _)] => varint(&mut terms, doc as usize),
            _ => {
                varint(&mut terms, postings.len());
                write_postings(&mut postings, list);
            }
        }
        terms.push(list.iter().map(|&(_, impact)| impact).max().unwrap_or(0));
        before = word;
    }

    let sections: [Vec<u8>; SECTIONS] = [table, texts, by_key, blocks, terms, postings];
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(number(docs.len()));
    bytes.extend(number(lists.len()));
    sections.iter().for_each(|section| bytes.extend(number(section.len())));
    sections.iter().for_each(|section| bytes.extend_from_slice(section));
    bytes
}

/// The words of a document and what each is worth.
fn weights(document: &Document) -> BTreeMap<String, f32> {
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

/// Writes the postings of one term, which are sorted by document.
fn write_postings(out: &mut Vec<u8>, list: &[(u32, u8)]) {
    if list.len() > BEST_FROM {
        let mut best = list.to_vec();
        best.sort_unstable_by_key(|&(doc, impact)| (Reverse(impact), doc));
        for &(doc, impact) in &best[..BEST] {
            out.extend(doc.to_le_bytes());
            out.push(impact);
        }
    }
    let (mut body, mut next) = (Vec::new(), 0);
    for (i, &(doc, impact)) in list.iter().enumerate() {
        varint(&mut body, (doc - next) as usize);
        body.push(impact);
        next = doc + 1;
        if (i + 1) % SKIP == 0 {
            out.extend(doc.to_le_bytes());
            out.extend(number(body.len()));
        }
    }
    out.extend_from_slice(&body);
}

/// A number of the file. Four bytes are enough for some 50 million documents.
fn number(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes()
}

fn varint(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
