//! The local issuer of `serve --dev-issuer`: a stand-in for a CI system, for trying a registry out.
//!
//! It answers as GitHub's does, so a client made for GitHub Actions publishes to a local registry
//! when `ACTIONS_ID_TOKEN_REQUEST_URL` points at `/_dev/token?repository=owner/name&ref=…`. Anybody
//! who reaches it is whoever they say: it is served on loopback only, and to no web page.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, header};
use packhouse_core::api::ErrorCode;
use packhouse_core::digest::Digest;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::app::PublicUrl;
use crate::error::{ApiError, ApiResult};
use crate::oidc::{Issuer, KeyError, KeySet, KeySource, SigningKey};
use crate::ports::Clock;

/// How long a token lives; as GitHub's.
const LIFE_SECONDS: i64 = 300;
/// How long before its making a token is valid; as GitHub's.
const BEFORE_SECONDS: i64 = 600;

/// Parameters that clients made for GitHub send and that are no claims.
const NO_CLAIMS: &[&str] = &["audience", "api-version"];

/// An issuer that mints any claims. Its key is made when it is first needed, lives in memory, and
/// dies with the process.
pub struct DevIssuer {
    url: String,
    clock: Arc<dyn Clock>,
    key: OnceCell<Arc<SigningKey>>,
    /// What makes the run ids of this process its own.
    run: String,
}

impl std::fmt::Debug for DevIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevIssuer").field("url", &self.url).finish_non_exhaustive()
    }
}

impl DevIssuer {
    /// The issuer `<public URL>/_dev`.
    ///
    /// # Errors
    ///
    /// When `public_url` is plain `http` and not on loopback, or the system has no randomness.
    pub fn new(public_url: &PublicUrl, clock: Arc<dyn Clock>) -> Result<Arc<Self>, String> {
        let url = public_url.join("/_dev");
        Issuer::parse(&url)?;
        let run = random_hex()?;
        Ok(Arc::new(Self { url, clock, key: OnceCell::new(), run }))
    }

    /// The issuer as a [`crate::oidc::Verifier`] takes it, together with this object as its
    /// [`KeySource`]: a server that fetched its own keys over HTTP could wait for itself for ever.
    pub fn issuer(&self) -> Result<Issuer, String> {
        Issuer::parse(&self.url)
    }

    /// Its routes, to be merged into the server's.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/_dev/.well-known/openid-configuration", get(discovery))
            .route("/_dev/.well-known/jwks", get(jwks))
            .route("/_dev/token", get(token))
            .layer(middleware::from_fn(only_local))
            .with_state(self)
    }

    /// A token with the claims of a CI job of `parameters`: `audience`, `repository`, `ref`, and any
    /// other claim by its name; `exp`, `iat` and `nbf` are seconds since 1970. What is not given is
    /// what GitHub would say of a push.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::BadRequest`] for a repository that is not `owner/name` and times that are no
    /// numbers.
    pub async fn mint(&self, parameters: &[(String, String)]) -> ApiResult<String> {
        let claims = self.claims(parameters).map_err(bad)?;
        let key = self.key().await.map_err(internal)?;
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid() });
        key.sign(&header, &Value::Object(claims)).map_err(internal)
    }

    async fn key(&self) -> Result<Arc<SigningKey>, KeyError> {
        let make = || async {
            let made = tokio::task::spawn_blocking(SigningKey::generate).await;
            made.map_err(|error| KeyError(error.to_string()))?.map(Arc::new)
        };
        self.key.get_or_try_init(make).await.cloned()
    }

    fn claims(&self, parameters: &[(String, String)]) -> Result<Map<String, Value>, String> {
        let given = |name: &str| {
            parameters.iter().rev().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
        };
        let repository = given("repository").unwrap_or("local/package");
        let Some((owner, name)) = repository.split_once('/') else {
            return Err(format!("repository `{repository}` is not `owner/name`"));
        };
        if owner.is_empty() || name.is_empty() || name.contains('/') {
            return Err(format!("repository `{repository}` is not `owner/name`"));
        }
        let owner = given("repository_owner").unwrap_or(owner);
        let git_ref = given("ref").unwrap_or("refs/heads/main");
        let ref_type = if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" };
        let workflow = format!("{repository}/.github/workflows/publish.yml@{git_ref}");
        let subject = match given("environment") {
            Some(environment) => format!("repo:{repository}:environment:{environment}"),
            None => format!("repo:{repository}:ref:{git_ref}"),
        };
        let now = self.clock.now().as_second();
        let sha = Digest::of(format!("{repository} {git_ref}").as_bytes()).hex()[..40].to_owned();
        // One run as long as the process lives: a publish asks for a token twice, and confirming
        // must come from the run that asked.
        let run = number(&format!("{} {repository} {git_ref}", self.run));
        let jti = random_hex()?;
        let mut claims = Map::new();
        for (name, value) in [
            ("iss", self.url.as_str()),
            ("aud", given("audience").unwrap_or(&format!("https://github.com/{owner}"))),
            ("sub", &subject),
            ("jti", &jti),
            ("repository", repository),
            ("repository_id", &number(&format!("repository {repository}"))),
            ("repository_owner", owner),
            ("repository_owner_id", &number(&format!("owner {owner}"))),
            ("repository_visibility", "public"),
            ("event_name", "push"),
            ("ref", git_ref),
            ("ref_type", ref_type),
            ("ref_protected", "false"),
            ("base_ref", ""),
            ("head_ref", ""),
            ("sha", &sha),
            ("workflow", "publish"),
            ("workflow_ref", &workflow),
            ("workflow_sha", &sha),
            ("job_workflow_ref", &workflow),
            ("job_workflow_sha", &sha),
            ("runner_environment", "github-hosted"),
            ("run_id", &run),
            ("run_number", "1"),
            ("run_attempt", "1"),
            ("actor", owner),
            ("actor_id", &number(&format!("owner {owner}"))),
        ] {
            claims.insert(name.to_owned(), value.into());
        }
        claims.insert("iat".to_owned(), now.into());
        claims.insert("nbf".to_owned(), (now - BEFORE_SECONDS).into());
        claims.insert("exp".to_owned(), (now + LIFE_SECONDS).into());
        for (name, value) in parameters.iter().filter(|(n, _)| !NO_CLAIMS.contains(&n.as_str())) {
            let value: Value = match name.as_str() {
                "iat" | "nbf" | "exp" => {
                    let seconds: Result<i64, _> = value.parse();
                    let wrong = |_| format!("`{name}` is `{value}`, not a number of seconds");
                    seconds.map_err(wrong)?.into()
                }
                _ => value.as_str().into(),
            };
            claims.insert(name.clone(), value);
        }
        Ok(claims)
    }
}

#[async_trait]
impl KeySource for DevIssuer {
    async fn keys(&self, _issuer: &str) -> Result<KeySet, KeyError> {
        let set = json!({ "keys": [self.key().await?.jwk()] });
        KeySet::parse(set.to_string().as_bytes())
    }
}

/// `GET /_dev/.well-known/openid-configuration`: where the keys are.
async fn discovery(State(issuer): State<Arc<DevIssuer>>) -> Json<Value> {
    Json(json!({
        "issuer": issuer.url,
        "jwks_uri": format!("{}/.well-known/jwks", issuer.url),
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid"],
    }))
}

/// `GET /_dev/.well-known/jwks`: the keys.
async fn jwks(State(issuer): State<Arc<DevIssuer>>) -> ApiResult<Json<Value>> {
    let key = issuer.key().await.map_err(internal)?;
    Ok(Json(json!({ "keys": [key.jwk()] })))
}

/// `GET /_dev/token`: a token, as `{"value": "<jwt>"}`.
async fn token(
    State(issuer): State<Arc<DevIssuer>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> ApiResult<Response> {
    let value = issuer.mint(&parameters).await?;
    let mut response = Json(json!({ "value": value })).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Refuses everything that a web page could send: a name that resolves to loopback, an `Origin`, a
/// fetch from another site.
async fn only_local(request: Request, next: Next) -> Response {
    if is_local(request.headers()) {
        return next.run(request).await;
    }
    ApiError::new(
        ErrorCode::Forbidden,
        "the local issuer answers programs on this machine only",
        "ask it at its own address, `http://127.0.0.1:<port>/_dev/token`, with `curl` or a client, not from a web page",
    )
    .into_response()
}

fn is_local(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host: Option<http::uri::Authority> = text("host").and_then(|host| host.parse().ok());
    let same_site = match headers.get("sec-fetch-site") {
        None => true,
        Some(site) => matches!(site.as_bytes(), b"none" | b"same-origin"),
    };
    host.is_some_and(|host| !host.as_str().contains('@') && crate::oidc::is_loopback(host.host()))
        && !headers.contains_key(header::ORIGIN)
        && same_site
}

/// A number that is the same for the same name in any case, as ids are.
fn number(name: &str) -> String {
    let digest = Digest::of(name.to_ascii_lowercase().as_bytes());
    let [a, b, c, d, ..] = *digest.as_bytes();
    (u32::from_be_bytes([a, b, c, d]) >> 1).max(1).to_string()
}

fn random_hex() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("the system has no randomness: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn bad(message: String) -> ApiError {
    ApiError::new(
        ErrorCode::BadRequest,
        packhouse_core::escape::printable(&message),
        "for example `/_dev/token?audience=A&repository=acme/sensor&ref=refs/tags/v1.2.3`",
    )
}

fn internal(error: KeyError) -> ApiError {
    crate::log::error(&format!("local issuer: {error}"));
    ApiError::new(ErrorCode::Internal, "the local issuer could not make a token", "look at the log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::Verifier;
    use crate::ports::SystemClock;
    use http::StatusCode;
    use tower::ServiceExt as _;

    fn issuer() -> Arc<DevIssuer> {
        let url = PublicUrl::parse("http://127.0.0.1:8080").unwrap();
        DevIssuer::new(&url, Arc::new(SystemClock)).unwrap()
    }

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let request = http::Request::get(uri);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(axum::body::Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_minted_token_is_verified_without_http() {
        let issuer = issuer();
        let verifier = Verifier::default().with(issuer.issuer().unwrap(), issuer.clone());
        let uri = "/_dev/token?api-version=2.0&audience=a%20b&repository=Acme/Sensor&ref=refs/tags/v1.2.3&environment=release";
        let answer =
            issuer.clone().router().oneshot(request(uri, &[("host", "localhost:8080")])).await;
        let body = axum::body::to_bytes(answer.unwrap().into_body(), 1 << 16).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let now = SystemClock.now();
        let claims =
            verifier.verify(body["value"].as_str().unwrap(), &["a b".to_owned()], now).await;
        let claims = claims.unwrap();
        assert_eq!(claims.iss, "http://127.0.0.1:8080/_dev");
        assert_eq!(
            (claims.repository.as_str(), claims.repository_owner.as_str()),
            ("Acme/Sensor", "Acme")
        );
        assert_eq!((claims.ref_type.as_str(), claims.event_name.as_str()), ("tag", "push"));
        assert_eq!(claims.environment.as_deref(), Some("release"));
        assert_eq!((claims.exp - claims.iat, claims.iat - claims.nbf.unwrap()), (300, 600));

        let again = issuer.claims(&[("repository".into(), "acme/sensor".into())]).unwrap();
        assert_eq!(again["repository_id"], claims.repository_id.as_str(), "ids have no case");
        assert_ne!(again["jti"], claims.jti.as_str());
    }

    #[tokio::test]
    async fn a_run_stays_the_same_for_a_job() {
        let issuer = issuer();
        let job = [("repository".to_owned(), "acme/sensor".to_owned())];
        assert_eq!(issuer.claims(&job).unwrap()["run_id"], issuer.claims(&job).unwrap()["run_id"]);
        let wrong = issuer.mint(&[("repository".into(), "acme".into())]).await.unwrap_err();
        assert_eq!(wrong.code, ErrorCode::BadRequest);
        let wrong = issuer.mint(&[("exp".into(), "soon".into())]).await.unwrap_err();
        assert_eq!(wrong.message, "`exp` is `soon`, not a number of seconds");
    }

    #[tokio::test]
    async fn web_pages_get_no_token() {
        let router = issuer().router();
        for headers in [
            &[("host", "evil.example")][..],
            &[("host", "127.0.0.1.evil.example")],
            &[("host", "x@127.0.0.1")],
            &[],
            &[("host", "localhost"), ("origin", "http://localhost")],
            &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
            &[("host", "localhost"), ("sec-fetch-site", "same-site")],
        ] {
            let answer = router.clone().oneshot(request("/_dev/token", headers)).await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{headers:?}");
        }
        for host in ["localhost:1", "127.0.0.1:8080", "[::1]:8080"] {
            let uri = "/_dev/.well-known/openid-configuration";
            let answer = router.clone().oneshot(request(uri, &[("host", host)])).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{host}");
        }
    }
}
