//! Byte ranges (RFC 9110): one range is honoured, several are answered with the whole.

use http::header::{self, HeaderMap};

/// Which bytes to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them, with 200.
    All,
    /// From `first` to `last`, both included, with 206.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// None: 416.
    Outside,
}

/// What a GET with these headers wants of an object of `bytes` whose entity tag is `tag` (with
/// quotes). A `Range` in another unit, malformed, or guarded by an `If-Range` that names another
/// object or a date, is ignored, as the standard asks.
pub(super) fn wanted(request: &HeaderMap, bytes: u64, tag: &str) -> Wanted {
    let Some(range) = request.get(header::RANGE).and_then(|v| v.to_str().ok()) else {
        return Wanted::All;
    };
    if request.get(header::IF_RANGE).is_some_and(|guard| guard.as_bytes() != tag.as_bytes()) {
        return Wanted::All;
    }
    let spec = range.trim().split_once('=').filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"));
    let Some((from, to)) = spec.and_then(|(_, spec)| spec.trim().split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| {
        // Digits only: `parse` alone would take a sign. Beyond u64 is beyond every object.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (from.is_empty(), number(from), to.is_empty(), number(to)) {
        // `-n`: the last n bytes.
        (true, _, false, Some(0)) => Wanted::Outside,
        (true, _, false, Some(_)) if bytes == 0 => Wanted::Outside,
        (true, _, false, Some(count)) => {
            Wanted::Part { first: bytes.saturating_sub(count), last: bytes - 1 }
        }
        (false, Some(first), true, _) if first < bytes => Wanted::Part { first, last: bytes - 1 },
        (false, Some(first), false, Some(last)) if first <= last && first < bytes => {
            Wanted::Part { first, last: last.min(bytes - 1) }
        }
        (false, Some(first), false, Some(last)) if first > last => Wanted::All,
        (false, Some(_), true, _) | (false, Some(_), false, Some(_)) => Wanted::Outside,
        _ => Wanted::All,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(range: &str, guard: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(guard) = guard {
            headers.insert(header::IF_RANGE, guard.parse().unwrap());
        }
        headers
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        use Wanted::{All, Outside};
        let part = |first, last| Wanted::Part { first, last };
        for (range, wanted_part) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-99", part(0, 99)),
            ("bytes=0-", part(0, 99)),
            ("bytes=10-19", part(10, 19)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=99-99999999999999999999999", part(99, 99)),
            ("bytes=-1", part(99, 99)),
            ("bytes=-1000", part(0, 99)),
            ("Bytes= 5-6", part(5, 6)),
            ("bytes=100-", Outside),
            ("bytes=100-101", Outside),
            ("bytes=99999999999999999999999-", Outside),
            ("bytes=-0", Outside),
            ("bytes=9-3", All),
            ("bytes=0-1,5-6", All),
            ("bytes=", All),
            ("bytes=-", All),
            ("bytes=+1-2", All),
            ("bytes=a-b", All),
            ("lines=1-2", All),
            ("nonsense", All),
        ] {
            assert_eq!(wanted(&headers(range, None), 100, "\"t\""), wanted_part, "{range}");
        }
        assert_eq!(wanted(&headers("bytes=0-", None), 0, "\"t\""), Outside);
        assert_eq!(wanted(&headers("bytes=-5", None), 0, "\"t\""), Outside);
        assert_eq!(wanted(&HeaderMap::new(), 100, "\"t\""), All);
        let guarded = |guard| wanted(&headers("bytes=1-2", Some(guard)), 100, "\"t\"");
        assert_eq!(guarded("\"t\""), part(1, 2));
        for other in ["\"u\"", "W/\"t\"", "Sat, 21 Nov 2026 00:00:00 GMT"] {
            assert_eq!(guarded(other), All, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_always_inside(range in "(bytes=)?[0-9,-]{0,24}", bytes in 0_u64..300) {
            if let Wanted::Part { first, last } = wanted(&headers(&range, None), bytes, "\"t\"") {
                prop_assert!(first <= last && last < bytes);
            }
        }
    }
}
