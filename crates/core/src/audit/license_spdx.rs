//! `license-spdx`: the licence is an SPDX expression that tools can read. It does not judge which
//! licence it is, nor whether the files carry it.

use spdx::error::Reason;
use spdx::{Expression, ParseMode};

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct LicenseSpdx;

impl Rule for LicenseSpdx {
    fn id(&self) -> &'static str {
        "license-spdx"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The licence is not an SPDX expression"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let Some(license) = &m.license else { return };
        let Some((message, help)) = judge(license.value.trim()) else { return };
        let draft = self.finding(message).file(&m.path).at(license.at);
        found.push(draft.about(&license.value).help(help));
    }
}

/// The longest expression that is looked at.
const MAX_BYTES: usize = 512;

/// What is wrong with an expression, and what would be right.
fn judge(text: &str) -> Option<(String, String)> {
    if text.len() > MAX_BYTES {
        let message =
            format!("the licence is {} bytes long: that is a text, not an expression", text.len());
        return Some((
            message,
            "write the SPDX id, and put the text into a `LICENSE` file".to_owned(),
        ));
    }
    let error = Expression::parse(text).err()?;
    // Spans come from the parser's own view of the text; never index with them unchecked.
    let word = text.get(error.span.clone()).filter(|word| !word.is_empty()).unwrap_or(text);
    let expression = "write an SPDX expression, for example `MIT` or `Apache-2.0 OR MIT`";
    Some(match error.reason {
        Reason::DeprecatedLicenseId => {
            let base = word.trim_end_matches('+');
            let gnu = ["GPL", "LGPL", "AGPL", "GFDL"].iter().any(|family| base.starts_with(family));
            let help = if gnu {
                format!("write `{base}-only` or `{base}-or-later`")
            } else {
                "the SPDX licence list names the id that replaced it".to_owned()
            };
            (format!("{} is a deprecated SPDX id", quote(word)), help)
        }
        Reason::UnknownLicense | Reason::UnknownTerm | Reason::UnknownException => {
            let message = format!("{} is no SPDX licence", quote(word));
            (message, nearest(text, word).unwrap_or_else(|| expression.to_owned()))
        }
        reason => {
            (format!("{} is not an SPDX expression: {reason}", quote(text)), expression.to_owned())
        }
    })
}

/// A hint at what was meant.
fn nearest(text: &str, word: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let closed = ["proprietary", "all rights reserved", "unlicensed", "commercial", "closed"];
    if closed.iter().any(|mark| lower.contains(mark)) {
        return Some(
            "write `LicenseRef-Proprietary` and put the terms into a `LICENSE` file".to_owned(),
        );
    }
    if Expression::parse_mode(text, ParseMode::LAX).is_ok()
        && let Ok(Some(canonical)) = Expression::canonicalize(text)
    {
        return Some(format!("did you mean `{canonical}`?"));
    }
    // Ids are short: a long text is none, and comparing it with all of them would be slow.
    let word = if word.len() <= 64 { word.to_ascii_lowercase() } else { return None };
    let (score, id) = spdx::identifiers::LICENSES
        .iter()
        .map(|license| {
            (strsim::jaro_winkler(&word, &license.name.to_ascii_lowercase()), license.name)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score > 0.85).then(|| format!("did you mean `{id}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(MIT|GPL-2.0|gpl|apache|bsd|[+()/ ,ä]| AND | OR | WITH |LicenseRef-|DocumentRef-a:|.){0,12}") {
            if let Some((message, help)) = judge(&text) {
                proptest::prop_assert!(!message.is_empty() && !help.is_empty());
            }
        }
    }
}
