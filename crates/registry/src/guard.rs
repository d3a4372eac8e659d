//! What stands in front of every handler: a request id, the read gate of private registries, the
//! fence around registries that are open for trying out, and a net for panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use packhouse_core::api::ErrorCode;
use packhouse_core::identifier::Identifier;

use crate::app::{App, Service};
use crate::auth::{self, Caller, caller};
use crate::error::{ApiError, ApiResult};
use crate::ports::{Action, TokenRecord};
use crate::{compat, log, request_id};

/// Stands in front of every handler.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = fresh_id();
    let path = request.uri().path().to_owned();
    let work = async {
        let handled =
            std::panic::AssertUnwindSafe(handle(&app, request, next)).catch_unwind().await;
        handled.unwrap_or_else(|panic| {
            log::error(&format!("a handler panicked: {}", text_of(&*panic)));
            let message = "the registry stumbled over this request";
            let help = "tell the operator the request id; its log has the cause";
            ApiError::new(ErrorCode::Internal, message, help).into_response()
        })
    };
    let answer = request_id::scope(id.clone(), work).await;
    let mut response = compat::shaped(&path, answer).await;
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", value);
    }
    // What says nothing of caches is for one caller: new tokens, signed uploads, lists of operators.
    let unsaid = headers.entry(header::CACHE_CONTROL);
    unsaid.or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn handle(app: &App, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let fenced = if app.settings.loopback_only { fence(headers) } else { Ok(()) };
    let gated = match fenced {
        Ok(()) => gate(app, request.method(), request.uri(), headers).await,
        refused => refused,
    };
    match gated {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Registries with `--open` or `--dev-issuer` are for the person at the machine: nothing that a web
/// page or a rebound host name could send is answered.
///
/// # Errors
///
/// `forbidden` for a foreign `Host`, any `Origin`, and cross-site requests.
pub fn fence(headers: &HeaderMap) -> ApiResult<()> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let cross_site =
        headers.get("sec-fetch-site").is_some_and(|site| site != "none" && site != "same-origin");
    let why = if !is_loopback(host) {
        "its `Host` is not this machine's loopback"
    } else if headers.contains_key(header::ORIGIN) {
        "it comes from a web page (`Origin`)"
    } else if cross_site {
        "it comes from another site"
    } else {
        return Ok(());
    };
    Err(ApiError::new(
        ErrorCode::Forbidden,
        format!("this registry is open for trying out, and the request is refused: {why}"),
        "use the loopback address that `packhouse serve` printed, from a program on this machine",
    ))
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A private registry answers reads to holders of a token only. Publishing checks its own tokens.
async fn gate(service: &Service, method: &Method, uri: &Uri, headers: &HeaderMap) -> ApiResult<()> {
    let reads = *method == Method::GET
        || *method == Method::HEAD
        || uri.path() == "/v1/closure"
        || compat::apl::is_read(uri.path());
    let always = ["/healthz", "/openapi.json", "/v0/motd", "/github/app"].contains(&uri.path())
        || uri.path().starts_with("/v1/publish/")
        || uri.path().starts_with("/v1/admin/")
        // The local issuer, where there is one: it is what hands out tokens.
        || uri.path().starts_with("/_dev/");
    if !service.settings.private || always {
        return Ok(());
    }
    if !reads {
        // What a POST on a compat path does, its handler judges; nothing is told to strangers.
        let compat = compat::shape_of(uri.path()).is_some();
        return if compat { caller(service, headers, &[]).await.map(drop) } else { Ok(()) };
    }
    match caller(service, headers, &[]).await? {
        Caller::Token(token) if auth::permit(&token, Action::Admin, None).is_ok() => Ok(()),
        Caller::Token(token) if token.prefix.is_empty() => auth::permit(&token, Action::Read, None),
        Caller::Token(token) => narrow(service, &token, uri.path()).await,
        Caller::Open | Caller::Job(_) => Ok(()),
    }
}

/// A read token with a prefix reads the packages below it, and nothing that speaks of others.
async fn narrow(service: &Service, token: &TokenRecord, path: &str) -> ApiResult<()> {
    if let Some(identifier) = subject(path) {
        return auth::permit(token, Action::Read, Some(&identifier));
    }
    // F Prime's registry of one owner, for who may read all that is the owner's.
    let owner = path.strip_prefix("/fppm/").and_then(|rest| rest.strip_suffix("/registry.yaml"));
    if owner.is_some_and(|owner| token.prefix.trim_end_matches('/').eq_ignore_ascii_case(owner)) {
        return auth::permit(token, Action::Read, None);
    }
    let hex = path.strip_prefix("/blobs/sha256/").and_then(|rest| rest.split('/').next());
    if let Some(digest) = hex.and_then(|hex| hex.parse().ok()) {
        let holders = service.ledger.holders(&digest, 100).await?;
        let covered = holders
            .iter()
            .any(|held| auth::permit(token, Action::Read, Some(&held.identifier)).is_ok());
        if covered {
            return Ok(());
        }
    }
    Err(ApiError::new(
        ErrorCode::Forbidden,
        format!("the API token `{}` is good for `{}` only", token.id, token.prefix),
        "ask for what is below its prefix, or ask an operator for a token without one",
    ))
}

/// The package that a path is about.
fn subject(path: &str) -> Option<Identifier> {
    if let Some(rest) = path.strip_prefix("/fppm/git/") {
        return rest.split_once(".git/")?.0.parse().ok();
    }
    let rest =
        ["/v1/package/", "/index/", "/p/"].iter().find_map(|head| path.strip_prefix(head))?;
    let rest = rest.strip_suffix(".json").unwrap_or(rest);
    // Neither is ever a part of an identifier, so the first of them ends it.
    let id = rest.split('/').take_while(|part| !matches!(*part, "-" | "releases"));
    id.collect::<Vec<_>>().join("/").parse().ok()
}

/// Answers paths that are none.
pub async fn no_route(uri: Uri) -> ApiError {
    let path = packhouse_core::escape::printable(uri.path());
    ApiError::new(
        ErrorCode::NotFound,
        format!("there is nothing at `{path}`"),
        "/openapi.json lists every route",
    )
}

/// Answers methods that a path does not take.
pub async fn no_method(method: Method, uri: Uri) -> Response {
    let path = packhouse_core::escape::printable(uri.path());
    let error = ApiError::new(
        ErrorCode::BadRequest,
        format!("`{path}` does not take {method}"),
        "/openapi.json lists every route with its methods",
    );
    let mut response = error.into_response();
    *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// 16 hex digits, unlike any other of this process, and hardly like one of another.
fn fresh_id() -> Arc<str> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let seed = *SEED.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without randomness ids are still unique within the process.
        let _ = getrandom::fill(&mut bytes);
        u64::from_le_bytes(bytes)
    });
    // An odd multiplier visits every value once (a full period of 2^64).
    let count = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{:016x}", seed ^ count).into()
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of an unknown kind")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_registry_answers_loopback_programs_only() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            fence(&headers).is_ok()
        };
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:80", "127.1.2.3"] {
            assert!(with(&[("host", host)]), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil",
            "[::2]:1",
            "10.0.0.1",
        ] {
            assert!(!with(&[("host", host)]), "{host}");
        }
        assert!(!with(&[("host", "localhost"), ("origin", "http://localhost")]));
        assert!(!with(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]));
        assert!(with(&[("host", "localhost"), ("sec-fetch-site", "none")]));
    }

    #[test]
    fn a_path_is_about_one_package() {
        for path in [
            "/v1/package/acme/sensor",
            "/v1/package/Acme/sensor/releases/1.0.0",
            "/v1/package/acme/sensor/-/files/1.0.0/releases/x",
            "/index/acme/sensor.json",
            "/p/acme/sensor",
            "/fppm/git/acme/Sensor.git/info/refs",
        ] {
            assert_eq!(subject(path).unwrap().key(), "acme/sensor", "{path}");
        }
        for path in ["/v1/package/acme/releases-tool", "/v1/package/acme/releases-tool/releases"] {
            assert_eq!(subject(path).unwrap().key(), "acme/releases-tool", "{path}");
        }
        for path in ["/v1/packages/all", "/v1/events", "/p/", "/blobs/sha256/00/x.zip"] {
            assert!(subject(path).is_none(), "{path}");
        }
    }

    #[test]
    fn request_ids_do_not_repeat() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| fresh_id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
