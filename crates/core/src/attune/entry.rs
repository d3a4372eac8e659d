//! A pack's files become what an index says of it.

use serde_json::Value;

use super::checksum;
use super::index::{Component, Contents, Entry, InstallSource};
use super::{Flaw, PACK_FILE, is_pack_ref, read, stackstorm};
use crate::formats::{self, Found};
use crate::manifest::{Dependency, Export, External, Manifest, Name, Target};
use crate::requirement::Requirement;
use crate::tree::Tree;

/// A pack whose manifest can be used.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its `ref`.
    pub reference: String,
    /// Its version, as written.
    pub version: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// What is wrong with it and does not keep it from being used.
    pub warnings: Vec<Flaw>,
}

/// Reads the pack at the root of `tree`, Attune's or StackStorm's.
///
/// # Errors
///
/// What keeps it from being used: no manifest, one that cannot be read, no ref or version, a field of
/// the wrong kind.
pub fn pack(tree: &Tree) -> Result<Pack, Vec<Flaw>> {
    let one = |place: &str, reason: &str| vec![Flaw::new(place, reason)];
    let format = formats::by_id("attune").ok_or_else(|| one(PACK_FILE, "cannot be read here"))?;
    let manifest = match format.read(tree) {
        Found::Package(manifest) => manifest,
        Found::Missing => {
            let reason = "is missing: a pack has it at its root, in `pack/` or in one folder below";
            return Err(one(PACK_FILE, reason));
        }
        Found::Broken(broken) => {
            let place = format!("{}:{}:{}", broken.path, broken.at.line, broken.at.column);
            return Err(one(&place, &format!("{}; {}", broken.message, broken.help)));
        }
    };
    let flaw = |problem: &crate::manifest::Problem| {
        let file = problem.file.as_ref().unwrap_or(&manifest.path);
        let place = format!("{file}:{}:{}", problem.at.line, problem.at.column);
        Flaw::new(place, format!("`{}` {}; {}", problem.field, problem.message, problem.help))
    };
    if manifest.original.get("ref").is_none() && manifest.original.get("name").is_some() {
        let (reference, version) =
            stackstorm::pack(&manifest.original).map_err(|flaw| vec![flaw])?;
        let warnings = manifest.problems.iter().map(flaw).collect();
        return Ok(Pack { reference, version, manifest, warnings });
    }
    if !manifest.problems.is_empty() {
        return Err(manifest.problems.iter().map(flaw).collect());
    }
    let reference = match manifest.name.as_ref().map(|field| &field.value) {
        Some(Name::Native(native)) if is_pack_ref(&native.name) => native.name.clone(),
        Some(_) => return Err(one(PACK_FILE, "`ref` is longer than 64 bytes")),
        None => return Err(one(PACK_FILE, "`ref` is missing: write for example `ref: weather`")),
    };
    let Some(version) = manifest.version.as_ref().map(|field| field.value.text().to_owned()) else {
        return Err(one(PACK_FILE, "`version` is missing: write for example `version: 1.2.3`"));
    };
    let warnings = manifest.unknown_keys.iter().map(flaw).collect();
    Ok(Pack { reference, version, manifest, warnings })
}

impl Pack {
    /// The packs that it needs, and which versions of them.
    pub fn needs(&self) -> Vec<(String, Option<Requirement>)> {
        needs(&self.manifest.dependencies)
    }

    /// What has to be installed beside packs.
    pub fn runtimes(&self) -> &[External] {
        &self.manifest.requires
    }
}

fn needs(dependencies: &[Dependency]) -> Vec<(String, Option<Requirement>)> {
    let native = |dependency: &Dependency| match &dependency.target {
        Target::Native(native) => Some((native.name.clone(), dependency.requirement.clone())),
        _ => None,
    };
    dependencies.iter().filter_map(native).collect()
}

/// The entry of the pack at the root of `tree`, had from `sources`.
///
/// # Errors
///
/// What an index cannot say of it, with its place.
pub fn entry(tree: &Tree, sources: Vec<InstallSource>) -> Result<Entry, Vec<Flaw>> {
    let Pack { reference, version, manifest, .. } = pack(tree)?;
    described(&manifest.original, &manifest.exports, reference, version, sources)
}

/// The entry of what a manifest says: itself, `original`, and what was found beside it, `exports`.
pub(super) fn described(
    original: &Value,
    exports: &[Export],
    reference: String,
    version: String,
    sources: Vec<InstallSource>,
) -> Result<Entry, Vec<Flaw>> {
    let mut flaws = Vec::new();
    let mut text = |keys: &[&str]| {
        keys.iter().find_map(|key| {
            let found = key.split('.').try_fold(original, |value, key| value.get(key))?;
            match found {
                Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
                Value::String(_) | Value::Null => None,
                _ => {
                    flaws.push(Flaw::new(format!("{PACK_FILE}: {key}"), "is no text"));
                    None
                }
            }
        })
    };
    let label = text(&["label", "name"]).unwrap_or_else(|| reference.clone());
    let description = text(&["description"]).unwrap_or_default();
    let author = text(&["author"]).unwrap_or_else(|| "Unknown".to_owned());
    let license = text(&["license", "meta.license"]).unwrap_or_else(|| "NOASSERTION".to_owned());
    let email = text(&["email"]);
    let homepage = text(&["homepage", "meta.documentation_url"]);
    let repository = text(&["repository", "meta.repository_url"]);
    let use_case = text(&["use_case", "meta.use_case"]);
    let mut list = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| {
            let value = key.split('.').try_fold(original, |value, key| value.get(key))?;
            value.as_array().filter(|list| !list.is_empty()).map(|list| (key, list))
        });
        let Some((key, list)) = found else { return Vec::new() };
        let texts = list.iter().filter_map(|item| match item {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                flaws.push(Flaw::new(format!("{PACK_FILE}: {key}"), "holds more than texts"));
                None
            }
        });
        texts.collect::<Vec<_>>()
    };
    let keywords = list(&["tags", "keywords", "meta.keywords"]);
    let runtime_deps = list(&["runtime_deps"]);
    if !flaws.is_empty() {
        return Err(flaws);
    }
    let dependencies = match original.get("dependencies") {
        Some(Value::Array(packs)) if !packs.is_empty() => {
            Some(serde_json::json!({ "packs": packs }))
        }
        Some(map @ Value::Object(fields)) if !fields.is_empty() => Some(map.clone()),
        _ => None,
    };
    let meta = original.get("meta").filter(|meta| meta.is_object()).cloned();
    let mut entry = Entry {
        reference,
        label,
        description,
        version,
        author,
        email,
        homepage,
        repository,
        use_case,
        license,
        keywords,
        runtime_deps,
        install_sources: sources,
        contents: contents(exports),
        dependencies,
        meta,
    };
    entry.sort();
    Ok(entry)
}

/// What is offered, by kind.
fn contents(exports: &[Export]) -> Contents {
    let mut contents = Contents::default();
    for export in exports {
        if let Some(list) = contents.kind(&format!("{}s", export.kind)) {
            let description = export.summary.clone().unwrap_or_default();
            list.push(Component { name: export.name.clone(), description });
        }
    }
    contents
}

/// Checks what an entry is to say about its sources.
///
/// # Errors
///
/// An address that an index does not take, a ref that is none.
pub fn sources(
    tree: &Tree,
    git: Option<(&str, &str)>,
    archive: Option<(&str, checksum::Checksum)>,
) -> Result<Vec<InstallSource>, Flaw> {
    let mut sources = Vec::new();
    if let Some((url, reference)) = git {
        read::check_url(url).map_err(|reason| Flaw::new("--git-url", reason))?;
        if !read::is_git_ref(reference) {
            return Err(Flaw::new("--git-ref", "is no branch, tag or commit"));
        }
        let checksum = Some(checksum::of_tree(tree));
        let (url, reference) = (url.to_owned(), reference.to_owned());
        sources.push(InstallSource::Git { url, reference, checksum });
    }
    if let Some((url, checksum)) = archive {
        read::check_url(url).map_err(|reason| Flaw::new("--archive-url", reason))?;
        sources.push(InstallSource::Archive { url: url.to_owned(), checksum: Some(checksum) });
    }
    if sources.is_empty() {
        let reason = "an entry says where the pack is had: give `--git-url` with `--git-ref`, or \
                      `--archive-url` with `--archive-checksum`";
        return Err(Flaw::new("install_sources", reason));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::tree;

    #[test]
    fn a_folder_becomes_an_entry() {
        let tree = tree(&[
            (
                "pack.yaml",
                "ref: weather\nname: Weather\nversion: 1.2.0\ndescription: Rain or not\n\
                 keywords: [rain]\ntags: [sun, 2026, sun]\nruntime_deps: ['python3>=3.8']\n\
                 dependencies: [core]\nmeta: {license: MIT, category: x, repository_url: 'https://example.org/w'}\n",
            ),
            ("actions/b.yaml", "ref: weather.b\nlabel: B\n"),
            ("actions/a.yaml", "name: a\ndescription: Asks\n"),
            ("actions/plan.yaml", "workflow_file: x\n"),
            ("sensors/s.yml", "ref: weather.s\n"),
        ]);
        let sources = sources(&tree, Some(("https://example.org/w.git", "v1.2.0")), None).unwrap();
        let entry = entry(&tree, sources).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&entry).unwrap());
        let mut index =
            super::super::index::Index::new("x", "https://example.org", "2026-01-01T00:00:00Z");
        super::super::edit::put(&mut index, entry, false, "2026-01-01T00:00:00Z").unwrap();
        index.text().unwrap();
    }

    #[test]
    fn what_is_no_pack_is_told_with_its_place() {
        let told = |files: &[(&str, &str)]| pack(&tree(files)).unwrap_err()[0].to_string();
        insta::assert_snapshot!(
            [
                told(&[]),
                told(&[("pack.yaml", "a: [")]),
                told(&[("pack.yaml", "ref: ../x\nversion: 1.0.0\n")]),
                told(&[("pack.yaml", "version: 1.0.0\n")]),
                told(&[("pack.yaml", "ref: x\n")]),
                told(&[("pack.yaml", "ref: x\nversion: 1\n")]),
                told(&[("pack.yaml", "name: My Pack\nversion: 1.0.0\n")]),
            ]
            .join("\n")
        );
    }

    #[test]
    fn a_pack_of_stackstorm_is_read() {
        let pack = pack(&tree(&[(
            "pack.yaml",
            "name: aws_ec2\nversion: 0.1.0\nstackstorm_version: '>=2.9.0'\n",
        )]))
        .unwrap();
        assert_eq!((pack.reference.as_str(), pack.version.as_str()), ("aws_ec2", "0.1.0"));
    }

    #[test]
    fn a_source_is_an_address_that_an_index_takes() {
        let tree = tree(&[("pack.yaml", "ref: x\nversion: 1.0.0\n")]);
        for git in [
            ("http://example.org/a", "v1"),
            ("https://example.org/a", "-x"),
            ("https://u@example.org/a", "v1"),
        ] {
            assert!(sources(&tree, Some(git), None).is_err(), "{git:?}");
        }
        assert!(sources(&tree, None, None).unwrap_err().reason.contains("--git-url"));
    }
}
