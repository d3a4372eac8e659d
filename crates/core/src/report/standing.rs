//! The figures of a comment: downloads, tests, coverage and advisories of what is released, and what the
//! reports of a pull request say.

use super::markdown::{code, prose};
use crate::escape::excerpt;
use crate::quality::Claim;
use crate::review::{Change, Review, Standing};

/// Advisories that are named for one package.
const NAMED: usize = 10;

/// The figures, folded away; empty where there are none. Counts of downloads change by themselves, so
/// whoever asks whether two comments say the same leaves them out.
pub(super) fn figures(review: &Review, downloads: bool) -> String {
    let rows: String = review.changes.iter().filter_map(|change| row(change, downloads)).collect();
    let claimed = review.claim.as_ref().map(|claim| {
        format!("| the reports of this change | – | – | {} | – |\n", claim_cells(Some(claim)))
    });
    let rows = rows + &claimed.unwrap_or_default();
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n<details><summary>Downloads, tests, coverage, advisories</summary>\n\n\
         | package | latest release | downloads | tests | coverage | advisories |\n|---|---|---|---|---|---|\n\
         {rows}\nTests and coverage are what the publisher claims.\n\n</details>\n"
    )
}

fn row(change: &Change, downloads: bool) -> Option<String> {
    let standing = change.outlook.as_ref()?.standing.as_ref()?;
    let count = if downloads { standing.downloads.to_string() } else { String::new() };
    Some(format!(
        "| {} | {} | {count} | {} | {} |\n",
        code(&change.audited().title()),
        code(&standing.version),
        claim_cells(standing.claim.as_ref()),
        advisories(standing),
    ))
}

/// Tests and coverage, in two cells.
fn claim_cells(claim: Option<&Claim>) -> String {
    let tests = claim.and_then(|claim| claim.tests).map(|tests| tests.to_string());
    let coverage = claim.and_then(|claim| claim.coverage).map(|coverage| coverage.to_string());
    let shown = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    format!("{} | {}", shown(tests), shown(coverage))
}

fn advisories(standing: &Standing) -> String {
    let Some(notices) = &standing.advisories else { return "–".to_owned() };
    let named = notices.iter().take(NAMED).map(|notice| {
        let through = notice.dependency.as_ref();
        let through = through.map(|name| format!(" through {}", prose(&excerpt(name, 100))));
        format!("{}{}", code(&excerpt(&notice.id, 100)), through.unwrap_or_default())
    });
    let more = notices.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more"));
    let all: Vec<String> = named.chain(more).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
