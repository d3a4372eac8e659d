//! `POST /github/webhook`: what GitHub tells the registry's App.
//!
//! A delivery is believed for its signature over the very bytes that came, and for nothing else; then
//! it only queues work. What it says is looked up again when the work is done, so an old delivery
//! makes nothing old come back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use jiff::SignedDuration;
use packhouse_core::api::{ErrorCode, read::GithubAppAnswer};
use packhouse_core::digest::Digest;
use packhouse_core::secret::Secret;
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::log;
use crate::ports::{IntentId, Job, Jobs, PullRequest, SeenToken};

/// The largest delivery, in bytes. Those that are acted on have some ten KiB.
const DELIVERY_BYTES: usize = 1 << 20;
/// Within which a delivery must be there; GitHub waits ten seconds for the answer.
const ARRIVAL: std::time::Duration = std::time::Duration::from_secs(5);
/// How long a delivery is known again. GitHub can send one again for three days.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Under which deliveries are remembered beside tokens.
const ISSUER: &str = "github-webhook";

/// How the App's deliveries are checked, and where their work goes.
pub struct Webhook {
    /// What GitHub signs with; two while one replaces the other.
    pub secrets: Vec<Secret>,
    /// The queue.
    pub jobs: Arc<dyn Jobs>,
}

/// Takes a delivery: 202 once its work is queued, 200 where there is nothing to do.
#[utoipa::path(post, path = "/github/webhook", tag = "github",
    responses((status = 202, description = "Queued"), (status = 200, description = "Nothing to do, or done already"),
        (status = 401, description = "The signature is wrong", body = packhouse_core::api::ErrorBody)))]
pub async fn deliver(State(app): State<App>, request: Request) -> ApiResult<Response> {
    let Some(webhook) = &app.webhook else {
        return Err(no_app());
    };
    let (parts, body) = request.into_parts();
    let body = read(body).await?;
    check(&webhook.secrets, &parts.headers, &body)?;
    let event = parts.headers.get("x-github-event").and_then(|event| event.to_str().ok());
    let Some(pull) = subject(event.unwrap_or_default(), &body) else {
        return Ok(answer(StatusCode::OK, "nothing-to-do"));
    };
    let now = app.clock.now();
    // First of all queued: what dies after this is done, perhaps twice, and never lost. A review
    // that is done twice writes nothing the second time.
    webhook.jobs.enqueue(Job::Review(pull), now).await?;
    // The header with the delivery's number is not signed; its bytes are.
    let token = SeenToken {
        issuer: ISSUER.to_owned(),
        jti: Digest::of(&body).hex(),
        until: now.checked_add(REMEMBERED).unwrap_or(now),
    };
    if app.ledger.use_token(&token, &IntentId::random()?).await? {
        Ok(answer(StatusCode::ACCEPTED, "accepted"))
    } else {
        Ok(answer(StatusCode::OK, "already-handled"))
    }
}

/// Which GitHub App reviews pull requests for this registry; an action is silent where it does.
#[utoipa::path(get, path = "/github/app", tag = "github",
    responses((status = 200, body = GithubAppAnswer), (status = 404, body = packhouse_core::api::ErrorBody)))]
pub async fn app(State(app): State<App>) -> ApiResult<Json<GithubAppAnswer>> {
    match &app.settings.github_app {
        Some(id) => Ok(Json(GithubAppAnswer { id: *id })),
        None => Err(no_app()),
    }
}

fn no_app() -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        "this registry has no GitHub App",
        "its operator sets one up as `docs/github-app.md` says",
    )
}

fn answer(status: StatusCode, word: &str) -> Response {
    (status, Json(json!({ "status": word }))).into_response()
}

async fn read(body: axum::body::Body) -> ApiResult<bytes::Bytes> {
    let read = tokio::time::timeout(ARRIVAL, Limited::new(body, DELIVERY_BYTES).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::new(
            ErrorCode::TooLarge,
            format!("the delivery has more than {DELIVERY_BYTES} bytes"),
            "deliveries of pull requests are smaller: subscribe the App to what its manifest names",
        )),
        _ => Err(ApiError::new(
            ErrorCode::BadRequest,
            "the delivery's body did not arrive whole",
            "send it again, in one go",
        )),
    }
}

/// Checks `X-Hub-Signature-256: sha256=<hex>` in constant time.
/// Source: GitHub's documentation, "Validating webhook deliveries".
fn check(secrets: &[Secret], headers: &HeaderMap, body: &[u8]) -> ApiResult<()> {
    let wrong = |message: &str| {
        ApiError::new(
            ErrorCode::SignatureInvalid,
            message,
            "the App's webhook secret must be the one that the registry was given",
        )
    };
    let mut values = headers.get_all("x-hub-signature-256").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(wrong("the delivery has no signature, or several"));
    };
    let hex = value.to_str().ok().and_then(|text| text.strip_prefix("sha256="));
    let signature = hex.and_then(|hex| hex.parse::<Digest>().ok());
    let signature = signature.ok_or_else(|| wrong("the delivery's signature is none"))?;
    let right = secrets.iter().any(|secret| {
        <Hmac<Sha256> as KeyInit>::new_from_slice(secret.reveal().as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature.as_bytes()).is_ok())
    });
    if right { Ok(()) } else { Err(wrong("the delivery's signature is not of these bytes")) }
}

#[derive(Deserialize)]
struct Delivery {
    #[serde(default)]
    action: String,
    installation: Option<Numbered>,
    repository: Option<Repository>,
    pull_request: Option<Pull>,
    check_run: Option<CheckRun>,
    check_suite: Option<CheckSuite>,
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct CheckSuite {
    /// Empty for forks.
    #[serde(default)]
    pull_requests: Vec<Pull>,
}

#[derive(Deserialize)]
struct Changes {
    /// The target branch, where it was changed; titles and texts are nothing to review.
    base: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
}

#[derive(Deserialize)]
struct CheckRun {
    /// The pull request's number, which the worker wrote there: GitHub names none of forks.
    external_id: Option<String>,
}

/// The pull request that a delivery asks to review; `None` for one that asks for nothing.
fn subject(event: &str, body: &[u8]) -> Option<PullRequest> {
    let delivery: Delivery = match serde_json::from_slice(body) {
        Ok(delivery) => delivery,
        Err(error) => {
            log::error(&format!(
                "a signed delivery `{}` is not understood: {error}",
                packhouse_core::escape::excerpt(event, 60)
            ));
            return None;
        }
    };
    let number = match (event, delivery.action.as_str()) {
        ("pull_request", "opened" | "reopened" | "synchronize" | "ready_for_review") => {
            delivery.pull_request?.number
        }
        ("pull_request", "edited") => {
            delivery.changes?.base?;
            delivery.pull_request?.number
        }
        ("check_suite", "rerequested") => delivery.check_suite?.pull_requests.first()?.number,
        ("check_run", "rerequested") => delivery.check_run?.external_id?.parse().ok()?,
        _ => return None,
    };
    let repository = delivery.repository?.full_name;
    is_repository(&repository).then_some(PullRequest {
        installation: delivery.installation?.id,
        repository,
        number,
    })
}

/// Whether `text` is `owner/name` in the characters that GitHub allows: it becomes part of addresses.
pub fn is_repository(text: &str) -> bool {
    let part = |part: &str| {
        (1..=100).contains(&part.len())
            && !matches!(part, "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(action: &str) -> String {
        json!({
            "action": action,
            "installation": { "id": 7 },
            "repository": { "full_name": "acme/sensor" },
            "pull_request": { "number": 12 },
            "check_run": { "external_id": "13" },
            "check_suite": { "pull_requests": [{ "number": 14 }] },
        })
        .to_string()
    }

    #[test]
    fn only_what_changes_a_pull_request_is_work() {
        let number = |event: &str, action: &str| {
            subject(event, delivery(action).as_bytes()).map(|pull| pull.number)
        };
        for action in ["opened", "reopened", "synchronize", "ready_for_review"] {
            assert_eq!(number("pull_request", action), Some(12));
        }
        assert_eq!(number("pull_request", "edited"), None, "a title");
        let target = delivery("edited").replacen('{', r#"{"changes":{"base":{"ref":{}}},"#, 1);
        assert_eq!(subject("pull_request", target.as_bytes()).map(|pull| pull.number), Some(12));
        assert_eq!(number("check_suite", "rerequested"), Some(14));
        assert_eq!(number("check_run", "rerequested"), Some(13));
        for (event, action) in [
            ("pull_request", "closed"),
            ("pull_request", "labeled"),
            ("check_run", "created"),
            ("ping", "opened"),
            ("", ""),
        ] {
            assert_eq!(number(event, action), None, "{event} {action}");
        }
        for broken in ["", "[]", "null", "{\"action\": 3}"] {
            assert_eq!(subject("pull_request", broken.as_bytes()), None);
        }
        let foreign = delivery("opened").replace("acme/sensor", "acme/../x");
        assert_eq!(subject("pull_request", foreign.as_bytes()), None);
    }

    #[test]
    fn a_signature_is_of_these_bytes_by_a_known_secret() {
        // The example of GitHub's documentation.
        let secrets = ["older", "It's a Secret to Everybody"].map(Secret::new);
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let checked = |values: &[&str], body: &str| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-hub-signature-256", value.parse().unwrap());
            }
            check(&secrets, &headers, body.as_bytes()).is_ok()
        };
        assert!(checked(&[signature], "Hello, World!"));
        assert!(!checked(&[signature], "Hello, World! "));
        assert!(!checked(&[], "Hello, World!"));
        assert!(!checked(&[signature, signature], "Hello, World!"));
        assert!(!checked(&[&signature[7..]], "Hello, World!"));
        assert!(!checked(&["sha256="], ""));
        assert!(!checked(&["sha1=00"], ""));
    }
}
