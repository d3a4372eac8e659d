//! The service's log: one JSON object a line on standard error, with the request id, without secrets.

use std::io::Write as _;

/// Logs an error.
pub fn error(message: &str) {
    line("error", message);
}

/// Logs a fact of interest to operators.
pub fn info(message: &str) {
    line("info", message);
}

fn line(level: &str, message: &str) {
    let line = serde_json::json!({
        "at": jiff::Timestamp::now().to_string(),
        "level": level,
        "request_id": crate::request_id::current(),
        "message": packhouse_core::escape::printable(message),
    });
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{line}"); // a log that cannot be written must not stop the service
}
