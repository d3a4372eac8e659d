//! Audits and registrations.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};
use packhouse_core::api::ErrorCode;
use packhouse_core::compose::{
    self, AuditRequest, AuditResult, Audited, PackageOutline, RegisteredPackage,
    RegistrationRequest, as_code,
};
use packhouse_core::formats::{self, Found};
use packhouse_core::manifest::NativeName;
use packhouse_core::python::{self, Way};
use packhouse_core::tree::Tree;
use serde_json::{Value, json};

use super::ECOSYSTEM;
use super::reply::{Reply, number};
use super::view::Shown;
use crate::app::App;
use crate::compat::auth::{Target, Writer, writer};
use crate::compat::flat::{self, Entry, Taken};
use crate::error::{ApiError, ApiResult};
use crate::extract;
use crate::ports::sources::{Fetched, SourceError};
use crate::ports::{self, GitPointer, Listing, ListingError, listing_name};

/// `POST /compose/v1/packages/audit`. Nothing of the package is installed or run.
pub(super) async fn audit(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<AuditResult>, Reply> {
    writer(&app, &headers, Target::Work).await?;
    let request = AuditRequest::read(&body(&app, request).await?)?;
    let place = if is_address(&request.target) {
        Place::Git { url: &request.target, reference: request.reference.as_deref() }
    } else {
        Place::Folder(&request.target)
    };
    let (tree, _) = place.tree(&app).await?;
    let way = Way { install: request.run_install, ..way(&app) };
    Ok(Json(audited(&place, &request.target, tree, way).await?.0))
}

/// `POST /compose/v1/packages`.
pub(super) async fn register(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<RegisteredPackage>, Reply> {
    writer(&app, &headers, Target::Work).await?;
    let request = RegistrationRequest::read(&body(&app, request).await?)?;
    let (outline, entry) = wanted(&app, &request).await?;
    let name = name_of(&outline)?;
    let writer = writer(&app, &headers, Target::Listing(&name)).await?;
    if let Some(held) = flat::find(&app, &name).await? {
        return Err(registered_already(&outline.name, held.view_id()));
    }
    put(&app, &writer, &name, 0, Some(entry), &outline.name).await
}

/// `PUT /compose/v1/packages/{id}`: the same request again for a package that was registered.
pub(super) async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<RegisteredPackage>, Reply> {
    writer(&app, &headers, Target::Work).await?;
    let id = number(&id)?;
    let request = RegistrationRequest::read(&body(&app, request).await?)?;
    let listing = listing(&app, id).await?;
    let (outline, entry) = wanted(&app, &request).await?;
    let name = name_of(&outline)?;
    if name != listing.name {
        return Err(Reply::bad(format!(
            "Package {id} is `{}`, the request is about `{}`: register that one by itself",
            listing.name.name, name.name
        )));
    }
    let writer = owner(&app, &headers, &listing).await?;
    put(&app, &writer, &name, listing.sequence, Some(entry), &outline.name).await
}

/// `DELETE /compose/v1/packages/{id}`: takes out what was registered; answers what it was.
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RegisteredPackage>, Reply> {
    writer(&app, &headers, Target::Work).await?;
    let id = number(&id)?;
    let listing = listing(&app, id).await?;
    let writer = owner(&app, &headers, &listing).await?;
    let was = Shown::of(&app, &Entry::Listing(listing.clone())).ok_or(Reply::no_package(id))?;
    let changed = flat::change(&app, &writer, &listing.name, listing.sequence, None).await;
    match changed {
        Ok(Some(_)) => Ok(Json(was.registered())),
        Ok(None) => Err(Reply::no_package(id)),
        Err(taken) => Err(refused(taken, &listing.name.name)),
    }
}

async fn body(app: &App, request: Request) -> ApiResult<Bytes> {
    let limit = app.settings.limits.request_bytes;
    extract::collect(request.into_body(), limit).await?.ok_or_else(|| {
        let message = format!("the request's body has more than {limit} bytes");
        ApiError::new(ErrorCode::TooLarge, message, "send less of it")
    })
}

/// The listing of this number.
async fn listing(app: &App, id: u64) -> Result<Listing, Reply> {
    match flat::by_id(app, ECOSYSTEM, id).await? {
        Some(Entry::Listing(listing)) => Ok(listing),
        Some(Entry::Package(held)) => Err(Reply::Says(
            StatusCode::CONFLICT,
            format!(
                "Package {id} is `{}`, which was published here: publish another version, or yank \
                 its releases",
                held.identifier
            ),
        )),
        None => Err(Reply::no_package(id)),
    }
}

/// The caller, who must own the listing or operate the registry.
async fn owner(app: &App, headers: &HeaderMap, listing: &Listing) -> Result<Writer, Reply> {
    let writer = writer(app, headers, Target::Listing(&listing.name)).await?;
    if writer.operator || writer.owner == listing.owner {
        return Ok(writer);
    }
    Err(Reply::Error(ApiError::new(
        ErrorCode::Forbidden,
        format!("`{}` was registered with another token", listing.name.name),
        "use the token that registered it, or ask an operator",
    )))
}

/// What a request asks to be registered.
async fn wanted(
    app: &App,
    request: &RegistrationRequest,
) -> Result<(PackageOutline, ports::Entry), Reply> {
    let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let needed = |what: &str, kind: &str| Reply::bad(format!("{what} required when kind='{kind}'"));
    match request.kind.as_str() {
        "repo_url" => {
            let url = present(&request.url).ok_or_else(|| needed("url", "repo_url"))?;
            let place = Place::Git { url: &url, reference: request.reference.as_deref() };
            read(app, place, &url, request).await
        }
        "local_path" => {
            let path = present(&request.path).ok_or_else(|| needed("path", "local_path"))?;
            read(app, Place::Folder(&path), &path, request).await
        }
        "outline" => {
            let outline = request.outline.clone().ok_or_else(|| needed("outline", "outline"))?;
            // Without its source there is nothing to check.
            let audit = Audited { asked: request.audit, failed: None };
            let said = json!({ "outline": outline, "audit": audit });
            let entry = ports::Entry::new(None, said).map_err(unfit)?;
            Ok((outline, entry))
        }
        other => Err(Reply::bad(format!(
            "Unknown kind: {}. Use 'repo_url', 'local_path', or 'outline'.",
            packhouse_core::escape::excerpt(other, 100)
        ))),
    }
}

/// Reads, audits and outlines a package.
async fn read(
    app: &App,
    place: Place<'_>,
    label: &str,
    request: &RegistrationRequest,
) -> Result<(PackageOutline, ports::Entry), Reply> {
    let (tree, git) = place.tree(app).await?;
    let (result, outline) = audited(&place, label, tree, way(app)).await?;
    let failed = result.failed();
    if request.audit && !failed.is_empty() {
        let names: Vec<String> = failed.iter().map(|name| format!("'{name}'")).collect();
        let shown = packhouse_core::escape::excerpt(label, 500);
        return Err(Reply::bad(format!("Audit FAILED for {shown}: [{}]", names.join(", "))));
    }
    let outline = outline.ok_or_else(|| {
        Reply::bad(
            "the package has no readable `[project]` table with a `name`, so it has no outline",
        )
    })?;
    let failed = failed.into_iter().map(str::to_owned).collect();
    let audit = Audited { asked: request.audit, failed: Some(failed) };
    let entry = ports::Entry::new(git, json!({ "outline": outline, "audit": audit }));
    Ok((outline, entry.map_err(unfit)?))
}

/// How this registry checks packages.
fn way(app: &App) -> Way {
    Way { as_code: app.ecosystems.compose.as_code, ..Way::default() }
}

/// Audits and outlines `tree`. Takes the processor, so it runs beside the async threads.
async fn audited(
    place: &Place<'_>,
    target: &str,
    tree: Tree,
    way: Way,
) -> Result<(AuditResult, Option<PackageOutline>), Reply> {
    let (target, folder) = (target.to_owned(), place.folder().to_owned());
    let work = move || {
        let result = AuditResult::new(&target, python::audit(&tree, &way));
        let manifest = match formats::by_id("pyproject").map(|format| format.read(&tree)) {
            Some(Found::Package(manifest)) => manifest.original,
            _ => Value::Null,
        };
        let outline = match way.as_code {
            true => Some(as_code::outline(&tree, &manifest, &folder)),
            false => compose::outline(&tree, &manifest),
        };
        (result, outline)
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        let message = "the registry stumbled over this package";
        Reply::Error(ApiError::new(ErrorCode::Internal, message, "tell the operator"))
    })
}

/// Where a package is read from.
enum Place<'a> {
    Git { url: &'a str, reference: Option<&'a str> },
    Folder(&'a str),
}

impl Place<'_> {
    /// What the package's folder is called: the first program clones into `repo`.
    fn folder(&self) -> &str {
        match self {
            Self::Git { .. } => "repo",
            Self::Folder(path) => path.trim_end_matches('/').rsplit('/').next().unwrap_or_default(),
        }
    }

    async fn tree(&self, app: &App) -> Result<(Tree, Option<GitPointer>), Reply> {
        let sources = app.ecosystems.compose.sources.as_ref().ok_or_else(|| {
            Reply::bad(
                "this registry reads no repositories: audit the package where it lies with \
                 `packhouse compose package-audit`, and register its outline",
            )
        });
        let refused = |error: SourceError| match error {
            SourceError::Refused(why) => Reply::bad(why),
            missing @ SourceError::Missing(_) => {
                Reply::Says(StatusCode::NOT_FOUND, missing.to_string())
            }
        };
        match self {
            Self::Git { url, reference } => {
                let fetched = sources?.git(url, *reference).await;
                let Fetched { tree, commit } = fetched.map_err(refused)?;
                let pointer = GitPointer {
                    address: (*url).to_owned(),
                    commit: Some(commit),
                    reference: reference.map(str::to_owned),
                    path: None,
                };
                Ok((tree, Some(pointer)))
            }
            Self::Folder(_) if !app.settings.public_url.is_loopback() => {
                Err(Reply::Error(ApiError::new(
                    ErrorCode::Forbidden,
                    "a path is read on the machine of the registry, which is another one than yours",
                    "audit it where it lies with `packhouse compose package-audit`, and register its outline",
                )))
            }
            Self::Folder(path) => {
                let tree = sources?.folder(path).await.map_err(refused)?;
                Ok((tree, None))
            }
        }
    }
}

/// As the first program tells addresses from paths; those it would not fetch are refused with a reason.
fn is_address(target: &str) -> bool {
    ["http://", "https://", "git@", "ssh://", "file://", "git://"]
        .iter()
        .any(|scheme| target.starts_with(scheme))
}

fn name_of(outline: &PackageOutline) -> Result<NativeName, Reply> {
    let shown = packhouse_core::escape::excerpt(&outline.name, 100);
    let name = formats::python_name(&outline.name)
        .map_err(|_| Reply::bad(format!("`{shown}` is no name of a Python package")))?;
    listing_name(ECOSYSTEM, &name).map_err(unfit)
}

fn unfit(error: ListingError) -> Reply {
    Reply::bad(error.to_string())
}

fn registered_already(name: &str, id: u64) -> Reply {
    let name = packhouse_core::escape::excerpt(name, 200);
    let detail = format!("Package '{name}' already registered (id={id})");
    Reply::Says(StatusCode::CONFLICT, detail)
}

fn refused(taken: Taken, name: &str) -> Reply {
    match taken {
        Taken::Refused(error) => Reply::Error(error),
        Taken::Listing(listing) => registered_already(name, listing.view_id()),
        taken @ Taken::Package(_) => Reply::Says(
            StatusCode::CONFLICT,
            format!("Package '{name}' already registered ({})", taken.holder()),
        ),
    }
}

async fn put(
    app: &App,
    writer: &Writer,
    name: &NativeName,
    sequence: u64,
    entry: Option<ports::Entry>,
    shown: &str,
) -> Result<Json<RegisteredPackage>, Reply> {
    match flat::change(app, writer, name, sequence, entry).await {
        Ok(Some(listing)) => {
            let id = listing.view_id();
            let package = Shown::of(app, &Entry::Listing(listing)).ok_or(Reply::no_package(id))?;
            Ok(Json(package.registered()))
        }
        Ok(None) => Err(Reply::Says(
            StatusCode::CONFLICT,
            format!("Package '{shown}' was taken out meanwhile"),
        )),
        Err(taken) => Err(refused(taken, shown)),
    }
}
