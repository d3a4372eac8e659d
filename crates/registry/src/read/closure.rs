//! `/v1/closure`: everything that a resolver needs, in one answer.

use std::collections::{BTreeSet, VecDeque};

use axum::extract::{RawQuery, State};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::{ClosureAnswer, ClosureRequest, IndexFile};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{NativeName, Target};
use packhouse_core::release::SCHEMA;

use super::{index, parse_id};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

/// Roots in one request, at most.
const ROOTS: usize = 1_000;

/// Packages that are looked up side by side.
const AT_ONCE: usize = 16;

/// Packages in one answer, at most.
const PACKAGES: usize = 1_000;

/// Versions in one answer, at most (but the first package is always there, whole). Sixteen
/// dependencies count as one version more, so that long lists do not make an answer endless.
const VERSIONS: usize = 20_000;

/// The closure of some roots: `?root=acme/sensor&root=python:numpy`.
#[utoipa::path(get, path = "/v1/closure", tag = "read",
    params(("root" = Vec<String>, Query, description = "`owner/name[/sub]` or `<ecosystem>:<name>`, repeated")),
    responses((status = 200, body = ClosureAnswer), (status = 400, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn get(State(app): State<App>, RawQuery(query): RawQuery) -> ApiResult<Page> {
    let query = query.unwrap_or_default();
    let roots = query.split('&').filter_map(|pair| pair.strip_prefix("root=")).map(decoded);
    closure(&app, roots.collect::<ApiResult<_>>()?).await
}

/// The closure of many roots.
#[utoipa::path(post, path = "/v1/closure", tag = "read", request_body = ClosureRequest,
    responses((status = 200, body = ClosureAnswer), (status = 400, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn post(
    State(app): State<App>,
    Body(request): Body<ClosureRequest>,
) -> ApiResult<Page> {
    closure(&app, request.roots).await
}

async fn closure(app: &App, roots: Vec<String>) -> ApiResult<Page> {
    if roots.is_empty() || roots.len() > ROOTS {
        return Err(bad(
            format!("there are {} roots", roots.len()),
            format!("send 1 to {ROOTS}, for example `?root=acme/sensor`"),
        ));
    }
    let mut seen: BTreeSet<Wanted> = BTreeSet::new();
    let mut queue: VecDeque<Wanted> = VecDeque::new();
    let mut missing = Vec::new();
    for root in &roots {
        let wanted = Wanted::parse(root)?;
        if seen.insert(wanted.clone()) {
            queue.push_back(wanted);
        }
    }
    // A native name and an identifier may be two names of one package.
    let mut taken: BTreeSet<Identifier> = BTreeSet::new();
    let mut packages: Vec<IndexFile> = Vec::new();
    let (mut versions, mut current) = (0, true);
    while packages.len() < PACKAGES && (versions < VERSIONS || packages.is_empty()) {
        // A wave of packages is looked up side by side, and taken in its order.
        let wave: Vec<Wanted> = queue.drain(..queue.len().min(AT_ONCE)).collect();
        if wave.is_empty() {
            break;
        }
        let lookups = stream::iter(wave.into_iter().map(|wanted| look_up(app, wanted)));
        let mut looked_up = lookups.buffered(AT_ONCE).try_collect::<VecDeque<_>>().await?;
        while let Some((wanted, found)) = looked_up.pop_front() {
            let Some((identifier, index, is_current)) = found else {
                missing.push(wanted.to_string());
                continue;
            };
            if taken.contains(&identifier) {
                continue;
            }
            if packages.len() == PACKAGES || (versions >= VERSIONS && !packages.is_empty()) {
                // Full in the middle of a wave: the rest of it comes first next time.
                looked_up.push_front((wanted, None));
                break;
            }
            taken.insert(identifier);
            current &= is_current;
            versions += index.versions.iter().map(|v| 1 + v.dependencies.len() / 16).sum::<usize>();
            let served = index.versions.iter().filter(|version| version.in_service());
            for dependency in served.flat_map(|version| &version.dependencies) {
                let needed = match &dependency.target {
                    Target::Registry { identifier } => Wanted::Package(identifier.clone()),
                    Target::Native(name) => Wanted::Native(name.clone()),
                    Target::Git { .. } | Target::File { .. } | Target::Url { .. } => continue,
                };
                if seen.insert(needed.clone()) {
                    queue.push_back(needed);
                }
            }
            packages.push(IndexFile { exports: Vec::new(), ..index });
        }
        for (wanted, _) in looked_up.into_iter().rev() {
            queue.push_front(wanted);
        }
    }
    let next: Vec<_> = queue.iter().map(ToString::to_string).collect();
    let truncated = !next.is_empty();
    let answer = ClosureAnswer { schema: SCHEMA, packages, missing, truncated, next };
    // One that was made of older files is not kept: they change without the ledger.
    Page::json(&answer, Fresh::Revalidate, app.settings.private).map(|page| page.kept(current))
}

/// A package's identifier, its index file, and whether that is as new as the ledger.
type LookedUp = Option<(Identifier, IndexFile, bool)>;

async fn look_up(app: &App, wanted: Wanted) -> ApiResult<(Wanted, LookedUp)> {
    let identifier = match &wanted {
        Wanted::Package(identifier) => Some(identifier.clone()),
        Wanted::Native(name) => app.ledger.native(name).await?,
    };
    let Some(identifier) = identifier else { return Ok((wanted, None)) };
    let found = index::find(app, &identifier).await?;
    Ok((wanted, found.map(|(file, current)| (identifier, file, current))))
}

/// A package by identifier or by its ecosystem's own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Package(Identifier),
    Native(NativeName),
}

impl Wanted {
    fn parse(text: &str) -> ApiResult<Self> {
        match text.split_once(':') {
            Some((ecosystem, name)) if !ecosystem.is_empty() && !name.is_empty() => {
                let (ecosystem, name) = (ecosystem.to_owned(), name.to_owned());
                Ok(Self::Native(NativeName { ecosystem, name }))
            }
            _ => parse_id(text).map(Self::Package),
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Package(identifier) => identifier.fmt(f),
            Self::Native(NativeName { ecosystem, name }) => write!(f, "{ecosystem}:{name}"),
        }
    }
}

/// A query's value with `%XX` and `+` decoded.
fn decoded(text: &str) -> ApiResult<String> {
    let wrong = || {
        bad(
            "a root is not percent-encoded UTF-8".to_owned(),
            "write `%2F` for `/`, or `/`".to_owned(),
        )
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex = text.get(at..at + 2).ok_or_else(wrong)?;
                if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(wrong());
                }
                out.push(u8::from_str_radix(hex, 16).map_err(|_| wrong())?);
                at += 2;
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| wrong())
}

fn bad(message: String, help: String) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, message, help)
}
