//! What the uploaded archive says: read under limits, the manifest from the bytes themselves.

use bytes::Bytes;
use packhouse_core::api::ErrorCode;
use packhouse_core::archive::{self, Contents, Entry};
use packhouse_core::audit::{self, Facts};
use packhouse_core::formats::{self, Found};
use packhouse_core::limits::Limits;
use packhouse_core::manifest::{Manifest, Name, NativeName};
use packhouse_core::release::{Described, EntryRef};
use packhouse_core::tree::Tree;

use crate::error::{ApiError, ApiResult};
use crate::ports::Intent;

/// The archive as it was read.
pub(super) struct Checked {
    pub(super) contents: Contents,
    pub(super) described: Described,
    pub(super) readme: Option<EntryRef>,
    pub(super) manifest: Manifest,
}

/// Texts that formats read are small: larger files are scanned and counted, never kept.
const KEPT_FILE_BYTES: u64 = 256 << 10;
/// Dependencies, exports and the like in one manifest: index files repeat them for each version.
const LISTED: usize = 1_000;
/// What is kept of one archive at the most.
pub(super) const KEPT_BYTES: u64 = 32 << 20;

/// Reads and judges an archive. Takes the processor for milliseconds: call it off the async threads.
///
/// # Errors
///
/// `invalid-archive` for unsafe or damaged bytes, `invalid-manifest` for one that is missing,
/// broken, or says something else than the request.
pub(super) fn check(bytes: &Bytes, intent: &Intent, limits: &Limits) -> ApiResult<Checked> {
    let mut tree = Tree::default();
    let mut kept = 0;
    let contents = archive::read(bytes, limits, |entry: &Entry, content: &[u8]| {
        if entry.bytes <= KEPT_FILE_BYTES && kept + entry.bytes <= KEPT_BYTES {
            kept += entry.bytes;
            tree.insert(entry.path.clone(), content, entry.executable);
        }
    })
    .map_err(|e| {
        ApiError::new(
            ErrorCode::InvalidArchive,
            e.to_string(),
            "pack it with `packhouse pack`, which writes archives that every registry reads",
        )
    })?;
    let file = formats::by_id(&intent.format).map_or("", |format| format.file());
    let large = |entry: &&Entry| entry.path.as_str() == file && entry.bytes > KEPT_FILE_BYTES;
    if let Some(entry) = contents.entries.iter().find(large) {
        return Err(ApiError::new(
            ErrorCode::InvalidManifest,
            format!("`{file}` has {} bytes; at most {KEPT_FILE_BYTES} are read", entry.bytes),
            "a manifest names what there is; move the rest to files of its own",
        ));
    }
    let manifest = manifest(&tree, intent, limits)?;
    let readme = readme(&contents, &manifest, limits);
    let described = described(&manifest);
    Ok(Checked { contents, described, readme, manifest })
}

fn manifest(tree: &Tree, intent: &Intent, limits: &Limits) -> ApiResult<Manifest> {
    let invalid = |message: String, help: String| {
        Err(ApiError::new(ErrorCode::InvalidManifest, message, help))
    };
    let Some(format) = formats::by_id(&intent.format) else {
        return invalid(
            format!("`{}` is not a format of this registry", intent.format),
            String::new(),
        );
    };
    let manifest = match format.read(tree) {
        Found::Package(manifest) => manifest,
        Found::Broken(broken) => return invalid(broken.to_string(), broken.help),
        Found::Missing => {
            let message = format!("the archive has no `{}` at its root", format.file());
            return invalid(message, format!("publish the folder that holds `{}`", format.file()));
        }
    };
    // The same rules that `packhouse audit` shows, those that make a package unusable.
    let files = Tree::default();
    if let Some(finding) = audit::refusals(&Facts::new(&files, &manifest, limits)).first() {
        let place = match (finding.line, finding.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", manifest.path),
            _ => manifest.path.to_string(),
        };
        let help = finding.help.clone().unwrap_or_default();
        return invalid(format!("{place}: {} ({})", finding.message, finding.rule), help);
    }
    let path = &manifest.path;
    for (what, length) in [
        ("dependencies", manifest.dependencies.len()),
        ("exports", manifest.exports.len()),
        ("requirements", manifest.requires.len()),
        ("authors", manifest.authors.len()),
        ("keywords", manifest.keywords.len()),
    ] {
        if length > LISTED {
            return invalid(
                format!("`{path}` lists {length} {what}; at most {LISTED} are allowed"),
                "every reader of the package's index gets all of them: list what it needs itself"
                    .to_owned(),
            );
        }
    }
    match &manifest.name {
        None => {
            return invalid(format!("`{path}` names no package"), "add its identifier".to_owned());
        }
        Some(name) => {
            let same = match &name.value {
                Name::Full(identifier) => *identifier == intent.identifier,
                Name::Native(native) => native_fits(native, intent),
            };
            if !same {
                let found = match &name.value {
                    Name::Full(identifier) => identifier.to_string(),
                    Name::Native(native) => native.name.clone(),
                };
                return invalid(
                    format!(
                        "`{path}` in the archive is of `{found}`, the publish of `{}`",
                        intent.identifier
                    ),
                    "publish under the name that the manifest declares".to_owned(),
                );
            }
        }
    }
    match &manifest.version {
        Some(version) if version.value != intent.version => invalid(
            format!(
                "`{path}` in the archive says version `{}`, the publish `{}`",
                version.value, intent.version
            ),
            "publish with `packhouse publish --version`, which sets it inside the archive"
                .to_owned(),
        ),
        None if !manifest.version_from_tag => {
            invalid(format!("`{path}` in the archive has no version"), "add one".to_owned())
        }
        _ => Ok(manifest),
    }
}

/// A native name becomes the last part of an identifier.
fn native_fits(native: &NativeName, intent: &Intent) -> bool {
    formats::native_identifier(native, intent.identifier.owner())
        .is_ok_and(|identifier| identifier == intent.identifier)
}

fn readme(contents: &Contents, manifest: &Manifest, limits: &Limits) -> Option<EntryRef> {
    let entry = contents.entries.iter().find(|entry| entry.path.as_str() == manifest.readme)?;
    (entry.bytes <= limits.readme_bytes as u64).then(|| EntryRef {
        path: entry.path.to_string(),
        data_offset: entry.data_offset,
        packed_bytes: entry.packed_bytes,
        bytes: entry.bytes,
        method: entry.method,
        crc32: entry.crc32,
    })
}

fn described(manifest: &Manifest) -> Described {
    let text = |field: &Option<packhouse_core::manifest::Field<String>>| {
        field.as_ref().map(|field| field.value.clone())
    };
    Described {
        format: manifest.format.to_owned(),
        native: match manifest.name.as_ref().map(|name| &name.value) {
            Some(Name::Native(native)) => Some(native.clone()),
            _ => None,
        },
        repository: text(&manifest.repository).unwrap_or_default(),
        license: text(&manifest.license).unwrap_or_default(),
        summary: text(&manifest.summary).unwrap_or_default(),
        homepage: text(&manifest.homepage),
        authors: manifest.authors.clone(),
        keywords: manifest.keywords.clone(),
        dependencies: manifest.dependencies.clone(),
        exports: manifest.exports.clone(),
        requires: manifest.requires.clone(),
        original: manifest.original.clone(),
    }
}
