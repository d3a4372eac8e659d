//! How often those who prove nothing may ask what costs more than a page.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use packhouse_core::api::ErrorCode;

use crate::error::{ApiError, ApiResult};

/// Counts within whole minutes, in this process: several processes admit as many times more.
#[derive(Debug)]
pub struct PerMinute {
    each: u32,
    all: u32,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    minute: i64,
    all: u32,
    each: HashMap<String, u32>,
}

impl PerMinute {
    /// At most `each` for one name and `all` together: so many names are held for a minute at most.
    /// Whoever calls bounds their length. A name is what a caller says of itself, so one can use up
    /// another's: those with a token are not counted.
    pub fn new(each: u32, all: u32) -> Self {
        Self { each, all, counts: Mutex::default() }
    }

    /// Counts one more of `name`.
    ///
    /// # Errors
    ///
    /// `rate-limited`, and when the minute is over.
    pub fn admit(&self, name: &str, now: Timestamp) -> ApiResult<()> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.as_second().div_euclid(60);
        if counts.minute != minute {
            *counts = Counts { minute, ..Counts::default() };
        }
        let of_name = counts.each.get(name).copied().unwrap_or_default();
        if of_name < self.each && counts.all < self.all {
            counts.all += 1;
            counts.each.insert(name.to_owned(), of_name + 1);
            return Ok(());
        }
        let wait = u32::try_from(60 - now.as_second().rem_euclid(60)).unwrap_or(60);
        Err(ApiError::new(
            ErrorCode::RateLimited,
            "too many rehearsals without a token within a minute",
            format!("wait {wait} s, or send a token: those are not counted"),
        )
        .retry_after(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_and_all_are_counted_by_the_minute() {
        let rate = PerMinute::new(2, 3);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(rate.admit("a", at(60)).is_ok() && rate.admit("a", at(61)).is_ok());
        assert!(rate.admit("a", at(62)).is_err());
        assert!(rate.admit("b", at(62)).is_ok());
        assert!(rate.admit("c", at(119)).is_err());
        assert!(rate.admit("c", at(120)).is_ok() && rate.admit("a", at(120)).is_ok());
    }
}
