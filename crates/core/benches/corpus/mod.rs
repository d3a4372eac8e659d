//! 100,000 made-up packages and queries for them, the same at every run: `scope/name-nn` and a
//! sentence of 14 words that follow Zipf's law, from 20,000 words of 4 to 9 letters; 121 bytes each.

use std::collections::HashSet;

use packhouse_core::search::Document;

/// Packages in the corpus.
pub const PACKAGES: usize = 100_000;
/// Queries of each kind.
pub const QUERIES: usize = 300;
const VOCABULARY: usize = 20_000;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Packages, sorted by identifier as a registry lists them, and queries.
pub struct Corpus {
    /// The packages.
    pub documents: Vec<Document>,
    /// One kind of queries after the other.
    pub queries: Vec<(&'static str, Vec<String>)>,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    /// A place among the words, the first ones most often.
    fn zipf(&mut self) -> usize {
        let share = self.next() as f64 / (1_u64 << 53) as f64;
        ((VOCABULARY as f64 + 1.0).powf(share) as usize - 1).min(VOCABULARY - 1)
    }
}

/// Makes the corpus with so many packages.
pub fn make(packages: usize) -> Corpus {
    let mut random = Random(SEED);
    let words = vocabulary(&mut random);
    let mut taken = HashSet::new();
    let mut documents = Vec::new();
    for _ in 0..packages {
        let (scope, name) = (&words[random.zipf()], &words[random.zipf()]);
        let mut number = random.below(90) + 10;
        while !taken.insert((scope, name, number)) {
            number += 90;
        }
        let Ok(identifier) = format!("{scope}/{name}-{number}").parse() else { continue };
        let summary = (0..14).map(|_| words[random.zipf()].as_str()).collect::<Vec<_>>().join(" ");
        let downloads = 1_u64 << random.below(20);
        let downloads = downloads + random.next() % downloads;
        documents.push(Document {
            identifier,
            summary,
            exports: Vec::new(),
            facets: Vec::new(),
            downloads,
        });
    }
    documents.sort_by(|a, b| a.identifier.cmp(&b.identifier));

    let mut kind = |name, make: &mut dyn FnMut(&mut Random) -> String| {
        (name, (0..QUERIES).map(|_| make(&mut random)).collect())
    };
    let of_text = |random: &mut Random| words[random.zipf()].clone();
    let queries = vec![
        // Each word as often as in the text.
        kind("one word", &mut |r| of_text(r)),
        kind("two words", &mut |r| format!("{} {}", of_text(r), of_text(r))),
        kind("three words", &mut |r| format!("{} {} {}", of_text(r), of_text(r), of_text(r))),
        kind("a very frequent word", &mut |r| words[r.below(5)].clone()),
        kind("two frequent words", &mut |r| {
            format!("{} {}", words[r.below(40)], words[r.below(40)])
        }),
        kind("a rare word", &mut |r| words[VOCABULARY / 2 + r.below(VOCABULARY / 2)].clone()),
        kind("an identifier", &mut |r| documents[r.below(documents.len())].identifier.to_string()),
        kind("the start of a word", &mut |r| of_text(r)[..3].to_owned()),
        kind("one slip", &mut |r| misspelt(r, &words, 4, 1)),
        kind("two slips", &mut |r| misspelt(r, &words, 8, 2)),
    ];
    Corpus { documents, queries }
}

/// Words of syllables, each another one.
fn vocabulary(random: &mut Random) -> Vec<String> {
    let (mut words, mut taken) = (Vec::new(), HashSet::new());
    while words.len() < VOCABULARY {
        let mut word = String::new();
        for _ in 0..2 + random.below(2) {
            word.push(char::from(b"bcdfghklmnprstvz"[random.below(16)]));
            word.push(char::from(b"aeiou"[random.below(5)]));
            if random.below(2) == 0 {
                word.push(char::from(b"lmnrst"[random.below(6)]));
            }
        }
        if taken.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

/// A word of so many letters at least, with letters replaced by `q`, which no word has.
fn misspelt(random: &mut Random, words: &[String], letters: usize, slips: usize) -> String {
    loop {
        let mut word = words[random.below(words.len())].clone().into_bytes();
        if word.len() >= letters {
            for i in 0..slips {
                // Not the first letter, and no two neighbours.
                let place = 1 + i * word.len() / slips + random.below(word.len() / slips - 2);
                word[place] = b'q';
            }
            return word.into_iter().map(char::from).collect();
        }
    }
}
