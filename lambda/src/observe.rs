//! One line a request: a structured log and, in CloudWatch's embedded metric format, the metrics.
//!
//! CloudWatch makes metrics of the fields that `_aws` names, and keeps the rest as a log that can be
//! searched. Lines hold no query, no header and no body, so no secret; what clients sent goes through
//! the one escaping function.

use std::io::Write as _;
use std::time::Duration;

use packhouse_core::escape::printable;
use serde_json::{Value, json};

use crate::config::Role;

/// What is told of one request.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Which function.
    pub role: Role,
    /// Method, or what kind of event it was.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// HTTP status of the answer.
    pub status: u16,
    /// Until the answer's first byte.
    pub took: Duration,
    /// Whether it was the process's first.
    pub cold: bool,
    /// Our request id, as the client has it.
    pub request_id: &'a str,
    /// Lambda's.
    pub aws_request_id: &'a str,
    /// When, in milliseconds of the Unix epoch.
    pub at_ms: i64,
}

impl Line<'_> {
    /// The line as JSON.
    pub fn json(&self) -> Value {
        let metric = |name: &str, unit: &str| json!({ "Name": name, "Unit": unit });
        let publishes = self.method == "POST" && self.path == "/v1/publish/upload-complete";
        let mut line = json!({
            "_aws": {
                "Timestamp": self.at_ms,
                "CloudWatchMetrics": [{
                    "Namespace": "Packhouse",
                    "Dimensions": [["Role"]],
                    "Metrics": [
                        metric("Requests", "Count"),
                        metric("Errors", "Count"),
                        metric("Unavailable", "Count"),
                        metric("ColdStarts", "Count"),
                        metric("Latency", "Milliseconds"),
                    ],
                }],
            },
            "Role": self.role.name(),
            "Requests": 1,
            "Errors": u8::from(self.status >= 500 && self.status != 503),
            "Unavailable": u8::from(self.status == 503),
            "ColdStarts": u8::from(self.cold),
            "Latency": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "level": if self.status >= 500 { "error" } else { "info" },
            "method": printable(self.method),
            "path": printable(&self.path.chars().take(512).collect::<String>()),
            "status": self.status,
            "request_id": self.request_id,
            "aws_request_id": printable(self.aws_request_id),
        });
        if publishes {
            let outcome = match self.status {
                200 => "Confirmed",
                409 => "Taken",
                _ => "Refused",
            };
            for name in ["Confirmed", "Taken", "Refused"] {
                line[name] = json!(u8::from(name == outcome));
                if let Some(metrics) =
                    line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array_mut()
                {
                    metrics.push(metric(name, "Count"));
                }
            }
        }
        line
    }

    /// Writes the line. One that cannot be written stops nobody.
    pub fn write(&self) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{}", self.json()).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_log_and_metrics() {
        let line = Line {
            role: Role::Publish,
            method: "POST",
            path: "/v1/publish/upload-complete",
            status: 409,
            took: Duration::from_millis(12),
            cold: true,
            request_id: "00ff",
            aws_request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            at_ms: 1_764_183_600_000,
        };
        let json = line.json();
        let text = json.to_string();
        assert!(!text.contains('\n'));
        let metrics = json["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        for metric in metrics {
            assert!(json[metric["Name"].as_str().unwrap()].is_number(), "{metric}: {text}");
        }
        assert_eq!((&json["Taken"], &json["Errors"]), (&json!(1), &json!(0)));
        assert_eq!((&json["ColdStarts"], &json["Latency"]), (&json!(1), &json!(12)));
        let hostile = Line { path: "/p/\u{1b}[31m\n", status: 503, ..line };
        let json = hostile.json();
        assert!(!json["path"].as_str().unwrap().contains(['\u{1b}', '\n']));
        assert_eq!((&json["Unavailable"], &json["Errors"]), (&json!(1), &json!(0)));
    }
}
