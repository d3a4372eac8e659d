//! A CI system's token issuer over HTTP, on a free loopback port, that can misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use packhouse_registry::oidc::SigningKey;
use serde_json::{Value, json};

use crate::claim_set::ClaimSet;

/// The bearer that `/token` asks for, as GitHub's does.
pub const REQUEST_TOKEN: &str = "request-token-of-the-test-job";

/// How the issuer answers when it is asked for its discovery document or its keys.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// As it should.
    Right,
    /// With this status and an empty object.
    Status(u16),
    /// After this time.
    Stall(Duration),
    /// With a redirect to this address.
    Redirect(String),
    /// With this many bytes that begin like JSON.
    Huge(u64),
    /// With this text.
    Text(String),
    /// The discovery document names keys at this address.
    KeysAt(String),
    /// The discovery document is that of this issuer.
    Named(String),
}

/// A token issuer that listens as long as it lives.
pub struct TestIssuer {
    url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    behaviour: Mutex<Behaviour>,
    keys: Mutex<Keys>,
    discoveries: AtomicUsize,
    key_requests: AtomicUsize,
    tokens: AtomicUsize,
    ended: AtomicBool,
}

struct Keys {
    signing: Arc<SigningKey>,
    published: Vec<Arc<SigningKey>>,
}

impl TestIssuer {
    /// Starts an issuer. All issuers of a process begin with one key, which is made once.
    pub fn start() -> Self {
        static FIRST: OnceLock<Arc<SigningKey>> = OnceLock::new();
        let key = FIRST.get_or_init(|| Arc::new(SigningKey::generate().unwrap())).clone();
        Self::start_with(key)
    }

    /// Starts an issuer that signs with `key`.
    pub fn start_with(key: Arc<SigningKey>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}");
        let shared = Arc::new(Shared {
            url: url.clone(),
            behaviour: Mutex::new(Behaviour::Right),
            keys: Mutex::new(Keys { signing: key.clone(), published: vec![key] }),
            discoveries: AtomicUsize::new(0),
            key_requests: AtomicUsize::new(0),
            tokens: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let served = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if served.ended.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(stream), served) = (stream, served.clone()) else { continue };
                std::thread::spawn(move || served.answer(stream)); // a client that left is no fault
            }
        });
        Self { url, address, shared }
    }

    /// The issuer's address, as `iss` says it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The claims of a push of `git_ref` to `repository`, now.
    pub fn push(&self, repository: &str, git_ref: &str) -> ClaimSet {
        ClaimSet::of_push(&self.url, repository, git_ref, jiff::Timestamp::now().as_second())
    }

    /// The environment of a job for which `/token` mints `claims`; audience, times and `jti` are
    /// each token's own.
    pub fn environment(&self, claims: &ClaimSet) -> Vec<(&'static str, String)> {
        let mut url = format!("{}/token?api-version=2.0", self.url);
        for (name, value) in &claims.0 {
            let own = matches!(name.as_str(), "iss" | "aud" | "iat" | "nbf" | "exp" | "jti");
            if let Some(value) = value.as_str().filter(|_| !own) {
                url.push_str(&format!("&{name}={}", encode(value)));
            }
        }
        vec![
            ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN.to_owned()),
        ]
    }

    /// A token with `claims`, signed as it should be.
    pub fn mint(&self, claims: &ClaimSet) -> String {
        self.mint_with(&self.header(), claims)
    }

    /// The header of a right token.
    pub fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": "RS256", "kid": self.shared.keys().signing.kid() })
    }

    /// A token with `header` and `claims`, signed with the right key whatever they say.
    pub fn mint_with(&self, header: &Value, claims: &ClaimSet) -> String {
        let key = self.shared.keys().signing.clone();
        key.sign(header, &Value::Object(claims.0.clone())).unwrap()
    }

    /// A token of any bytes, signed with the right key.
    pub fn mint_bytes(&self, header: &[u8], payload: &[u8]) -> String {
        self.shared.keys().signing.clone().sign_bytes(header, payload).unwrap()
    }

    /// The public key that tokens are signed with, as a JSON Web Key.
    pub fn public_key(&self) -> Value {
        self.shared.keys().signing.jwk()
    }

    /// Signs with a new key from now on, and publishes it; the old ones only if `keep`.
    pub fn rotate(&self, keep: bool) {
        let key = Arc::new(SigningKey::generate().unwrap());
        let mut keys = self.shared.keys();
        if !keep {
            keys.published.clear();
        }
        keys.published.push(key.clone());
        keys.signing = key;
    }

    /// Answers like this from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// How often it was asked for its discovery document.
    pub fn discoveries(&self) -> usize {
        self.shared.discoveries.load(Ordering::Relaxed)
    }

    /// How often it was asked for its keys.
    pub fn key_requests(&self) -> usize {
        self.shared.key_requests.load(Ordering::Relaxed)
    }

    /// How many tokens `/token` gave.
    pub fn tokens(&self) -> usize {
        self.shared.tokens.load(Ordering::Relaxed)
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address); // wakes the listener, which may be gone already
    }
}

impl Shared {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap()
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?.take(64 << 10)).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let mut authorized = false;
        for line in lines {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            authorized |= line == format!("authorization: bearer {REQUEST_TOKEN}");
        }
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/.well-known/openid-configuration" => {
                self.discoveries.fetch_add(1, Ordering::Relaxed);
                self.published(stream, &self.discovery())
            }
            "/.well-known/jwks" => {
                self.key_requests.fetch_add(1, Ordering::Relaxed);
                let keys: Vec<Value> = self.keys().published.iter().map(|key| key.jwk()).collect();
                self.published(stream, &json!({ "keys": keys }))
            }
            "/token" if !authorized => send(stream, "401 Unauthorized", "", "{}"),
            "/token" => {
                self.tokens.fetch_add(1, Ordering::Relaxed);
                send(stream, "200 OK", "", &json!({ "value": self.token(query) }).to_string())
            }
            _ => send(stream, "404 Not Found", "", "{}"),
        }
    }

    fn discovery(&self) -> Value {
        let (mut issuer, mut keys) = (self.url.clone(), format!("{}/.well-known/jwks", self.url));
        match self.behaviour.lock().unwrap().clone() {
            Behaviour::KeysAt(url) => keys = url,
            Behaviour::Named(name) => issuer = name,
            _ => {}
        }
        json!({ "issuer": issuer, "jwks_uri": keys, "id_token_signing_alg_values_supported": ["RS256"] })
    }

    fn published(&self, mut stream: TcpStream, document: &Value) -> std::io::Result<()> {
        let behaviour = self.behaviour.lock().unwrap().clone();
        match behaviour {
            Behaviour::Right | Behaviour::KeysAt(_) | Behaviour::Named(_) => {
                send(stream, "200 OK", "", &document.to_string())
            }
            Behaviour::Status(status) => send(stream, &format!("{status} Broken"), "", "{}"),
            Behaviour::Stall(time) => {
                std::thread::sleep(time);
                send(stream, "200 OK", "", &document.to_string())
            }
            Behaviour::Redirect(url) => {
                send(stream, "302 Found", &format!("location: {url}\r\n"), "")
            }
            Behaviour::Text(text) => send(stream, "200 OK", "", &text),
            Behaviour::Huge(bytes) => {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n["
                )?;
                let piece = [b' '; 64 << 10];
                let mut left = bytes - 1;
                while left > 0 {
                    let size = left.min(piece.len() as u64);
                    stream.write_all(&piece[..size as usize])?;
                    left -= size;
                }
                Ok(())
            }
        }
    }

    fn token(&self, query: &str) -> String {
        let given: HashMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let of = |name: &str, default: &str| given.get(name).cloned().unwrap_or(default.to_owned());
        let now = jiff::Timestamp::now().as_second();
        let (repository, git_ref) =
            (of("repository", "local/package"), of("ref", "refs/heads/main"));
        let mut claims = ClaimSet::of_push(&self.url, &repository, &git_ref, now);
        for (name, value) in &given {
            claims = match name.as_str() {
                "audience" => claims.audience(value),
                "api-version" => claims,
                // Seconds from now on, as a clock that is wrong would have them.
                "iat" | "nbf" | "exp" => {
                    claims.with(name, now + value.parse::<i64>().expect("seconds"))
                }
                name => claims.with(name, value.as_str()),
            };
        }
        let key = self.keys().signing.clone();
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid() });
        key.sign(&header, &Value::Object(claims.0)).unwrap()
    }
}

fn send(mut stream: TcpStream, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    // One write: a header that is sent in pieces waits for acknowledgements.
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes())
}

/// A token of three parts with any bytes in them, for forging.
pub fn assemble(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.{}",
        part(header.to_string().as_bytes()),
        part(claims.to_string().as_bytes()),
        part(signature)
    )
}

fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let write = |b: u8| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(write).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = tail;
    }
    String::from_utf8(bytes).unwrap()
}
