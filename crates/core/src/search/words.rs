//! Text to words, the same way for documents and queries.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest word in characters; what follows is not indexed.
pub(super) const WORD_CHARS: usize = 64;

/// The words of a text: runs of letters and digits (so `/`, `-` and `_` part words), in compatibility
/// form, without case and without accents: `Café_Ⅳ` is `cafe` and `iv`.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = Word::default();
    if text.is_ascii() {
        text.bytes().for_each(|b| word.push(char::from(b), &mut words));
    } else {
        text.nfkd().filter(|&c| !is_combining_mark(c)).for_each(|c| word.push(c, &mut words));
    }
    word.end(&mut words);
    words
}

/// The words of a name in code, and the parts that its capitals show: `TempSensor` is `tempsensor`,
/// `temp` and `sensor`; `HTTPServer` is `httpserver`, `http` and `server`.
pub(super) fn code_words(name: &str) -> Vec<String> {
    let mut all = words(name);
    let chars = name.chars().collect::<Vec<_>>();
    let mut spaced = String::with_capacity(name.len() + 8);
    let mut humps = false;
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| chars.get(i)).copied().unwrap_or(' ');
        let after = chars.get(i + 1).copied().unwrap_or(' ');
        let hump = c.is_uppercase()
            && (before.is_lowercase() || (before.is_uppercase() && after.is_lowercase()));
        if hump {
            spaced.push(' ');
            humps = true;
        }
        spaced.push(c);
    }
    if humps {
        all.extend(words(&spaced));
    }
    all
}

/// The words of a query, to be looked for in names that are not in the index by themselves.
#[derive(Clone, Debug)]
pub struct Words(Vec<String>);

impl Words {
    /// Those that a search for `query` reads.
    pub fn new(query: &str) -> Self {
        let query = query.trim();
        let query = &query[..query.floor_char_boundary(super::QUERY_BYTES)];
        Self(words(query).into_iter().take(super::QUERY_WORDS).collect())
    }

    /// How many of them `name` has, the last one possibly unfinished.
    pub fn in_name(&self, name: &str) -> usize {
        self.count(name, |part, word, last| part == word || (last && part.starts_with(word)))
    }

    /// How many of them `name` has with the slips that a search forgives.
    pub fn near_name(&self, name: &str) -> usize {
        self.count(name, |part, word, _| {
            let slips = super::typo::slips(word.chars().count());
            slips > 0 && strsim::osa_distance(part, word) <= slips
        })
    }

    fn count(&self, name: &str, fits: impl Fn(&str, &str, bool) -> bool) -> usize {
        let (parts, last) = (code_words(name), self.0.len().saturating_sub(1));
        let words = self.0.iter().enumerate();
        words.filter(|(at, word)| parts.iter().any(|part| fits(part, word, *at == last))).count()
    }
}

/// The word that is being read.
#[derive(Default)]
struct Word {
    text: String,
    chars: usize,
}

impl Word {
    fn push(&mut self, c: char, words: &mut Vec<String>) {
        if !c.is_alphanumeric() {
            return self.end(words);
        }
        for c in c.to_lowercase().filter(|c| c.is_alphanumeric()) {
            if self.chars < WORD_CHARS {
                self.text.push(c);
                self.chars += 1;
            }
        }
    }
    fn end(&mut self, words: &mut Vec<String>) {
        self.chars = 0;
        if !self.text.is_empty() {
            words.push(std::mem::take(&mut self.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_no_case_no_accents_and_no_separators() {
        assert_eq!(
            words("acme/Temp-Sensor_v2, Café Ⅳ ＡＢ!"),
            ["acme", "temp", "sensor", "v2", "cafe", "iv", "ab"]
        );
        assert_eq!(words("датчик温度 Straße İx"), ["датчик温度", "straße", "ix"]);
        assert!(words(" -/_\u{301}").is_empty());
        assert_eq!(words(&"é".repeat(100))[0].chars().count(), WORD_CHARS);
    }

    #[test]
    fn words_of_a_query_are_looked_for_in_a_name() {
        let count = |query: &str, name: &str| Words::new(query).in_name(name);
        assert_eq!(count("tumor growth", "TumorGrowth"), 2);
        assert_eq!(count("growth rate", "TumorGrowth"), 1);
        assert_eq!(count("tumor gro", "tumor_growth"), 2, "the last one may be unfinished");
        assert_eq!(count("gro tumor", "TumorGrowth"), 1);
        assert_eq!(count("cells", "TumorGrowth"), 0);
        let near = |query: &str| Words::new(query).near_name("TumorGrowth");
        assert_eq!([near("tumr"), near("tmr"), near("grwth tumor")], [1, 0, 2]);
    }

    #[test]
    fn capitals_part_names_in_code() {
        assert_eq!(code_words("TempSensor"), ["tempsensor", "temp", "sensor"]);
        assert_eq!(code_words("HTTPServer"), ["httpserver", "http", "server"]);
        assert_eq!(code_words("plain_name"), ["plain", "name"]);
    }
}
