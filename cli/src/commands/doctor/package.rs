//! One package as a consumer gets it: index file, archive, and the headers that keep both honest.

use packhouse_client::ClientError;
use packhouse_client::probe::Seen;
use packhouse_client::url::encode;
use packhouse_core::api::read::{IndexFile, QueryAnswer};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::version::Version;

use super::{Verdict, Visit, said};

pub(super) fn look(visit: &mut Visit<'_>) {
    let Some(identifier) = listed(visit) else { return };
    let path = format!("/index/{}.json", identifier.key());
    let seen = match visit.reader(&path) {
        Ok(seen) => seen,
        Err(error) => {
            visit.note("index", Verdict::Failed, error.to_string(), "see the registry's log");
            return;
        }
    };
    let index: Option<IndexFile> =
        serde_json::from_slice(&seen.body).ok().filter(|_| seen.status == 200);
    let right = index.filter(|index| index.identifier.parse().as_ref() == Ok(&identifier));
    let Some(index) = right else {
        let found = format!("{path} gets {}", said(&seen));
        let fix = "let `/index/` through to the registry or to its store's `index/`";
        visit.note("index", Verdict::Failed, found, fix);
        return;
    };
    visit.ok("index", format!("{} versions of {identifier}", index.versions.len()));
    index_caching(visit, &path, &seen);
    blob(visit, &identifier, &index);
}

/// The package to look at, and how many there are.
fn listed(visit: &mut Visit<'_>) -> Option<Identifier> {
    let fix = "let `/v1/packages` through to the registry; see its log";
    let seen = match visit.reader("/v1/packages/all") {
        Ok(seen) => seen,
        Err(error) => {
            visit.note("packages", Verdict::Failed, error.to_string(), fix);
            return None;
        }
    };
    if seen.status == 401 || seen.status == 403 {
        visit.note("packages", Verdict::Skipped, "reading takes a token", "");
        return None;
    }
    let answer: Option<QueryAnswer> =
        serde_json::from_slice(&seen.body).ok().filter(|_| seen.status == 200);
    let Some(answer) = answer else {
        visit.note("packages", Verdict::Failed, format!("the list gets {}", said(&seen)), fix);
        return None;
    };
    let first = answer.packages.first().map(|hit| hit.identifier.clone());
    let wanted = visit.args.package.clone().or(first);
    visit.ok("packages", format!("{} packages", answer.total));
    wanted?.parse().ok()
}

fn index_caching(visit: &mut Visit<'_>, path: &str, seen: &Seen) {
    let control = seen.header("cache-control");
    let shared = if visit.private { "private" } else { "public" };
    let mut wrong = Vec::new();
    if !has(control, "max-age=60") || !has(control, shared) {
        wrong.push(format!("`cache-control: {control}`, promised is `{shared}, max-age=60`"));
    }
    match seen.header("etag") {
        "" => wrong.push("no `etag`".to_owned()),
        tag => {
            let token = visit.token.as_ref();
            let again = visit.client.probe("GET", path, &[("if-none-match", tag)], token, None);
            if let Some(seen) = again.ok().filter(|seen| seen.status != 304) {
                wrong.push(format!("its own `etag` gets {}, not 304", said(&seen)));
            }
        }
    }
    let found = if wrong.is_empty() { control.to_owned() } else { wrong.join("; ") };
    let fix = "let `cache-control` and `etag` of the registry through as they are";
    visit.judge("index-caching", wrong.is_empty(), found, fix);
}

/// Whether a list of directives has this one.
fn has(list: &str, directive: &str) -> bool {
    list.split([',', ';']).any(|part| part.trim().eq_ignore_ascii_case(directive))
}

fn blob(visit: &mut Visit<'_>, identifier: &Identifier, index: &IndexFile) {
    let smallest = index.versions.iter().filter(|v| v.in_service()).min_by_key(|v| v.bytes);
    let Some(entry) = smallest else {
        visit.note("blob", Verdict::Skipped, "no version is in service", "");
        return;
    };
    let Ok(version) = Version::parse(entry.order, &entry.version) else { return };
    let name = format!("{}-{}.zip", identifier.file_stem(), version.key());
    let path = format!("/blobs/sha256/{}/{}", entry.digest, encode(&name));
    let seen = match visit.reader(&path) {
        Ok(seen) => seen,
        Err(error) => {
            let fix = match error {
                ClientError::NotARegistry { .. } => "serve blobs where they are asked for",
                _ => "see the registry's log",
            };
            visit.note("blob", Verdict::Failed, error.to_string(), fix);
            return;
        }
    };
    let good = seen.status == 200 && Digest::of(&seen.body).hex() == entry.digest;
    let found = match seen.status {
        200 if good => format!("{name}: every byte is right"),
        200 => {
            format!("{name} has sha256:{}, promised is {}", Digest::of(&seen.body), entry.digest)
        }
        _ => format!("{name} gets {}", said(&seen)),
    };
    visit.judge(
        "blob",
        good,
        found,
        "restore the blob from a backup; look for what changes bytes on the way",
    );
    if seen.status != 200 {
        return;
    }
    let control = seen.header("cache-control");
    let shared = if visit.private { "private" } else { "public" };
    let kept =
        has(control, "immutable") && has(control, "max-age=31536000") && has(control, shared);
    let found = format!("`cache-control: {control}`");
    let fix = "blobs never change: pass on `public, max-age=31536000, immutable` (`private` on a private registry)";
    visit.judge("blob-caching", kept, found, fix);
    user_bytes(visit, &seen);
    if visit.private {
        leak(visit, &path);
    }
}

/// Bytes of strangers are saved and never run.
fn user_bytes(visit: &mut Visit<'_>, seen: &Seen) {
    let policy = seen.header("content-security-policy");
    let missing: Vec<&str> = [
        (
            seen.header("content-disposition").starts_with("attachment"),
            "content-disposition: attachment",
        ),
        (has(seen.header("x-content-type-options"), "nosniff"), "x-content-type-options: nosniff"),
        (
            has(policy, "sandbox") && has(policy, "default-src 'none'"),
            "content-security-policy: default-src 'none'; sandbox",
        ),
    ]
    .into_iter()
    .filter_map(|(there, header)| (!there).then_some(header))
    .collect();
    let found = match &missing[..] {
        [] => "packages' bytes are saved, not shown".to_owned(),
        missing => format!("missing: {}", missing.join("; ")),
    };
    let fix = "add these headers where blobs are served: else a package can run scripts there";
    visit.judge("user-bytes", missing.is_empty(), found, fix);
}

/// The bytes of a private registry behind a known address.
fn leak(visit: &mut Visit<'_>, path: &str) {
    let open = visit.stranger(path).is_ok_and(|seen| seen.status == 200);
    if open {
        let fix = "let no cache keep answers of a private registry, and no path pass it by";
        visit.findings.retain(|finding| finding.check != "private");
        visit.note("private", Verdict::Failed, format!("{path} is told without a token"), fix);
    }
}
