//! An error as the summary of a GitHub Actions run tells it: what was expected and found, side by
//! side, and the lines of YAML that mend it.

use packhouse_core::report::markdown::{code, prose, sentence};
use serde_json::{Map, Value};

/// Where the pages of codes stand.
const PAGES: &str = "https://github.com/packhouse/packhouse/blob/main/docs/errors";

/// What is told of an error.
pub(crate) struct Lesson<'a> {
    /// The stable code, where there is one.
    pub(crate) code: Option<&'a str>,
    /// What was found.
    pub(crate) message: &'a str,
    /// What would be right.
    pub(crate) hint: Option<&'a str>,
    /// What a registry knows beyond that.
    pub(crate) facts: Option<&'a Map<String, Value>>,
}

impl Lesson<'_> {
    /// Markdown, in which nothing from outside is interpreted.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::from("### Packhouse stopped");
        if let Some(reason) = self.code {
            out.push_str(&format!(": {}", code(reason)));
        }
        out.push_str(&format!("\n\n{}.\n", sentence(self.message.trim_end_matches('.'))));
        let fact = |name: &str| self.facts?.get(name).map(text);
        if let (Some(claim), Some(expected), Some(actual)) =
            (fact("claim"), fact("expected"), fact("actual"))
        {
            out.push_str(&format!(
                "\n| claim | expected | actual |\n|---|---|---|\n| {} | {} | {} |\n",
                code(&claim),
                prose(&expected),
                if actual.is_empty() { "absent".to_owned() } else { code(&actual) },
            ));
        }
        if let Some(hint) = self.hint {
            out.push_str(&format!("\n**To mend it:** {}.\n", prose(hint.trim_end_matches('.'))));
        }
        let expected = fact("expected").unwrap_or_default();
        if let Some(lines) = self.code.and_then(|code| yaml(code, &expected)) {
            out.push_str(&format!("\n```yaml\n{lines}\n```\n"));
        }
        if let Some(code) = self.code {
            out.push_str(&format!("\n[More about `{code}`]({PAGES}/{code}.md)\n"));
        }
        out
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The lines of a workflow that mend what `code` says; `expected` is what a registry asked for.
fn yaml(code: &str, expected: &str) -> Option<String> {
    // What stands in the first backticks, if nothing in it could end the block or the line.
    let wanted = expected.split('`').nth(1).filter(|text| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./* ".contains(c))
    });
    let lines = match (code, wanted) {
        ("no-id-token", _) => {
            "jobs:\n  publish:\n    permissions:\n      contents: read\n      id-token: write"
        }
        ("fork-pull-request" | "wrong-event", _) => "on:\n  push:\n    tags: ['v*']",
        ("wrong-ref", Some("branch")) => "on:\n  push:\n    branches: [main]",
        ("wrong-ref" | "tag-mismatch", _) => "on:\n  push:\n    tags: ['v*']",
        ("wrong-environment", Some(name)) => {
            return Some(format!("jobs:\n  publish:\n    environment: {name}"));
        }
        ("wrong-runner", Some("self-hosted")) => "jobs:\n  publish:\n    runs-on: self-hosted",
        ("wrong-runner", _) => "jobs:\n  publish:\n    runs-on: ubuntu-latest",
        _ => return None,
    };
    Some(lines.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_claim_is_a_table_and_a_line_to_add() {
        let facts = json!({"claim": "environment", "expected": "`release`", "actual": "a|b`c"});
        let lesson = Lesson {
            code: Some("wrong-environment"),
            message: "claim `environment` is `a|b`, expected `release`",
            hint: Some("give the publishing job the line `environment: release`"),
            facts: facts.as_object(),
        };
        insta::assert_snapshot!(lesson.markdown(), @r"
        ### Packhouse stopped: `wrong-environment`

        Claim `environment` is `a\|b`, expected `release`.

        | claim | expected | actual |
        |---|---|---|
        | `environment` | `release` | ``a\|b`c`` |

        **To mend it:** give the publishing job the line `environment: release`.

        ```yaml
        jobs:
          publish:
            environment: release
        ```

        [More about `wrong-environment`](https://github.com/packhouse/packhouse/blob/main/docs/errors/wrong-environment.md)
        ");
        let hostile = yaml("wrong-environment", "`x\n- run: evil`");
        assert_eq!(hostile, None);
    }
}
