//! API tokens that will soon end, for operators.

use jiff::{SignedDuration, Timestamp};
use packhouse_client::ClientError;
use packhouse_core::api::TokenAnswer;

use super::{Verdict, Visit};

/// A token that ends within this many days is told of.
const DAYS: i64 = 14;

pub(super) fn look(visit: &mut Visit<'_>) {
    let Some(token) = &visit.token else { return };
    let list: Result<Vec<TokenAnswer>, _> = visit.client.get_as("/v1/admin/tokens", Some(token));
    let list = match list {
        Ok(list) => list,
        Err(ClientError::Refused(refusal)) if refusal.status == 403 => {
            visit.note("tokens", Verdict::Skipped, "the token is not an operator's", "");
            return;
        }
        Err(error) => {
            let fix = "make another with `packhouse admin token create`";
            visit.note("tokens", Verdict::Failed, error.to_string(), fix);
            return;
        }
    };
    let now = Timestamp::now();
    let soon = now.checked_add(SignedDuration::from_hours(24 * DAYS)).unwrap_or(now);
    let good: Vec<(&TokenAnswer, Timestamp)> = list
        .iter()
        .filter(|token| token.revoked_at.is_none())
        .filter_map(|token| Some((token, token.expires_at.parse().ok()?)))
        .filter(|(_, ends)| *ends > now)
        .collect();
    let ending: Vec<String> = good
        .iter()
        .filter(|(_, ends)| *ends < soon)
        .map(|(token, _)| format!("{} ({}) on {}", token.id, token.label, token.expires_at))
        .collect();
    if ending.is_empty() {
        visit.ok("tokens", format!("{} are good for at least {DAYS} days", good.len()));
        return;
    }
    let fix = "make others with `packhouse admin token create` before these end";
    visit.note("tokens", Verdict::Warning, format!("end soon: {}", ending.join(", ")), fix);
}
