//! Ranking, what a hit says, and bytes that are no index.

use proptest::prelude::*;

use super::query::Word;
use super::*;

fn document(identifier: &str, summary: &str, exports: &[&str], downloads: u64) -> Document {
    Document {
        identifier: identifier.parse().unwrap(),
        summary: summary.to_owned(),
        exports: exports.iter().map(|&e| e.to_owned()).collect(),
        facets: Vec::new(),
        downloads,
    }
}

fn example() -> Index {
    let documents = [
        document(
            "acme/temp-sensor",
            "Reads a thermometer over I2C",
            &["TempSensor", "calibrate"],
            50,
        ),
        document("acme/sensor", "Base of all sensors", &["Sensor"], 10),
        document("Zeta/Sensor", "Another sensor", &[], 900),
        document("acme/sensor-hub", "Collects readings", &["Hub"], 700),
        document("bolt/usb-c", "USB Type-C connector with power delivery", &["UsbC"], 300),
        document("bolt/regulator", "Buck converter, 3.3 V power", &["BuckConverter"], 200),
        document(
            "cell/growth",
            "Membrane growth of a café-grown yeast",
            &["Growth", "Division"],
            5,
        ),
        document("cell/kinetics/mass_action", "Mass action kinetics", &["MassAction"], 6),
    ];
    Index::build(documents.into_iter())
}

fn found<B: AsRef<[u8]>>(index: &Index<B>, query: &str) -> String {
    index.search(query, 10).into_iter().map(|hit| hit.identifier).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_search_ranks_as_documented() {
    let index = example();
    let rows: String = [
        "",
        "acme/sensor",
        "ACME/Sensor",
        "sensor",
        "sens",
        "acme/sen",
        "acme/",
        "temp sensor",
        "tempsensor",
        "Temp_Sensor",
        "power",
        "usb power",
        "converter",
        "mass action",
        "mass-action",
        "cafe",
        "CAFÉ",
        "buck",
        "hub readings",
        // Slips, and what has none.
        "sesnor",
        "regulatr",
        "thermomater",
        "kinetcis",
        "convverter",
        "usc",
        "gr0wth",
        // Words that nothing has all of; words that nothing has at all.
        "power nonsense",
        "the power of yeast",
        "zzzzzz",
        "/",
        "-_-",
    ]
    .iter()
    .map(|query| format!("{query:>18} | {}", found(&index, query)).trim_end().to_owned() + "\n")
    .collect();
    insta::assert_snapshot!(rows, @r"
                       | Zeta/Sensor acme/sensor-hub bolt/usb-c bolt/regulator acme/temp-sensor acme/sensor cell/kinetics/mass_action cell/growth
           acme/sensor | acme/sensor acme/sensor-hub acme/temp-sensor
           ACME/Sensor | acme/sensor acme/sensor-hub acme/temp-sensor
                sensor | acme/sensor Zeta/Sensor acme/sensor-hub acme/temp-sensor
                  sens | acme/sensor Zeta/Sensor acme/sensor-hub acme/temp-sensor
              acme/sen | acme/sensor acme/sensor-hub acme/temp-sensor
                 acme/ | acme/sensor-hub acme/temp-sensor acme/sensor
           temp sensor | acme/temp-sensor
            tempsensor | acme/temp-sensor
           Temp_Sensor | acme/temp-sensor
                 power | bolt/usb-c bolt/regulator
             usb power | bolt/usb-c
             converter | bolt/regulator
           mass action | cell/kinetics/mass_action
           mass-action | cell/kinetics/mass_action
                  cafe | cell/growth
                  CAFÉ | cell/growth
                  buck | bolt/regulator
          hub readings | acme/sensor-hub
                sesnor | acme/sensor Zeta/Sensor acme/temp-sensor acme/sensor-hub
              regulatr | bolt/regulator
           thermomater | acme/temp-sensor
              kinetcis | cell/kinetics/mass_action
            convverter | bolt/regulator
                   usc |
                gr0wth | cell/growth
        power nonsense | bolt/usb-c bolt/regulator
    the power of yeast | cell/growth acme/sensor bolt/usb-c bolt/regulator
                zzzzzz |
                     / |
                   -_- |
    ");
}

#[test]
fn a_hit_names_the_place_of_its_document() {
    let index = example();
    let hits = index.search("bolt/usb-c", 1);
    assert_eq!((hits[0].position, &*hits[0].identifier, hits.len()), (4, "bolt/usb-c", 1));
    assert!(index.search("sensor", 0).is_empty());
    assert_eq!(index.search("", usize::MAX).len(), 8);
    assert!(Index::build(std::iter::empty()).search("sensor", 5).is_empty());
}

#[test]
fn an_index_is_its_bytes() {
    let index = example();
    assert_eq!(index.to_bytes(), example().to_bytes());
    let read = Index::from_bytes(index.to_bytes()).unwrap();
    assert_eq!((read.len(), found(&read, "sensor")), (8, found(&index, "sensor")));
    let mut cut = Index::build(std::iter::empty()).to_bytes().to_vec();
    cut.pop();
    let errors = [
        Index::from_bytes(cut).unwrap_err(),
        Index::from_bytes(b"{}".to_vec()).unwrap_err(),
        Index::from_bytes(b"{\"schema\": 1}".to_vec()).unwrap_err(),
        Index::from_bytes([&file::MAGIC[..], &[1, 0, 0, 0]].concat()).unwrap_err(),
    ];
    insta::assert_snapshot!(errors.map(|e| format!("{e}\n")).concat(), @r"
        a search index with 51 bytes where its header says 52; build it again
        a search index with 2 bytes where its header says 52; build it again
        not a search index: it does not start with `PKHINDEX`; build it again
        a search index of format 1, expected format 2; build it again
        ");
}

/// `count` packages whose words follow Zipf's law, from a fixed seed.
fn many(count: usize) -> Vec<Document> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    };
    let vocabulary = 20_000.0_f64;
    let mut word = move || {
        let rank = vocabulary.powf(random() as f64 / (1_u64 << 53) as f64) as u64;
        let mut letters = rank.wrapping_mul(0x9e37_79b9) % 308_915_776 + 11_881_376;
        let mut text = String::new();
        while letters > 0 {
            text.push(char::from(b'a' + (letters % 26) as u8));
            letters /= 26;
        }
        text
    };
    (0..count)
        .map(|i| Document {
            identifier: format!("{}/{}-{i}", word(), word()).parse().unwrap(),
            summary: (0..14).map(|_| word()).collect::<Vec<_>>().join(" "),
            exports: vec![word()],
            facets: Vec::new(),
            downloads: (i as u64).wrapping_mul(7_919) % 10_007,
        })
        .collect()
}

#[test]
fn frequent_words_find_the_same_from_their_best_and_from_all() {
    let documents = many(6_000);
    let index = Index::build(documents.iter().cloned());
    let reader = Reader::new(index.layout, index.to_bytes());
    let mut frequent = 0;
    for text in words::words(
        &documents[..20].iter().map(|d| d.summary.as_str()).collect::<Vec<_>>().join(" "),
    ) {
        let (_, [word]) = Word::of_each([reader], &text, true);
        frequent += usize::from(
            word.terms.iter().any(|(info, _)| info.postings as usize > postings::BEST_FROM),
        );
        let [best, all] = [false, true].map(|all| {
            let mut found = word.found(reader, all);
            found.sort_by(Found::better);
            found
                .iter()
                .take(postings::BEST)
                .map(|f| (f.doc, f.score.to_bits()))
                .collect::<Vec<_>>()
        });
        assert_eq!(best, all, "{text}");
    }
    assert!(frequent > 0);
}

#[test]
fn two_frequent_words_find_what_a_scan_finds() {
    let documents = many(6_000);
    let index = Index::build(documents.iter().cloned());
    let text_of = |d: &Document| {
        format!(" {} {} {} ", d.identifier, d.summary, d.exports.join(" ")).replace(['/', '-'], " ")
    };
    let texts = documents.iter().map(text_of).collect::<Vec<_>>();
    for pair in words::words(
        &documents[..30].iter().map(|d| d.summary.as_str()).collect::<Vec<_>>().join(" "),
    )
    .windows(2)
    {
        let query = format!("{} {} ", pair[0], pair[1]);
        let has = |text: &String| {
            text.contains(&format!(" {} ", pair[0])) && text.contains(&format!(" {}", pair[1]))
        };
        let scanned = texts
            .iter()
            .enumerate()
            .filter(|(_, text)| has(text))
            .map(|(i, _)| i)
            .collect::<Vec<_>>();
        let mut hits =
            index.search(&query, usize::MAX).iter().map(|hit| hit.position).collect::<Vec<_>>();
        hits.sort_unstable();
        if scanned.is_empty() {
            assert!(!hits.is_empty(), "`{query}` should find what has one of the words");
        } else {
            assert_eq!(hits, scanned, "{query}");
        }
    }
}

/// Optimal string alignment by its definition, on whole words.
fn alignment(a: &[char], b: &[char]) -> usize {
    match (a, b) {
        ([], rest) | (rest, []) => rest.len(),
        ([a0, a1 @ ..], [b0, b1 @ ..]) => {
            let mut least = alignment(a1, b1) + usize::from(a0 != b0);
            least = least.min(alignment(a1, b) + 1).min(alignment(a, b1) + 1);
            if let ([_, x, a2 @ ..], [_, y, b2 @ ..]) = (a, b)
                && (a0, x) == (y, b0)
            {
                least = least.min(alignment(a2, b2) + 1);
            }
            least
        }
    }
}

proptest! {
    #[test]
    fn a_word_of_a_document_finds_it(
        summaries in prop::collection::vec("[a-e]{1,6}( [a-eéß]{1,6}){0,4}", 1..40), pick in any::<prop::sample::Index>(),
    ) {
        let documents = summaries.iter().enumerate().map(|(i, s)| document(&format!("o/p{i}"), s, &[], 0)).collect::<Vec<_>>();
        let index = Index::build(documents.into_iter());
        let place = pick.index(summaries.len());
        for word in summaries[place].split(' ') {
            let hits = index.search(word, usize::MAX);
            prop_assert!(hits.iter().any(|hit| hit.position == place), "{} not by {}", summaries[place], word);
        }
        let hits = index.search(&summaries[place], usize::MAX);
        prop_assert!(hits.iter().any(|hit| hit.position == place));
    }

    #[test]
    fn slips_find_what_the_definition_finds(
        terms in prop::collection::btree_set("[abé]{1,7}", 1..60), word in "[abé]{4,7}", limit in 1_usize..3,
    ) {
        let documents = terms.iter().enumerate().map(|(i, s)| document(&format!("z/{i}"), s, &[], 0)).collect::<Vec<_>>();
        let index = Index::build(documents.into_iter());
        let reader = Reader::new(index.layout, index.to_bytes());
        let word = &words::words(&word)[0];
        let mut walked = 0;
        typo::near(reader, word, limit, |_, slips| { assert!((1..=limit).contains(&slips)); walked += 1; });
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let folded = terms.iter().flat_map(|t| words::words(t)).collect::<std::collections::BTreeSet<_>>();
        let defined = folded.iter().filter(|t| (1..=limit).contains(&alignment(&chars(t), &chars(word)))).count();
        prop_assert_eq!(walked, defined);
    }

    #[test]
    fn no_bytes_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40), query in "[a-z/ -]{0,12}|\\PC{0,12}",
    ) {
        let mut bytes = example().to_bytes().to_vec();
        for (place, byte) in damage {
            // Behind the header, so that it opens; the header is checked, and damaged next.
            let place = file::HEADER_BYTES + place.index(bytes.len() - file::HEADER_BYTES);
            bytes[place] = byte;
        }
        let index = Index::from_bytes(&bytes).unwrap();
        for query in [query.as_str(), "", "sensor", "sesnor", "acme/", "s", "mass action", "power nonsense"] {
            prop_assert!(index.search(query, 20).len() <= 8);
        }
    }

    #[test]
    fn no_header_panics(header in prop::collection::vec(any::<u8>(), 0..80), keep in 0_usize..40) {
        let mut bytes = example().to_bytes().to_vec();
        let n = header.len().min(bytes.len()).saturating_sub(keep);
        bytes[keep..keep + n].copy_from_slice(&header[..n]);
        if let Ok(index) = Index::from_bytes(bytes) {
            index.search("sensor", 5);
        }
    }
}
