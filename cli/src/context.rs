//! What a command needs from its surroundings: the registry, a token, the job and the checkout.

use std::path::{Path, PathBuf};

use packhouse_client::http::Options;
use packhouse_client::plan::{self, Opened, Setting, Source};
use packhouse_client::token::{Job, TokenSource, api_token};
use packhouse_client::walk::Choice;
use packhouse_client::{Client, ClientError, RegistryUrl};
use packhouse_core::formats;
use packhouse_core::limits::Limits;
use packhouse_core::manifest::Manifest;
use packhouse_core::secret::Secret;
use packhouse_core::source::Unfit;
use packhouse_core::tree::Tree;
use packhouse_core::version::Version;
use packhouse_forge::git::{Checkout, repository_of};

use crate::args::{Files, Global};
use crate::exit::Stop;
use crate::ui::{Ui, shown, var};

impl Files {
    pub(crate) fn choice(&self) -> Choice {
        Choice { include: self.include.clone(), exclude: self.exclude.clone() }
    }
}

/// The registry, and who named it.
pub(crate) struct Registry {
    pub(crate) url: RegistryUrl,
    /// Whether a flag or the environment named it, and not a manifest: only then API tokens go there,
    /// so that nobody's manifest can have them.
    pub(crate) trusted: bool,
}

/// The registry of flag, environment, or `manifest`; `None` where none of them names one.
pub(crate) fn registry_of(
    global: &Global,
    manifest: Option<&Manifest>,
) -> anyhow::Result<Option<Registry>> {
    if let Some(text) = global.registry.as_deref().filter(|text| !text.is_empty()) {
        let url = text.parse().map_err(|e| Stop::usage(format!("{e}"), "give `--registry URL`"))?;
        return Ok(Some(Registry { url, trusted: true }));
    }
    let Some(manifest) = manifest else { return Ok(None) };
    // `ato` projects name theirs as `ato` has them name it, and share its variable.
    if manifest.format == "ato"
        && let Some(text) = var("ATO_SERVICES_PACKAGES_URL")
    {
        let url = text
            .parse()
            .map_err(|e| Stop::usage(format!("{e}"), "mend ATO_SERVICES_PACKAGES_URL"))?;
        return Ok(Some(Registry { url, trusted: true }));
    }
    let keys =
        ["/registry", "/package/registry", "/tool/packhouse/registry", "/services/packages/url"];
    let Some(text) = keys.iter().find_map(|key| manifest.original.pointer(key)?.as_str()) else {
        return Ok(None);
    };
    let url = text.parse().map_err(|e| {
        Stop::usage(
            format!("`{}`: {e}", manifest.path),
            "mend its `registry`, or give `--registry URL`",
        )
    })?;
    Ok(Some(Registry { url, trusted: false }))
}

/// As [`registry_of`], where a command cannot do without.
pub(crate) fn registry(global: &Global, manifest: Option<&Manifest>) -> anyhow::Result<Registry> {
    registry_of(global, manifest)?.ok_or_else(|| {
        Stop::usage(
            "no registry is named",
            "give `--registry URL`, set PACKHOUSE_REGISTRY, or write `registry: URL` into `packhouse.yaml`",
        )
        .into()
    })
}

/// The manifest of the folder that the command runs in, or of the nearest above.
pub(crate) fn nearest_manifest() -> Option<Manifest> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find_map(manifest_in)
}

/// The manifest in `folder`, read without anything around it.
fn manifest_in(folder: &Path) -> Option<Manifest> {
    let limit = Limits::default().manifest_bytes as u64;
    formats::FORMATS.iter().find_map(|format| {
        let path = folder.join(format.file());
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > limit {
            return None;
        }
        let mut tree = Tree::default();
        tree.insert(format.file().parse().ok()?, std::fs::read(&path).ok()?, false);
        match format.read(&tree) {
            formats::Found::Package(manifest) => Some(manifest),
            _ => None,
        }
    })
}

/// Where caches belong: the XDG folder, on every system.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    let xdg = var("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || {
        var("HOME").or_else(|| var("LOCALAPPDATA")).map(|home| PathBuf::from(home).join(".cache"))
    };
    Some(xdg.or_else(home)?.join("packhouse"))
}

/// The API token of flag or environment.
pub(crate) fn given_token(global: &Global) -> anyhow::Result<Option<Secret>> {
    if let Some(file) = &global.token_file {
        let text = fs_err::read_to_string(file)?;
        return Ok(Some(api_token(&text, "`--token-file`").map_err(ClientError::from)?));
    }
    let token = var("PACKHOUSE_TOKEN").map(|text| api_token(&text, "`PACKHOUSE_TOKEN`"));
    Ok(token.transpose().map_err(ClientError::from)?)
}

/// A client of `registry`; it reads with the API token where one is given.
pub(crate) fn client(global: &Global, registry: &Registry) -> anyhow::Result<Client> {
    let options =
        Options { ca_file: var("SSL_CERT_FILE").map(PathBuf::from), ..Options::default() };
    let token = if registry.trusted { given_token(global)? } else { None };
    Ok(Client::new(registry.url.clone(), options).reading_with(token))
}

/// A client for a command that names no package of its own: the registry comes from flag,
/// environment or the nearest manifest.
pub(crate) fn reader(global: &Global) -> anyhow::Result<Client> {
    let named = global.registry.is_some();
    let manifest = if named { None } else { nearest_manifest() };
    client(global, &registry(global, manifest.as_ref())?)
}

/// The job that this runs in.
pub(crate) fn job() -> Job {
    Job::read(var)
}

/// Where tokens come from for a command that writes: the job where it gives some, since a pinned
/// package takes no others and PACKHOUSE_TOKEN may be there for reading; `--token-file` means itself.
pub(crate) fn tokens(global: &Global, registry: &Registry) -> anyhow::Result<TokenSource> {
    let job = job();
    let own = job.request_url.is_some() && job.request_token.is_some();
    let token = match &global.token_file {
        None if own => None,
        _ => trusted_token(global, registry)?,
    };
    Ok(TokenSource::find(job, token).map_err(ClientError::from)?)
}

/// The API token that an operator's command needs.
pub(crate) fn operator_token(global: &Global, registry: &Registry) -> anyhow::Result<Secret> {
    trusted_token(global, registry)?.ok_or_else(|| {
        Stop::new(
            crate::exit::Exit::Denied,
            "there is no API token, and only an API token is an operator's",
            "set PACKHOUSE_TOKEN, or give `--token-file FILE`",
        )
        .into()
    })
}

/// The API token, where one is given and may go to `registry`.
fn trusted_token(global: &Global, registry: &Registry) -> anyhow::Result<Option<Secret>> {
    let token = given_token(global)?;
    if token.is_some() && !registry.trusted {
        return Err(Stop::usage(
            format!(
                "the registry {} is named by a manifest only, so the API token is not sent there",
                registry.url
            ),
            "name it with `--registry` or PACKHOUSE_REGISTRY",
        )
        .into());
    }
    Ok(token)
}

/// Place and job of a package: in GitHub Actions what the job says, elsewhere the checkout.
pub(crate) fn setting(job: &Job, folder: &Path, tag: Option<&str>, ui: &Ui) -> Setting {
    let tag = tag.or(job.tag()).map(str::to_owned);
    if job.in_actions {
        let (repository, branch) = (job.repository.clone(), job.branch().map(str::to_owned));
        return Setting { repository, tag, branch, ..Setting::default() };
    }
    match Checkout::find(folder) {
        Ok(Some(checkout)) => Setting {
            repository: checkout.repository().ok().flatten(),
            tag,
            branch: checkout.branch().ok().flatten(),
            ..Setting::default()
        },
        Ok(None) => Setting { tag, ..Setting::default() },
        Err(error) => {
            ui.step(&format!("nothing is known of the checkout: {error}"));
            Setting { tag, ..Setting::default() }
        }
    }
}

/// Whether git must be asked for `manifest`: it takes some milliseconds, which a manifest that says
/// everything itself is spared.
pub(crate) fn cheap_setting(job: &Job, source: &Source, tag: Option<&str>, ui: &Ui) -> Setting {
    let full = matches!(
        source.manifest.name.as_ref().map(|name| &name.value),
        Some(packhouse_core::manifest::Name::Full(_))
    );
    let declared =
        source.manifest.repository.as_ref().and_then(|field| repository_of(&field.value));
    if job.in_actions || !(full || declared.is_some()) {
        return setting(job, &source.folder, tag, ui);
    }
    let tag = tag.or(job.tag()).map(str::to_owned);
    Setting { repository: declared, tag, ..Setting::default() }
}

/// Opens the package in `place`, or ends with what is wrong with its manifest.
pub(crate) fn open(place: &Path, files: &Files, limits: &Limits) -> anyhow::Result<Source> {
    match plan::open(place, &files.choice(), limits)? {
        Opened::Package(source) => Ok(*source),
        Opened::Broken { folder, broken, .. } => {
            let at = folder.join(broken.path.as_str());
            let field = broken.field.as_deref().map(|f| format!("`{f}`: ")).unwrap_or_default();
            let place = format!("{}:{}:{}", shown(&at), broken.at.line, broken.at.column);
            Err(Stop::new(
                crate::exit::Exit::Findings,
                format!("{place}: {field}{}", broken.message),
                broken.help,
            )
            .into())
        }
    }
}

/// Sets the version that `--version` asks for.
pub(crate) fn apply_version(
    source: &mut Source,
    wanted: Option<&str>,
    setting: &mut Setting,
    ui: &Ui,
) -> anyhow::Result<()> {
    match wanted {
        None | Some("") => Ok(()),
        Some("from-git") => {
            let (tag, version) = version_from_git(source, setting, ui)?;
            setting.tag = Some(tag);
            Ok(set_where_it_fits(source, &version)?)
        }
        Some(text) => {
            let text = text.strip_prefix('v').unwrap_or(text);
            Ok(source.set_version(text)?)
        }
    }
}

/// Sets a tag's version; a format that takes its version from the tag needs no more than the tag.
fn set_where_it_fits(source: &mut Source, version: &Version) -> Result<(), Unfit> {
    match source.set_version(version.text()) {
        Err(_) if source.manifest.version_from_tag && source.manifest.version.is_none() => Ok(()),
        other => other,
    }
}

/// The one version that a tag on the checked-out commit names, and that tag.
fn version_from_git(
    source: &Source,
    setting: &Setting,
    ui: &Ui,
) -> anyhow::Result<(String, Version)> {
    let identifier = source.identifier(setting)?;
    let order = source.manifest.order;
    let named = |tag: &str| Version::from_tag(order, tag, identifier.rest());
    // A job for a tag releases that tag, whatever else points at the commit.
    if let Some(tag) = &setting.tag {
        let version =
            named(tag).map_err(|e| Stop::usage(e.to_string(), "name the tag after the version"))?;
        return Ok((tag.clone(), version));
    }
    let checkout = Checkout::find(&source.folder)?.ok_or_else(|| {
        Stop::usage(
            format!("`{}` is not in a git checkout", shown(&source.folder)),
            "give the version itself: `--version 1.2.3`",
        )
    })?;
    let tags = checkout.tags()?;
    let mut found: Vec<(String, Version)> =
        tags.iter().filter_map(|tag| Some((tag.clone(), named(tag).ok()?))).collect();
    found.dedup_by(|a, b| a.1 == b.1);
    match &found[..] {
        [(tag, version)] => {
            if checkout.is_dirty().unwrap_or(false) {
                ui.warn(&format!("the folder has changes that are not in the tag `{tag}`"));
            }
            Ok((tag.clone(), version.clone()))
        }
        [] => {
            let there = match &tags[..] {
                [] => "no tag points at the commit that is checked out".to_owned(),
                tags => format!("no tag on this commit names a version: {}", list(tags)),
            };
            Err(Stop::usage(
                there,
                "tag it, for example `git tag v1.2.3`, or fetch tags (`fetch-depth: 0`)",
            )
            .into())
        }
        several => {
            let names: Vec<_> = several.iter().map(|(tag, _)| tag.clone()).collect();
            Err(Stop::usage(
                format!("several tags on this commit name versions: {}", list(&names)),
                "choose one with `--tag`",
            )
            .into())
        }
    }
}

fn list(names: &[String]) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(5)
        .map(|n| format!("`{}`", packhouse_core::escape::excerpt(n, 100)))
        .collect();
    let more =
        if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
    shown.join(", ") + &more
}

/// A folder's path as reports name it: from the checkout's root, or as it was given.
pub(crate) fn report_folder(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let root = absolute.ancestors().find(|above| above.join(".git").exists());
    let real = fs_err::canonicalize(&absolute).ok();
    let root = root.and_then(|root| fs_err::canonicalize(root).ok());
    let relative =
        real.zip(root).and_then(|(real, root)| Some(real.strip_prefix(root).ok()?.to_owned()));
    let path = relative.unwrap_or_else(|| folder.to_owned());
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let joined = parts.join("/");
    match joined.strip_prefix("//") {
        Some(rest) => format!("/{rest}"), // the root is a part of its own
        None if joined == "." => String::new(),
        None => joined,
    }
}
