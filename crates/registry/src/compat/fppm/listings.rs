//! `POST /fppm/listings`: packages of another registry, as pointers to their repositories.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use http::HeaderMap;
use packhouse_core::api::ErrorCode;
use packhouse_core::escape::excerpt;
use packhouse_core::fppm::Shortname;
use serde::{Deserialize, Serialize};

use super::FORMAT;
use crate::app::App;
use crate::compat::auth::{Target, writer};
use crate::compat::flat::{self, Taken};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::ports::{Entry, GitPointer, listing_name};

/// Packages of one request, at most.
const PACKAGES: usize = 200;

/// Packages to list.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct Asked {
    packages: Vec<Package>,
}

/// A package in somebody's repository.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub(crate) struct Package {
    /// `Namespace/Package`.
    name: String,
    /// `https://…`, `http://…`, `ssh://…` or `git@…`; nothing takes the listing out.
    git: Option<String>,
    /// The commit that is stable, 40 hex digits.
    commit: Option<String>,
    /// The branch or tag; without a commit the tag that is stable.
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// What became of each package, in the order of the request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Told {
    packages: Vec<Outcome>,
}

/// What became of a package.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Outcome {
    name: String,
    /// `listed`, `unchanged`, `removed`, or `refused`.
    result: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Lists packages, each for itself: one that is refused does not hold up the others.
#[utoipa::path(post, path = "/fppm/listings", tag = "fppm", request_body = Asked,
    responses((status = 200, body = Told), (status = 401, description = "No token, as a map of YAML"),
        (status = 422, description = "Too many at once, as a map of YAML")))]
pub(crate) async fn put(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> ApiResult<Json<Told>> {
    // Who is nobody learns nothing about names, and nothing of the body is read.
    writer(&app, &headers, Target::Work).await?;
    let Body(asked) = Body::<Asked>::from_request(request, &app).await?;
    if asked.packages.len() > PACKAGES {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            format!(
                "there are {} packages, at most {PACKAGES} are taken at once",
                asked.packages.len()
            ),
            "send them in portions",
        ));
    }
    let mut told = Told { packages: Vec::new() };
    for package in asked.packages {
        let name = excerpt(&package.name, 200);
        let (result, reason) = match one(&app, &headers, package).await {
            Ok(result) => (result, None),
            // The store is at fault, and the rest would fare no better.
            Err(error) if error.status().is_server_error() => return Err(error),
            Err(error) => ("refused", Some(error.message)),
        };
        told.packages.push(Outcome { name, result, reason });
    }
    Ok(Json(told))
}

async fn one(app: &App, headers: &HeaderMap, package: Package) -> ApiResult<&'static str> {
    let wrong = |message: String| {
        ApiError::new(ErrorCode::BadRequest, message, "see `docs/ecosystems/fppm.md`")
    };
    let shortname: Shortname = package.name.parse().map_err(|e| wrong(format!("{e}")))?;
    let name = listing_name(FORMAT, &shortname.to_string()).map_err(|e| wrong(e.to_string()))?;
    let who = writer(app, headers, Target::Listing(&name)).await?;
    let entry = match package.git {
        None => None,
        Some(address) => {
            if package.commit.is_none() && package.reference.is_none() {
                return Err(wrong("neither a commit nor a tag is named".to_owned()));
            }
            let (commit, reference) = (package.commit, package.reference);
            let pointer = GitPointer { address, commit, reference, path: None };
            let entry = Entry::new(Some(pointer), serde_json::Value::Null);
            Some(entry.map_err(|e| wrong(e.to_string()))?)
        }
    };
    let held = app.ledger.listing(&name).await?;
    let known = held.as_ref().and_then(|held| held.entry.as_ref());
    if known == entry.as_ref()
        && held
            .as_ref()
            .is_none_or(|held| known.is_none() || held.owner == who.owner || who.operator)
    {
        return Ok("unchanged");
    }
    let removed = entry.is_none();
    match flat::change(app, &who, &name, flat::seen(held.as_ref()), entry).await {
        Ok(_) if removed => Ok("removed"),
        Ok(_) => Ok("listed"),
        Err(Taken::Refused(error)) => Err(error),
        Err(taken) => Err(wrong(format!("the name is held by {}", taken.holder()))),
    }
}
