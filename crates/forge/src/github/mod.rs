//! GitHub's API: pull requests, comments, checks, and the files of a commit as data.
//!
//! Every call is bounded in time and size. A limit of GitHub's is waited for as long as GitHub says
//! and [`PATIENCE`] allows, and is an error then; a passing fault is tried again where repeating
//! changes nothing. Texts that GitHub answers are strangers': they are parsed, never executed.

mod checks;
mod comments;
mod pulls;
mod sources;
mod tree;

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use octocrab::Octocrab;
use octocrab::models::{AppId, InstallationId};
use packhouse_core::escape::excerpt;
use packhouse_core::secret::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use checks::{Check, Conclusion, annotations};
pub use comments::Wrote;
pub use pulls::Pull;
pub use sources::GitHubSources;

/// GitHub's own API.
pub const API: &str = "https://api.github.com";
/// How long all waiting for GitHub's limits may take, for one call.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long one call may take.
const CALL: Duration = Duration::from_secs(20);
/// The most that an answer may hold, in bytes: a listing of 100,000 files has up to some 20 MB.
const ANSWER_BYTES: usize = 24 << 20;
/// What answers are asked for.
const JSON: &str = "application/vnd.github+json";
/// Of files: their bytes.
const RAW: &str = "application/vnd.github.raw+json";
/// How often a call is tried that changes nothing.
const TRIES: u32 = 3;

/// Why GitHub did not do what was asked. No token is in it.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// GitHub said no.
    #[error("GitHub answered {status} to {call}: {message}")]
    Refused {
        /// What was asked: method and path.
        call: String,
        /// The HTTP status.
        status: u16,
        /// What GitHub says, printable.
        message: String,
    },
    /// One of GitHub's limits is used up, and does not end soon.
    #[error("GitHub's limit is used up for another {seconds} s ({call})")]
    Limited {
        /// What was asked.
        call: String,
        /// Seconds until it may be asked again.
        seconds: u64,
    },
    /// No answer.
    #[error("GitHub did not answer {call}: {why}")]
    Unreachable {
        /// What was asked.
        call: String,
        /// Why, printable.
        why: String,
    },
    /// An answer that is none, or is too large.
    #[error("GitHub's answer to {call} cannot be used: {why}")]
    Odd {
        /// What was asked.
        call: String,
        /// Why, printable.
        why: String,
    },
    /// The key or token cannot be one.
    #[error("{0}")]
    Credentials(String),
}

impl GitHubError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl GitHubError {
    /// Whether another try, later, may do better.
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Limited { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Odd { .. } | Self::Credentials(_) => false,
        }
    }
}

/// What a call answers.
pub type GitHubResult<T> = Result<T, GitHubError>;

/// A GitHub App: who the registry is on GitHub.
#[derive(Clone, Debug)]
pub struct App {
    /// Its number.
    pub id: u64,
    /// Its private key, PEM.
    pub key: Secret,
    /// The API's address; [`API`] but for GitHub Enterprise Server.
    pub api: String,
}

/// A client that acts as one token, or as one installation of an App.
#[derive(Clone)]
pub struct GitHub {
    crab: Octocrab,
    /// The API's address.
    api: String,
    /// Where REST begins below the client's own address.
    rest: &'static str,
    /// The same App without an installation, which is who can be asked for its name.
    app: Option<Box<GitHub>>,
}

/// An answer.
struct Answer {
    body: Vec<u8>,
    location: Option<String>,
}

impl GitHub {
    /// Acts as the holder of `token`.
    ///
    /// # Errors
    ///
    /// [`GitHubError::Credentials`] for an address that is none.
    pub fn with_token(api: &str, token: &Secret) -> GitHubResult<Self> {
        let (root, rest) = roots(api);
        let crab = builder(root)?.personal_token(token.reveal().to_owned()).build();
        Ok(Self { crab: crab.map_err(unusable)?, api: api.to_owned(), rest, app: None })
    }

    /// Acts as nobody: it sees what is public, and few calls an hour.
    ///
    /// # Errors
    ///
    /// [`GitHubError::Credentials`] for an address that is none.
    pub fn anonymous(api: &str) -> GitHubResult<Self> {
        let (root, rest) = roots(api);
        let crab = builder(root)?.build().map_err(unusable)?;
        Ok(Self { crab, api: api.to_owned(), rest, app: None })
    }

    /// Acts as an installation of `app`; its token is fetched with the first call, and lives for an
    /// hour.
    ///
    /// # Errors
    ///
    /// [`GitHubError::Credentials`] for a key that is none.
    pub fn installed(app: &App, installation: u64) -> GitHubResult<Self> {
        let app_api = app.api.clone();
        let crab = builder(&app.api)?.app(AppId(app.id), app_key(app)?);
        let crab = crab.build().map_err(unusable)?;
        let installed = crab.installation(InstallationId(installation)).map_err(unusable)?;
        let of = |crab, app| Self { crab, api: app_api.clone(), rest: "", app };
        Ok(of(installed, Some(Box::new(of(crab, None)))))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> GitHubResult<T> {
        self.json("GET", path, None::<&()>).await
    }

    /// Who this client is: what its comments are signed with. The REST API does not tell it to the
    /// token of a job.
    async fn login(&self) -> GitHubResult<String> {
        if let Some(app) = &self.app {
            #[derive(serde::Deserialize)]
            struct Named {
                slug: String,
            }
            let app: Named = app.get("/app").await?;
            return Ok(format!("{}[bot]", app.slug));
        }
        let query = serde_json::json!({ "query": "query { viewer { login } }" });
        let graphql = Self { rest: "", ..self.clone() };
        let answer: serde_json::Value = graphql.json("POST", "/graphql", Some(&query)).await?;
        let login = answer.pointer("/data/viewer/login").and_then(|login| login.as_str());
        login.map(str::to_owned).ok_or_else(|| GitHubError::Odd {
            call: named("POST", "/graphql"),
            why: "it does not say who asks".to_owned(),
        })
    }

    /// A call whose answer is JSON.
    async fn json<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> GitHubResult<T> {
        let answer = self.call(method, path, body).await?;
        serde_json::from_slice(&answer.body).map_err(|error| GitHubError::Odd {
            call: named(method, path),
            why: excerpt(&error.to_string(), 200),
        })
    }

    /// A call that is answered with a status below 400, or an error. Redirects are not followed.
    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> GitHubResult<Answer> {
        let repeatable = method == "GET";
        let (mut waited, mut tries) = (Duration::ZERO, 1);
        loop {
            let error = match self.once(method, path, body).await {
                Ok(Ok(answer)) => return Ok(answer),
                // A limit refuses before anything is done, so whatever it was may be repeated.
                Ok(Err(Pause { seconds, error })) => match seconds {
                    Some(seconds) if waited + Duration::from_secs(seconds) > PATIENCE => {
                        return Err(GitHubError::Limited { call: named(method, path), seconds });
                    }
                    Some(seconds) => {
                        let pause = Duration::from_secs(seconds.max(1));
                        waited += pause;
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    None => error,
                },
                Err(error) => error,
            };
            if !(error.passes() && repeatable && tries < TRIES) {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(500 << tries)).await;
            tries += 1;
        }
    }

    async fn once(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> GitHubResult<Result<Answer, Pause>> {
        let call = || named(method, path);
        let unreachable = |why: String| GitHubError::Unreachable { call: call(), why };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.rest))
            .header("accept", if path.contains("/git/blobs/") { RAW } else { JSON })
            .header("x-github-api-version", "2022-11-28");
        let request = self.crab.build_request(request, body).map_err(unusable)?;
        let sent = async {
            let response = self.crab.execute(request).await;
            let response = response.map_err(|error| match error {
                // The installation's token is asked for on the way.
                octocrab::Error::GitHub { source, .. } => GitHubError::Refused {
                    call: format!("the App's token for {}", call()),
                    status: source.status_code.as_u16(),
                    message: excerpt(&source.message, 200),
                },
                other => unreachable(excerpt(&cause(&other), 200)),
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| GitHubError::Odd {
                call: call(),
                why: excerpt(&error.to_string(), 200),
            })?;
            Ok::<_, GitHubError>((parts, body.to_bytes()))
        };
        let sent = tokio::time::timeout(CALL, sent).await;
        let (parts, body) =
            sent.map_err(|_| unreachable(format!("no answer within {} s", CALL.as_secs())))??;
        let status = parts.status.as_u16();
        if status < 400 {
            let location = parts.headers.get("location").and_then(|to| to.to_str().ok());
            return Ok(Ok(Answer { body: body.to_vec(), location: location.map(str::to_owned) }));
        }
        let message = serde_json::from_slice::<serde_json::Value>(&body).ok();
        let message = message.as_ref().and_then(|body| body.get("message")?.as_str());
        let message = excerpt(message.unwrap_or_default(), 200);
        let seconds = pause(status, &parts.headers, &message);
        Ok(Err(Pause { seconds, error: GitHubError::Refused { call: call(), status, message } }))
    }
}

/// The client's own address, and where REST begins below it: on GitHub Enterprise Server GraphQL is at
/// `/api/graphql`, beside `/api/v3`.
fn roots(api: &str) -> (&str, &'static str) {
    match api.strip_suffix("/api/v3") {
        Some(_) => (api.trim_end_matches("/v3"), "/v3"),
        None => (api, ""),
    }
}

/// A refusal, and for how many seconds where a limit is the reason.
struct Pause {
    seconds: Option<u64>,
    error: GitHubError,
}

/// For how many seconds GitHub wants to be left alone; `None` where no limit is the reason.
/// Source: GitHub's documentation, "Rate limits for the REST API".
fn pause(status: u16, headers: &http::HeaderMap, message: &str) -> Option<u64> {
    if !matches!(status, 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(seconds);
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        return Some(number("x-ratelimit-reset")?.saturating_sub(now));
    }
    // Of a secondary limit that names no time, GitHub asks for a minute.
    (status == 429 || message.contains("secondary rate limit")).then_some(60)
}

/// Whether `app` can be used at all; nothing is asked of GitHub.
///
/// # Errors
///
/// [`GitHubError::Credentials`].
pub fn check(app: &App) -> GitHubResult<()> {
    app_key(app)?;
    address(&app.api)
}

fn app_key(app: &App) -> GitHubResult<jsonwebtoken::EncodingKey> {
    jsonwebtoken::EncodingKey::from_rsa_pem(app.key.reveal().as_bytes()).map_err(|_| {
        GitHubError::Credentials("the App's private key is no RSA key in PEM".to_owned())
    })
}

/// Whether `api` is one that credentials may be sent to.
fn address(api: &str) -> GitHubResult<()> {
    let loopback = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
    if api.starts_with("https://") || loopback.iter().any(|local| api.starts_with(local)) {
        return Ok(());
    }
    Err(GitHubError::Credentials(format!(
        "`{}` is no https address: GitHub's API is `{API}`, or `https://HOST/api/v3`",
        excerpt(api, 200)
    )))
}

fn builder(
    api: &str,
) -> GitHubResult<
    octocrab::OctocrabBuilder<
        octocrab::NoSvc,
        octocrab::DefaultOctocrabBuilderConfig,
        octocrab::NoAuth,
        octocrab::NotLayerReady,
    >,
> {
    address(api)?;
    let builder = Octocrab::builder().base_uri(api).map_err(unusable)?;
    let builder = builder.set_connect_timeout(Some(Duration::from_secs(10)));
    Ok(builder.set_read_timeout(Some(CALL)))
}

/// What stands in the way before anything is sent; the error's own text could hold a part of a key.
fn unusable(_: octocrab::Error) -> GitHubError {
    GitHubError::Credentials("the address, token or key for GitHub cannot be used".to_owned())
}

/// The last cause of an error, which says most.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// A call as errors name it.
fn named(method: &str, path: &str) -> String {
    format!("`{method} {}`", excerpt(path.split('?').next().unwrap_or(path), 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_from_refusals() {
        let of = |status, headers: &[(&'static str, &str)], message| {
            let headers = headers.iter();
            let headers = headers
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
            pause(status, &headers.collect(), message)
        };
        assert_eq!(of(403, &[], "Resource not accessible by integration"), None);
        assert_eq!(of(403, &[("retry-after", "7")], ""), Some(7));
        assert_eq!(of(429, &[], ""), Some(60));
        assert_eq!(of(403, &[], "You have exceeded a secondary rate limit."), Some(60));
        let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")];
        assert_eq!(of(403, &past, ""), Some(0));
        assert_eq!(of(403, &[("x-ratelimit-remaining", "5")], ""), None);
        assert_eq!(of(500, &[("retry-after", "7")], ""), None);
    }

    #[tokio::test]
    async fn only_an_api_and_a_key_will_do() {
        let token = Secret::new("t");
        assert!(GitHub::with_token(API, &token).is_ok());
        for wrong in ["http://api.github.com", "ftp://x", "", "http://127.0.0.1.evil.org"] {
            assert!(GitHub::with_token(wrong, &token).is_err(), "{wrong}");
        }
        let app = App { id: 1, key: Secret::new("sesame"), api: API.to_owned() };
        let error = GitHub::installed(&app, 2).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the App's private key is no RSA key in PEM"));
    }
}
