//! Which runtimes this machine has: each is asked for its version once.

use std::process::Command;
use std::time::Duration;

use packhouse_core::attune::runtime::Runtime;

use super::child;

/// How long an interpreter may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// The version of `runtime` on the `PATH`; `None` where there is none.
pub fn detect(runtime: Runtime) -> Option<String> {
    let programs: &[&str] = match runtime {
        Runtime::Python => &["python3", "python"],
        Runtime::Node => &["node", "nodejs"],
        Runtime::Shell => &["bash"],
    };
    let found = programs.iter().find_map(|program| version(program));
    match runtime {
        // A plain `sh` tells no version.
        Runtime::Shell => found.or_else(|| here("sh").then(|| "0.0.0".to_owned())),
        _ => found,
    }
}

fn version(program: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version");
    let ended = child::run(command, PATIENCE).ok()?;
    if ended.code != Some(0) {
        return None;
    }
    numbers(&ended.said)
}

fn here(program: &str) -> bool {
    let mut command = Command::new(program);
    command.args(["-c", "exit 0"]);
    child::run(command, PATIENCE).is_ok_and(|ended| ended.code == Some(0))
}

/// The first version in `text`: digits, parted by dots, at most three numbers.
fn numbers(text: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let parts: Vec<&str> = rest[..end].split('.').filter(|p| !p.is_empty()).take(3).collect();
    Some(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        for (said, version) in [
            ("Python 3.13.5\n", "3.13.5"),
            ("v20.19.2\n", "20.19.2"),
            ("GNU bash, version 5.2.37(1)-release (x86_64)", "5.2.37"),
            ("Python 3.14.0rc2", "3.14.0"),
        ] {
            assert_eq!(numbers(said).as_deref(), Some(version), "{said}");
        }
        assert_eq!(numbers("none"), None);
        assert!(detect(Runtime::Python).is_some() && detect(Runtime::Shell).is_some());
    }
}
