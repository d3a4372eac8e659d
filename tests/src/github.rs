//! GitHub's API as far as a registry's App and a job's token need it: repositories with commits, pull
//! requests, comments, checks, the App's tokens, limits and faults. It listens on a free loopback port
//! and keeps everything in memory.

use std::collections::{BTreeMap, HashMap};
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use packhouse_core::digest::Digest;
use serde_json::{Value, json};

use crate::claim_set::id_of;
use crate::lambda::wire::{Message, answer};

/// What GitHub says to a token that may not do something.
const NOT_ACCESSIBLE: &str = "Resource not accessible by integration";
/// The App's name and number.
pub const APP: (&str, u64) = ("packhouse-registry", 4711);
/// The installation of the App in every repository.
pub const INSTALLATION: u64 = 99;

/// A file of a commit.
#[derive(Clone, Debug)]
pub struct File {
    /// `100644`, `100755`, `120000`, `160000`.
    pub mode: &'static str,
    /// Its bytes; a link's target.
    pub bytes: Arc<[u8]>,
    /// Whether the archive leaves it out (`export-ignore`).
    pub unarchived: bool,
}

/// A pull request.
#[derive(Clone, Debug)]
pub struct Pull {
    /// The commit that is proposed.
    pub head: String,
    /// The commit that its target is at.
    pub base: String,
    /// `owner/name` of the repository that it comes from.
    pub from: String,
    /// Whether it is open.
    pub open: bool,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// The pull request.
    pub pull: u64,
    /// Who wrote it.
    pub login: String,
    /// `Bot` or `User`.
    pub kind: &'static str,
    /// What it says.
    pub body: String,
}

/// How a call is answered instead.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Calls whose `METHOD /path` has this in it.
    pub call: String,
    /// The status; 0 drops the connection, before the call did anything.
    pub status: u16,
    /// Headers besides.
    pub headers: Vec<(String, String)>,
    /// How often.
    pub times: u32,
}

#[derive(Default)]
struct State {
    commits: HashMap<String, BTreeMap<String, File>>,
    /// Branches and tags by (repository, name); what has one is public.
    refs: HashMap<(String, String), String>,
    /// By (repository, number).
    pulls: HashMap<(String, u64), Pull>,
    comments: Vec<Comment>,
    checks: Vec<Value>,
    /// Tokens and who holds them; those that only read end in `:read`.
    tokens: HashMap<String, String>,
    calls: Vec<String>,
    faults: Vec<Fault>,
    /// Whether the App is installed: it has check suites then.
    installed: bool,
    next: u64,
}

/// The server.
pub struct FakeGitHub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl FakeGitHub {
    /// Starts one that knows nothing yet.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { next: 100, installed: true, ..State::default() }));
        let ended = Arc::new(AtomicBool::new(false));
        let (held, stops) = (state.clone(), ended.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stops.load(Ordering::Acquire) {
                    return;
                }
                let state = held.clone();
                std::thread::spawn(move || serve(client, &state, address));
            }
        });
        Self { address, state, ended }
    }

    /// The API's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state")
    }

    /// Adds a commit with these files; its name follows from them.
    pub fn commit(&self, files: &[(&str, &[u8])]) -> String {
        let file = |bytes: &[u8]| File { mode: "100644", bytes: bytes.into(), unarchived: false };
        self.commit_of(
            files.iter().map(|(path, bytes)| ((*path).to_owned(), file(bytes))).collect(),
        )
    }

    /// Adds a commit of files with modes.
    pub fn commit_of(&self, files: BTreeMap<String, File>) -> String {
        let mut about = String::new();
        for (path, file) in &files {
            about.push_str(&format!("{path} {} {}\n", file.mode, blob(&file.bytes)));
        }
        let name = Digest::of(about.as_bytes()).hex()[..40].to_owned();
        self.state().commits.insert(name.clone(), files);
        name
    }

    /// Lets a branch or a tag of `repository` name a commit; from then on anybody may read the repository.
    pub fn name(&self, repository: &str, name: &str, commit: &str) {
        self.state().refs.insert((repository.to_owned(), name.to_owned()), commit.to_owned());
    }

    /// Opens or moves a pull request of `repository`.
    pub fn pull(&self, repository: &str, number: u64, pull: Pull) {
        self.state().pulls.insert((repository.to_owned(), number), pull);
    }

    /// A token of `login`, which may write, or only read as the tokens of forks.
    pub fn token(&self, login: &str, writes: bool) -> String {
        let token =
            format!("ghs_{}{}", login.replace(['[', ']'], ""), if writes { "" } else { "Read" });
        let holder = format!("{login}{}", if writes { "" } else { ":read" });
        self.state().tokens.insert(token.clone(), holder);
        token
    }

    /// Whether the App is installed.
    pub fn installed(&self, installed: bool) {
        self.state().installed = installed;
    }

    /// A comment that somebody wrote; answers its number.
    pub fn say(&self, pull: u64, login: &str, body: &str) -> u64 {
        let mut state = self.state();
        let id = state.number();
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        state.comments.push(Comment {
            id,
            pull,
            login: login.to_owned(),
            kind,
            body: body.to_owned(),
        });
        id
    }

    /// All comments of a pull request.
    pub fn comments(&self, pull: u64) -> Vec<Comment> {
        self.state().comments.iter().filter(|comment| comment.pull == pull).cloned().collect()
    }

    /// All check runs, as they were last written.
    pub fn checks(&self) -> Vec<Value> {
        self.state().checks.clone()
    }

    /// Answers calls like this from now on.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// What was asked so far, as `METHOD /path`; the list begins anew.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }
}

impl Drop for FakeGitHub {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// The private key of the App, PEM. One is made for each process.
pub fn app_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let der = pair().as_der().expect("a key can be written");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        // In two pieces, so that no scanner takes this file for a leaked key.
        let what = ["PRIVATE", "KEY"].join(" ");
        format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
    })
}

fn pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).expect("a key can be made"))
}

/// The name of a blob: as long as git's.
fn blob(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()[..40].to_owned()
}

/// Who calls: a token's holder, or the App itself.
fn caller(state: &State, authorization: &str) -> Option<String> {
    let token = authorization.strip_prefix("Bearer ")?;
    if let Some(login) = state.tokens.get(token) {
        return Some(login.clone());
    }
    use aws_lc_rs::signature::KeyPair as _;
    let public = pair().public_key();
    let number = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let key = jsonwebtoken::DecodingKey::from_rsa_components(
        &number(public.modulus().big_endian_without_leading_zero()),
        &number(public.exponent().big_endian_without_leading_zero()),
    );
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Value>(token, &key.ok()?, &validation).ok()?.claims;
    let issuer = claims["iss"].as_str().map(str::to_owned);
    let issuer = issuer.unwrap_or_else(|| claims["iss"].to_string());
    (issuer == APP.1.to_string()).then(|| "the App itself".to_owned())
}

fn serve(mut client: TcpStream, state: &Mutex<State>, address: SocketAddr) {
    let _ = client.set_nodelay(true);
    let Ok(reading) = client.try_clone() else { return };
    let mut reading = BufReader::new(reading);
    while let Some(request) = Message::read(&mut reading) {
        let (method, target) = request.target();
        let path = target.split('?').next().unwrap_or(target).to_owned();
        let mut state = state.lock().expect("the state");
        state.calls.push(format!("{method} {path}"));
        let fault = state
            .faults
            .iter_mut()
            .find(|fault| fault.times > 0 && format!("{method} {path}").contains(&fault.call));
        if let Some(fault) = fault {
            fault.times -= 1;
            if fault.status == 0 {
                return;
            }
            let headers = fault.headers.clone();
            let status = fault.status;
            let body = json!({ "message": "a fault of the test" }).to_string();
            drop(state);
            let _ = reply(&mut client, status, &headers, body.as_bytes());
            continue;
        }
        let (status, headers, body) = handle(&mut state, &request, method, target, address);
        drop(state);
        if reply(&mut client, status, &headers, &body).is_err() {
            return;
        }
    }
}

fn reply(
    client: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> std::io::Result<()> {
    let length = body.len().to_string();
    let mut all: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.push(("content-length", &length));
    answer(client, status, &all, body)
}

type Answer = (u16, Vec<(String, String)>, Vec<u8>);

fn of(status: u16, body: Value) -> Answer {
    let kind = ("content-type".to_owned(), "application/json; charset=utf-8".to_owned());
    (status, vec![kind], body.to_string().into_bytes())
}

fn message(status: u16, text: &str) -> Answer {
    of(status, json!({ "message": text, "documentation_url": "https://docs.github.com/rest" }))
}

fn handle(
    state: &mut State,
    request: &Message,
    method: &str,
    target: &str,
    address: SocketAddr,
) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // The archive's own address carries its secret, and takes no token.
    if let Some(commit) = path.strip_prefix("/archive/") {
        return match state.commits.get(commit) {
            Some(files) if query == "token=secret-of-the-archive" => {
                (200, Vec::new(), tarball(files))
            }
            _ => message(404, "Not Found"),
        };
    }
    let authorization = request.header("authorization").unwrap_or_default();
    let public = |state: &State| {
        let of = |known: &str| {
            path.strip_prefix("/repos/").is_some_and(|rest| rest.starts_with(&format!("{known}/")))
        };
        state.refs.keys().any(|(repository, _)| of(repository))
    };
    let login = match caller(state, authorization) {
        Some(login) => login,
        None if !authorization.is_empty() => return message(401, "Bad credentials"),
        None if public(state) => "nobody:read".to_owned(),
        None if path.starts_with("/repos/") => return message(404, "Not Found"),
        None => return message(401, "Requires authentication"),
    };
    let reads_only = login.ends_with(":read");
    let login = login.trim_end_matches(":read").to_owned();
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    };
    if reads_only && method != "GET" && path != "/graphql" {
        return message(403, NOT_ACCESSIBLE);
    }
    match (method, &parts[..]) {
        ("GET", ["app"]) if login == "the App itself" => {
            of(200, json!({ "slug": APP.0, "id": APP.1 }))
        }
        ("POST", ["app", "installations", id, "access_tokens"]) if login == "the App itself" => {
            if *id != INSTALLATION.to_string() {
                return message(404, "Not Found");
            }
            let token = format!("ghs_installation{}", state.number());
            state.tokens.insert(token.clone(), format!("{}[bot]", APP.0));
            let expires = "2099-01-01T00:00:00Z";
            of(201, json!({ "token": token, "expires_at": expires, "permissions": {} }))
        }
        ("POST", ["graphql"]) => of(200, json!({ "data": { "viewer": { "login": login } } })),
        (_, ["repos", owner, name, rest @ ..]) => {
            let repository = format!("{owner}/{name}");
            repository_call(state, method, &repository, rest, &parameter, &body, &login, address)
        }
        _ => message(404, "Not Found"),
    }
}

fn numbers(repository: &str) -> Value {
    let owner = repository.split('/').next().unwrap_or_default();
    let id = |name: &str| id_of(name).parse::<u64>().unwrap_or_default();
    json!({ "id": id(repository), "full_name": repository, "owner": { "id": id(owner), "login": owner } })
}

#[allow(clippy::too_many_arguments)]
fn repository_call(
    state: &mut State,
    method: &str,
    repository: &str,
    rest: &[&str],
    parameter: &dyn Fn(&str) -> String,
    body: &Value,
    login: &str,
    address: SocketAddr,
) -> Answer {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match (method, rest) {
        ("GET", ["pulls", number]) => {
            let number: u64 = number.parse().unwrap_or_default();
            match state.pulls.get(&(repository.to_owned(), number)) {
                Some(pull) => of(
                    200,
                    json!({
                        "number": number,
                        "state": if pull.open { "open" } else { "closed" },
                        "head": { "sha": pull.head, "repo": numbers(&pull.from) },
                        "base": { "sha": pull.base, "repo": numbers(repository) },
                    }),
                ),
                None => message(404, "Not Found"),
            }
        }
        ("GET", ["compare", range]) => match range.split_once("...") {
            Some((base, _)) => of(200, json!({ "merge_base_commit": { "sha": base } })),
            None => message(404, "Not Found"),
        },
        ("GET", ["git", "trees", commit]) => match state.commits.get(*commit) {
            Some(files) => {
                let listed = files.iter().take(100_000).map(|(path, file)| json!({
                    "path": path, "mode": file.mode, "sha": blob(&file.bytes), "size": file.bytes.len(),
                    "type": if file.mode == "160000" { "commit" } else { "blob" },
                }));
                let listed: Vec<Value> = listed.collect();
                of(
                    200,
                    json!({ "sha": commit, "tree": listed, "truncated": files.len() > 100_000 }),
                )
            }
            None => message(404, "Not Found"),
        },
        ("GET", ["git", "blobs", id]) => {
            let all = state.commits.values().flat_map(BTreeMap::values);
            match all.map(|file| &file.bytes).find(|bytes| blob(bytes) == *id) {
                Some(bytes) => (200, Vec::new(), bytes.to_vec()),
                None => message(404, "Not Found"),
            }
        }
        ("GET", ["tarball", commit]) if state.commits.contains_key(*commit) => {
            let url = format!("http://{address}/archive/{commit}?token=secret-of-the-archive");
            (302, vec![("location".to_owned(), url)], Vec::new())
        }
        ("GET", ["issues", number, "comments"]) => {
            let number: u64 = number.parse().unwrap_or_default();
            let size: usize = parameter("per_page").parse().unwrap_or(30);
            let page: usize = parameter("page").parse().unwrap_or(1);
            let all = state.comments.iter().filter(|comment| comment.pull == number);
            let shown = all.skip((page - 1) * size).take(size).map(|comment| {
                json!({
                    "id": comment.id, "body": comment.body,
                    "user": { "login": comment.login, "type": comment.kind },
                "performed_via_github_app":
                    (comment.login == format!("{}[bot]", APP.0)).then(|| json!({ "id": APP.1 })),
                })
            });
            of(200, shown.collect())
        }
        ("POST", ["issues", number, "comments"]) => {
            let said = text("body");
            if said.chars().count() > 65_536 {
                return message(422, "Body is too long (maximum is 65536 characters)");
            }
            let id = state.number();
            let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
            let pull = number.parse().unwrap_or_default();
            state.comments.push(Comment { id, pull, login: login.to_owned(), kind, body: said });
            of(201, json!({ "id": id }))
        }
        ("PATCH" | "DELETE", ["issues", "comments", id]) => {
            let id: u64 = id.parse().unwrap_or_default();
            let Some(at) = state.comments.iter().position(|comment| comment.id == id) else {
                return message(404, "Not Found");
            };
            if method == "DELETE" {
                state.comments.remove(at);
                return (204, Vec::new(), Vec::new());
            }
            state.comments[at].body = text("body");
            of(200, json!({ "id": id }))
        }
        ("GET", ["commits", _, "check-suites"]) => {
            let here = state.installed && parameter("app_id") == APP.1.to_string();
            of(200, json!({ "total_count": u8::from(here), "check_suites": [] }))
        }
        ("GET", ["commits", reference @ ..]) => {
            let reference = reference.join("/");
            let named = state.refs.get(&(repository.to_owned(), reference.clone())).cloned();
            let known =
                named.or_else(|| state.commits.contains_key(&reference).then_some(reference));
            match known {
                Some(commit) => of(200, json!({ "sha": commit })),
                None => message(422, "No commit found for SHA"),
            }
        }
        // Only an App may write checks.
        ("POST", ["check-runs"]) if login == format!("{}[bot]", APP.0) => {
            let mut check = body.clone();
            check["id"] = state.number().into();
            check["app"] = json!({ "id": APP.1 });
            state.checks.push(check.clone());
            of(201, check)
        }
        _ => message(404, "Not Found"),
    }
}

/// As GitHub makes it: one folder above all, links as links.
fn tarball(files: &BTreeMap<String, File>) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    for (path, file) in files.iter().filter(|(_, file)| !file.unarchived) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if file.mode == "100755" { 0o755 } else { 0o644 });
        let path = format!("repository-0123456/{path}");
        let added = match file.mode {
            "160000" => continue,
            "120000" => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(
                    &mut header,
                    path,
                    String::from_utf8_lossy(&file.bytes).as_ref(),
                )
            }
            // Paths that the writer itself would refuse are written all the same.
            _ if path.contains("..") => {
                let name = &mut header.as_gnu_mut().expect("a GNU header").name;
                name[..path.len()].copy_from_slice(path.as_bytes());
                header.set_size(file.bytes.len() as u64);
                header.set_cksum();
                builder.append(&header, &*file.bytes)
            }
            _ => {
                header.set_size(file.bytes.len() as u64);
                builder.append_data(&mut header, path, &*file.bytes)
            }
        };
        added.expect("a file fits into an archive");
    }
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).expect("an archive")
}

/// A delivery's signature by `secret`, as `X-Hub-Signature-256` has it.
pub fn signature(secret: &str, body: &[u8]) -> String {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}
