//! The check of CI tokens against a real issuer over HTTP: forged tokens, and issuers that rotate
//! their keys, stall, fail, redirect, or send too much.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use packhouse_core::api::ErrorCode;
use packhouse_core::claims::Claims;
use packhouse_core::limits::{LEEWAY_SECONDS, TOKEN_LIFE_SECONDS};
use packhouse_registry::oidc::{Issuer, SigningKey, TokenError, Verifier};
use packhouse_tests::claim_set::ClaimSet;
use packhouse_tests::issuer::{Behaviour, TestIssuer, assemble};
use serde_json::{Value, json};

const AUDIENCE: &str = "packhouse:https://packages.example.org:acme/sensor@1.2.3:sha256:00";

fn verifier(issuers: &[&TestIssuer]) -> Verifier {
    Verifier::new(issuers.iter().map(|issuer| Issuer::parse(issuer.url()).unwrap()))
}

fn claims(issuer: &TestIssuer) -> ClaimSet {
    issuer.push("acme/sensor", "refs/tags/v1.2.3").audience(AUDIENCE).issued_at(start())
}

/// The time at which all tests begin, in seconds since 1970. It stands still, so that edges of a
/// second are where they are on a slow machine too.
fn start() -> i64 {
    static START: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *START.get_or_init(|| Timestamp::now().as_second())
}

async fn verify(verifier: &Verifier, token: &str) -> Result<Claims, TokenError> {
    verify_at(verifier, token, 0).await
}

/// Verifies `seconds` after the start.
async fn verify_at(verifier: &Verifier, token: &str, seconds: i64) -> Result<Claims, TokenError> {
    let now = Timestamp::from_second(start() + seconds).unwrap();
    verifier.verify(token, &[AUDIENCE.to_owned()], now).await
}

#[tokio::test]
async fn a_right_token_says_what_the_issuer_said() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    assert_eq!(issuer.key_requests(), 0, "starting costs nothing");
    let claims = claims(&issuer).with("environment", "release").with("repo_property_x", "new");
    let read = verify(&verifier, &issuer.mint(&claims)).await.unwrap();
    assert_eq!(read.git_ref, "refs/tags/v1.2.3");
    assert_eq!(read.repository_id, claims.0["repository_id"]);
    assert_eq!(read.environment.as_deref(), Some("release"));
    for _ in 0..20 {
        verify(&verifier, &issuer.mint(&claims)).await.unwrap();
    }
    assert_eq!((issuer.discoveries(), issuer.key_requests()), (1, 1));
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    let right = claims(&issuer);
    let body = Value::Object(right.0.clone());
    let header = issuer.header();
    let with = |name: &str, value: Value| {
        let mut header = issuer.header();
        header[name] = value;
        header
    };
    let stranger = SigningKey::generate().unwrap();
    let good = issuer.mint(&right);
    let parts: Vec<&str> = good.split('.').collect();
    let other = issuer.mint(&right.clone().with("repository_id", "1"));
    let other_payload = other.split('.').nth(1).unwrap();

    let hmac = |secret: &[u8]| {
        let header = with("alg", "HS256".into());
        let message = assemble(&header, &body, b"").trim_end_matches('.').to_owned();
        let provider = &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let signer = (provider.signer_factory)(&jsonwebtoken::Algorithm::HS256, &key).unwrap();
        assemble(&header, &body, &signer.try_sign(message.as_bytes()).unwrap())
    };
    let public = issuer.public_key();
    let mut stranger_jwk = stranger.jwk();
    stranger_jwk["kid"] = header["kid"].clone();

    let table = [
        ("nothing", String::new()),
        ("no token", "pkh_0123".to_owned()),
        ("two parts", parts[..2].join(".")),
        ("four parts", format!("{good}.x")),
        ("white space", format!("{good}\n")),
        ("padding", format!("{good}=")),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another payload", format!("{}.{other_payload}.{}", parts[0], parts[2])),
        ("another key, right kid", stranger.sign(&header, &body).unwrap()),
        (
            "another key, own kid",
            stranger.sign(&with("kid", stranger.kid().into()), &body).unwrap(),
        ),
        ("alg none", assemble(&with("alg", "none".into()), &body, b"")),
        ("alg none, signed", issuer.mint_with(&with("alg", "none".into()), &right)),
        ("alg None", assemble(&with("alg", "NoNe".into()), &body, b"x")),
        ("alg absent", issuer.mint_with(&json!({ "kid": header["kid"] }), &right)),
        ("alg a list", issuer.mint_with(&with("alg", json!(["RS256"])), &right)),
        ("alg PS256", issuer.mint_with(&with("alg", "PS256".into()), &right)),
        ("alg RS512", issuer.mint_with(&with("alg", "RS512".into()), &right)),
        ("alg ES256", issuer.mint_with(&with("alg", "ES256".into()), &right)),
        ("HMAC with the modulus", hmac(public["n"].as_str().unwrap().as_bytes())),
        ("HMAC with the key", hmac(public.to_string().as_bytes())),
        ("no kid", issuer.mint_with(&json!({ "alg": "RS256" }), &right)),
        ("empty kid", issuer.mint_with(&with("kid", "".into()), &right)),
        ("kid a number", issuer.mint_with(&with("kid", 1.into()), &right)),
        ("kid a path", issuer.mint_with(&with("kid", "../../dev/null".into()), &right)),
        ("jku", stranger.sign(&with("jku", "http://127.0.0.1:1/keys".into()), &body).unwrap()),
        ("jku, right key", issuer.mint_with(&with("jku", issuer.url().into()), &right)),
        ("jwk", stranger.sign(&with("jwk", stranger_jwk), &body).unwrap()),
        ("x5u", issuer.mint_with(&with("x5u", "http://127.0.0.1:1/c".into()), &right)),
        ("x5c", issuer.mint_with(&with("x5c", json!(["AA"])), &right)),
        ("crit", issuer.mint_with(&with("crit", json!(["exp"])), &right)),
        ("b64", issuer.mint_with(&with("b64", false.into()), &right)),
        ("header a list", issuer.mint_with(&json!(["RS256"]), &right)),
        ("huge", issuer.mint(&right.clone().with("x", "y".repeat(16 << 10)))),
        ("deep", issuer.mint(&right.clone().with("x", deep(1_000)))),
    ];
    for (what, token) in table {
        let error = verify(&verifier, &token).await.expect_err(what);
        assert_eq!(error.code(), ErrorCode::TokenInvalid, "{what}: {error}");
        assert!(token.len() < 20 || !error.to_string().contains(&token), "{what}: {error}");
    }
    verify(&verifier, &good).await.unwrap();
    assert_eq!(issuer.key_requests(), 1, "no forged token made the registry fetch more");
}

/// Lists in lists; too many of them for the JSON reader.
fn deep(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |value, _| json!([value]))
}

#[tokio::test]
async fn a_name_that_is_there_twice_is_refused() {
    use base64::Engine as _;
    let issuer = TestIssuer::start();
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let header = issuer.header().to_string();
    let twice = header.replacen('{', r#"{"alg":"none","#, 1);
    let token = format!("{}.{}.{}", encode(&twice), encode("{}"), encode("x"));
    let error = verify(&verifier(&[&issuer]), &token).await.unwrap_err().to_string();
    assert!(error.contains("a name is there twice"), "{error}");
}

#[tokio::test]
async fn claims_of_the_wrong_kind_are_refused() {
    use ErrorCode::{TokenExpired, TokenInvalid, WrongAudience, WrongIssuer};
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    let right = claims(&issuer);
    let now = right.0["iat"].as_i64().unwrap();
    let mut table = vec![
        ("aud an array of one", right.clone().with("aud", json!([AUDIENCE])), WrongAudience),
        ("aud an array", right.clone().with("aud", json!(["x", AUDIENCE])), WrongAudience),
        ("aud a number", right.clone().with("aud", 5), WrongAudience),
        ("aud null", right.clone().with("aud", Value::Null), WrongAudience),
        ("aud absent", right.clone().without("aud"), WrongAudience),
        ("aud empty", right.clone().with("aud", ""), WrongAudience),
        ("aud longer", right.clone().with("aud", format!("{AUDIENCE}0")), WrongAudience),
        ("aud shorter", right.clone().with("aud", &AUDIENCE[..AUDIENCE.len() - 1]), WrongAudience),
        ("aud in capitals", right.clone().with("aud", AUDIENCE.to_uppercase()), WrongAudience),
        (
            "aud of a look-alike host",
            right.clone().with("aud", AUDIENCE.replace("example.org", "example.org.evil.com")),
            WrongAudience,
        ),
        (
            "aud of a rehearsal",
            right.clone().with("aud", AUDIENCE.replacen("packhouse", "packhouse-rehearse", 1)),
            WrongAudience,
        ),
        ("iss absent", right.clone().without("iss"), TokenInvalid),
        ("iss an array", right.clone().with("iss", json!([issuer.url()])), TokenInvalid),
        ("iss with a slash", right.clone().with("iss", format!("{}/", issuer.url())), WrongIssuer),
        (
            "iss with a segment",
            right.clone().with("iss", format!("{}/acme", issuer.url())),
            WrongIssuer,
        ),
        (
            "iss GitHub",
            right.clone().with("iss", "https://token.actions.githubusercontent.com"),
            WrongIssuer,
        ),
        ("exp with a fraction", right.clone().with("exp", (now + 300) as f64 + 0.5), TokenInvalid),
        ("exp 1e10", right.clone().with("exp", 1e10), TokenInvalid),
        ("exp a text", right.clone().with("exp", "9999999999"), TokenInvalid),
        ("exp above all", right.clone().with("exp", u64::MAX), TokenInvalid),
        ("exp the largest", right.clone().with("exp", i64::MAX), TokenInvalid),
        ("exp the smallest", right.clone().with("exp", i64::MIN), TokenExpired),
        ("exp before iat", right.clone().with("exp", now - 1), TokenInvalid),
        ("iat the smallest", right.clone().with("iat", i64::MIN), TokenInvalid),
        ("nbf null", right.clone().with("nbf", Value::Null), TokenInvalid),
        ("nbf a text", right.clone().with("nbf", "1"), TokenInvalid),
        ("repository_id a number", right.clone().with("repository_id", 5), TokenInvalid),
        ("repository_id empty", right.clone().with("repository_id", ""), TokenInvalid),
        ("environment a list", right.clone().with("environment", json!(["release"])), TokenInvalid),
        ("ref_protected a truth", right.clone().with("ref_protected", true), TokenInvalid),
    ];
    for name in ["exp", "iat"] {
        table.push(("a time absent", right.clone().without(name), TokenInvalid));
    }
    for name in [
        "sub",
        "jti",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "event_name",
        "ref",
        "ref_type",
        "sha",
        "run_id",
    ] {
        table.push(("a claim absent", right.clone().without(name), TokenInvalid));
    }
    for (what, claims, code) in table {
        let error = verify(&verifier, &issuer.mint(&claims)).await.expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
    }
    let without_nbf = right.without("nbf");
    verify(&verifier, &issuer.mint(&without_nbf)).await.unwrap();
}

#[tokio::test]
async fn times_are_checked_to_the_second() {
    use ErrorCode::{TokenExpired, TokenInvalid};
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    let now = 1_800_000_000;
    let token = |iat: i64, nbf: i64, exp: i64| {
        issuer.mint(&claims(&issuer).with("iat", iat).with("nbf", nbf).with("exp", exp))
    };
    let leeway = LEEWAY_SECONDS;
    let table = [
        ("exp at the leeway's end", token(now - 300, now - 900, now - leeway), Some(TokenExpired)),
        ("exp one second before", token(now - 300, now - 900, now - leeway + 1), None),
        ("iat at the leeway's end", token(now + leeway, now, now + 300), None),
        ("iat one second later", token(now + leeway + 1, now, now + 300), Some(TokenExpired)),
        ("nbf at the leeway's end", token(now, now + leeway, now + 300), None),
        ("nbf one second later", token(now, now + leeway + 1, now + 300), Some(TokenExpired)),
        ("the longest life", token(now, now, now + TOKEN_LIFE_SECONDS), None),
        ("one second longer", token(now, now, now + TOKEN_LIFE_SECONDS + 1), Some(TokenInvalid)),
        ("no life", token(now, now, now), Some(TokenInvalid)),
    ];
    for (what, token, code) in table {
        let at = Timestamp::from_second(now).unwrap();
        let answer = verifier.verify(&token, &[AUDIENCE.to_owned()], at).await;
        assert_eq!(answer.as_ref().err().map(TokenError::code), code, "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn look_alike_issuers_are_refused_before_any_fetch() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]).with(Issuer::github(), Arc::new(Unasked));
    for iss in [
        "https://token.actions.githubusercontent.com.evil.com",
        "https://token.actions.githubusercontent.com/a/b",
        "https://token.actions.githubusercontent.com/",
        "https://token.actions.githubusercontent.com/..",
        "http://token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com@evil.com",
        "https://token.actions.githubusercontent.com?x=/y",
        &format!("{}.evil.com", issuer.url()),
        &format!("{}@evil.com", issuer.url()),
        "",
    ] {
        let token = issuer.mint(&claims(&issuer).with("iss", iss));
        let error = verify(&verifier, &token).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::WrongIssuer, "{iss}: {error}");
        assert!(iss.is_empty() || error.to_string().contains(iss), "it echoes the issuer: {error}");
    }
    assert_eq!(issuer.discoveries(), 0);
}

/// Keys that nobody must ask for.
struct Unasked;

#[async_trait::async_trait]
impl packhouse_registry::oidc::KeySource for Unasked {
    async fn keys(
        &self,
        issuer: &str,
    ) -> Result<packhouse_registry::oidc::KeySet, packhouse_registry::oidc::KeyError> {
        panic!("the keys of {issuer} were asked for")
    }
}

#[tokio::test]
async fn two_issuers_do_not_mix_their_keys() {
    let (one, two) =
        (TestIssuer::start(), TestIssuer::start_with(Arc::new(SigningKey::generate().unwrap())));
    let verifier = verifier(&[&one, &two]);
    verify(&verifier, &one.mint(&claims(&one))).await.unwrap();
    verify(&verifier, &two.mint(&claims(&two))).await.unwrap();
    // Each signs, with a key that the registry knows, a token that names the other.
    for (signer, named) in [(&one, &two), (&two, &one)] {
        let error = verify(&verifier, &signer.mint(&claims(named))).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::TokenInvalid, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_unknown_key_ids_makes_one_fetch() {
    let issuer = TestIssuer::start();
    let verifier = Arc::new(verifier(&[&issuer]));
    verify(&verifier, &issuer.mint(&claims(&issuer))).await.unwrap();
    let flood: Vec<_> = (0..1_000)
        .map(|n| {
            let mut header = issuer.header();
            header["kid"] = format!("unknown-{n}").into();
            let token = assemble(&header, &Value::Object(claims(&issuer).0), b"forged");
            let verifier = verifier.clone();
            tokio::spawn(async move { verify_at(&verifier, &token, 61).await })
        })
        .collect();
    for answer in flood {
        assert_eq!(answer.await.unwrap().unwrap_err().code(), ErrorCode::TokenInvalid);
    }
    assert_eq!((issuer.discoveries(), issuer.key_requests()), (2, 2), "the first, and one more");
    verify_at(&verifier, &issuer.mint(&claims(&issuer)), 61).await.unwrap();
}

#[tokio::test]
async fn rotated_keys_are_found_and_withdrawn_ones_refused() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    let old = issuer.mint(&claims(&issuer));
    verify(&verifier, &old).await.unwrap();

    issuer.rotate(true);
    let new = issuer.mint(&claims(&issuer));
    assert!(verify_at(&verifier, &new, 59).await.is_err(), "the keys are not a minute old");
    verify_at(&verifier, &new, 60).await.unwrap();
    verify_at(&verifier, &old, 60).await.unwrap();

    issuer.rotate(false);
    let newest = issuer.mint(&claims(&issuer));
    verify_at(&verifier, &newest, 121).await.unwrap();
    let error = verify_at(&verifier, &old, 122).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TokenInvalid, "{error}");
    assert_eq!(issuer.key_requests(), 3);
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_refused_within_the_hour() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    verify(&verifier, &issuer.mint(&claims(&issuer))).await.unwrap();
    let now = start();
    let stolen = |seconds: i64| issuer.mint(&claims(&issuer).issued_at(now + seconds));
    let (early, late) = (stolen(3_500), stolen(3_700));
    issuer.rotate(false);
    verify_at(&verifier, &early, 3_500).await.unwrap();
    let error = verify_at(&verifier, &late, 3_700).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TokenInvalid, "{error}");
}

#[tokio::test]
async fn stale_keys_carry_a_registry_over_an_outage() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    let at = |seconds: i64| {
        let now = start() + seconds;
        issuer.mint(&claims(&issuer).issued_at(now))
    };
    verify(&verifier, &at(0)).await.unwrap();
    for behaviour in [
        Behaviour::Status(500),
        Behaviour::Status(503),
        Behaviour::Status(204),
        Behaviour::Text("{}".to_owned()),
        Behaviour::Text(r#"{"keys":[]}"#.to_owned()),
        Behaviour::Redirect(format!("{}/.well-known/jwks", issuer.url())),
        Behaviour::KeysAt("http://127.0.0.2:1/keys".to_owned()),
        Behaviour::KeysAt(issuer.url().replace("http:", "https:")),
        Behaviour::Named("https://token.actions.githubusercontent.com".to_owned()),
    ] {
        issuer.behave(behaviour.clone());
        verify_at(&verifier, &at(2 * 3_600), 2 * 3_600)
            .await
            .unwrap_or_else(|error| panic!("{behaviour:?}: {error}"));
        // A registry without any keys says that it is not the token's fault.
        let cold = self::verifier(&[&issuer]);
        let error = verify(&cold, &at(0)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::IssuerUnavailable, "{behaviour:?}: {error}");
        let asked = issuer.discoveries();
        verify_at(&cold, &at(1), 1).await.unwrap_err();
        assert_eq!(issuer.discoveries(), asked, "it does not ask again at once");
        issuer.behave(Behaviour::Right);
        verify_at(&cold, &at(10), 10).await.unwrap();
    }
    issuer.behave(Behaviour::Status(500));
    let day = 25 * 3_600;
    let error = verify_at(&verifier, &at(day), day).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::IssuerUnavailable, "after a day they are too old: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalling_issuer_holds_up_nobody_who_has_a_key() {
    let issuer = TestIssuer::start();
    let verifier = Arc::new(verifier(&[&issuer]));
    let at = start() + 7_200;
    let token = issuer.mint(&claims(&issuer).issued_at(at));
    verify(&verifier, &issuer.mint(&claims(&issuer))).await.unwrap();
    issuer.behave(Behaviour::Stall(Duration::from_secs(60)));
    let start = Instant::now();
    let first = {
        let (verifier, token) = (verifier.clone(), token.clone());
        tokio::spawn(async move { verify_at(&verifier, &token, 7_200).await })
    };
    while issuer.discoveries() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked = Instant::now();
    for _ in 0..50 {
        verify_at(&verifier, &token, 7_200).await.unwrap();
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    first.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_undo_the_fetch() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    issuer.behave(Behaviour::Stall(Duration::from_millis(300)));
    let token = issuer.mint(&claims(&issuer));
    let hung_up = tokio::time::timeout(Duration::from_millis(50), verify(&verifier, &token)).await;
    assert!(hung_up.is_err());
    verify(&verifier, &token).await.unwrap();
    assert_eq!(issuer.key_requests(), 1);
}

#[tokio::test]
async fn a_hundred_megabytes_of_keys_are_not_read() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    issuer.behave(Behaviour::Huge(100 << 20));
    let before = peak_memory_kib();
    let start = Instant::now();
    let error = verify(&verifier, &issuer.mint(&claims(&issuer))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::IssuerUnavailable, "{error}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let grown = peak_memory_kib() - before;
    assert!(grown < 32 << 10, "the process grew by {grown} KiB");
}

/// The most memory that this process ever had.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn tokens_come_from_the_address_that_ci_jobs_ask() {
    let issuer = TestIssuer::start();
    let job = issuer.push("Acme/Sensor", "refs/tags/v1.2.3").with("environment", "re lease&x");
    let environment = issuer.environment(&job);
    let ask = |bearer: String, audience: &str| {
        let url = format!("{}&audience={audience}", environment[0].1);
        let address = issuer.url().trim_start_matches("http://").to_owned();
        tokio::task::spawn_blocking(move || {
            use std::io::{Read as _, Write as _};
            let path = &url[url.find("/token").unwrap()..];
            let mut stream = std::net::TcpStream::connect(&address).unwrap();
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: bearer {bearer}\r\n\r\n"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    };
    assert!(ask("wrong".to_owned(), "x").await.unwrap().starts_with("HTTP/1.1 401"));
    let answer = ask(environment[1].1.clone(), "a%3Ab").await.unwrap();
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let token = body["value"].as_str().unwrap();
    let claims = verifier(&[&issuer]).verify(token, &["a:b".to_owned()], Timestamp::now()).await;
    let claims = claims.unwrap();
    assert_eq!(claims.repository_id, job.0["repository_id"]);
    assert_eq!(claims.environment.as_deref(), Some("re lease&x"));
    assert_eq!(issuer.tokens(), 1);
}

#[tokio::test]
async fn every_character_of_a_token_counts() {
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    let token = issuer.mint(&claims(&issuer));
    verify(&verifier, &token).await.unwrap();
    for at in 0..token.len() {
        for other in ["A", "B", ".", "=", "\u{e9}", ""] {
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            if changed != token {
                let answer = verify(&verifier, &changed).await;
                assert!(answer.is_err(), "`{other}` at {at} of {}", token.len());
            }
        }
    }
    assert!(issuer.key_requests() <= 2, "a changed `kid` may ask once");
}

#[tokio::test]
async fn https_issuers_are_asked_over_tls() {
    use std::io::Read as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut first = [0; 3];
        listener.accept().unwrap().0.read_exact(&mut first).unwrap();
        first
    });
    let issuer = TestIssuer::start();
    let verifier = Verifier::new([Issuer::parse(&url).unwrap()]);
    let token = issuer.mint(&claims(&issuer).with("iss", url));
    let error = verify(&verifier, &token).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::IssuerUnavailable, "{error}");
    assert!(!error.to_string().contains("broke off"), "TLS can be set up: {error}");
    assert_eq!(server.join().unwrap(), [0x16, 3, 1], "a TLS ClientHello");
}

/// Some bytes of a right text give way to others.
fn spliced(text: &str, splices: &[(u16, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, drop, put) in splices {
        let start = usize::from(*at) % (bytes.len() + 1);
        let end = (start + usize::from(*drop % 16)).min(bytes.len());
        bytes.splice(start..end, put.iter().copied());
    }
    bytes
}

/// Whatever an issuer signs, the check does not panic, and what passes says what it promises.
#[test]
fn a_broken_issuer_cannot_break_the_check() {
    use proptest::prelude::*;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let issuer = TestIssuer::start();
    let verifier = verifier(&[&issuer]);
    let right = Value::Object(claims(&issuer).0).to_string();
    let header = issuer.header().to_string();
    let now = Timestamp::from_second(start()).unwrap();
    let splice = || {
        let put = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..4),
            "[0-9\"{}\\[\\],:.e-]{0,4}".prop_map(String::into_bytes)
        ];
        proptest::collection::vec((any::<u16>(), any::<u8>(), put), 0..3)
    };
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&(splice(), splice()), |(in_header, in_claims)| {
            let token =
                issuer.mint_bytes(&spliced(&header, &in_header), &spliced(&right, &in_claims));
            let answer = runtime.block_on(verifier.verify(&token, &[AUDIENCE.to_owned()], now));
            if in_header.is_empty() && in_claims.is_empty() {
                prop_assert!(answer.is_ok());
            }
            if let Ok(claims) = answer {
                let now = now.as_second();
                prop_assert_eq!(
                    (claims.iss.as_str(), claims.aud.as_str()),
                    (issuer.url(), AUDIENCE)
                );
                prop_assert!(
                    now < claims.exp + LEEWAY_SECONDS && claims.iat <= now + LEEWAY_SECONDS
                );
                prop_assert!((1..=TOKEN_LIFE_SECONDS).contains(&(claims.exp - claims.iat)));
                prop_assert!(!claims.repository_id.is_empty() && !claims.jti.is_empty());
            }
            Ok(())
        })
        .unwrap();
}
