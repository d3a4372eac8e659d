//! Quality: what a publisher claims of tests and coverage, and which advisories are about a package.
//!
//! A claim is read from the publisher's own reports ([`junit`], [`lcov`]) and travels with the publish. An
//! advisory ([`osv`]) is somebody else's word; which of them match is a derived view, never part of a
//! release.

pub mod advisories;
mod candidates;
mod claim;
pub mod junit;
pub mod lcov;
pub mod osv;
mod view;

pub use advisories::{Advisories, Match, Subject};
pub use claim::{Claim, ClaimError, Coverage, Covered, Tests};
pub use view::{Advised, Notice};

/// The largest report that is read, in bytes.
pub const REPORT_BYTES: u64 = 32 << 20;
/// The most reports of one kind that one publish takes.
pub const REPORTS: usize = 100;

/// Why a report or an advisory cannot be read: what was found, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct ReportError {
    /// The place: `line 3, column 7`, or a field such as `affected[0].ranges[1]`.
    pub at: String,
    /// What was found there, made printable.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl ReportError {
    fn new(at: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into(), help: help.into() }
    }

    /// An error at byte `offset` of `text`.
    fn at_byte(text: &str, offset: usize, message: impl Into<String>, help: &str) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[start..].chars().count() + 1;
        Self::new(format!("line {line}, column {column}"), message, help)
    }
}

/// The text of a report of at most [`REPORT_BYTES`].
fn text(bytes: &[u8]) -> Result<&str, ReportError> {
    if bytes.len() as u64 > REPORT_BYTES {
        let message = format!("it has {} bytes, at most {REPORT_BYTES} are read", bytes.len());
        return Err(ReportError::new("the file", message, "split the report"));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let whole = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let help = "write the report in UTF-8";
        ReportError::at_byte(&whole, whole.len(), "a byte is not UTF-8", help)
    })
}

#[cfg(test)]
mod tests;
