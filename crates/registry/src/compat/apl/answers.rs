//! What is read: lists, archives, trees.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use packhouse_core::api::ErrorCode;
use packhouse_core::apl::{Config, Filter, Index, PackageId, Selection, TreeError, select};
use packhouse_core::release::Release;
use serde::Deserialize;
use serde_json::{Value, json};

use super::prefix_of;
use crate::app::{App, Service};
use crate::error::{ApiError, ApiResult};
use crate::extract;
use crate::read::{disposition, out_of_service, safe_headers};
use crate::spacing::ClientAddr;
use crate::urls::escaped;

/// Packages a page, where the client asks for no other number.
const PER_PAGE: usize = 100;
/// The most packages of a page.
const MOST_PER_PAGE: usize = 1_000;
/// The most configs whose tree is asked for at once.
const ASKED: usize = 200;

/// `GET /apl/v1`: where the packages are.
pub(super) async fn root(State(app): State<App>, uri: Uri) -> Json<Value> {
    let packages = format!("{}/packages", prefix_of(uri.path()));
    Json(json!({ "packages": app.settings.public_url.join(&packages) }))
}

/// The query of a list. Numbers are texts, so that an error can say what was found.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    page: Option<String>,
    per_page: Option<String>,
    group: Option<String>,
    name: Option<String>,
    version: Option<String>,
}

fn bad(message: impl std::fmt::Display, help: &str) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, message.to_string(), help)
}

fn number(name: &str, given: Option<&str>, default: usize) -> ApiResult<usize> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(default) };
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        let shown = packhouse_core::escape::excerpt(text, 40);
        bad(format!("`{name}` is `{shown}`, it should be a number from 1 on"), "")
    })
}

/// The query of a request; one that cannot be read is 400 as well.
fn query<T>(query: Result<Query<T>, axum::extract::rejection::QueryRejection>) -> ApiResult<T> {
    query.map(|Query(query)| query).map_err(|e| bad(e.body_text(), ""))
}

/// `GET /apl/v1/packages`: configs, page by page.
pub(super) async fn list(
    State(app): State<App>,
    uri: Uri,
    asked: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> ApiResult<Response> {
    let asked = query(asked)?;
    let page = number("page", asked.page.as_deref(), 1)?;
    let per_page = number("per_page", asked.per_page.as_deref(), PER_PAGE)?.min(MOST_PER_PAGE);
    let (group, name, version) =
        (asked.group.as_deref(), asked.name.as_deref(), asked.version.as_deref());
    let help = "back references and look-around have no linear time, so they are not taken";
    let filter = Filter::new(group, name, version).map_err(|e| bad(e, help))?;
    let index = app.reads.apl.index(&app).await?;
    let (packages, total) = matching(index, filter, page, per_page).await?;
    let listed = json!({
        "packages": packages,
        "page": page,
        "per_page": per_page,
        "total": total,
    });
    let mut response = Json(listed).into_response();
    let filters = [("group", group), ("name", name), ("version", version)];
    let filters: String = filters
        .iter()
        .filter_map(|(key, value)| Some(format!("&{key}={}", escaped((*value)?))))
        .collect();
    let base = app.settings.public_url.join(&format!("{}/packages", prefix_of(uri.path())));
    let links = links(&base, page, total.div_ceil(per_page).max(1), per_page, &filters);
    if let Ok(value) = HeaderValue::try_from(links) {
        response.headers_mut().insert(header::LINK, value);
    }
    Ok(response)
}

/// The configs of one page, and how many there are in all. Off the threads that answer requests: the
/// expressions run over every package.
async fn matching(
    index: Arc<Index>,
    filter: Filter,
    page: usize,
    per_page: usize,
) -> ApiResult<(Vec<Value>, usize)> {
    let work = move || {
        let first = (page - 1).saturating_mul(per_page);
        let mut packages = Vec::new();
        let mut total = 0;
        for config in index.list(&filter) {
            if total >= first && packages.len() < per_page {
                packages.push(config.to_json());
            }
            total += 1;
        }
        (packages, total)
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        ApiError::new(ErrorCode::Internal, "the list failed", "tell the operator the request id")
    })
}

/// The `Link` header: the pages around this one.
fn links(base: &str, page: usize, last: usize, per_page: usize, filters: &str) -> String {
    let mut links = vec![("first", 1), ("last", last)];
    if page > 1 {
        links.push(("prev", (page - 1).min(last)));
    }
    if page < last {
        links.push(("next", page + 1));
    }
    let one = |(rel, page): &(&str, usize)| {
        format!("<{base}?page={page}&per_page={per_page}{filters}>; rel=\"{rel}\"")
    };
    links.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The package that a path names.
fn package_id(text: &str) -> ApiResult<PackageId> {
    let text = text.strip_suffix(".zip").unwrap_or(text);
    text.parse().map_err(|e| bad(e, "both `group-name-v1.2.3` and `group-name-1.2.3` are read"))
}

fn no_package(id: &PackageId) -> ApiError {
    let help = "list what there is with `GET /apl/v1/packages`";
    ApiError::new(ErrorCode::NotFound, format!("there is no package `{id}`"), help)
}

/// The release behind a package ID: of the package that holds the name.
async fn release(service: &Service, id: &PackageId) -> ApiResult<Release> {
    let holder = service.ledger.native(&id.project.native()).await?;
    let holder = holder.ok_or_else(|| no_package(id))?;
    let release = service.ledger.release(&holder, id.version.key()).await?;
    let release = release.ok_or_else(|| no_package(id))?;
    match out_of_service(&release) {
        Some(error) => Err(error),
        None => Ok(release),
    }
}

/// `GET /apl/v1/packages/{id}`: the archive, its config at the root.
pub(super) async fn download(
    State(app): State<App>,
    client: Option<axum::Extension<ClientAddr>>,
    Path(id): Path<String>,
    method: Method,
) -> ApiResult<Response> {
    let id = package_id(&id)?;
    let release = release(&app, &id).await?;
    let mut headers: HeaderMap = safe_headers().into_iter().collect();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(release.bytes));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&id.file_name()));
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", release.digest)) {
        headers.insert(header::ETAG, tag);
    }
    if method == Method::HEAD {
        return Ok(headers.into_response());
    }
    let body = app.blobs.read(&release.digest, 0, release.bytes).await?;
    let body = body.ok_or_else(|| {
        let message = format!("the archive of `{id}` is not in the store");
        ApiError::new(ErrorCode::Internal, message, "tell the operator the request id")
    })?;
    let client = client.map(|axum::Extension(client)| client);
    app.reads.downloads.count(&release, client, app.clock.now());
    Ok((headers, Body::from_stream(body.stream)).into_response())
}

/// The body of a question for trees.
#[derive(Debug, Deserialize)]
pub(super) struct Packages {
    packages: Vec<Value>,
}

/// How a tree is asked for, beyond APM's own documents.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TreeQuery {
    strategy: Option<String>,
    form: Option<String>,
}

/// `POST /apl/v1/packages/dependencies`: the trees of configs.
pub(super) async fn dependencies(
    State(app): State<App>,
    asked: Result<Query<TreeQuery>, axum::extract::rejection::QueryRejection>,
    extract::Body(body): extract::Body<Packages>,
) -> ApiResult<Json<Value>> {
    let asked = query(asked)?;
    let selection = match asked.strategy.as_deref() {
        None | Some("") => Selection::Exact,
        Some(text) => text.parse().map_err(|e: TreeError| bad(e, ""))?,
    };
    let flat = match asked.form.as_deref() {
        None | Some("" | "nested") => false,
        Some("flat") => true,
        Some(_) => return Err(bad("`form` should be `nested` or `flat`", "")),
    };
    if body.packages.len() > ASKED {
        let found = body.packages.len();
        return Err(bad(
            format!("`packages` has {found} configs, at most {ASKED} are taken"),
            "ask again for the rest",
        ));
    }
    let mut configs = Vec::new();
    for (nth, package) in body.packages.iter().enumerate() {
        let help = "send `{\"packages\": [{\"group\", \"name\", \"version\", \"dependencies\"}]}`";
        let config = Config::from_json(package);
        configs.push(config.map_err(|e| bad(format!("`packages[{nth}]`: {e}"), help))?);
    }
    let index = app.reads.apl.index(&app).await?;
    let work = move || {
        let tree = select(&index, &configs, selection)?;
        if flat { Ok(tree.flat()) } else { tree.nested() }
    };
    let tree = tokio::task::spawn_blocking(work).await.map_err(|_| {
        ApiError::new(ErrorCode::Internal, "the tree failed", "tell the operator the request id")
    })?;
    let tree = tree.map_err(|error| match error {
        TreeError::Missing { .. } => ApiError::new(
            ErrorCode::NotFound,
            error.to_string(),
            "publish it first, or ask for another version",
        ),
        error => bad(error, "`?form=flat` asks for the flat form"),
    })?;
    Ok(Json(json!({ "tree": tree })))
}
