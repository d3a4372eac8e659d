//! `testing` of a pack: which runners it has, and when it counts as passed. Nothing is run here.

use serde_json::Value;

use super::{Flaw, PACK_FILE};
use crate::escape::excerpt;
use crate::tree::TreePath;

/// The longest that a runner may take, in seconds; also where it says none.
pub const LONGEST_SECONDS: u64 = 600;
/// How many runners a pack may have.
const RUNNERS: usize = 20;

/// What a runner is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A shell script.
    Script,
    /// Python's `unittest`.
    Unittest,
    /// `pytest`.
    Pytest,
    /// A script of Node's.
    Node,
}

/// One runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// What the pack calls it.
    pub name: String,
    /// What it is started with.
    pub kind: Kind,
    /// The file, which the pack must hold.
    pub entry_point: TreePath,
    /// How long it may take.
    pub timeout_seconds: u64,
}

/// A pack's tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Testing {
    /// The runners, by name.
    pub runners: Vec<Runner>,
    /// Whether failed tests are told and are no obstacle.
    pub warn_only: bool,
    /// The part of the runners that must pass.
    pub min_pass_rate: f64,
}

/// The tests that `original`, a pack's manifest, describes; no runner where it has none or `enabled`
/// is false.
///
/// # Errors
///
/// The first thing that is wrong, with its place.
pub fn testing(original: &Value) -> Result<Testing, Flaw> {
    let mut found = Testing { min_pass_rate: 1.0, ..Testing::default() };
    let testing = match original.get("testing") {
        None | Some(Value::Null) => return Ok(found),
        Some(testing @ Value::Object(_)) => testing,
        Some(_) => return Err(flaw("", "is no map")),
    };
    if testing.get("enabled") == Some(&Value::Bool(false)) {
        return Ok(found);
    }
    match testing.get("on_failure").and_then(Value::as_str) {
        None | Some("block") => {}
        Some("warn" | "ignore") => found.warn_only = true,
        Some(other) => {
            let reason = format!("is `{}`, known are `block` and `warn`", excerpt(other, 40));
            return Err(flaw(".on_failure", reason));
        }
    }
    if let Some(rate) = testing.get("min_pass_rate") {
        found.min_pass_rate = rate
            .as_f64()
            .filter(|rate| (0.0..=1.0).contains(rate))
            .ok_or_else(|| flaw(".min_pass_rate", "is no number from 0 to 1"))?;
    }
    let runners = match testing.get("runners") {
        None | Some(Value::Null) => return Ok(found),
        Some(Value::Object(runners)) if runners.len() <= RUNNERS => runners,
        Some(_) => {
            return Err(flaw(".runners", format!("is no map of at most {RUNNERS} runners")));
        }
    };
    for (name, value) in runners {
        found.runners.push(runner(name, value)?);
    }
    found.runners.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn runner(name: &str, value: &Value) -> Result<Runner, Flaw> {
    let place = |key: &str| format!(".runners.{}{key}", excerpt(name, 60));
    let kind = match value.get("type").and_then(Value::as_str) {
        Some("script" | "shell") => Kind::Script,
        Some("unittest") => Kind::Unittest,
        Some("pytest") => Kind::Pytest,
        Some("node") => Kind::Node,
        _ => {
            let reason = "is missing, or none of `script`, `unittest`, `pytest` and `node`";
            return Err(flaw(&place(".type"), reason));
        }
    };
    let entry_point = value
        .get("entry_point")
        .and_then(Value::as_str)
        .and_then(|path| path.parse().ok())
        .ok_or_else(|| flaw(&place(".entry_point"), "is missing, or no path inside the pack"))?;
    let timeout_seconds = match value.get("timeout") {
        None | Some(Value::Null) => LONGEST_SECONDS,
        Some(number) => {
            number.as_u64().filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds)).ok_or_else(
                || flaw(&place(".timeout"), format!("is not 1 to {LONGEST_SECONDS} seconds")),
            )?
        }
    };
    Ok(Runner { name: name.to_owned(), kind, entry_point, timeout_seconds })
}

fn flaw(place: &str, reason: impl Into<String>) -> Flaw {
    Flaw::new(format!("{PACK_FILE}: testing{place}"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runners_are_read() {
        let found = testing(&json!({"testing": {
            "enabled": true, "discovery": {"method": "directory", "path": "tests"},
            "runners": {
                "shell": {"type": "script", "entry_point": "tests/run.sh", "timeout": 60, "result_format": "simple"},
                "python": {"type": "unittest", "entry_point": "tests/test_it.py"},
            },
            "min_pass_rate": 0.5, "on_failure": "warn",
        }}))
        .unwrap();
        assert_eq!((found.warn_only, found.min_pass_rate), (true, 0.5));
        let rows: Vec<_> =
            found.runners.iter().map(|r| (r.name.as_str(), r.kind, r.timeout_seconds)).collect();
        assert_eq!(rows, [("python", Kind::Unittest, 600), ("shell", Kind::Script, 60)]);
        for none in [json!({}), json!({"testing": {"enabled": false, "runners": 3}})] {
            assert!(testing(&none).unwrap().runners.is_empty());
        }
    }

    #[test]
    fn a_runner_stays_inside_the_pack() {
        let told = |runner: Value| {
            testing(&json!({"testing": {"runners": {"x": runner}}})).unwrap_err().to_string()
        };
        insta::assert_snapshot!(
            [
                told(json!({"type": "script", "entry_point": "../x.sh"})),
                told(json!({"type": "script", "entry_point": "/bin/sh"})),
                told(json!({"type": "script"})),
                told(json!({"type": "make", "entry_point": "x"})),
                told(json!({"type": "script", "entry_point": "x", "timeout": 0})),
                told(json!(3)),
            ]
            .join("\n")
        );
    }
}
