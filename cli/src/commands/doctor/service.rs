//! The registry itself: whether it answers, and whether it keeps to itself what it should.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use packhouse_client::{Client, ClientError, RegistryUrl};
use packhouse_core::limits::LEEWAY_SECONDS;
use serde_json::{Value, json};

use super::{Verdict, Visit, is_error, said};
use crate::args::Global;
use crate::context::{self, Registry};
use crate::exit::Stop;

/// A host that nobody has (RFC 2606).
const FOREIGN: &str = "doctor.invalid";

/// Whether it answers at all; nothing else makes sense where it does not.
pub(super) fn reachable(visit: &mut Visit<'_>) -> bool {
    let health = match visit.stranger("/healthz") {
        Ok(seen) => seen,
        Err(error @ ClientError::NotARegistry { .. }) => {
            visit.ok("reachable", "something answers");
            let fix = "serve the registry at this very address: clients follow no redirect";
            visit.note("redirects", Verdict::Failed, error.to_string(), fix);
            return false;
        }
        Err(error) => {
            let fix = "start the registry; check name, port, certificate and firewall";
            visit.note("reachable", Verdict::Failed, error.to_string(), fix);
            return false;
        }
    };
    visit.ok("reachable", visit.client.registry().to_string());
    https(visit);
    clock(visit, health.header("date"));
    let json = health.json();
    let field = |name: &str| {
        json.as_ref().and_then(|json| json.get(name)?.as_str()).unwrap_or_default().to_owned()
    };
    let good = health.status == 200 && field("status") == "ok";
    let found = if good { format!("version {}", field("version")) } else { said(&health) };
    visit.judge("health", good, found, "look into the registry's log: its store does not answer");
    true
}

fn https(visit: &mut Visit<'_>) {
    let url = visit.client.registry();
    if url.as_str().starts_with("https:") {
        visit.ok("https", "the certificate is trusted");
    } else {
        let fix = "for others than this machine: put TLS in front (docs/operating.md)";
        visit.note("https", Verdict::Warning, "plain http, on this machine", fix);
    }
}

fn clock(visit: &mut Visit<'_>, date: &str) {
    let fix = "set both clocks by NTP: tokens that look too old or too new are refused";
    let Ok(there) = DateTimeParser::new().parse_timestamp(date) else {
        visit.note(
            "clock",
            Verdict::Warning,
            "answers carry no `Date`",
            "let the proxy pass it on",
        );
        return;
    };
    let off = there.as_second().abs_diff(Timestamp::now().as_second());
    let found = format!("{off} s apart, {LEEWAY_SECONDS} are forgiven");
    let leeway = LEEWAY_SECONDS.unsigned_abs();
    let verdict = match off {
        _ if off > leeway => Verdict::Failed,
        _ if off > leeway / 4 => Verdict::Warning,
        _ => Verdict::Ok,
    };
    visit.note("clock", verdict, found, fix);
}

/// All that a stranger finds.
pub(super) fn look(visit: &mut Visit<'_>) {
    openapi(visit);
    strangers(visit);
    writes(visit);
    staging(visit);
    private(visit);
}

/// The addresses under which the registry's documentation says that it is served.
fn servers(document: &Value) -> Vec<String> {
    let list = document.get("servers").and_then(Value::as_array);
    let urls = list.into_iter().flatten().filter_map(|server| server.get("url")?.as_str());
    urls.map(|url| url.trim_end_matches('/').to_owned()).collect()
}

fn openapi(visit: &mut Visit<'_>) {
    let path = "/openapi.json";
    let document = visit.stranger(path).ok().filter(|seen| seen.status == 200);
    let document = document.and_then(|seen| seen.json()).unwrap_or_default();
    let known = document.pointer("/paths/~1v1~1publish").is_some();
    let version = document.pointer("/info/version").and_then(Value::as_str).unwrap_or("none");
    let found =
        if known { format!("version {version}, with /v1") } else { "no /v1 in it".to_owned() };
    visit.judge(
        "openapi",
        known,
        found,
        "this address is not a registry's, or a proxy hides /openapi.json",
    );
    if !known {
        return;
    }
    let named = servers(&document);
    let url = visit.client.registry().to_string();
    // Tokens are bound to this address: with another one, no publish is ever believed.
    let good = named.iter().all(|server| *server == url) && !named.is_empty();
    let found = format!("it calls itself {}", named.join(", "));
    visit.judge("public-url", good, found, "set `--public-url` to the address that clients use");

    let fix = "addresses in answers must come from `--public-url`, never from `Host`";
    match visit.client.probe("GET", path, &[("host", FOREIGN)], None, None) {
        Ok(seen) if String::from_utf8_lossy(&seen.body).contains(FOREIGN) => {
            visit.note(
                "host-header",
                Verdict::Failed,
                "a foreign `Host` is repeated in answers",
                fix,
            );
        }
        Ok(seen) => visit.ok("host-header", format!("a foreign `Host` gets {}", said(&seen))),
        Err(_) => visit.ok("host-header", "a foreign `Host` gets no answer"),
    }
}

/// No redirects, and errors in one shape.
fn strangers(visit: &mut Visit<'_>) {
    let paths = ["/v1/packages?query=a", "/v1/package/doctor/nothing", "/v1/events?after=0"];
    let redirect = paths.iter().find_map(|path| match visit.stranger(path) {
        Err(ClientError::NotARegistry { found, .. }) => Some(format!("{path}: {found}")),
        _ => None,
    });
    let found = redirect.as_deref().unwrap_or("none on /v1");
    let fix = "answer /v1 where it is asked for: clients follow no redirect";
    visit.judge("redirects", redirect.is_none(), found, fix);

    let fix = "let errors of the registry through: no error pages of a proxy on /v1";
    match visit.stranger("/v1/doctor-asks-for-nothing") {
        Ok(seen) => {
            let good = is_error(&seen, 404, "not-found") || is_error(&seen, 401, "token-missing");
            visit.judge("errors", good, format!("what is not there gets {}", said(&seen)), fix);
        }
        Err(error) => visit.note("errors", Verdict::Failed, error.to_string(), fix),
    }
}

fn writes(visit: &mut Visit<'_>) {
    // A rehearsal writes nothing, even where everybody may write.
    let rehearsal = json!({
        "identifier": "doctor/nothing", "package_version": "0.0.0", "format": "packhouse",
        "package_size": 1, "digest": "0".repeat(64), "train": [],
    });
    let cases = [
        ("writes", "POST", None, "token-missing", "a publish without a token"),
        ("false-token", "POST", Some("Bearer doctor"), "token-invalid", "a made-up token"),
        ("admin", "GET", None, "token-missing", "an operator's route without a token"),
    ];
    for (check, method, bearer, code, what) in cases {
        let path = if check == "admin" { "/v1/admin/tokens" } else { "/v1/publish/rehearse" };
        let body = (method == "POST").then_some(&rehearsal);
        let headers: Vec<(&str, &str)> =
            bearer.iter().map(|bearer| ("authorization", *bearer)).collect();
        let fix = match check {
            "false-token" => "let `Authorization` through to the registry, and its answer back",
            _ => "serve without `--open`; let the registry's own answers through",
        };
        match visit.client.probe(method, path, &headers, None, body) {
            Ok(seen) => {
                let good = is_error(&seen, 401, code)
                    && seen.header("www-authenticate").to_ascii_lowercase().contains("bearer");
                visit.judge(check, good, format!("{what} gets {}", said(&seen)), fix);
            }
            Err(error) => visit.note(check, Verdict::Failed, error.to_string(), fix),
        }
    }
}

fn staging(visit: &mut Visit<'_>) {
    let readable = ["/staging/x", "/staging/"]
        .into_iter()
        .find(|path| visit.stranger(path).is_ok_and(|seen| (200..300).contains(&seen.status)));
    let found = match readable {
        Some(path) => format!("GET {path} is answered"),
        None => "uploads that are not confirmed cannot be read".to_owned(),
    };
    let fix = "serve `blobs/`, `index/` and `views/` of the store, and never `staging/`";
    visit.judge("staging", readable.is_none(), found, fix);
}

/// A registry that asks for tokens asks for them everywhere.
fn private(visit: &mut Visit<'_>) {
    let Ok(first) = visit.stranger("/v1/packages?query=") else { return };
    visit.private = first.status == 401;
    if !visit.private {
        visit.ok("private", "public: everybody may read");
        return;
    }
    let package = visit.args.package.clone().unwrap_or_else(|| "doctor/nothing".to_owned());
    let paths = [
        "/v1/packages/all".to_owned(),
        "/v1/events?after=0".to_owned(),
        format!("/v1/package/{package}"),
        format!("/index/{}.json", package.to_ascii_lowercase()),
        format!("/p/{package}"),
        "/p/".to_owned(),
        "/v1/closure?root=doctor/nothing".to_owned(),
    ];
    let leak = paths.iter().find_map(|path| {
        let seen = visit.stranger(path).ok()?;
        (!matches!(seen.status, 401 | 403)).then(|| format!("{path} gets {}", said(&seen)))
    });
    let found = leak.as_deref().unwrap_or("private: nothing is told without a token");
    let fix = "let no cache keep answers of a private registry, and no path pass it by";
    visit.judge("private", leak.is_none(), found, fix);
}

/// Functions behind the registry refuse whoever passes it by.
pub(super) fn functions(visit: &mut Visit<'_>, global: &Global) -> anyhow::Result<()> {
    if visit.args.function_url.is_empty() {
        visit.note("function-url", Verdict::Skipped, "none was named with `--function-url`", "");
    }
    for text in &visit.args.function_url {
        let url: RegistryUrl = text.parse().map_err(|e| {
            Stop::usage(format!("{e}"), "give the function's address as AWS shows it")
        })?;
        // No token goes there.
        let client: Client = context::client(global, &Registry { url, trusted: false })?;
        let answers = ["/healthz", "/v1/packages?query=", "/v1/admin/tokens"]
            .map(|path| client.probe("GET", path, &[], None, None));
        let open = answers.iter().flatten().find(|seen| seen.status != 403);
        let found = match open {
            Some(seen) => format!("{text} gets {}", said(seen)),
            None => format!("{text} refuses"),
        };
        let fix = "set the function's origin secret, and let it refuse requests without it";
        visit.judge("function-url", open.is_none(), found, fix);
    }
    Ok(())
}
