//! What rules that look inside files share: is it text, and where in it is a byte.

use crate::manifest::Place;

/// Whether `bytes` look like text: no NUL in the first 8 KiB, as `git` decides it.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    memchr::memchr(0, &bytes[..bytes.len().min(8 << 10)]).is_none()
}

/// Line and column of the byte at `offset`.
pub(super) fn place_of(bytes: &[u8], offset: usize) -> Place {
    let before = &bytes[..offset.min(bytes.len())];
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: small(line), column: small(column) }
}

/// The line that holds the byte at `offset`, without its end.
pub(super) fn line_at(bytes: &[u8], offset: usize) -> &[u8] {
    let offset = offset.min(bytes.len());
    let start = memchr::memrchr(b'\n', &bytes[..offset]).map_or(0, |at| at + 1);
    let end = memchr::memchr(b'\n', &bytes[offset..]).map_or(bytes.len(), |at| offset + at);
    &bytes[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = "äöü x\nzweite Zeile".as_bytes();
        assert_eq!(place_of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(place_of(text, 7), Place { line: 1, column: 5 });
        assert_eq!(place_of(text, 9), Place { line: 2, column: 1 });
        assert_eq!(place_of(text, 999).line, 2);
        assert_eq!(line_at(text, 10), b"zweite Zeile");
        assert_eq!(line_at(text, 3), "äöü x".as_bytes());
    }
}
