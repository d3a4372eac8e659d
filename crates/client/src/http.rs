//! The one way to a registry: bounded, patient, and deaf to redirects.

use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use packhouse_core::escape::excerpt;
use packhouse_core::secret::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{HeaderMap, Method, Request, Response, header};
use ureq::{AsSendBody, Body, SendBody};

use crate::error::{ClientError, Refusal};
use crate::url::{RegistryUrl, leads_here};

/// The largest JSON answer that is read, in bytes: an index file of many thousand versions.
pub const ANSWER_BYTES: u64 = 32 << 20;
/// The largest error body that is read, in bytes.
const ERROR_BYTES: u64 = 64 << 10;
/// The longest that a `Retry-After` is obeyed.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How patient a client is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long an answer may take to begin; a confirm reads and checks the whole archive.
    pub answer: Duration,
    /// How long a peer may be silent within an answer or an upload.
    pub silence: Duration,
    /// How long all tries of one call may take together.
    pub deadline: Duration,
    /// How often a call is tried.
    pub tries: u32,
    /// The pause before the second try; doubles with each, with jitter.
    pub first_pause: Duration,
    /// Certificates (PEM) to trust instead of the built-in roots.
    pub ca_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("packhouse/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            deadline: Duration::from_secs(180),
            tries: 5,
            first_pause: Duration::from_millis(250),
            ca_file: None,
        }
    }
}

/// A client of one registry. Connections are kept and shared between threads.
pub struct Client {
    registry: RegistryUrl,
    options: Options,
    read_token: Option<Secret>,
    near: OnceLock<ureq::Agent>,
    far: OnceLock<Result<ureq::Agent, String>>,
}

/// One call. [`Call::new`] begins it.
pub(crate) struct Call<'a> {
    method: Method,
    url: String,
    /// How errors name it: without host, query and secrets.
    what: String,
    auth: Option<(&'static str, &'a Secret)>,
    headers: Vec<(String, String)>,
    pub(crate) body: Outgoing<'a>,
    once: bool,
}

pub(crate) enum Outgoing<'a> {
    None,
    Json(Vec<u8>),
    /// Bytes, and what is told how many of them went out.
    Bytes(&'a [u8], &'a (dyn Fn(u64) + Sync)),
}

/// An answer whose body is not read yet.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Body,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, url: String, what: impl Into<String>) -> Self {
        let what = what.into();
        let (auth, headers, body, once) = (None, Vec::new(), Outgoing::None, false);
        Self { method, url, what, auth, headers, body, once }
    }

    pub(crate) fn bearer(mut self, token: Option<&'a Secret>) -> Self {
        self.auth = token.map(|token| ("Bearer", token));
        self
    }

    pub(crate) fn authorized(mut self, scheme: &'static str, secret: &'a Secret) -> Self {
        self.auth = Some((scheme, secret));
        self
    }

    pub(crate) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn bytes(mut self, bytes: &'a [u8], sent: &'a (dyn Fn(u64) + Sync)) -> Self {
        self.body = Outgoing::Bytes(bytes, sent);
        self
    }

    /// Says that repeating it after a lost answer would do it twice.
    fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

impl Client {
    /// A client of `registry`; nothing is connected yet.
    pub fn new(registry: RegistryUrl, options: Options) -> Self {
        let (near, far) = (OnceLock::new(), OnceLock::new());
        Self { registry, options, read_token: None, near, far }
    }

    /// The same client, which shows `token` when it reads: for private registries.
    pub fn reading_with(mut self, token: Option<Secret>) -> Self {
        self.read_token = token;
        self
    }

    /// The registry's address.
    pub fn registry(&self) -> &RegistryUrl {
        &self.registry
    }

    /// `GET` of a path of the registry, read as JSON.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with the registry's own words, [`ClientError::Unreachable`] after
    /// the last try, [`ClientError::NotARegistry`] for anything else, a redirect included.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let call = self.call(Method::GET, path).bearer(self.read_token.as_ref());
        self.json(&call)
    }

    /// As [`Client::get`], but shows `token`, or nothing where there is none.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn get_as<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&Secret>,
    ) -> Result<T, ClientError> {
        self.json(&self.call(Method::GET, path).bearer(token))
    }

    /// A `POST`, `PUT` or `DELETE` that may be repeated when its answer gets lost.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let call = self.with_body(method, path, body)?.bearer(token);
        self.json(&call)
    }

    /// As [`Client::send`], for what must not be done twice: it is not repeated once it was sent.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn send_once<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&Secret>,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let call = self.with_body(method, path, body)?.bearer(token).once();
        self.json(&call)
    }

    fn with_body(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Call<'_>, ClientError> {
        let mut call = self.call(method, path);
        if let Some(body) = body {
            let json = serde_json::to_vec(body).map_err(std::io::Error::other)?;
            call.body = Outgoing::Json(json);
        }
        Ok(call)
    }

    /// A call of a path of the registry.
    pub(crate) fn call<'a>(&self, method: Method, path: &str) -> Call<'a> {
        let shown = path.split('?').next().unwrap_or(path);
        let what = format!("{method} {shown} at {}", self.registry);
        Call::new(method, self.registry.join(path), what)
    }

    /// How long an answer may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.options.deadline
    }

    /// The token that reads are shown.
    pub(crate) fn read_token(&self) -> Option<&Secret> {
        self.read_token.as_ref()
    }

    /// Sends `call` until an answer that counts comes, and reads it as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let (status, body) = self.attempt(call, |answer| {
            if (200..300).contains(&answer.status) {
                return answer.read(ANSWER_BYTES, self.options.deadline).map(|body| (200, body));
            }
            let status = answer.status;
            answer.read(ERROR_BYTES, self.options.deadline).map(|body| (status, body))
        })?;
        if status != 200 {
            return Err(refused(call, status, &body));
        }
        serde_json::from_slice(&body).map_err(|e| ClientError::NotARegistry {
            what: call.what.clone(),
            found: format!(
                "an answer that is not the JSON expected here ({})",
                excerpt(&e.to_string(), 200)
            ),
        })
    }

    /// Sends `call` and lets `read` have the answer; repeats both as long as that makes sense.
    ///
    /// Repeated are connection errors, broken answers, and 502, 503, 504 and 429.
    pub(crate) fn attempt<T>(
        &self,
        call: &Call,
        read: impl Fn(Answer) -> Result<T, Failure>,
    ) -> Result<T, ClientError> {
        let begun = Instant::now();
        let mut pause = self.options.first_pause;
        let mut tries = 0;
        loop {
            tries += 1;
            let last = tries >= self.options.tries || begun.elapsed() >= self.options.deadline;
            let wait = match self.exchange(call) {
                // 429 and 503 say that nothing was done; a gateway's 502 and 504 leave it open.
                Ok(answer) if !last && passing_status(answer.status, call.once) => {
                    answer.retry_after().unwrap_or_else(|| jitter(pause))
                }
                Ok(answer) => match read(answer) {
                    Ok(value) => return Ok(value),
                    Err(failure) if last || call.once || !failure.passing => {
                        return Err(failure.into_error(call));
                    }
                    Err(_) => jitter(pause),
                },
                Err(failure) if last || !failure.passing || (call.once && failure.sent) => {
                    return Err(failure.into_error(call));
                }
                Err(_) => jitter(pause),
            };
            let left = self.options.deadline.saturating_sub(begun.elapsed());
            std::thread::sleep(wait.min(LONGEST_WAIT).min(left));
            pause *= 2;
        }
    }

    /// Sends `call` and takes whatever status comes; a broken connection is tried once more.
    pub(crate) fn look<T>(
        &self,
        call: &Call,
        read: impl Fn(Answer) -> Result<T, Failure>,
    ) -> Result<T, ClientError> {
        let ask = || self.exchange(call).and_then(&read);
        ask()
            .or_else(|failure| if failure.passing { ask() } else { Err(failure) })
            .map_err(|failure| failure.into_error(call))
    }

    /// One try. Redirects are refused here, whoever asks.
    fn exchange(&self, call: &Call) -> Result<Answer, Failure> {
        let agent = self.agent(&call.url)?;
        let mut request = Request::builder().method(call.method.clone()).uri(&call.url);
        if let Some((scheme, token)) = &call.auth {
            request = request.header(header::AUTHORIZATION, format!("{scheme} {}", token.reveal()));
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let bad = || Failure::fixed("the request has a text that HTTP does not allow");
        let response = match &call.body {
            Outgoing::None => run(agent, request.body(()).map_err(|_| bad())?),
            Outgoing::Json(json) => {
                let request = request.header(header::CONTENT_TYPE, "application/json");
                run(agent, request.body(&json[..]).map_err(|_| bad())?)
            }
            Outgoing::Bytes(bytes, sent) => {
                let request = request.header(header::CONTENT_LENGTH, bytes.len());
                let mut reader = Counted { bytes, sent, done: 0 };
                let body = SendBody::from_reader(&mut reader);
                run(agent, request.body(body).map_err(|_| bad())?)
            }
        }
        .map_err(|e| failure(&e, &call.url))?;
        let (parts, body) = response.into_parts();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        if (300..400).contains(&answer.status) && answer.status != 304 {
            let to = answer
                .headers
                .get(header::LOCATION)
                .map(|to| excerpt(&String::from_utf8_lossy(to.as_bytes()), 120));
            let to = to.map(|to| format!(" to `{to}`")).unwrap_or_default();
            return Err(Failure::foreign(format!(
                "a redirect ({}){to}; registries do not redirect, and this client does not follow",
                answer.status
            )));
        }
        Ok(answer)
    }

    /// The agent for `url`. That for this machine knows no TLS and no proxy, and so starts at once.
    fn agent(&self, url: &str) -> Result<&ureq::Agent, Failure> {
        if leads_here(url) && url.starts_with("http:") {
            return Ok(self.near.get_or_init(|| self.config(true).build().into()));
        }
        if !url.starts_with("https:") {
            return Err(Failure::fixed("an address that is neither https nor on this machine"));
        }
        let far = self.far.get_or_init(|| {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut tls =
                ureq::tls::TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
            if let Some(file) = &self.options.ca_file {
                tls = tls.root_certs(roots(file)?);
            }
            Ok(self.config(false).tls_config(tls.build()).build().into())
        });
        far.as_ref().map_err(|e| Failure::fixed(e.clone()))
    }

    fn config(&self, near: bool) -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
        let options = &self.options;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(&options.user_agent)
            .timeout_resolve(Some(options.connect))
            .timeout_connect(Some(options.connect))
            .timeout_recv_response(Some(options.answer))
            .timeout_per_read(Some(options.silence.max(options.answer)))
            .timeout_per_write(Some(options.silence))
            .max_idle_connections_per_host(16);
        // Looking a name up under a time limit takes a thread for each request; this machine's own
        // addresses need neither.
        if near { config.proxy(None).timeout_resolve(None) } else { config }
    }
}

/// Whether a call with this status may be sent again.
fn passing_status(status: u16, once: bool) -> bool {
    matches!(status, 429 | 503) || (matches!(status, 502 | 504) && !once)
}

fn run(
    agent: &ureq::Agent,
    request: Request<impl AsSendBody>,
) -> Result<Response<Body>, ureq::Error> {
    agent.run(request)
}

/// The certificates in a PEM file.
fn roots(file: &std::path::Path) -> Result<ureq::tls::RootCerts, String> {
    let pem = fs_err::read(file).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(_) => {
                return Err(format!("`{}` is not a PEM file of certificates", file.display()));
            }
        }
    }
    if found.is_empty() {
        return Err(format!("`{}` holds no certificate", file.display()));
    }
    Ok(ureq::tls::RootCerts::Specific(Arc::new(found)))
}

/// A reader that tells how far it is.
struct Counted<'a> {
    bytes: &'a [u8],
    sent: &'a (dyn Fn(u64) + Sync),
    done: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.done += count as u64;
        (self.sent)(self.done);
        Ok(count)
    }
}

impl Answer {
    /// The whole body, of at most `limit` bytes, within `deadline`.
    pub(crate) fn read(self, limit: u64, deadline: Duration) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        self.stream(limit, deadline, |piece| {
            body.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(body)
    }

    /// Hands the body to `take` piece by piece; its length stays within `limit` bytes.
    pub(crate) fn stream(
        self,
        limit: u64,
        deadline: Duration,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let too_long = || Failure::foreign(format!("an answer of more than {limit} bytes"));
        if self.body.content_length().is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let mut reader = self.body.into_reader();
        let mut buffer = vec![0; 64 << 10];
        let mut total = 0;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Failure::broken(&e)),
            };
            total += count as u64;
            if total > limit {
                return Err(too_long());
            }
            if begun.elapsed() > deadline {
                return Err(Failure::passing(format!(
                    "the answer took more than {} s",
                    deadline.as_secs()
                )));
            }
            take(&buffer[..count]).map_err(Failure::local)?;
        }
    }

    /// A header as text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(header::RETRY_AFTER)?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

/// Why one try failed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    /// Whether another try may go better.
    passing: bool,
    /// Whether the registry may have got the request.
    sent: bool,
}

#[derive(Debug)]
enum FailureKind {
    Network(String),
    Foreign(String),
    Local(std::io::Error),
}

impl Failure {
    fn passing(cause: impl Into<String>) -> Self {
        Self { kind: FailureKind::Network(cause.into()), passing: true, sent: true }
    }
    fn fixed(cause: impl Into<String>) -> Self {
        Self { kind: FailureKind::Network(cause.into()), passing: false, sent: false }
    }
    pub(crate) fn foreign(found: impl Into<String>) -> Self {
        Self { kind: FailureKind::Foreign(found.into()), passing: false, sent: true }
    }
    pub(crate) fn local(error: std::io::Error) -> Self {
        Self { kind: FailureKind::Local(error), passing: false, sent: true }
    }
    fn broken(error: &std::io::Error) -> Self {
        Self::passing(format!("the answer broke off ({error})"))
    }

    /// Whether another try may go better.
    pub(crate) fn is_passing(&self) -> bool {
        self.passing
    }

    fn into_error(self, call: &Call) -> ClientError {
        let what = call.what.clone();
        match self.kind {
            FailureKind::Network(cause) => ClientError::Unreachable { what, cause },
            FailureKind::Foreign(found) => ClientError::NotARegistry { what, found },
            FailureKind::Local(error) => ClientError::Io(error),
        }
    }
}

/// What `error` means, in words that hold no address: some of ureq's would show a whole URL.
fn failure(error: &ureq::Error, url: &str) -> Failure {
    use ureq::Error as E;
    match error {
        E::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Failure {
            // Nobody starts a server on this machine just now; elsewhere one may be restarting.
            passing: !leads_here(url),
            ..Failure::fixed("nothing listens there (connection refused)")
        },
        E::Io(e) => Failure::passing(e.to_string()),
        E::Timeout(which) => Failure::passing(format!("no answer in time ({which})")),
        E::HostNotFound => Failure { passing: true, ..Failure::fixed("there is no such host") },
        E::ConnectionFailed => Failure { passing: true, ..Failure::fixed("no connection") },
        E::Rustls(e) => {
            Failure::fixed(format!("no trust in the connection: {}", excerpt(&e.to_string(), 200)))
        }
        E::Tls(e) => Failure::fixed(format!("no trust in the connection: {e}")),
        E::Protocol(e) => Failure::passing(format!(
            "an answer that is not HTTP ({})",
            excerpt(&e.to_string(), 200)
        )),
        E::LargeResponseHeader(..) => Failure::foreign("an answer with huge headers"),
        E::InvalidProxyUrl => Failure::fixed("the proxy in the environment is not an address"),
        _ => Failure::fixed("the request could not be sent"),
    }
}

/// The error of an answer that is no success.
pub(crate) fn refused(call: &Call, status: u16, body: &[u8]) -> ClientError {
    match Refusal::parse(status, body) {
        Some(refusal) => ClientError::Refused(Box::new(refusal)),
        None if matches!(status, 429 | 502..=504) => ClientError::Unreachable {
            what: call.what.clone(),
            cause: format!("status {status}, after every try"),
        },
        None => ClientError::NotARegistry {
            what: call.what.clone(),
            found: format!("status {status} without a registry's error"),
        },
    }
}

/// Half of `pause` to all of it, so that many clients do not come back at once.
fn jitter(pause: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    pause.mul_f64(0.5 + (random % 1000) as f64 / 2000.0)
}
