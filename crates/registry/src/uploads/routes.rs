//! `PUT /_upload/{intent}/{part}` and `POST /_upload/form`: signed uploads as S3 would take them.
//!
//! Errors are XML with S3's codes, which clients of presigned uploads know. There are no redirects,
//! and no byte is read for a PUT whose signature is wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::form::Form;
use super::sign::{FormFields, KEY, POLICY, PutQuery, SIGNATURE};
use super::{Incoming, Kept, Staging, UploadError, UploadSigner};
use crate::ports::{Clock, StoreError, UploadBounds};

/// Uploads that are received at one time; more wait for a while, and are then told to slow down.
const AT_ONCE: usize = 64;
/// How long an upload waits for its slot: some clients never repeat one.
const QUEUE: Duration = Duration::from_secs(5);
/// The longest field of a form, and all that may stand beside its file, in bytes.
const FIELD_BYTES: usize = 16 << 10;
/// The most parts of a form.
const PARTS: usize = 32;

/// How long an upload may take.
#[derive(Clone, Copy, Debug)]
pub struct UploadTimes {
    /// Between two pieces of it.
    pub idle: Duration,
    /// From start to end.
    pub whole: Duration,
}

impl Default for UploadTimes {
    /// 20 s between pieces, 10 minutes in all: 64 MiB at 1 Mbit/s.
    fn default() -> Self {
        Self { idle: Duration::from_secs(20), whole: Duration::from_secs(600) }
    }
}

struct Uploads {
    staging: Arc<dyn Staging>,
    signer: UploadSigner,
    clock: Arc<dyn Clock>,
    times: UploadTimes,
    slots: Semaphore,
}

/// The routes below `/_upload` for a store that takes uploads itself.
pub fn router(
    staging: Arc<dyn Staging>,
    signer: UploadSigner,
    clock: Arc<dyn Clock>,
    times: UploadTimes,
) -> Router {
    let uploads = Uploads { staging, signer, clock, times, slots: Semaphore::new(AT_ONCE) };
    Router::new()
        .route("/_upload/{intent}/{part}", put(put_object))
        .route("/_upload/form", post(post_form))
        .with_state(Arc::new(uploads))
}

/// `PUT /_upload/{intent}/{part}`: 200, or 412 when the part was uploaded before.
async fn put_object(
    State(uploads): State<Arc<Uploads>>,
    Path((intent, part)): Path<(String, String)>,
    query: Result<Query<PutQuery>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<StatusCode, UploadError> {
    let Query(query) = query.map_err(|e| UploadError::Malformed(e.body_text()))?;
    let bounds = uploads.signer.check_put(&intent, &part, &query, uploads.clock.now())?;
    let _slot = uploads.slot().await?;
    if let Some(found) = content_length(request.headers())?
        && found != bounds.bytes
    {
        return Err(UploadError::Length { announced: bounds.bytes, found });
    }
    let mut body = Box::pin(uploads.timed(request.into_body()));
    let mut incoming = Incoming::start(&*uploads.staging, &bounds).await?;
    while let Some(bytes) = body.next().await {
        incoming.write(bytes?).await?;
    }
    match incoming.finish(&*uploads.staging).await? {
        Kept::New(_) => Ok(StatusCode::OK),
        Kept::Before(digest) => Err(UploadError::AlreadyThere(digest)),
    }
}

/// `POST /_upload/form`: 204, also for the same bytes again.
async fn post_form(
    State(uploads): State<Arc<Uploads>>,
    request: Request,
) -> Result<StatusCode, UploadError> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body = Box::pin(uploads.timed(request.into_body()));
    let mut form = Form::new(&content_type, body)?;
    // The file comes last, so all before it is short; only what is signed gets a slot.
    let fields = tokio::time::timeout(uploads.times.idle, read_fields(&mut form, &uploads));
    let slow = |_| UploadError::Stalled(uploads.times.idle.as_secs());
    let bounds = fields.await.map_err(slow)??;
    let _slot = uploads.slot().await?;
    let mut incoming = Incoming::start(&*uploads.staging, &bounds).await?;
    while let Some(bytes) = form.data().await? {
        incoming.write(bytes).await?;
    }
    // Kept only once the form came in whole, as S3 has it.
    let mut parts = 0;
    while form.next(FIELD_BYTES).await?.is_some() {
        parts += 1;
        if parts > PARTS {
            return Err(UploadError::Malformed("the form has too many parts".to_owned()));
        }
    }
    incoming.finish(&*uploads.staging).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the form up to its file; what the signed fields admit.
async fn read_fields<S>(form: &mut Form<S>, uploads: &Uploads) -> Result<UploadBounds, UploadError>
where
    S: Stream<Item = Result<Bytes, UploadError>> + Unpin,
{
    let mut fields = FormFields::default();
    for _ in 0..PARTS {
        let Some(name) = form.next(FIELD_BYTES).await? else {
            return Err(UploadError::Malformed("the form has no part named `file`".to_owned()));
        };
        match name.as_str() {
            "file" => return uploads.signer.check_form(&fields, uploads.clock.now()),
            KEY => fields.key = Some(form.text(FIELD_BYTES).await?),
            POLICY => fields.policy = form.text(FIELD_BYTES).await?,
            SIGNATURE => fields.signature = form.text(FIELD_BYTES).await?,
            _ => {}
        }
    }
    Err(UploadError::Malformed(format!("the form has no `file` among its first {PARTS} parts")))
}

impl Uploads {
    async fn slot(&self) -> Result<SemaphorePermit<'_>, UploadError> {
        match tokio::time::timeout(QUEUE, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(StoreError::Unavailable(format!("{AT_ONCE} uploads are under way")).into()),
        }
    }

    /// The body, until it stalls or takes too long.
    fn timed(&self, body: Body) -> impl Stream<Item = Result<Bytes, UploadError>> + use<> {
        let UploadTimes { idle, whole } = self.times;
        let end = tokio::time::Instant::now() + whole;
        futures_util::stream::unfold(Some(body.into_data_stream()), move |body| async move {
            let mut body = body?;
            let wait = idle.min(end.saturating_duration_since(tokio::time::Instant::now()));
            match tokio::time::timeout(wait, body.next()).await {
                Ok(None) => None,
                Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(body))),
                Ok(Some(Err(e))) => Some((Err(UploadError::Broken(e.to_string())), None)),
                Err(_) => Some((Err(UploadError::Stalled(wait.as_secs())), None)),
            }
        })
    }
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, UploadError> {
    let Some(value) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || UploadError::Malformed("`Content-Length` is not a number".to_owned());
    length.map(Some).ok_or_else(wrong)
}

impl UploadError {
    /// Status and S3's code.
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Signature => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
            Self::Expired(_) => (StatusCode::FORBIDDEN, "AccessDenied"),
            Self::Length { announced, found } if found > announced => {
                (StatusCode::BAD_REQUEST, "EntityTooLarge")
            }
            Self::Length { .. } => (StatusCode::BAD_REQUEST, "EntityTooSmall"),
            Self::Content { .. } => (StatusCode::BAD_REQUEST, "BadDigest"),
            Self::AlreadyThere(_) => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "MalformedPOSTRequest"),
            Self::Stalled(_) => (StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
            Self::Broken(_) => (StatusCode::BAD_REQUEST, "IncompleteBody"),
            Self::Store(StoreError::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "SlowDown")
            }
            Self::Store(StoreError::Broken(_)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
            }
        }
    }
}

impl IntoResponse for UploadError {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        let message = match &self {
            Self::Store(cause) => {
                crate::log::error(&format!("upload: {cause}"));
                "the registry's store does not take the upload at the moment".to_owned()
            }
            other => other.to_string(),
        };
        let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>\n"
        );
        let headers = [
            (header::CONTENT_TYPE, "application/xml"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let mut response = (status, headers, body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, 2.into());
        }
        response
    }
}
