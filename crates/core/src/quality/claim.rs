//! What a publisher claims of a release's tests and coverage.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the publisher says of the tests that ran on the content of a release, and of what they covered.
/// The registry believes none of it and keeps it as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Claim {
    /// Counts of all test reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<Tests>,
    /// Counts of all coverage reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
}

/// Test cases by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tests {
    /// All of them: the sum of the four below.
    pub tests: u64,
    /// Those that did what they should.
    pub passed: u64,
    /// Those that found something wrong.
    pub failures: u64,
    /// Those that broke off.
    pub errors: u64,
    /// Those that did not run.
    pub skipped: u64,
    /// How long the cases took together, in milliseconds.
    pub duration_ms: u64,
}

/// Lines, functions and branches that tests reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Coverage {
    /// Lines with code.
    pub lines: Covered,
    /// Functions.
    pub functions: Covered,
    /// Branches.
    pub branches: Covered,
}

/// How many there are, and how many of them were reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Covered {
    /// How many there are.
    pub found: u64,
    /// How many were reached; never more than `found`.
    pub hit: u64,
}

/// Why a claim cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The counts of tests contradict each other.
    #[error(
        "`quality.tests` counts {tests} tests, and {parts} that passed, failed, broke off or were skipped: the sum must be the same"
    )]
    Sum {
        /// What `tests` says.
        tests: u64,
        /// The sum of its parts.
        parts: u64,
    },
    /// More was reached than there is.
    #[error("`quality.coverage.{what}` has {hit} hit of {found} found: it cannot be more")]
    MoreHit {
        /// `lines`, `functions` or `branches`.
        what: &'static str,
        /// What `hit` says.
        hit: u64,
        /// What `found` says.
        found: u64,
    },
    /// A count that no reader of JSON keeps exactly.
    #[error("`quality` has the count {0}: at most {MAX_COUNT} are kept")]
    TooMany(u64),
}

/// The largest count of a claim: JSON's readers keep integers up to 2^53 exactly.
const MAX_COUNT: u64 = 1 << 53;

impl Claim {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether its counts can be true together.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] with the field.
    pub fn check(&self) -> Result<(), ClaimError> {
        if let Some(t) = &self.tests {
            bounded(&[t.tests, t.passed, t.failures, t.errors, t.skipped, t.duration_ms])?;
            let parts = t.passed + t.failures + t.errors + t.skipped;
            if parts != t.tests {
                return Err(ClaimError::Sum { tests: t.tests, parts });
            }
        }
        let covered = self.coverage.iter().flat_map(|c| {
            [("lines", c.lines), ("functions", c.functions), ("branches", c.branches)]
        });
        for (what, Covered { found, hit }) in covered {
            bounded(&[found, hit])?;
            if hit > found {
                return Err(ClaimError::MoreHit { what, hit, found });
            }
        }
        Ok(())
    }
}

fn bounded(counts: &[u64]) -> Result<(), ClaimError> {
    match counts.iter().find(|count| **count > MAX_COUNT) {
        Some(count) => Err(ClaimError::TooMany(*count)),
        None => Ok(()),
    }
}

impl Tests {
    /// Adds the cases of another report.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.tests, other.tests),
            (&mut self.passed, other.passed),
            (&mut self.failures, other.failures),
            (&mut self.errors, other.errors),
            (&mut self.skipped, other.skipped),
            (&mut self.duration_ms, other.duration_ms),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// `120: 117 passed, 1 failed, 2 skipped, in 3.2 s`.
impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} passed", self.tests, self.passed)?;
        for (count, what) in
            [(self.failures, "failed"), (self.errors, "broke off"), (self.skipped, "skipped")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        write!(f, ", in {}.{} s", self.duration_ms / 1_000, self.duration_ms % 1_000 / 100)
    }
}

/// `81.3 % of 1200 lines, 90.0 % of 40 functions`; what there is none of is left out.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all =
            [(self.lines, "lines"), (self.functions, "functions"), (self.branches, "branches")];
        let mut between = "";
        for (covered, what) in all.iter().filter(|(covered, _)| covered.found > 0) {
            write!(f, "{between}{covered} of {} {what}", covered.found)?;
            between = ", ";
        }
        if between.is_empty() { f.write_str("nothing to cover") } else { Ok(()) }
    }
}

/// The share that was reached, `81.3 %`, rounded down: 100.0 % is all of it.
impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandth = u128::from(self.hit) * 1_000 / u128::from(self.found.max(1));
        write!(f, "{}.{} %", thousandth / 10, thousandth % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests(tests: u64, passed: u64) -> Claim {
        let tests = Tests { tests, passed, ..Tests::default() };
        Claim { tests: Some(tests), ..Claim::default() }
    }

    #[test]
    fn a_claim_that_cannot_be_true_is_refused_with_its_field() {
        assert_eq!(tests(3, 3).check(), Ok(()));
        assert_eq!(tests(3, 2).check(), Err(ClaimError::Sum { tests: 3, parts: 2 }));
        let huge = tests(u64::MAX, u64::MAX).check().unwrap_err();
        assert_eq!(huge, ClaimError::TooMany(u64::MAX));
        let lines = Covered { found: 1, hit: 2 };
        let coverage = Some(Coverage { lines, ..Coverage::default() });
        let error = Claim { tests: None, coverage }.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`quality.coverage.lines` has 2 hit of 1 found: it cannot be more"
        );
    }

    #[test]
    fn a_claim_reads_as_a_sentence() {
        let tests = Tests {
            tests: 120,
            passed: 116,
            failures: 1,
            errors: 1,
            skipped: 2,
            duration_ms: 3_250,
        };
        assert_eq!(
            tests.to_string(),
            "120: 116 passed, 1 failed, 1 broke off, 2 skipped, in 3.2 s"
        );
        let coverage = Coverage {
            lines: Covered { found: 3, hit: 2 },
            functions: Covered::default(),
            branches: Covered { found: 10_000, hit: 9_999 },
        };
        assert_eq!(coverage.to_string(), "66.6 % of 3 lines, 99.9 % of 10000 branches");
        assert_eq!(Coverage::default().to_string(), "nothing to cover");
    }
}
