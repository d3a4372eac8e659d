//! Test reports in JUnit's XML, as test runners of most languages write it.
//!
//! Cases are counted one by one; the counts that a report states of itself are not believed. A report
//! is hostile: a document type is refused, so there are no entities to expand and nothing to fetch, and
//! nesting is bounded.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{ReportError, Tests};
use crate::escape::excerpt;

/// Elements within elements, at most.
const DEPTH: usize = 64;
/// The longest time of one case in seconds: a year.
const SECONDS: f64 = 366.0 * 86_400.0;

const HELP: &str = "give a report as `pytest --junitxml` or `cargo nextest` write it";

/// Counts the test cases of a report of at most [`super::REPORT_BYTES`].
///
/// # Errors
///
/// [`ReportError`] at the first thing that is wrong, and for a report without a test case.
pub fn read(bytes: &[u8]) -> Result<Tests, ReportError> {
    let text = super::text(bytes)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let skipped_bytes = text.len() - text.trim_start_matches('\u{feff}').len();
    reader.config_mut().enable_all_checks(true);
    let mut report = Report::default();
    loop {
        let start = skipped_bytes + usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let wrong = |message: String| ReportError::at_byte(text, start, message, HELP);
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
            let message = format!("not well-formed XML: {}", excerpt(&error.to_string(), 200));
            ReportError::at_byte(text, skipped_bytes.saturating_add(at), message, HELP)
        })?;
        match event {
            Event::Start(element) => report.open(&element).map_err(wrong)?,
            Event::Empty(element) => {
                report.open(&element).map_err(wrong)?;
                report.close();
            }
            Event::End(_) => report.close(),
            Event::DocType(_) => {
                let message = "it has a document type, which may define entities";
                return Err(ReportError::at_byte(text, start, message, "remove `<!DOCTYPE …>`"));
            }
            Event::Eof => return report.end(wrong),
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

/// How a case ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Passed,
    Skipped,
    Failed,
    Broken,
}

/// What a report has told so far.
#[derive(Default)]
struct Report {
    tests: Tests,
    seconds: f64,
    depth: usize,
    /// The depth of the case that is open, and how it ended as far as is known.
    case: Option<(usize, Ended)>,
    root: bool,
}

impl Report {
    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = element.local_name();
        if self.depth == 0 {
            if self.root {
                return Err("a second document begins here".to_owned());
            }
            if !matches!(name.as_ref(), b"testsuites" | b"testsuite") {
                let found = excerpt(&String::from_utf8_lossy(name.as_ref()), 60);
                return Err(format!(
                    "the root is `<{found}>`, not `<testsuites>` or `<testsuite>`"
                ));
            }
            self.root = true;
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("more than {DEPTH} elements lie in each other"));
        }
        match (&mut self.case, name.as_ref()) {
            (None, b"testcase") => {
                self.case = Some((self.depth, Ended::Passed));
                self.seconds += time(element)?;
            }
            (Some(_), b"testcase") => return Err("a test case lies in a test case".to_owned()),
            (Some((depth, ended)), name) if self.depth == *depth + 1 => {
                let found = match name {
                    b"failure" => Ended::Failed,
                    b"error" => Ended::Broken,
                    b"skipped" => Ended::Skipped,
                    _ => Ended::Passed,
                };
                *ended = (*ended).max(found);
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some((depth, ended)) = self.case
            && depth == self.depth
        {
            self.tests.tests += 1;
            *match ended {
                Ended::Passed => &mut self.tests.passed,
                Ended::Skipped => &mut self.tests.skipped,
                Ended::Failed => &mut self.tests.failures,
                Ended::Broken => &mut self.tests.errors,
            } += 1;
            self.case = None;
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn end(mut self, wrong: impl Fn(String) -> ReportError) -> Result<Tests, ReportError> {
        if self.depth > 0 {
            return Err(wrong(format!("it ends with {} elements open", self.depth)));
        }
        if self.tests.tests == 0 {
            return Err(wrong("it holds no test case".to_owned()));
        }
        // Bounded by the length of a report and of a case.
        self.tests.duration_ms = (self.seconds * 1_000.0).round() as u64;
        Ok(self.tests)
    }
}

/// The time of a case in seconds; 0 where it does not say. Some runners write `1,234.5`.
fn time(element: &BytesStart<'_>) -> Result<f64, String> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| excerpt(&error.to_string(), 200))?;
        if attribute.key.as_ref() != b"time" {
            continue;
        }
        let text = String::from_utf8_lossy(&attribute.value).replace(',', "");
        let seconds = text.trim().parse::<f64>().ok();
        return match seconds.filter(|seconds| (0.0..=SECONDS).contains(seconds)) {
            Some(seconds) => Ok(seconds),
            None if text.trim().is_empty() => Ok(0.0),
            None => Err(format!("`time` is `{}`, not a number of seconds", excerpt(&text, 40))),
        };
    }
    Ok(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_by_how_they_ended() {
        let report = r#"<?xml version="1.0"?>
<testsuites name="a &amp; b" tests="999">
  <testsuite name="one">
    <properties><property name="x" value="y"/></properties>
    <testcase name="passes" time="1.25"/>
    <testcase name="flaky" time="1,000.0"><flakyFailure/><system-out>&lt;failure/&gt;</system-out></testcase>
    <testsuite name="inner">
      <testcase name="fails" time=""><failure message="x"/><failure/></testcase>
      <testcase name="breaks"><skipped/><error><![CDATA[<testcase/>]]></error></testcase>
      <testcase name="waits"><skipped/></testcase>
      <system-err><error/></system-err>
    </testsuite>
  </testsuite>
</testsuites>"#;
        let expected = Tests {
            tests: 5,
            passed: 2,
            failures: 1,
            errors: 1,
            skipped: 1,
            duration_ms: 1_001_250,
        };
        assert_eq!(read(report.as_bytes()), Ok(expected));
        assert_eq!(read(format!("\u{feff}{report}").as_bytes()), Ok(expected));
    }
}
