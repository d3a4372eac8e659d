//! The one way to a credential: a fresh token of the CI job for each call, or an API token.
//!
//! The audience of a CI token is built here, from what is about to be sent; nothing that a registry
//! answers is in it, so no registry can have a token made for somebody else. The request's address
//! is checked before the job's own credential is sent to it.

use packhouse_core::api::LocalCode;
use packhouse_core::secret::Secret;
use serde::Deserialize;
use ureq::http::{Method, header};

use crate::error::ClientError;
use crate::event;
use crate::http::{Call, Client};
use crate::url::{encode, is_on};

/// Where GitHub's runners fetch tokens.
const ISSUER_SUFFIX: &str = ".actions.githubusercontent.com";
/// The longest token that is accepted, in bytes; GitHub's are about 2 KiB.
const TOKEN_BYTES: u64 = 64 << 10;

/// What the environment says of the job; gathered once by the caller, so that tests need none.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// `GITHUB_ACTIONS` is `true`.
    pub in_actions: bool,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub request_url: Option<String>,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub request_token: Option<Secret>,
    /// `GITHUB_EVENT_NAME`.
    pub event_name: Option<String>,
    /// `GITHUB_EVENT_PATH`: the event's payload.
    pub event_path: Option<std::path::PathBuf>,
    /// `GITHUB_REPOSITORY`: `owner/name`.
    pub repository: Option<String>,
    /// `GITHUB_REF_TYPE`: `tag` or `branch`.
    pub ref_type: Option<String>,
    /// `GITHUB_REF_NAME`: the tag or branch.
    pub ref_name: Option<String>,
    /// `GITHUB_SERVER_URL`, without a final `/`.
    pub server_url: Option<String>,
}

impl Job {
    /// Reads the environment through `var`, which answers a variable that is set and not empty.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            in_actions: var("GITHUB_ACTIONS").as_deref() == Some("true"),
            request_url: var("ACTIONS_ID_TOKEN_REQUEST_URL"),
            request_token: var("ACTIONS_ID_TOKEN_REQUEST_TOKEN").map(Secret::new),
            event_name: var("GITHUB_EVENT_NAME"),
            event_path: var("GITHUB_EVENT_PATH").map(Into::into),
            repository: var("GITHUB_REPOSITORY"),
            ref_type: var("GITHUB_REF_TYPE"),
            ref_name: var("GITHUB_REF_NAME"),
            server_url: var("GITHUB_SERVER_URL").map(|url| url.trim_end_matches('/').to_owned()),
        }
    }

    /// The tag that the job runs for.
    pub fn tag(&self) -> Option<&str> {
        self.ref_name.as_deref().filter(|_| self.ref_type.as_deref() == Some("tag"))
    }

    /// The branch that the job runs for.
    pub fn branch(&self) -> Option<&str> {
        self.ref_name.as_deref().filter(|_| self.ref_type.as_deref() == Some("branch"))
    }

    /// The repository that the pull request comes from, where it is a fork.
    fn fork(&self) -> Option<String> {
        let pull = event::pull_request(self.event_path.as_deref()?).ok()??;
        let name = pull.fork?.map(|name| format!("`{name}`"));
        Some(name.unwrap_or_else(|| "a deleted fork".to_owned()))
    }
}

/// Why there is no token, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not in GitHub Actions, and no API token.
    #[error("there is no token: this is not a GitHub Actions job, and no API token is given")]
    NotInActions,
    /// In GitHub Actions without the permission.
    #[error(
        "there is no token: the job may not ask for one (`ACTIONS_ID_TOKEN_REQUEST_URL` is not set)"
    )]
    NoPermission,
    /// A pull request from a fork, which never gets one.
    #[error(
        "there is no token: this job runs for a pull request from {0}, and GitHub gives forks none"
    )]
    Fork(String),
    /// The address in the environment is not GitHub's.
    #[error(
        "`ACTIONS_ID_TOKEN_REQUEST_URL` is not an https address on a host under `actions.githubusercontent.com`"
    )]
    ForeignIssuer,
    /// The issuer's answer has no token.
    #[error("the token service answered without a token")]
    NoToken,
    /// The issuer refused.
    #[error("the token service refused with status {0}")]
    Refused(u16),
    /// An API token that cannot be one.
    #[error("the API token from {0} is {1}")]
    BadApiToken(&'static str, &'static str),
}

impl TokenError {
    /// The stable code.
    pub fn code(&self) -> LocalCode {
        match self {
            Self::NotInActions => LocalCode::OutsideCi,
            Self::NoPermission => LocalCode::NoIdToken,
            Self::Fork(_) => LocalCode::ForkPullRequest,
            Self::ForeignIssuer => LocalCode::ForeignTokenService,
            Self::NoToken | Self::Refused(_) => LocalCode::TokenService,
            Self::BadApiToken(..) => LocalCode::BadApiToken,
        }
    }

    /// What would be right.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NotInActions => {
                "publish from a GitHub Actions job with `permissions: {id-token: write, contents: read}`, \
                 or give an API token in `PACKHOUSE_TOKEN` or with `--token-file`; \
                 the registry's operator makes one with `packhouse admin token create`"
            }
            Self::NoPermission => {
                "add to the job: `permissions: {id-token: write, contents: read}`; \
                 a reusable workflow needs it in the calling job, too"
            }
            Self::Fork(_) => {
                "publish from a tag or a release of the repository itself; \
                 `id-token: write` does not change this"
            }
            Self::ForeignIssuer => {
                "nothing was sent to it; remove whatever sets the variable, GitHub's runner does so itself"
            }
            Self::NoToken | Self::Refused(_) => {
                "run the job again; GitHub's status page tells of faults"
            }
            Self::BadApiToken(..) => "write the token as `packhouse admin token create` printed it",
        }
    }
}

/// Where tokens come from.
pub enum TokenSource {
    /// The CI job.
    Job(Job),
    /// An API token, the same for every call.
    Api(Secret),
}

impl TokenSource {
    /// The API token where one is given, else the job's.
    ///
    /// # Errors
    ///
    /// [`TokenError`] that tells exactly what is missing.
    pub fn find(job: Job, api_token: Option<Secret>) -> Result<Self, TokenError> {
        if let Some(token) = api_token {
            return Ok(Self::Api(token));
        }
        match (&job.request_url, &job.request_token) {
            (Some(url), Some(_)) if is_on(url, ISSUER_SUFFIX) => Ok(Self::Job(job)),
            (Some(_), Some(_)) => Err(TokenError::ForeignIssuer),
            _ if !job.in_actions => Err(TokenError::NotInActions),
            _ => Err(job.fork().map_or(TokenError::NoPermission, TokenError::Fork)),
        }
    }

    /// A token for one call; `mask` gets a CI token first of all, so that no log ever shows it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Token`] or [`ClientError::Unreachable`]; redirects are not followed.
    pub fn token(
        &self,
        client: &Client,
        audience: &str,
        mask: &dyn Fn(&Secret),
    ) -> Result<Secret, ClientError> {
        let job = match self {
            Self::Api(token) => return Ok(token.clone()),
            Self::Job(job) => job,
        };
        let (Some(url), Some(credential)) = (&job.request_url, &job.request_token) else {
            return Err(TokenError::NoPermission.into());
        };
        let joint = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{joint}audience={}", encode(audience));
        let call = Call::new(Method::GET, url, "asking GitHub for a token")
            .bearer(Some(credential))
            .header(header::ACCEPT.as_str(), "application/json");
        let deadline = std::time::Duration::from_secs(30);
        let (status, body) = client.attempt(&call, |answer| {
            let status = answer.status;
            answer.read(TOKEN_BYTES, deadline).map(|body| (status, body))
        })?;
        if status != 200 {
            return Err(TokenError::Refused(status).into());
        }
        #[derive(Deserialize)]
        struct Answer {
            value: Secret,
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| TokenError::NoToken)?;
        // Of one line first of all: what masks it must not become a command of its own.
        let text = answer.value.reveal();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::NoToken.into());
        }
        mask(&answer.value);
        Ok(answer.value)
    }
}

/// An API token as a variable or a file has it: surrounding blanks dropped, its form checked.
///
/// # Errors
///
/// [`TokenError::BadApiToken`] with `from`; the token itself is never shown.
pub fn api_token(text: &str, from: &'static str) -> Result<Secret, TokenError> {
    let token = text.trim();
    if token.is_empty() {
        return Err(TokenError::BadApiToken(from, "empty"));
    }
    if token.len() > 4096 || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(TokenError::BadApiToken(from, "no token: it has blanks, or is far too long"));
    }
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            in_actions: true,
            request_url: Some("https://p.actions.githubusercontent.com/t?x=1".to_owned()),
            request_token: Some(Secret::new("s")),
            ..Job::default()
        }
    }

    fn why(job: Job) -> TokenError {
        TokenSource::find(job, None).err().unwrap()
    }

    #[test]
    fn what_is_missing_is_told_precisely() {
        assert!(TokenSource::find(job(), None).is_ok());
        assert_eq!(why(Job::default()), TokenError::NotInActions);
        assert_eq!(why(Job { request_url: None, ..job() }), TokenError::NoPermission);
        let dir = tempfile::tempdir().unwrap();
        let event = dir.path().join("event.json");
        let fork = |text: &str| {
            fs_err::write(&event, text).unwrap();
            why(Job { request_url: None, event_path: Some(event.clone()), ..job() })
        };
        let pull = |head: &str| {
            format!(
                r#"{{"pull_request":{{"number":1,"head":{{"sha":"{sha}","repo":{head}}},"base":{{"sha":"{sha}","repo":{{"full_name":"a/b"}}}}}}}}"#,
                sha = "0".repeat(40)
            )
        };
        assert_eq!(fork(&pull(r#"{"full_name":"x/b"}"#)), TokenError::Fork("`x/b`".to_owned()));
        assert_eq!(fork(&pull("null")), TokenError::Fork("a deleted fork".to_owned()));
        assert_eq!(fork(&pull(r#"{"full_name":"a/b"}"#)), TokenError::NoPermission);
        assert_eq!(fork("{}"), TokenError::NoPermission);
        assert_eq!(fork("not json"), TokenError::NoPermission);
    }

    #[test]
    fn the_jobs_credential_goes_to_github_or_to_this_machine() {
        for url in [
            "https://evil.org/?x",
            "http://p.actions.githubusercontent.com/?x",
            "https://actions.githubusercontent.com.evil.org/?x",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                why(Job { request_url: Some(url.to_owned()), ..job() }),
                TokenError::ForeignIssuer,
                "{url}"
            );
        }
        let local =
            Job { request_url: Some("http://127.0.0.1:5/_dev/token?x=1".to_owned()), ..job() };
        assert!(TokenSource::find(local, None).is_ok());
    }

    #[test]
    fn an_api_token_is_checked_and_never_shown() {
        assert_eq!(api_token(" pkh_abc\n", "`PACKHOUSE_TOKEN`").unwrap().reveal(), "pkh_abc");
        for text in ["", " \n", "a b", "tok\u{1b}en"] {
            let error = api_token(text, "`PACKHOUSE_TOKEN`").unwrap_err().to_string();
            assert!(
                !error.contains("tok\u{1b}en") && error.contains("`PACKHOUSE_TOKEN`"),
                "{error}"
            );
        }
    }
}
