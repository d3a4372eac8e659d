//! `secrets`: no file holds a token or a private key. Known kinds are found by their prefix and
//! shape; a password without a shape is not. No message shows what was found.
//!
//! One pass of a multi-pattern search finds the prefixes; only around those is anything looked at.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use rayon::prelude::*;

use super::finding::quote;
use super::text::{line_at, place_of};
use super::{Draft, Facts, Rule, Severity};

pub(super) struct Secrets;

impl Rule for Secrets {
    fn id(&self) -> &'static str {
        "secrets"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A file holds a token or a private key"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let files: Vec<_> = facts.tree.iter().collect();
        let hits = |(path, file): &(&crate::tree::TreePath, &crate::tree::TreeFile)| {
            let found = scan(&file.bytes).into_iter();
            found.map(|hit| self.report(path.as_str(), &file.bytes, &hit)).collect::<Vec<_>>()
        };
        // Collected in the order of files, so the report does not depend on the threads.
        found.extend(files.par_iter().map(hits).collect::<Vec<_>>().into_iter().flatten());
    }
}

impl Secrets {
    fn report(&self, path: &str, bytes: &[u8], hit: &Hit) -> Draft {
        let shown = hit.shown(bytes);
        // The masked text is part of every report, so it is the most that a fingerprint may hold.
        let draft = self
            .finding(format!("{} {}", hit.kind, quote(&shown)))
            .file(path)
            .at(place_of(bytes, hit.range.start))
            .about(format!("{} {shown}", hit.kind));
        if allowed(bytes, hit.range.start) {
            return draft.severity(Severity::Note).help("allowed by a mark beside it");
        }
        let help = "revoke it where it was made, remove it here, and read it from the environment";
        if is_for_tests(path) {
            let help = format!("{help}; fine if it was made for tests only");
            return draft.severity(Severity::Warning).help(help);
        }
        draft.help(help)
    }
}

/// Whether the line of `offset`, or the one above it, says that the secret may stay. The one above is
/// for PEM, whose own lines take no comment.
fn allowed(bytes: &[u8], offset: usize) -> bool {
    let line = line_at(bytes, offset);
    let start = memchr::memrchr(b'\n', &bytes[..offset]).unwrap_or(0);
    [line, line_at(bytes, start)]
        .iter()
        .any(|line| memchr::memmem::find(line, b"packhouse: allow(secrets)").is_some())
}

/// Whether a file is one for which keys are often made on purpose: such a key is reported, but does
/// not stop a publish. `tests/key.pem`, `x509_test.cc` and `test-data/a` are, `latest/a` is not.
fn is_for_tests(path: &str) -> bool {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric());
    const WORDS: [&str; 11] = [
        "test", "tests", "testing", "testdata", "fixture", "fixtures", "spec", "example",
        "examples", "bench", "benches",
    ];
    words.into_iter().any(|word| WORDS.contains(&word))
}

/// A kind of secret: the text it begins with, and what must follow.
struct Kind {
    prefix: &'static str,
    name: &'static str,
    body: Body,
}

/// What must follow a prefix.
enum Body {
    /// At least so many letters, digits, `_` or `-`, that do not look made up.
    Token(usize),
    /// Exactly so many capital letters and digits.
    Capitals(usize),
    /// An assignment of at least so many characters of Base64.
    Assigned(usize),
    /// The rest of a PEM header of a private key, then Base64.
    Pem,
}

const fn token(prefix: &'static str, least: usize, name: &'static str) -> Kind {
    Kind { prefix, name, body: Body::Token(least) }
}
const fn capitals(prefix: &'static str) -> Kind {
    Kind { prefix, name: "an AWS access key id", body: Body::Capitals(16) }
}
const fn assigned(prefix: &'static str, least: usize, name: &'static str) -> Kind {
    Kind { prefix, name, body: Body::Assigned(least) }
}

/// Shapes as the issuers document them. No prefix is the start of another.
const KINDS: &[Kind] = &[
    capitals("AKIA"),
    capitals("ASIA"),
    assigned("aws_secret_access_key", 40, "an AWS secret access key"),
    assigned("AWS_SECRET_ACCESS_KEY", 40, "an AWS secret access key"),
    assigned("_authToken", 20, "a package registry's token"),
    assigned("AccountKey", 80, "an Azure storage key"),
    token("ghp_", 36, "a GitHub token"),
    token("gho_", 36, "a GitHub token"),
    token("ghu_", 36, "a GitHub token"),
    token("ghs_", 36, "a GitHub token"),
    token("ghr_", 36, "a GitHub token"),
    token("github_pat_", 60, "a GitHub token"),
    token("glpat-", 20, "a GitLab token"),
    token("xoxb-", 24, "a Slack token"),
    token("xoxp-", 24, "a Slack token"),
    token("xoxa-", 24, "a Slack token"),
    token("xoxs-", 24, "a Slack token"),
    token("xapp-1-", 24, "a Slack token"),
    token("npm_", 36, "an npm token"),
    token("pypi-AgE", 60, "a Python package index's token"),
    token("pkh_", 40, "a Packhouse token"),
    token("AIza", 35, "a Google API key"),
    token("GOCSPX-", 28, "a Google client secret"),
    token("sk_live_", 24, "a Stripe key"),
    token("rk_live_", 24, "a Stripe key"),
    token("sk-ant-", 40, "an Anthropic key"),
    token("sk-proj-", 40, "an OpenAI key"),
    token("hf_", 34, "a Hugging Face token"),
    token("dckr_pat_", 24, "a Docker token"),
    token("dop_v1_", 64, "a DigitalOcean token"),
    token("AGE-SECRET-KEY-1", 58, "an age key"),
    Kind { prefix: "-----BEGIN ", name: "a private key", body: Body::Pem },
];

#[allow(clippy::expect_used, reason = "the patterns are constant, and every test builds them")]
static PREFIXES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let prefixes = KINDS.iter().map(|kind| kind.prefix);
    AhoCorasick::builder()
        .match_kind(aho_corasick::MatchKind::LeftmostFirst)
        .build(prefixes)
        .expect("a few short patterns")
});

/// A secret: which bytes, of what kind.
struct Hit {
    /// From the prefix to the end of the secret.
    range: Range<usize>,
    /// Where in `range` the part begins that must not be shown.
    hidden: usize,
    kind: &'static str,
}

impl Hit {
    /// The secret as it may be shown: what every one of its kind begins with, then `****`.
    fn shown(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(&bytes[self.range.start..self.hidden]).into_owned() + "****"
    }
}

/// The secrets in `bytes`, in order; no two overlap.
fn scan(bytes: &[u8]) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    for found in PREFIXES.find_iter(bytes) {
        let kind = &KINDS[found.pattern().as_usize()];
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-';
        let inside_word = found.start() > 0 && word(&bytes[found.start() - 1]);
        let inside_hit = hits.last().is_some_and(|hit| hit.range.end > found.start());
        // `_authToken` follows a colon, and PEM headers may follow anything.
        let bound = matches!(kind.body, Body::Token(_) | Body::Capitals(_));
        if inside_hit || (bound && inside_word) {
            continue;
        }
        if let Some(body) = kind.body.after(&bytes[found.end()..]) {
            let range = found.start()..found.end() + body.end;
            hits.push(Hit { range, hidden: found.end() + body.start, kind: kind.name });
        }
    }
    hits
}

impl Body {
    /// The bytes of `rest` that complete a secret.
    fn after(&self, rest: &[u8]) -> Option<Range<usize>> {
        match *self {
            Self::Token(least) => {
                let end = run(rest, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                (end >= least && random(&rest[..end])).then_some(0..end)
            }
            Self::Capitals(exactly) => {
                let end = run(rest, |b| b.is_ascii_alphanumeric() || b == b'_');
                let capitals =
                    rest[..end].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                (end == exactly && capitals && random(&rest[..end])).then_some(0..end)
            }
            Self::Assigned(least) => {
                let start = run(rest, |b| b" \t\"':=>".contains(&b));
                let assigns = rest[..start].iter().any(|b| b":=>".contains(b));
                let end = start + run(&rest[start..], base64);
                let long = end - start >= least;
                (start <= 8 && assigns && long && random(&rest[start..end])).then_some(start..end)
            }
            Self::Pem => {
                let header = &rest[..rest.len().min(48)];
                let name = memchr::memmem::find(header, b"PRIVATE KEY")?;
                if header[..name].iter().any(|b| !b.is_ascii_uppercase() && *b != b' ') {
                    return None;
                }
                let start = name + b"PRIVATE KEY".len();
                // A header alone is documentation or a parser's source: the key must follow.
                let near = &rest[start..rest.len().min(start + 400)];
                let key = near.split(|b| !base64(*b)).find(|run| run.len() >= 40)?;
                if !random(key) {
                    return None;
                }
                let all = &rest[start..rest.len().min(start + (16 << 10))];
                let end = memchr::memmem::find(all, b"-----END ").unwrap_or(all.len());
                Some(start..start + end)
            }
        }
    }
}

fn run(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !is(*b)).unwrap_or(bytes.len())
}

fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"+/=-_".contains(&b)
}

/// Whether a text may have come from a generator: placeholders repeat characters, count, or say so.
fn random(text: &[u8]) -> bool {
    let mut seen = [false; 256];
    text.iter().for_each(|b| seen[usize::from(*b)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    let lower = text.to_ascii_lowercase();
    let placeholders: [&[u8]; 7] =
        [b"example", b"xxxx", b"0000000", b"1234567", b"abcdefg", b"your", b"placeholder"];
    distinct >= 9.min(text.len() / 2 + 1)
        && !placeholders.iter().any(|mark| memchr::memmem::find(&lower, mark).is_some())
}

/// `text` with every secret that this rule knows, and every password in an address, as `****`.
///
/// Reports send each message and each excerpt through it.
pub fn masked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut cuts: Vec<_> = scan(bytes).into_iter().map(|hit| hit.hidden..hit.range.end).collect();
    for at in memchr::memmem::find_iter(bytes, b"://") {
        let start = at + 3;
        let authority =
            run(&bytes[start..], |b| !b.is_ascii_whitespace() && !b"/?#\"'`<>".contains(&b));
        let authority = &bytes[start..start + authority];
        if let Some(end) = memchr::memrchr(b'@', authority) {
            let from = memchr::memchr(b':', &authority[..end]).map_or(0, |colon| colon + 1);
            cuts.push(start + from..start + end);
        }
    }
    cuts.sort_by_key(|cut| cut.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for cut in cuts.into_iter().filter(|cut| !cut.is_empty()) {
        // Every cut begins and ends beside an ASCII byte, hence on a character's border.
        if cut.start >= done {
            out.push_str(text.get(done..cut.start).unwrap_or_default());
            out.push_str("****");
        }
        done = done.max(cut.end);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random-looking text, made here so that no secret-like text stands in the repository.
    fn noise(length: usize, alphabet: &[u8]) -> String {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            alphabet[(state >> 33) as usize % alphabet.len()] as char
        };
        (0..length).map(|_| next()).collect()
    }

    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    #[test]
    fn every_kind_is_found_and_masked() {
        for kind in KINDS {
            let (between, body) = match kind.body {
                Body::Token(least) => ("", noise(least, LETTERS)),
                Body::Capitals(exactly) => {
                    ("", noise(exactly, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
                }
                Body::Assigned(least) => (" = \"", noise(least, LETTERS)),
                Body::Pem => ("RSA PRIVATE KEY-----\n", noise(64, LETTERS)),
            };
            let text = format!("key: {}{between}{body}", kind.prefix);
            let hits = scan(text.as_bytes());
            assert_eq!(hits.len(), 1, "{}", kind.prefix);
            assert_eq!(hits[0].kind, kind.name);
            let masked = masked(&text);
            assert!(!masked.contains(&body[..10]), "{masked}");
            assert!(masked.starts_with("key: ") && masked.contains("****"), "{masked}");
            // A character less is another thing.
            if matches!(kind.body, Body::Token(_) | Body::Capitals(_) | Body::Assigned(_)) {
                assert!(scan(&text.as_bytes()[..text.len() - 1]).is_empty(), "{}", kind.prefix);
            }
        }
    }

    #[test]
    fn placeholders_words_and_bare_headers_are_no_secrets() {
        let token = noise(36, LETTERS);
        for text in [
            format!("ghp_{}", "x".repeat(36)),
            format!("AKIA{}EXAMPLE", "IOSFODNN7"),
            "ghp_your_token_here_which_is_long_enough_for_this".to_owned(),
            format!("myghp_{token}"),
            format!("not-ghp_{token}"),
            "if pem.startswith('-----BEGIN RSA PRIVATE KEY-----'):".to_owned(),
            format!("-----BEGIN CERTIFICATE-----\n{}", noise(64, LETTERS)),
            "aws_secret_access_key = os.environ['AWS_SECRET_ACCESS_KEY']".to_owned(),
            "npm_config_registry npm_lifecycle_event".to_owned(),
            "//registry/:_authToken=${NPM_TOKEN}".to_owned(),
        ] {
            assert!(scan(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn passwords_in_addresses_are_masked() {
        assert_eq!(masked("see https://me:geheim@host/x, y"), "see https://me:****@host/x, y");
        assert_eq!(masked("https://geheim@host/x"), "https://****@host/x");
        assert_eq!(masked("https://host/a@b and ä"), "https://host/a@b and ä");
        assert_eq!(masked("plain ä text"), "plain ä text");
    }

    proptest::proptest! {
        #[test]
        fn masking_never_panics(text in "(ghp_[a-zA-Z0-9]{30,40}|://|@|:|ä|-----BEGIN |PRIVATE KEY|AKIA|.|\n){0,30}") {
            let once = masked(&text);
            proptest::prop_assert!(once.len() <= text.len() + 4 * 40);
        }
    }
}
