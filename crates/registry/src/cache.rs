//! Answers kept as bytes: a metadata GET is one look into a map, before any routing.
//!
//! A handler answers a [`Page`]; on its way out, [`Front`] keeps it under the request's path and
//! query, and gives it to everybody who asks the same until the ledger's generation (or the UTC day,
//! on which download statistics depend) changes. So a cached answer is never older than the record.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, FutureExt as _};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use packhouse_core::digest::Digest;
use serde::Serialize;
use tower::Service as TowerService;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// How long a cached answer may be shown without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// Not at all: caches keep it and ask whether it changed.
    Revalidate,
    /// 60 seconds: the stated staleness of index files and pages.
    Minute,
}

/// An answer as bytes, with an entity tag, and compressed once somebody wants it so.
pub struct Page {
    headers: HeaderMap,
    tag: String,
    body: Bytes,
    gzip: OnceLock<Option<(Bytes, HeaderValue)>>,
    kept: bool,
}

/// Below this size in bytes an answer fits one packet, and compressing it is no use.
const COMPRESS_FROM: usize = 1_200;

impl Page {
    /// An answer of the given type; only for clients with a token if the registry is `private`.
    pub fn new(
        body: impl Into<Bytes>,
        content_type: &'static str,
        fresh: Fresh,
        private: bool,
    ) -> Self {
        let body = body.into();
        let mut tag = Digest::of(&body).hex();
        tag.truncate(32);
        let control = match (private, fresh) {
            (false, Fresh::Revalidate) => "public, no-cache",
            (false, Fresh::Minute) => "public, max-age=60",
            (true, Fresh::Revalidate) => "private, no-cache",
            (true, Fresh::Minute) => "private, max-age=60",
        };
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if let Ok(value) = HeaderValue::try_from(format!("\"{tag}\"")) {
            headers.insert(header::ETAG, value);
        }
        Self { headers, tag, body, gzip: OnceLock::new(), kept: true }
    }

    /// `value` as JSON.
    ///
    /// # Errors
    ///
    /// `internal` when it cannot be written as JSON, which is a defect.
    pub fn json(value: &impl Serialize, fresh: Fresh, private: bool) -> ApiResult<Self> {
        let body = serde_json::to_vec(value).map_err(|e| {
            crate::log::error(&format!("an answer cannot be written as JSON: {e}"));
            ApiError::new(
                packhouse_core::api::ErrorCode::Internal,
                "the registry could not write its answer",
                "tell the operator the request id; its log has the cause",
            )
        })?;
        Ok(Self::new(body, "application/json", fresh, private))
    }

    /// With another header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Whether it may be kept for others; not if it was made from something that lags.
    #[must_use]
    pub fn kept(mut self, kept: bool) -> Self {
        self.kept = kept;
        self
    }

    /// The bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The answer to a GET or HEAD with these headers.
    pub fn respond(&self, method: &Method, request: &HeaderMap) -> Response {
        if request.get_all(header::IF_NONE_MATCH).iter().any(|value| self.matches(value)) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = self.headers.clone();
            response.headers_mut().remove(header::CONTENT_TYPE);
            return response;
        }
        let mut headers = self.headers.clone();
        let packed = accepts_gzip(request).then(|| self.gzip()).flatten();
        let body = match packed {
            Some((bytes, tag)) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                headers.insert(header::ETAG, tag.clone());
                bytes.clone()
            }
            None => self.body.clone(),
        };
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let body = if method == Method::HEAD { Body::empty() } else { Body::from(body) };
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response
    }

    /// Whether an `If-None-Match` names this answer, in either encoding; weakly, as RFC 9110 wants.
    fn matches(&self, value: &HeaderValue) -> bool {
        let Ok(text) = value.to_str() else { return false };
        text.split(',').map(str::trim).any(|tag| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            let inner = tag.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
            tag == "*" || inner.is_some_and(|t| t.strip_suffix("-gzip").unwrap_or(t) == self.tag)
        })
    }

    /// The compressed bytes and their tag, made at the first call; `None` where it does not pay.
    fn gzip(&self) -> Option<&(Bytes, HeaderValue)> {
        let made = self.gzip.get_or_init(|| {
            if self.body.len() < COMPRESS_FROM {
                return None;
            }
            let packed = gzip(&self.body)?;
            let tag = HeaderValue::try_from(format!("\"{}-gzip\"", self.tag)).ok()?;
            (packed.len() < self.body.len()).then(|| (packed.into(), tag))
        });
        made.as_ref()
    }

    /// What it costs to keep, in bytes; the compressed form is counted whether it is there or not.
    fn cost(&self) -> usize {
        self.body.len() + self.body.len() / 3 + 1_024
    }
}

impl IntoResponse for Page {
    /// Carries the page to [`Front`], which answers from it; behind no front, the plain bytes.
    fn into_response(self) -> Response {
        let mut response = self.respond(&Method::GET, &HeaderMap::new());
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// `bytes` as one gzip member; `None` if the encoder fails.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let out = Vec::with_capacity(bytes.len() / 3);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(6));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Whether `Accept-Encoding` admits gzip: named (or `*`) without `q=0`.
pub(crate) fn accepts_gzip(request: &HeaderMap) -> bool {
    request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).any(|text| {
        text.split(',').any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let zero = parts.any(|p| {
                p.strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty())
            });
            (name.eq_ignore_ascii_case("gzip") || name == "*") && !zero
        })
    })
}

/// Pages by path and query: bounded, and emptied as soon as the record changes.
///
/// Two maps instead of a list in order of use: when `young` is full it becomes `old`, and what was
/// old and not asked for since is dropped.
pub struct Pages {
    maps: Mutex<Maps>,
    limit_bytes: usize,
}

#[derive(Default)]
struct Maps {
    moment: Moment,
    young: HashMap<Box<str>, Arc<Page>>,
    young_bytes: usize,
    old: HashMap<Box<str>, Arc<Page>>,
}

/// What an answer depends on beside its path: the ledger's generation and the UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    generation: u64,
    day: i64,
}

impl Moment {
    /// The present one.
    pub fn of(app: &App) -> ApiResult<Self> {
        let day = app.clock.now().as_second().div_euclid(86_400);
        Ok(Self { generation: app.ledger.generation()?, day })
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new(4 << 20)
    }
}

impl Pages {
    /// A cache of at most about `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self { maps: Mutex::default(), limit_bytes }
    }

    /// The page kept for `key`, if it was made at `moment`.
    pub fn get(&self, key: &str, moment: Moment) -> Option<Arc<Page>> {
        let mut maps = self.lock();
        if maps.moment != moment {
            return None;
        }
        if let Some(page) = maps.young.get(key) {
            return Some(Arc::clone(page));
        }
        let (key, page) = maps.old.remove_entry(key)?;
        self.keep(&mut maps, key, Arc::clone(&page));
        Some(page)
    }

    /// Keeps a page that was made from what the ledger held at `moment` or later. A page of more
    /// than an eighth of the limit is not kept.
    pub fn put(&self, key: &str, page: Arc<Page>, moment: Moment) {
        let mut maps = self.lock();
        if maps.moment != moment {
            *maps = Maps { moment, ..Maps::default() };
        }
        if page.cost() + key.len() <= self.limit_bytes / 8 {
            self.keep(&mut maps, key.into(), page);
        }
    }

    fn keep(&self, maps: &mut Maps, key: Box<str>, page: Arc<Page>) {
        let cost = page.cost() + key.len();
        if maps.young_bytes + cost > self.limit_bytes / 2 {
            maps.old = std::mem::take(&mut maps.young);
            maps.young_bytes = 0;
        }
        let replaced = maps.young.insert(key, page);
        if replaced.is_none() {
            maps.young_bytes += cost;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service in front of the router that answers from [`Pages`] and fills them.
///
/// On a private registry it stands behind the check of the token, never before it.
#[derive(Clone)]
pub struct Front<S> {
    inner: S,
    app: App,
}

impl<S> Front<S> {
    /// Puts the cache in front of `inner`.
    pub fn new(inner: S, app: App) -> Self {
        Self { inner, app }
    }
}

/// The longest path with query, in bytes, under which an answer is kept.
const KEY_BYTES: usize = 512;

impl<S> TowerService<Request<Body>> for Front<S>
where
    S: TowerService<Request<Body>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<
        Ready<Result<Response, Infallible>>,
        BoxFuture<'static, Result<Response, Infallible>>,
    >;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.method();
        if method != Method::GET && method != Method::HEAD {
            return Either::Right(self.inner.call(request).boxed());
        }
        let key = request.uri().path_and_query().map_or("", |p| p.as_str());
        // A ledger that does not answer is the handler's to report.
        let moment = Moment::of(&self.app).ok().filter(|_| key.len() <= KEY_BYTES);
        let found = moment.and_then(|moment| self.app.reads.pages.get(key, moment));
        if let Some(page) = found {
            return Either::Left(ready(Ok(page.respond(method, request.headers()))));
        }
        let (key, method, headers) = (key.to_owned(), method.clone(), request.headers().clone());
        let app = Arc::clone(&self.app);
        let answer = self.inner.call(request);
        Either::Right(
            async move {
                let mut response = answer.await?;
                let Some(page) = response.extensions_mut().remove::<Arc<Page>>() else {
                    return Ok(response);
                };
                if let Some(moment) = moment.filter(|_| page.kept) {
                    app.reads.pages.put(&key, Arc::clone(&page), moment);
                }
                let mut fresh = page.respond(&method, &headers);
                for (name, value) in response.headers() {
                    // What a layer behind this one added, a request id for example.
                    if !fresh.headers().contains_key(name) && name != header::CONTENT_TYPE {
                        fresh.headers_mut().insert(name, value.clone());
                    }
                }
                Ok(fresh)
            }
            .boxed(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Arc<Page> {
        Arc::new(Page::new(text.to_owned(), "text/plain", Fresh::Minute, false))
    }

    fn moment(generation: u64) -> Moment {
        Moment { generation, day: 1 }
    }

    #[test]
    fn a_change_of_the_record_empties_the_cache() {
        let pages = Pages::default();
        pages.put("/a", page("one"), moment(1));
        assert!(pages.get("/a", moment(1)).is_some());
        assert!(pages.get("/a", moment(2)).is_none());
        assert!(pages.get("/a", Moment { generation: 1, day: 2 }).is_none());
        pages.put("/b", page("two"), moment(2));
        assert!(pages.get("/a", moment(1)).is_none() && pages.get("/a", moment(2)).is_none());
    }

    #[test]
    fn the_cache_stays_below_its_limit_and_keeps_what_is_used() {
        let pages = Pages::new(256 << 10);
        pages.put("/hot", page("hot"), moment(1));
        for n in 0..2_000 {
            pages.put(&format!("/{n}"), page(&"x".repeat(6_000)), moment(1));
            assert!(pages.get("/hot", moment(1)).is_some(), "{n}");
            let maps = pages.lock();
            let bytes = |map: &HashMap<Box<str>, Arc<Page>>| -> usize {
                map.iter().map(|(key, page)| key.len() + page.cost()).sum()
            };
            assert!(bytes(&maps.young) + bytes(&maps.old) <= 256 << 10);
        }
        pages.put("/large", page(&"x".repeat(200 << 10)), moment(1));
        assert!(pages.get("/large", moment(1)).is_none());
    }

    #[test]
    fn a_page_is_compressed_where_it_pays_and_the_client_can() {
        let headers = |name: HeaderName, value: &str| {
            HeaderMap::from_iter([(name, HeaderValue::try_from(value).unwrap())])
        };
        let long = page(&"atopile ".repeat(1_000));
        let gzip = headers(header::ACCEPT_ENCODING, "gzip, deflate");
        let answer = long.respond(&Method::GET, &gzip);
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
        let tag = answer.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert!(tag.ends_with("-gzip\""));
        for tag in [tag.clone(), tag.replace("-gzip", ""), format!("W/{tag}"), "\"x\", *".into()] {
            let asked = headers(header::IF_NONE_MATCH, &tag);
            assert_eq!(long.respond(&Method::GET, &asked).status(), 304, "{tag}");
        }
        let other = headers(header::IF_NONE_MATCH, "\"0123\"");
        assert_eq!(long.respond(&Method::GET, &other).status(), 200);
        let refused = headers(header::ACCEPT_ENCODING, "br, gzip;q=0");
        assert!(!long.respond(&Method::GET, &refused).headers().contains_key("content-encoding"));
        assert!(
            !page("short").respond(&Method::GET, &gzip).headers().contains_key("content-encoding")
        );
        assert_eq!(page("short").respond(&Method::HEAD, &gzip).headers()["content-length"], "5");
    }
}
