//! `limits`: the package fits into the registry's limits. It says so before the upload, and warns
//! from four fifths on, since the next release is rarely smaller.

use super::finding::quote;
use super::{Draft, Facts, OddityKind, Rule, Severity};

pub(super) struct WithinLimits;

impl Rule for WithinLimits {
    fn id(&self) -> &'static str {
        "limits"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The package is larger than the registry allows, or soon will be"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let (limits, tree) = (facts.limits, facts.tree);
        let totals = [
            ("files", tree.len() as u64, u64::from(limits.entries)),
            ("bytes", tree.bytes(), limits.unpacked_bytes),
        ];
        for (unit, have, limit) in totals {
            let message = format!("the package has {have} {unit}, at most {limit} are allowed");
            let help = "leave out what is not needed to use the package";
            if have > limit {
                found.push(self.finding(message).about(unit).help(help));
            } else if have > limit / 5 * 4 {
                found
                    .push(self.finding(message).severity(Severity::Warning).about(unit).help(help));
            }
        }
        let in_tree = tree.iter().map(|(path, file)| (path.as_str(), file.bytes.len() as u64));
        let outside = facts.oddities.iter().filter_map(|oddity| match oddity.kind {
            OddityKind::TooLarge(bytes) => Some((oddity.path.as_str(), bytes)),
            _ => None,
        });
        for (path, bytes) in in_tree.filter(|(_, bytes)| *bytes > limits.file_bytes).chain(outside)
        {
            let message = format!(
                "the file has {bytes} bytes, at most {} are allowed in a file",
                limits.file_bytes
            );
            found.push(
                self.finding(message).file(path).about("file").help("leave it out, or split it"),
            );
        }
        let manifest = facts.manifest.path.as_str();
        let small = [
            (manifest, limits.manifest_bytes, Severity::Error, "a manifest"),
            (
                &facts.manifest.readme,
                limits.readme_bytes,
                Severity::Warning,
                "a README that is shown",
            ),
        ];
        for (path, limit, severity, what) in small {
            let Some(bytes) =
                tree.get(path).map(|file| file.bytes.len()).filter(|bytes| *bytes > limit)
            else {
                continue;
            };
            let message = format!("{} has {bytes} bytes, {what} has at most {limit}", quote(path));
            found.push(
                self.finding(message).severity(severity).file(path).about(what).help("shorten it"),
            );
        }
    }
}
