//! A review as the one comment of a pull request: the verdict first, what is new, then the rest
//! folded away.
//!
//! Nothing from the pull request is interpreted: no mention, reference, link, image or HTML of it
//! gets through. GitHub refuses a comment of more than 65,536 characters; what does not fit is cut from
//! the end, counted, and linked to.

use super::markdown::{code, prose};
use super::standing::figures;
use super::{Audited, Counts, rule_page, size};
use crate::audit::{Finding, Severity};
use crate::digest::Digest;
use crate::escape::{excerpt, printable};
use crate::review::{Base, Change, Difference, FileChange, Kind, Outlook, Review, Verdict};

/// The most that a comment holds, in bytes: below GitHub's limit of 65,536 characters.
pub const MAX_BYTES: usize = 60_000;
/// The most files of one kind that are listed.
const MAX_FILES: usize = 20;

/// The comment of an audit: the action's and the App's are one.
pub const AUDIT: &str = "audit";

/// How the first line of every comment of ours begins, in HTML that nobody sees.
const MARKER: &str = "<!-- packhouse:";

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Which of our comments of a pull request it is.
    pub key: String,
    /// The whole body, its marker included.
    pub body: String,
    /// Whether it says something to act on: otherwise a pull request does better without it.
    pub needed: bool,
}

/// The marker of a comment `key` whose content is `content`.
fn marker(key: &str, content: &str) -> String {
    format!("{MARKER}{key} content={content} -->\n")
}

/// Whether `body` is a comment of ours called `key`. Anybody can write a marker: whose comment it is
/// must be asked as well.
pub fn is_ours(body: &str, key: &str) -> bool {
    body.strip_prefix(MARKER)
        .and_then(|rest| rest.strip_prefix(key))
        .is_some_and(|rest| rest.starts_with(' '))
}

/// Whether two comments say the same, whatever commit they link to.
pub fn says_the_same(one: &str, other: &str) -> bool {
    let content = |body: &str| {
        let line = body.strip_prefix(MARKER)?.lines().next()?;
        Some(line.split_once(" content=")?.1.to_owned())
    };
    content(one).is_some_and(|one| content(other) == Some(one))
}

/// The body of a comment `key` that has nothing to say any more, and stays because people answered.
pub fn settled(key: &str, head: &str) -> String {
    let short = head.get(..12).unwrap_or_default();
    format!("{}All clear as of `{short}`.\n", marker(key, "settled"))
}

/// Renders `review` as the comment `key`. `report` is the address of the whole report.
pub fn render(review: &Review, key: &str, report: Option<&str>) -> Comment {
    let told = body(review, report, MAX_BYTES, true);
    // Links name the commit, and downloads go on: neither alone is a reason to write a comment anew.
    let content = body(review, report, MAX_BYTES, false).replace(&review.head, "");
    let content = &Digest::of(content.as_bytes()).hex()[..16];
    Comment {
        key: key.to_owned(),
        body: marker(key, content) + &told,
        needed: review.needs_action(),
    }
}

/// The verdict of `review` in at most 90 characters or so, without Markdown.
pub fn verdict(review: &Review) -> String {
    let (new, fixed, carried) = review.counts();
    let mut parts = Vec::new();
    if new.errors > 0 {
        parts.push(format!("{} would stop a release", count(new.errors, "new problem")));
    }
    if new.warnings + new.notes > 0 {
        let more = Counts { errors: 0, ..new };
        parts.push(format!("{}{more}", if new.errors > 0 { "" } else { "new: " }));
    }
    let refused: Vec<_> = review.changes.iter().filter_map(Change::refused).collect();
    if let Some(code) = refused.first() {
        parts.push(format!("{} would be refused (`{code}`)", count(refused.len(), "release")));
    }
    if parts.is_empty() {
        parts.push("Nothing new stands against a release".to_owned());
    }
    if fixed > 0 {
        parts.push(format!("{fixed} fixed"));
    }
    if carried > 0 {
        parts.push(format!("{carried} carried over"));
    }
    let text = parts.join("; ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// All that there is to tell, for a summary: at most `limit_bytes`, which is more than a comment holds.
pub fn whole(review: &Review, limit_bytes: usize) -> String {
    body(review, None, limit_bytes, true)
}

/// The body without its marker, at most `limit_bytes` long.
fn body(review: &Review, report: Option<&str>, limit_bytes: usize, downloads: bool) -> String {
    let mut out = Bounded { text: format!("**{}**\n", verdict(review)), left_out: 0, limit_bytes };
    if let Base::Missing(why) = &review.base {
        out.push(&format!("\nEverything counts as new: {}.\n", prose(why)));
    }
    if !review.changes.is_empty() {
        out.push("\n| package | new | fixed | carried over | the release that would follow |\n|---|---|---|---|---|\n");
        for change in &review.changes {
            out.push(&row(change));
        }
    }
    if review.unseen > 0 {
        let more = count(review.unseen, "more package");
        out.push(&format!("\n{more} changed, too many to look at in one go.\n"));
    }
    for change in &review.changes {
        out.push(&refusal(change));
    }
    for change in review.changes.iter().filter(|change| !change.new.is_empty()) {
        out.push(&format!("\n#### New in {}\n\n", title(change)));
        for finding in &change.new {
            out.push(&item(review, &change.audited(), finding));
        }
    }
    for change in &review.changes {
        out.push(&difference(change));
        out.push(&fixed(change));
    }
    out.push(&figures(review, downloads));
    out.finish(report)
}

/// Text that grows up to the limit, and counts what did not fit.
struct Bounded {
    text: String,
    left_out: usize,
    limit_bytes: usize,
}

/// What is kept for the line that says how much was cut.
const TAIL_BYTES: usize = 600;

impl Bounded {
    /// Adds a block, or nothing of it; once one did not fit, none follows it.
    fn push(&mut self, block: &str) {
        if block.is_empty() {
        } else if self.left_out > 0 || self.text.len() + block.len() + TAIL_BYTES > self.limit_bytes
        {
            self.left_out += 1;
        } else {
            self.text.push_str(block);
        }
    }

    fn finish(mut self, report: Option<&str>) -> String {
        if self.left_out > 0 {
            let place = match report {
                Some(url) => format!("[the whole report]({})", printable(url)),
                None => "the job's log has them".to_owned(),
            };
            let more = count(self.left_out, "more entry").replace("entrys", "entries");
            self.text.push_str(&format!("\n{more} did not fit here: {place}.\n"));
        }
        self.text
    }
}

fn title(change: &Change) -> String {
    code(&change.audited().title())
}

/// The title where Markdown is not read: a code element stops mentions and references, too.
fn html_code(change: &Change) -> String {
    format!("<code>{}</code>", crate::escape::html(&change.audited().title()))
}

fn row(change: &Change) -> String {
    let removed = if change.kind == Kind::Removed { " (removed)" } else { "" };
    let new = match Counts::of(&change.new) {
        counts if counts == Counts::default() => "–".to_owned(),
        counts => counts.to_string(),
    };
    let number = |of: usize| if of == 0 { "–".to_owned() } else { of.to_string() };
    format!(
        "| {}{removed} | {new} | {} | {} | {} |\n",
        title(change),
        number(change.fixed.len()),
        number(change.carried.len()),
        change.outlook.as_ref().map(|outlook| follows(change, outlook)).unwrap_or_default(),
    )
}

/// The release that would follow, in one cell.
fn follows(change: &Change, outlook: &Outlook) -> String {
    let version = change.package.version.as_ref().map(|v| code(v.text())).unwrap_or_default();
    let suggestion = match &outlook.suggested {
        Some(version) => format!("; {} would fit", code(version)),
        None => String::new(),
    };
    match &outlook.verdict {
        Verdict::Publishes { git_ref, first, proved } => {
            let place = git_ref.strip_prefix("refs/tags/").map(|tag| format!("tag {}", code(tag)));
            let place = place.unwrap_or_else(|| code(git_ref));
            let supposed = if *proved { "" } else { " (by simulated claims)" };
            let mut findings = change.new.iter().chain(&change.carried);
            if findings.any(|finding| finding.severity == Severity::Error) {
                return format!(
                    "none before the errors are mended; then {place} would publish {version}{supposed}"
                );
            }
            let first =
                if *first { ", its first release, which pins it to this repository" } else { "" };
            format!("{place} would publish {version}{first}{supposed}")
        }
        Verdict::Unchanged => format!("none: {version} is released with this very content"),
        Verdict::Taken => format!("none: {version} is released already{suggestion}"),
        Verdict::Refused { code: reason, .. } => format!("refused: {}", code(reason)),
        Verdict::Unknown(why) => format!("not known: {}", prose(&excerpt(why, 200))),
    }
}

fn item(review: &Review, package: &Audited, finding: &Finding) -> String {
    let place = package.path(finding).map(|path| {
        let shown = match finding.line {
            Some(line) => code(&format!("{path}:{line}")),
            None => code(&path),
        };
        let line = finding.line.map(|line| format!("#L{line}")).unwrap_or_default();
        let url =
            format!("{}/blob/{}/{}{line}", review.repository_url, review.head, encoded(&path));
        format!(" [{shown}]({url})")
    });
    let help = finding.help.as_deref().map(|help| format!("; {}", prose(help))).unwrap_or_default();
    format!(
        "- {} [{}]({}){}: {}{help}\n",
        finding.severity,
        finding.rule,
        rule_page(&finding.rule),
        place.unwrap_or_default(),
        prose(finding.message.trim_end_matches('.')),
    )
}

/// A path in an address: percent-encoded, slashes kept (RFC 3986).
fn encoded(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    path.bytes()
        .map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn refusal(change: &Change) -> String {
    let Some(Outlook { verdict: Verdict::Refused { code: reason, message, help }, .. }) =
        &change.outlook
    else {
        return String::new();
    };
    format!(
        "\n#### The release of {} would be refused\n\n{}: {}. {}\n",
        title(change),
        code(reason),
        prose(&excerpt(message, 1_000)),
        prose(&excerpt(help, 1_000)),
    )
}

fn difference(change: &Change) -> String {
    let Some(outlook) = &change.outlook else { return String::new() };
    let (Some(difference), Some(latest)) = (&outlook.difference, &outlook.latest) else {
        return String::new();
    };
    let Difference { added, removed, changed, .. } = difference;
    let mut out = format!(
        "\n<details><summary>What differs in {} from the latest release</summary>\n\n",
        html_code(change),
    );
    out.push_str(&format!(
        "Latest is {}; {} in all files then, {} now; the archive would have {}.\n\n",
        code(latest),
        size(difference.bytes_before),
        size(difference.bytes_after),
        size(outlook.archive_bytes),
    ));
    for (what, files) in [("added", added), ("removed", removed), ("changed", changed)] {
        out.push_str(&listed(what, files));
    }
    for (target, before, after) in &difference.dependencies {
        let told = match (before, after) {
            (None, Some(after)) => format!("new, {}", code(after)),
            (Some(before), None) => format!("gone, was {}", code(before)),
            (before, after) => {
                let text = |wanted: &Option<String>| code(wanted.as_deref().unwrap_or_default());
                format!("{} → {}", text(before), text(after))
            }
        };
        out.push_str(&format!("- dependency {}: {told}\n", code(target)));
    }
    if let Some((before, after)) = &difference.license {
        out.push_str(&format!("- licence: {} → {}\n", code(before), code(after)));
    }
    for (what, exports) in [
        ("offers no more", &difference.exports_removed),
        ("newly offers", &difference.exports_added),
    ] {
        for export in exports.iter().take(MAX_FILES) {
            out.push_str(&format!("- {what}: {}\n", code(export)));
        }
    }
    out.push_str("\n</details>\n");
    out
}

fn listed(what: &str, files: &[FileChange]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let names: Vec<_> = files
        .iter()
        .take(MAX_FILES)
        .map(|file| match (file.before, file.after) {
            (0, after) => format!("{} ({})", code(&file.path), size(after)),
            (before, 0) => format!("{} ({})", code(&file.path), size(before)),
            (before, after) => format!("{} ({} → {})", code(&file.path), size(before), size(after)),
        })
        .collect();
    let more = files.len().saturating_sub(MAX_FILES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("- {} {what}: {}{more}\n", count(files.len(), "file"), names.join(", "))
}

fn fixed(change: &Change) -> String {
    if change.fixed.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "\n<details><summary>Fixed in {}: {}</summary>\n\n",
        html_code(change),
        count(change.fixed.len(), "finding"),
    );
    for finding in change.fixed.iter().take(MAX_FILES) {
        let place = finding.path.as_deref().map(|path| format!(" in {}", code(path)));
        out.push_str(&format!("- {}{}\n", finding.rule, place.unwrap_or_default()));
    }
    out.push_str("\n</details>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::quality::{Claim, Notice, Tests};
    use crate::review::Checked;
    use crate::review::Standing;
    use crate::source::{Setting, open};
    use crate::tree::Tree;

    fn checked(folder: &str, files: &[(String, String)]) -> Checked {
        let manifest = "package:\n  identifier: acme/sensor\n  version: 1.2.0\n";
        let mut tree = Tree::default();
        tree.insert("packhouse.yaml".parse().unwrap(), manifest.as_bytes(), false);
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes(), false);
        }
        let opened = open(folder.into(), tree, Vec::new(), None).unwrap();
        Checked::new(opened, folder, &Setting::default(), None, &Limits::default())
    }

    fn review(files: &[(String, String)]) -> Review {
        let head = vec![checked("p", files)];
        let base = vec![checked("p", &[])];
        let commit = Base::Commit("b".repeat(40));
        Review::compare("https://github.com/acme/x", &"a".repeat(40), commit, head, base)
    }

    const CONFLICT: &str = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n";

    #[test]
    fn the_verdict_comes_first_then_what_is_new() {
        let mut review = review(&[("x y.txt".to_owned(), CONFLICT.to_owned())]);
        let difference = Difference {
            added: vec![FileChange { path: "x y.txt".into(), before: 0, after: 30 }],
            bytes_before: 2048,
            bytes_after: 2078,
            license: Some(("MIT".into(), "Apache-2.0".into())),
            dependencies: vec![("acme/base".into(), None, Some("^1".into()))],
            ..Difference::default()
        };
        let tests = Tests { tests: 3, passed: 2, failures: 1, ..Tests::default() };
        let claim = Claim { tests: Some(tests), coverage: None };
        let notice = Notice {
            id: "GHSA-1".into(),
            aliases: Vec::new(),
            summary: String::new(),
            severity: None,
            dependency: Some("acme/base".into()),
            affected: "<2".into(),
            fixed: None,
        };
        review.claim = Some(claim.clone());
        review.changes[0].outlook = Some(Outlook {
            latest: Some("1.1.0".into()),
            difference: Some(difference),
            suggested: Some("1.1.1".into()),
            archive_bytes: 900,
            standing: Some(Standing {
                version: "1.1.0".into(),
                downloads: 12,
                claim: Some(claim.clone()),
                advisories: Some(vec![notice]),
            }),
            verdict: Verdict::Publishes {
                git_ref: "refs/tags/v1.2.0".into(),
                first: false,
                proved: true,
            },
        });
        insta::assert_snapshot!(render(&review, "audit", None).body);
    }

    #[test]
    fn a_comment_is_known_again_and_only_its_content_counts() {
        let review = review(&[("x.txt".to_owned(), CONFLICT.to_owned())]);
        let one = render(&review, "audit", None);
        assert!(one.needed && is_ours(&one.body, "audit") && !is_ours(&one.body, "aud"));
        assert!(!is_ours(&format!("x{}", one.body), "audit"));
        let later = render(&Review { head: "c".repeat(40), ..review }, "audit", None);
        assert_ne!(later.body, one.body);
        assert!(says_the_same(&later.body, &one.body));
        assert!(!says_the_same(&settled("audit", &"c".repeat(40)), &one.body));
        assert!(!says_the_same("hello", "hello"));
    }

    #[test]
    fn a_download_is_no_reason_to_write_a_comment_anew() {
        let mut review = review(&[("x.txt".to_owned(), CONFLICT.to_owned())]);
        let mut told = Vec::new();
        for (downloads, version) in [(1, "1.0.0"), (2, "1.0.0"), (2, "1.1.0")] {
            let standing = Standing { downloads, version: version.into(), ..Standing::default() };
            let standing = Some(standing);
            let verdict = Verdict::Unchanged;
            review.changes[0].outlook = Some(Outlook {
                latest: None,
                difference: None,
                suggested: None,
                archive_bytes: 1,
                standing,
                verdict,
            });
            told.push(render(&review, "audit", None).body);
        }
        assert!(told[0] != told[1] && says_the_same(&told[0], &told[1]));
        assert!(!says_the_same(&told[1], &told[2]));
    }

    #[test]
    fn what_does_not_fit_is_counted_and_linked() {
        let many: Vec<_> = (0..900)
            .map(|at| (format!("{}{at}.txt", "long".repeat(30)), CONFLICT.into()))
            .collect();
        let mut review = review(&many);
        let template = review.changes[0].new[0].clone();
        review.changes[0].new = vec![template; 900];
        let comment = render(&review, "audit", Some("https://github.com/acme/x/actions/runs/1"));
        assert!(comment.body.len() < MAX_BYTES, "{}", comment.body.len());
        let last = comment.body.lines().last().unwrap();
        assert!(last.ends_with("more entries did not fit here: [the whole report](https://github.com/acme/x/actions/runs/1)."), "{last}");
        let (kept, _) = last.split_once(' ').unwrap();
        let shown = comment.body.lines().filter(|line| line.starts_with("- ")).count();
        assert!(shown + kept.parse::<usize>().unwrap() >= 900, "{shown} {kept}");
    }

    #[test]
    fn nothing_of_the_pull_request_is_interpreted() {
        let hostile =
            "@maintainer #1 <img src=x> ![a](http://x.org/a.png) ``` GH-5 http://evil.org";
        let mut review = review(&[("a".to_owned(), CONFLICT.to_owned())]);
        let change = &mut review.changes[0];
        change.package.title = hostile.to_owned();
        change.package.folder = "p/]( x`y".to_owned();
        change.new[0].message = hostile.to_owned();
        change.new[0].help = Some(hostile.to_owned());
        change.fixed = change.new.clone();
        change.outlook = Some(Outlook {
            latest: Some(hostile.into()),
            difference: Some(Difference {
                added: vec![FileChange { path: hostile.into(), before: 0, after: 1 }],
                license: Some((hostile.into(), hostile.into())),
                exports_added: vec![hostile.into()],
                ..Difference::default()
            }),
            suggested: None,
            archive_bytes: 1,
            standing: Some(Standing { version: hostile.into(), ..Standing::default() }),
            verdict: Verdict::Refused {
                code: "wrong-owner".into(),
                message: hostile.into(),
                help: hostile.into(),
            },
        });
        let body = render(&review, "audit", None).body;
        let html: String = comrak_like(&body)
            .split("<code>")
            .map(|part| part.split_once("</code>").map_or(part, |(_, after)| after))
            .collect();
        for live in ["@maintainer", "#1 ", "GH-5", "<img", "![a]", "](http://x.org", " http://evil"]
        {
            assert!(!html.contains(live), "{live} in\n{html}");
        }
    }

    /// `markdown` without its code spans: what a renderer would look into.
    fn comrak_like(markdown: &str) -> String {
        let mut out = String::new();
        for line in markdown.lines() {
            let mut rest = line;
            while let Some(at) = rest.find('`') {
                out.push_str(&rest[..at]);
                let fence = rest[at..].len() - rest[at..].trim_start_matches('`').len();
                let after = &rest[at + fence..];
                let close = "`".repeat(fence);
                let mut from = 0;
                let end = loop {
                    match after[from..].find(&close) {
                        None => break None,
                        Some(found) => {
                            let at = from + found;
                            let longer = after[at + fence..].starts_with('`');
                            let run = after[at..].len() - after[at..].trim_start_matches('`').len();
                            if !longer {
                                break Some(at);
                            }
                            from = at + run;
                        }
                    }
                };
                match end {
                    Some(end) => rest = &after[end + fence..],
                    None => {
                        out.push_str(&rest[at..at + fence]);
                        rest = after;
                    }
                }
            }
            out.push_str(rest);
            out.push('\n');
        }
        out
    }
}
