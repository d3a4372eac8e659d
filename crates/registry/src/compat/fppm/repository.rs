//! `/fppm/git/{owner}/{package}.git`: a repository as git's dumb protocol reads it, by plain GETs of
//! files: a commit and a tag a release, each in a pack of its own.
//!
//! No git program makes it. Names follow gitprotocol-http ("dumb clients") and gitrepository-layout.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderValue};
use packhouse_core::escape::excerpt;
use packhouse_core::fppm::git::tag;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;

use super::packs::Made;
use super::{newest, releases, unknown};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::ApiResult;
use crate::read::{Params, safe_headers};

/// The branch of the newest release.
pub(super) const MAIN: &str = "main";
/// The branch of the newest prerelease.
pub(super) const DEVEL: &str = "devel";

/// A file of a package's repository.
#[utoipa::path(get, path = "/fppm/git/{owner}/{repository}/{path}", tag = "fppm",
    params(("owner" = String, Path, description = "The package's owner"),
        ("repository" = String, Path, description = "The package's name and `.git`"),
        ("path" = String, Path, description = "`info/refs`, `HEAD`, `objects/info/packs`, `objects/pack/…`")),
    responses((status = 200, description = "The file"), (status = 404, description = "There is none, as a map of YAML")))]
pub(crate) async fn file(State(app): State<App>, params: Params) -> ApiResult<Response> {
    let (owner, name) = (params.get("owner").unwrap_or_default(), params.get("repository"));
    let name = name.and_then(|name| name.strip_suffix(".git"));
    let identifier = name.and_then(|name| Identifier::new(owner, name).ok());
    let path = params.get("path").unwrap_or_default();
    let gone = || {
        let message = format!("there is no `{}` in this repository", excerpt(path, 120));
        unknown(message, "clone it: git finds the files that there are")
    };
    let identifier = identifier.ok_or_else(gone)?;
    // Most of what git asks for is not there: that costs no look at the ledger.
    let wanted = Wanted::parse(path).ok_or_else(gone)?;
    let releases = releases(&app, &identifier).await?;
    if releases.is_empty() {
        let message = format!("there is no package `{identifier}` of F Prime here");
        return Err(unknown(message, "`/fppm/registry.yaml` lists the packages"));
    }
    if wanted == Wanted::Head {
        return Ok(text(&app, format!("ref: refs/heads/{MAIN}\n")).into_response());
    }
    let mut commits = Vec::with_capacity(releases.len());
    for release in &releases {
        commits.push((release, app.reads.packs.of(&app, release).await?));
    }
    match wanted {
        Wanted::Head | Wanted::Refs => Ok(text(&app, refs(&commits)).into_response()),
        Wanted::Packs => {
            let mut names: Vec<_> = commits.iter().map(|(_, made)| &made.name).collect();
            names.sort();
            names.dedup();
            let lines: String = names.iter().map(|name| format!("P pack-{name}.pack\n")).collect();
            Ok(text(&app, lines + "\n").into_response())
        }
        Wanted::Pack { name, index } => {
            let found = commits.iter().find(|(_, made)| made.name == name);
            let (release, made) = found.ok_or_else(gone)?;
            let bytes = match index {
                true => made.index.clone(),
                false => app.reads.packs.pack(&app, release).await?,
            };
            Ok(immutable(&app, bytes))
        }
    }
}

/// A file of a repository that a client may ask for and get.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'p> {
    Head,
    Refs,
    Packs,
    Pack { name: &'p str, index: bool },
}

impl<'p> Wanted<'p> {
    fn parse(path: &'p str) -> Option<Self> {
        match path {
            "HEAD" => Some(Self::Head),
            "info/refs" => Some(Self::Refs),
            "objects/info/packs" => Some(Self::Packs),
            _ => {
                let (name, kind) = path.strip_prefix("objects/pack/pack-")?.split_once('.')?;
                let index = match kind {
                    "pack" => false,
                    "idx" => true,
                    _ => return None,
                };
                Some(Self::Pack { name, index })
            }
        }
    }
}

/// The repository's branches and tags, by name.
fn refs(commits: &[(&Release, Arc<Made>)]) -> String {
    let releases: Vec<Release> = commits.iter().map(|(release, _)| (*release).clone()).collect();
    let commit = |wanted: &Release| {
        let found = commits.iter().find(|(release, _)| release.version == wanted.version);
        found.map(|(_, made)| made.commit.as_str())
    };
    let (last, devel) = (newest(&releases, false), newest(&releases, true));
    // A package of prereleases, or of yanked releases alone, has a main branch, too.
    let main = last.or(devel).or_else(|| releases.iter().max_by(|a, b| a.version.cmp(&b.version)));
    let mut lines = Vec::new();
    let mut add = |name: String, release: Option<&Release>| {
        if let Some(commit) = release.and_then(commit) {
            lines.push((name, commit));
        }
    };
    add(format!("refs/heads/{MAIN}"), main);
    add(format!("refs/heads/{DEVEL}"), devel);
    for release in &releases {
        if let Some(tag) = tag(&release.version) {
            add(format!("refs/tags/{tag}"), Some(release));
        }
    }
    lines.sort();
    lines.iter().map(|(name, commit)| format!("{commit}\t{name}\n")).collect()
}

fn text(app: &App, text: String) -> Page {
    Page::new(text, "text/plain; charset=utf-8", Fresh::Revalidate, app.settings.private)
}

/// A pack or an index: its name is made of its bytes.
fn immutable(app: &App, bytes: Bytes) -> Response {
    let control = match app.settings.private {
        true => "private, max-age=31536000, immutable",
        false => "public, max-age=31536000, immutable",
    };
    let mut headers: HeaderMap = safe_headers().into_iter().collect();
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    (headers, Body::from(bytes)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_few_files() {
        assert_eq!(Wanted::parse("info/refs"), Some(Wanted::Refs));
        let pack = Wanted::Pack { name: "ab", index: true };
        assert_eq!(Wanted::parse("objects/pack/pack-ab.idx"), Some(pack));
        for path in [
            "",
            "objects/00/1234",
            "objects/info/alternates",
            "objects/info/http-alternates",
            "objects/pack/pack-ab.idx.tmp",
            "config",
            "../HEAD",
        ] {
            assert_eq!(Wanted::parse(path), None, "{path}");
        }
    }
}
