//! Broken reports and advisories: each is refused with its place and the reason.

use super::{ReportError, junit, lcov, osv};

/// What a reader says of each file of a corpus.
fn check(corpus: &[(&[u8], &str, &str)], read: impl Fn(&[u8]) -> Option<ReportError>) {
    for (file, at, reason) in corpus {
        let shown = String::from_utf8_lossy(&file[..file.len().min(300)]).into_owned();
        let error = read(file).unwrap_or_else(|| panic!("it was read: {shown}"));
        assert_eq!(error.at, *at, "{error}: {shown}");
        assert!(error.message.contains(reason), "{error}: {shown}");
        assert!(!error.help.is_empty(), "{shown}");
        assert_eq!(error.message, crate::escape::printable(&error.message));
    }
}

#[test]
fn broken_test_reports_are_refused_with_place_and_reason() {
    let deep = format!("<testsuites>{}", "\n<testsuite>".repeat(100));
    let bomb: &[u8] = b"<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ENTITY b \"x\"><!ENTITY c \"&b;&b;\">]>\n<testsuites>&c;</testsuites>";
    let outside: &[u8] =
        b"<!DOCTYPE testsuite SYSTEM \"file:///etc/passwd\">\n<testsuite><testcase/></testsuite>";
    let corpus: &[(&[u8], &str, &str)] = &[
        (b"", "line 1, column 1", "no test case"),
        (b"not xml at all", "line 1, column 15", "no test case"),
        (b"<html>\n<testcase/></html>", "line 1, column 1", "the root is `<html>`"),
        (b"<testsuites/>", "line 1, column 14", "no test case"),
        (b"<testsuite tests=\"3\"></testsuite>\n", "line 2, column 1", "no test case"),
        (b"<testsuite>\n<testcase>\n", "line 3, column 1", "ends with 2 elements open"),
        (b"<testsuite>\n<testcase></testsuite>", "line 2, column 11", "not well-formed"),
        (
            b"<testsuite>\n<testcase time=\"soon\"/></testsuite>",
            "line 2, column 1",
            "`time` is `soon`",
        ),
        (b"<testsuite><testcase time=\"-1\"/></testsuite>", "line 1, column 12", "`time` is `-1`"),
        (
            b"<testsuite><testcase time=\"NaN\"/></testsuite>",
            "line 1, column 12",
            "`time` is `NaN`",
        ),
        (
            b"<testsuite><testcase time=\"1e300\"/></testsuite>",
            "line 1, column 12",
            "`time` is `1e300`",
        ),
        (
            b"<testsuite>\n <testcase><testcase/></testcase></testsuite>",
            "line 2, column 12",
            "lies in a test case",
        ),
        (b"<testsuite><testcase/></testsuite><testsuite/>", "line 1, column 35", "second document"),
        (b"<testsuite>\n<testcase \xff/></testsuite>", "line 2, column 11", "not UTF-8"),
        (b"<testsuite><testcase a=\"1\" a=\"2\"/></testsuite>", "line 1, column 12", "duplicate"),
        (bomb, "line 2, column 1", "document type"),
        (outside, "line 1, column 1", "document type"),
        (deep.as_bytes(), "line 65, column 1", "more than 64 elements"),
    ];
    check(corpus, |bytes| junit::read(bytes).err());
    let large = vec![b' '; super::REPORT_BYTES as usize + 1];
    check(&[(&large, "the file", "at most 33554432 are read")], |bytes| junit::read(bytes).err());
}

#[test]
fn broken_coverage_reports_are_refused_with_place_and_reason() {
    let long = format!("SF:a\nFN:1,{}\n", "x".repeat(20_000));
    let corpus: &[(&[u8], &str, &str)] = &[
        (b"", "line 1", "no source file"),
        (b"TN:a\n", "line 1", "no source file"),
        (b"{\"data\": []}", "line 1", "stands before any `SF:`"),
        (b"mode: set\n", "line 1", "`mode:` stands before any"),
        (b"DA:1,1\n", "line 1", "`DA:` stands before any `SF:`"),
        (b"SF:\nend_of_record\n", "line 1", "names no file"),
        (b"SF:a\nDA:1,1\n", "line 2", "without `end_of_record`"),
        (b"SF:a\nSF:b\n", "line 2", "the record of `a` has no `end_of_record`"),
        (b"end_of_record\n", "line 1", "that did not begin"),
        (b"SF:a\nDA:1\n", "line 2", "`DA:` needs more than `1`"),
        (b"SF:a\nDA:one,1\n", "line 2", "`one` where a number belongs"),
        (b"SF:a\nDA:1,x\n", "line 2", "`x` where a count of hits belongs"),
        (b"SF:a\nDA:1,inf\n", "line 2", "`inf` where a count of hits belongs"),
        (b"SF:a\nDA:99999999999,1\n", "line 2", "where a number belongs"),
        (b"SF:a\nBRDA:1,0,1\n", "line 2", "needs line, block, branch and count"),
        (b"SF:a\nFNDA:main\n", "line 2", "`FNDA:` needs more"),
        (b"SF:a\nLF:-1\n", "line 2", "`-1` where a count belongs"),
        (b"SF:a\nLF:1\nLH:2\nend_of_record\n", "line 4", "2 of 1 lines are reached"),
        (b"SF:a\nno colon\n", "line 2", "`no colon` is no line"),
        (b"SF:a\n\x1b[31m:1\n", "line 2", "is no key"),
        (b"SF:a\nDA:1,1\xff\n", "line 2, column 7", "not UTF-8"),
        (long.as_bytes(), "line 2", "at most 16384 are read"),
    ];
    check(corpus, |bytes| lcov::Reader::default().read(bytes).err());
}

#[test]
fn broken_advisories_are_refused_with_place_and_reason() {
    let with = |affected: &str| {
        format!(r#"{{"id": "X-1", "modified": "2026-01-01T00:00:00Z", "affected": [{affected}]}}"#)
    };
    let of = |package: &str, rest: &str| with(&format!(r#"{{"package": {package}, {rest}}}"#));
    let python = r#"{"ecosystem": "PyPI", "name": "a"}"#;
    let range = |kind: &str, events: &str| {
        of(python, &format!(r#""ranges": [{{"type": "{kind}", "events": [{events}]}}]"#))
    };
    let broken = [
        ("".to_owned(), "line 1, column 1", "no JSON object"),
        ("[]".to_owned(), "line 1, column 1", "no JSON object"),
        (with("").replace("}", ""), "line 1, column 64", "EOF"),
        ("{\n\"id\": }".to_owned(), "line 2, column 7", "expected value"),
        ("{\"id\": \"X\"}".to_owned(), "line 1, column 11", "missing field `modified`"),
        (with("").replace("X-1", ""), "`id`", "is no id"),
        (with("").replace("X-1", "../x"), "`id`", "`../x` is no id"),
        (with("").replace("X-1", &"x".repeat(101)), "`id`", "is no id"),
        (with("").replace("2026-01-01T00:00:00Z", "today"), "`modified`", "`today` is no time"),
        (
            with("").replace("\"affected\"", "\"withdrawn\": \"no\", \"affected\""),
            "`withdrawn`",
            "`no` is no time",
        ),
        (
            of(r#"{"ecosystem": "PyPI", "name": ""}"#, r#""versions": ["1"]"#),
            "`affected[0].package.name`",
            "0 bytes",
        ),
        (of(python, r#""versions": []"#), "`affected[0]`", "nothing of versions"),
        (range("COMMIT", ""), "`affected[0].ranges[0].type`", "`COMMIT` is no type"),
        (range("ECOSYSTEM", ""), "`affected[0].ranges[0].events`", "nothing is `introduced`"),
        (
            range("ECOSYSTEM", r#"{"fixed": "1"}"#),
            "`affected[0].ranges[0].events`",
            "nothing is `introduced`",
        ),
        (
            range("ECOSYSTEM", r#"{"introduced": "0"}, {}"#),
            "`affected[0].ranges[0].events[1]`",
            "0 members",
        ),
        (
            range("ECOSYSTEM", r#"{"introduced": "0", "fixed": "1"}"#),
            "`affected[0].ranges[0].events[0]`",
            "2 members",
        ),
        (
            range("ECOSYSTEM", r#"{"introduced": 0}"#),
            "`affected[0].ranges[0].events[0]`",
            "no version",
        ),
        (
            range("ECOSYSTEM", r#"{"begun": "0"}"#),
            "`affected[0].ranges[0].events[0]`",
            "`begun` is no event",
        ),
        (
            range("ECOSYSTEM", r#"{"introduced": "one"}"#),
            "`affected[0].ranges[0].events[0]`",
            "`one` is not a",
        ),
        (
            range("SEMVER", r#"{"introduced": "1.0"}"#),
            "`affected[0].ranges[0].events[0]`",
            "`1.0` is not a",
        ),
        (with(&vec!["{}"; 2_001].join(",")), "`affected`", "2001 entries"),
    ];
    let corpus: Vec<(&[u8], &str, &str)> =
        broken.iter().map(|(file, at, reason)| (file.as_bytes(), *at, *reason)).collect();
    check(&corpus, |bytes| osv::read(bytes).err());
}

#[test]
fn what_was_withdrawn_and_what_is_of_other_ecosystems_is_no_advisory_here() {
    let read = |more: &str, ecosystem: &str| {
        let json = format!(
            r#"{{"schema_version": "1.7.0", "id": "X-1", "modified": "2026-01-01T00:00:00Z", {more}
                "aliases": ["CVE-1", "\u001b"], "summary": "a\nb", "severity": [{{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}}],
                "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "A_b"}}, "versions": ["1"]}},
                    {{"ranges": [{{"type": "GIT", "repo": "https://h", "events": [{{"introduced": "0"}}]}}]}}]}}"#
        );
        osv::read(json.as_bytes()).unwrap()
    };
    let found = read("", "PyPI").unwrap();
    assert_eq!((found.affected.len(), found.affected[0].name.as_str()), (1, "a-b"));
    assert_eq!(
        (found.aliases.as_slice(), found.summary.as_str()),
        (&["CVE-1".to_owned()][..], "a\\u{a}b")
    );
    assert_eq!(found.severity.as_deref(), Some("CVSS:3.1/AV:N"));
    let worded = read(r#""database_specific": {"severity": "HIGH"},"#, "PyPI").unwrap();
    assert_eq!(worded.severity.as_deref(), Some("HIGH"));
    assert!(read("", "npm").unwrap().affected.is_empty());
    assert_eq!(read(r#""withdrawn": "2026-02-01T00:00:00Z","#, "PyPI"), None);
}
