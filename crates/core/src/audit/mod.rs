//! The audit: rules look at facts and report findings.
//!
//! One rule is one file, listed once in [`RULES`]; its page is `docs/rules/<id>.md`, its fixtures
//! are `fixtures/audit/<id>/`. Rules are pure: what they may know stands in [`Facts`].

mod advisory;
mod artifact_missing;
mod ato_code;
mod bigraph_package;
mod binary_surprise;
mod build_missing;
mod build_output;
mod case_twins;
mod circuit;
mod complete;
mod conflict_markers;
mod cursor;
mod dependency_conflict;
mod dependency_missing;
mod dependency_pinned;
mod dependency_publishable;
mod dependency_repeated;
mod duplicate_import;
mod editor_junk;
mod executable_bit;
mod export_missing;
mod facts;
mod file_structure;
mod finding;
mod fppm_prefix;
mod git_data;
mod hidden_text;
mod identifier_valid;
mod kicad;
mod kicad_file;
mod kicad_library;
mod lfs_pointer;
mod license_file_missing;
mod license_spdx;
mod limits;
mod links;
mod manifest_field;
mod model_missing;
mod name_clash;
mod nested_manifest;
mod non_utf8_names;
mod oversized_file;
mod python_source;
mod readme_missing;
mod repository_url;
mod secret_files;
mod secrets;
mod special_file;
mod submodule_missing;
mod tag_mismatch;
pub(crate) mod text;
mod tool_version;
mod unknown_key;
mod unsafe_path;
mod unused_import;
mod usage_import;
mod usage_in_readme;
mod version_not_above;
mod version_valid;
mod windows_names;

pub use facts::{BuildOutputs, Facts, Oddity, OddityKind, RegistryFacts, Strict};
pub use finding::{Draft, Finding, MAX_PER_RULE, Severity};
pub use secrets::masked;

use crate::formats::{Broken, Format};
use crate::manifest::{Manifest, Problem, Target};

/// Every rule, in the order of ids.
pub const RULES: &[&dyn Rule] = &[
    &advisory::Advisory,
    &artifact_missing::ArtifactMissing,
    &bigraph_package::BigraphPackage,
    &binary_surprise::BinarySurprise,
    &build_missing::BuildMissing,
    &build_output::BuildOutput,
    &case_twins::CaseTwins,
    &complete::Complete,
    &conflict_markers::ConflictMarkers,
    &dependency_conflict::DependencyConflict,
    &dependency_missing::DependencyMissing,
    &dependency_pinned::DependencyPinned,
    &dependency_publishable::DependencyPublishable,
    &dependency_repeated::DependencyRepeated,
    &duplicate_import::DuplicateImport,
    &editor_junk::EditorJunk,
    &executable_bit::ExecutableBit,
    &export_missing::ExportMissing,
    &file_structure::FileStructure,
    &fppm_prefix::FppmPrefix,
    &git_data::GitData,
    &hidden_text::HiddenText,
    &identifier_valid::IdentifierValid,
    &kicad_file::KicadFile,
    &kicad_library::KicadLibrary,
    &lfs_pointer::LfsPointer,
    &license_file_missing::LicenseFileMissing,
    &license_spdx::LicenseSpdx,
    &limits::WithinLimits,
    &links::Links,
    &manifest_field::ManifestField,
    &model_missing::ModelMissing,
    &name_clash::NameClash,
    &nested_manifest::NestedManifest,
    &non_utf8_names::NonUtf8Names,
    &oversized_file::OversizedFile,
    &python_source::PythonSource,
    &readme_missing::ReadmeMissing,
    &repository_url::RepositoryUrl,
    &secret_files::SecretFiles,
    &secrets::Secrets,
    &special_file::SpecialFile,
    &submodule_missing::SubmoduleMissing,
    &tag_mismatch::TagMismatch,
    &tool_version::ToolVersion,
    &unknown_key::UnknownKey,
    &unsafe_path::UnsafePath,
    &unused_import::UnusedImport,
    &usage_import::UsageImport,
    &usage_in_readme::UsageInReadme,
    &version_not_above::VersionNotAbove,
    &version_valid::VersionValid,
    &windows_names::WindowsNames,
];

/// One check.
pub trait Rule: Send + Sync {
    /// The rule's id, for example `case-twins`.
    fn id(&self) -> &'static str;
    /// The severity of its findings, unless a finding says another; its page says when.
    fn severity(&self) -> Severity;
    /// One sentence for lists and SARIF.
    fn summary(&self) -> &'static str;
    /// Looks at `facts` and pushes what it finds.
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>);
    /// Whether a registry refuses what this rule calls an error, too: the package would be unusable.
    /// Such a rule looks at the manifest only.
    fn binds_registry(&self) -> bool {
        false
    }
    /// Whether it runs only where the caller asks for the strict rules ([`Facts::strict`]), and for circuits
    /// only: they are what `ato package verify --strict` checks. A registry never refuses for their sake.
    fn strict(&self) -> bool {
        false
    }
    /// Begins a finding of this rule.
    fn finding(&self, message: impl Into<String>) -> Draft
    where
        Self: Sized,
    {
        Draft::new(self.id(), self.severity(), message)
    }
}

/// Runs every rule; findings are sorted worst first, then by path, line and rule.
///
/// At most [`MAX_PER_RULE`] findings of a rule are listed, and one that counts the rest.
pub fn audit(facts: &Facts) -> Vec<Finding> {
    finding::seal(drafts(facts))
}

/// As [`audit`], with so many findings of each rule that two audits can be compared.
pub fn audit_whole(facts: &Facts) -> Vec<Finding> {
    finding::seal_up_to(drafts(facts), finding::COMPARED_PER_RULE)
}

/// What the rules of these ids find.
pub(crate) fn audit_by(ids: &[&str], facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| ids.contains(&rule.id())) {
        rule.check(facts, &mut found);
    }
    finding::seal(found)
}

/// What every rule finds that was asked for.
fn drafts(facts: &Facts) -> Vec<Draft> {
    let mut found = Vec::new();
    let strict = facts.strict.is_some() && circuit::is_circuit(facts);
    for rule in RULES.iter().filter(|rule| strict || !rule.strict()) {
        rule.check(facts, &mut found);
    }
    found
}

/// Findings as [`audit`] lists them: of each rule the first ones, and one that counts the rest.
pub fn cut(findings: Vec<Finding>) -> Vec<Finding> {
    finding::cut(findings)
}

/// What a registry refuses: the errors that make a package unusable. Looks at the manifest only, so
/// [`Facts::tree`] may be empty. Unsafe archives are refused by [`crate::archive`].
pub fn refusals(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.binds_registry()) {
        rule.check(facts, &mut found);
    }
    found.retain(|draft| draft.is() == Severity::Error);
    finding::seal(found)
}

/// A manifest that cannot be read, as a finding: there are no facts to audit then.
pub fn broken(broken: &Broken) -> Vec<Finding> {
    let message = about_field(broken.field.as_deref(), &broken.message);
    let draft = manifest_field::ManifestField.finding(message);
    let draft = draft.file(&broken.path).at(broken.at);
    finding::seal(vec![if broken.help.is_empty() { draft } else { draft.help(&broken.help) }])
}

/// A finding of `limits` about a package that is too large to be read at all.
pub(crate) fn within_limits(message: String, help: String) -> Vec<Finding> {
    finding::seal(vec![limits::WithinLimits.finding(message).about("whole").help(help)])
}

/// The rule of this id.
pub fn rule(id: &str) -> Option<&'static dyn Rule> {
    RULES.iter().find(|rule| rule.id() == id).copied()
}

/// How findings and [`RegistryFacts::missing_dependencies`] spell a dependency's target.
pub fn target_text(target: &Target) -> String {
    match target {
        Target::Registry { identifier } => identifier.to_string(),
        Target::Native(native) => native.name.clone(),
        Target::Git { url, .. } | Target::Url { url } => url.clone(),
        Target::File { path, .. } => path.clone(),
    }
}

/// What a field of the manifest is about, so that each problem is reported by one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Name,
    Version,
    Other,
}

fn about(manifest: &Manifest, problem: &Problem) -> About {
    // A file beside the manifest has names of its own.
    if problem.file.is_some() {
        return About::Other;
    }
    match fields(manifest.format) {
        [name, ..] if name.split(" and ").any(|name| name == problem.field) => About::Name,
        [_, version, ..] if version == problem.field => About::Version,
        _ => About::Other,
    }
}

/// Where a format's manifest has name, version, repository, licence and summary; for one that is not
/// known, as `packhouse.yaml` has them.
fn fields(format: &str) -> [&'static str; 5] {
    let fallback: &dyn Format = crate::formats::FORMATS[0];
    crate::formats::by_id(format).unwrap_or(fallback).fields()
}

/// A format's message with the field that it is about: many say only `is …` or `has …`.
fn about_field(field: Option<&str>, message: &str) -> String {
    let Some(field) = field else { return message.to_owned() };
    let verb = message
        .split(' ')
        .next()
        .is_some_and(|word| matches!(word, "is" | "has" | "must" | "names"));
    format!("`{field}`{} {message}", if verb { "" } else { ":" })
}

/// The problems of `manifest` with fields of one kind, as findings of `rule`.
fn problems(rule: &impl Rule, manifest: &Manifest, kind: About, found: &mut Vec<Draft>) {
    let of_kind = |problem: &&Problem| about(manifest, problem) == kind;
    draft_problems(rule, manifest, manifest.problems.iter().filter(of_kind), found);
}

/// Findings of `rule` about `problems` of `manifest` or of files that belong to it.
fn draft_problems<'a>(
    rule: &impl Rule,
    manifest: &Manifest,
    problems: impl Iterator<Item = &'a Problem>,
    found: &mut Vec<Draft>,
) {
    for problem in problems {
        let file = problem.file.as_ref().unwrap_or(&manifest.path);
        let message = about_field(Some(&problem.field), &problem.message);
        let draft = rule.finding(message).file(file).at(problem.at);
        found.push(if problem.help.is_empty() { draft } else { draft.help(&problem.help) });
    }
}

#[cfg(test)]
mod tests;
