//! `POST /v1/publish/upload-complete`: the bytes are there.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::HeaderMap;
use packhouse_core::api::{ConfirmAnswer, ConfirmRequest, ErrorCode};
use packhouse_core::archive;
use packhouse_core::claims::Publisher;
use packhouse_core::digest::Digest;
use packhouse_core::fppm::clash;
use packhouse_core::release::{Attachment, Marks, Release, SCHEMA};

use super::contents::{self, Checked};
use super::identity::{admit, audiences, lasting_identity, receipt, same_job, taken};
use super::request::replayed;
use super::subject::{EMPTY_ZIP_BYTES, train_id};
use super::turns::Turn;
use super::{dependencies, status};
use crate::app::{App, Service};
use crate::auth::{Caller, caller};
use crate::compat;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::ports::{Committed, Intent, Member, Part, Prepared, SeenToken, Staged, Train};
use crate::urls;

/// How long a confirm waits for another train to let go of the version; clients wait ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Up to this size in bytes, files of `artifacts.zip` are stored side by side, so many at once.
const SMALL_FILE_BYTES: u64 = 1 << 20;
const SMALL_AT_ONCE: usize = 32;

/// Confirms an upload: checks the bytes, reserves the version, and seals the train once all of its
/// members are confirmed. Repeating it answers the same.
#[utoipa::path(post, path = "/v1/publish/upload-complete", tag = "publish", request_body = ConfirmRequest,
    responses((status = 200, body = ConfirmAnswer), (status = 409, description = "The version stands with other content", body = packhouse_core::api::ErrorBody)))]
pub async fn confirm(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<ConfirmRequest>,
) -> ApiResult<Json<ConfirmAnswer>> {
    let intent = status::find(&app, &request.release_id).await?;
    let allowed = audiences(&app, &intent.identifier, &intent.version, intent.digest.as_ref());
    let caller = caller(&app, &headers, &allowed).await?;
    same_job(&intent.publisher, &caller.publisher())?;
    if let Some(release) = app.ledger.release(&intent.identifier, intent.version.key()).await? {
        return settled(&app, &intent, &release).map(Json);
    }
    admit(&app, &caller, &intent.identifier, &intent.version, intent.bound_audience).await?;
    if intent.expires_at <= app.clock.now() {
        return Err(status::expired(&intent));
    }
    match publish(&app, &intent, &caller).await {
        // Another confirm of this intent got further and tidied up: its answer is this one's.
        Err(error) if error.code == ErrorCode::UploadMismatch => {
            confirmed(&app, &intent).await?.map(Json).ok_or(error)
        }
        answer => answer.map(Json),
    }
}

/// The answer to a confirm that has been answered before; `None` if there was none.
async fn confirmed(app: &App, intent: &Intent) -> ApiResult<Option<ConfirmAnswer>> {
    if let Some(release) = app.ledger.release(&intent.identifier, intent.version.key()).await? {
        return settled(app, intent, &release).map(Some);
    }
    let Some(train) = &intent.train else { return Ok(None) };
    let waiting = app.ledger.waiting(train).await?;
    if waits_for(&waiting, intent) { Ok(None) } else { sealed(app, intent, train).await }
}

/// The answer where the version is released already: its receipt when it is this intent's content.
fn settled(service: &Service, intent: &Intent, release: &Release) -> ApiResult<ConfirmAnswer> {
    let same = match intent.digest {
        Some(digest) => digest == release.digest,
        None => release.intent == intent.id.as_str(),
    };
    if same && release.marks.removed.is_none() {
        Ok(answer(service, release))
    } else {
        Err(taken(release))
    }
}

fn answer(service: &Service, release: &Release) -> ConfirmAnswer {
    ConfirmAnswer {
        status: "ok".to_owned(),
        url: urls::page(&service.settings, &release.identifier),
        receipt: Some(receipt(service, release)),
        waiting_for: Vec::new(),
    }
}

async fn publish(app: &App, intent: &Intent, caller: &Caller) -> ApiResult<ConfirmAnswer> {
    let limits = app.settings.limits.clone();
    let turn = app.turns.take(intent, &limits).await?;
    let (staged, bytes) = uploaded(app, intent, Part::Archive, intent.bytes).await?;
    let expected = intent.clone();
    let (digest, checked) = blocking(&turn, move || {
        let digest = Digest::of(&bytes);
        match expected.digest {
            Some(wanted) if wanted != digest => Err(other_bytes(&wanted, &digest)),
            _ => contents::check(&bytes, &expected, &limits).map(|checked| (digest, checked)),
        }
    })
    .await?;
    let train = train(intent, digest);
    let attachments = attachments(app, intent, &turn).await?;
    drop(turn);
    let release =
        release(app, intent, &train, digest, checked, attachments, caller.publisher()).await?;
    if !app.blobs.promote(&staged, &digest).await? {
        return Err(ApiError::new(
            ErrorCode::UploadMismatch,
            "the uploaded archive changed while it was checked",
            "run the publish again",
        ));
    }
    let token = caller.seen_token();
    let answer = seal(app, intent, &train, &release, token.as_ref()).await?;
    // The bytes are promoted; what stays behind is swept after the intent's end all the same.
    let _ = app.blobs.discard(&intent.id).await;
    Ok(answer)
}

/// The staged bytes of one upload, pinned to the version that was read.
async fn uploaded(
    app: &App,
    intent: &Intent,
    part: Part,
    announced: u64,
) -> ApiResult<(Staged, Bytes)> {
    let what = match part {
        Part::Archive => "the archive",
        Part::Artifacts => "artifacts.zip",
    };
    let missing = || {
        ApiError::new(
            ErrorCode::UploadMismatch,
            format!("{what} was not uploaded"),
            "upload it to the address that the publish request answered, then confirm",
        )
    };
    let staged = app.blobs.pin(&intent.id, part).await?.ok_or_else(missing)?;
    if staged.bytes != announced {
        return Err(ApiError::new(
            ErrorCode::UploadMismatch,
            format!("{what} has {} bytes, {announced} were announced", staged.bytes),
            "run the publish again",
        ));
    }
    let bytes = app.blobs.read_staged(&staged).await?.ok_or_else(missing)?;
    Ok((staged, bytes))
}

fn other_bytes(expected: &Digest, found: &Digest) -> ApiError {
    ApiError::new(
        ErrorCode::UploadMismatch,
        format!("the uploaded archive is sha256:{found}, sha256:{expected} was announced"),
        "run the publish again; if it repeats, something between here and the store changes bytes",
    )
    .fact("expected", expected.hex())
    .fact("actual", found.hex())
}

/// The train of the intent; `ato`'s rides alone, known once its bytes are.
pub(super) fn train(intent: &Intent, digest: Digest) -> Train {
    intent.train.clone().unwrap_or_else(|| {
        let members = vec![Member {
            identifier: intent.identifier.clone(),
            version: intent.version.clone(),
            digest,
        }];
        Train { id: train_id(&lasting_identity(&intent.publisher), &members), members }
    })
}

/// Stores each file of `artifacts.zip` under its digest.
async fn attachments(
    app: &App,
    intent: &Intent,
    turn: &Turn,
) -> ApiResult<Option<Vec<Attachment>>> {
    // `ato` uploads an empty zip where nothing was built; whether it arrived makes no difference.
    let announced = intent.artifacts_bytes.filter(|bytes| *bytes != EMPTY_ZIP_BYTES);
    let Some(announced) = announced else { return Ok(None) };
    let (_, bytes) = uploaded(app, intent, Part::Artifacts, announced).await?;
    let limits = app.settings.limits.clone();
    let (reading, wanted) = (bytes.clone(), intent.artifacts_digest);
    // The whole of it is checked before the first file of it is stored.
    let contents = blocking(turn, move || {
        let found = Digest::of(&reading);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(other_bytes(&wanted, &found));
        }
        archive::read(&reading, &limits, |_, _| {}).map_err(invalid_artifacts)
    })
    .await?;
    // Each file waits for the disk, so small ones are stored side by side; large ones take memory.
    let (small, large): (Vec<_>, Vec<_>) =
        contents.entries.into_iter().partition(|entry| entry.bytes <= SMALL_FILE_BYTES);
    let mut stored = Vec::with_capacity(small.len() + large.len());
    for (entries, at_once) in [(small, SMALL_AT_ONCE), (large, 1)] {
        let each = entries.into_iter().map(|entry| {
            let (app, bytes, turn) = (App::clone(app), bytes.clone(), Turn::clone(turn));
            async move { store(&app, bytes, entry, &turn).await }
        });
        let storing = futures_util::stream::iter(each).buffered(at_once);
        stored.extend(storing.try_collect::<Vec<_>>().await?);
    }
    stored.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(stored))
}

fn invalid_artifacts(error: archive::ArchiveError) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidArtifacts,
        format!("artifacts.zip: {error}"),
        "build again, and look at what lies in the artifacts folder",
    )
}

/// Stores one file of `artifacts.zip`.
async fn store(
    app: &App,
    bytes: Bytes,
    entry: archive::Entry,
    turn: &Turn,
) -> ApiResult<Attachment> {
    let (path, size, limits) = (entry.path.to_string(), entry.bytes, app.settings.limits.clone());
    let unpack = move || archive::read_entry(&bytes, &entry, &limits).map_err(invalid_artifacts);
    let content = blocking(turn, unpack).await?;
    let digest = app.blobs.put(Bytes::from(content)).await?;
    Ok(Attachment { path, digest, bytes: size })
}

pub(super) async fn release(
    app: &App,
    intent: &Intent,
    train: &Train,
    digest: Digest,
    checked: Checked,
    attachments: Option<Vec<Attachment>>,
    publisher: Publisher,
) -> ApiResult<Release> {
    let asked = dependencies::Asked {
        identifier: &intent.identifier,
        version: &intent.version,
        dependencies: &checked.manifest.dependencies,
        train,
    };
    let mut warnings = match &publisher {
        // What it needs may be imported behind it: a warning would outlive its reason.
        Publisher::Imported(_) => Vec::new(),
        _ => dependencies::warnings(app, &asked).await,
    };
    if let Some(native) = &checked.described.native {
        match app.ledger.native(native).await {
            Ok(Some(holder)) if holder != intent.identifier => warnings.push(format!(
                "the name `{}` is held by `{holder}`: this package is found as `{}` only",
                native.name, intent.identifier
            )),
            Ok(_) => {}
            // Only a warning depends on it: the commit decides who holds the name.
            Err(error) => crate::log::info(&format!(
                "{}@{}: who holds `{}` was not looked up: {error}",
                intent.identifier, intent.version, native.name
            )),
        }
    }
    if checked.described.format == "fppm" {
        match compat::fppm::clashes(app, &intent.identifier).await {
            Ok(clashes) => {
                warnings.extend(clashes.iter().map(|(short, long)| clash::told(short, long)));
            }
            // Only a warning depends on it.
            Err(error) => crate::log::info(&format!(
                "{}@{}: names like it were not looked up: {error}",
                intent.identifier, intent.version
            )),
        }
    }
    Ok(Release {
        schema: SCHEMA,
        identifier: intent.identifier.clone(),
        // The manifest's own spelling, build metadata included.
        version: checked.manifest.version.map_or_else(|| intent.version.clone(), |v| v.value),
        digest,
        tree_digest: checked.contents.tree_digest,
        bytes: intent.bytes,
        unpacked_bytes: checked.contents.unpacked_bytes,
        files: u32::try_from(checked.contents.entries.len()).unwrap_or(u32::MAX),
        described: checked.described,
        readme: checked.readme,
        attachments,
        git_ref: intent.git_ref.clone(),
        quality: intent.quality.clone(),
        publisher,
        intent: intent.id.to_string(),
        created_at: intent.created_at,
        released_at: intent.created_at,
        warnings,
        marks: Marks::default(),
    })
}

/// Reserves the version and seals the train; waits a little where another train holds it.
pub(super) async fn seal(
    app: &App,
    intent: &Intent,
    train: &Train,
    release: &Release,
    token: Option<&SeenToken>,
) -> ApiResult<ConfirmAnswer> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(5);
    loop {
        let now = app.clock.now();
        let prepared = app.ledger.prepare(&intent.id, train, release, token, now).await?;
        let until = match prepared {
            Prepared::Ready => match sealed(app, intent, train).await? {
                Some(answer) => return Ok(answer),
                // Another train took the version between the two calls.
                None => now,
            },
            Prepared::Same(release) => return Ok(answer(app, &release)),
            Prepared::Taken(release) => return Err(taken(&release)),
            Prepared::Replayed => return Err(replayed()),
            Prepared::Expired => return Err(status::expired(intent)),
            Prepared::Reserved { until } => until,
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(reserved(intent, until, now));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// Seals the train if all of it is prepared; `None` if this very package is not.
async fn sealed(app: &App, intent: &Intent, train: &Train) -> ApiResult<Option<ConfirmAnswer>> {
    match app.ledger.commit(train, app.clock.now()).await? {
        Committed::Committed(releases) => releases
            .iter()
            .find(|r| r.identifier == intent.identifier)
            .map(|release| Some(answer(app, release)))
            .ok_or_else(|| {
                ApiError::new(
                    ErrorCode::Internal,
                    "the train sealed without this package",
                    "tell the operator",
                )
            }),
        Committed::Waiting(members) if waits_for(&members, intent) => Ok(None),
        Committed::Waiting(members) => Ok(Some(ConfirmAnswer {
            status: "ok".to_owned(),
            url: urls::page(&app.settings, &intent.identifier),
            receipt: None,
            waiting_for: status::names(&members),
        })),
        Committed::PinsDiffer(head) => Err(ApiError::new(
            ErrorCode::WrongRepository,
            format!("`{}` was published by another repository in the meantime", head.identifier),
            "choose another identifier, or ask the registry's operator",
        )
        .fact("claim", "repository_id")),
        Committed::OwnerDiffers(_) => Err(ApiError::new(
            ErrorCode::WrongOwner,
            format!("the owner `{}` belongs to another account", intent.identifier.owner()),
            "choose another owner, or ask the registry's operator",
        )
        .fact("claim", "repository_owner_id")),
        Committed::LooksLike(other) => Err(ApiError::new(
            ErrorCode::NameReserved,
            format!("`{}` looks like `{other}`, which belongs to another owner", intent.identifier),
            "choose a name that nobody can take for the other",
        )
        .fact("looks_like", other.to_string())),
        Committed::Expired => Err(status::expired(intent)),
    }
}

/// Whether the intent's own package is among those that a train waits for.
fn waits_for(members: &[Member], intent: &Intent) -> bool {
    members.iter().any(|member| member.identifier == intent.identifier)
}

fn reserved(intent: &Intent, until: jiff::Timestamp, now: jiff::Timestamp) -> ApiError {
    let seconds = until.duration_since(now).as_secs().clamp(1, 3600);
    ApiError::new(
        ErrorCode::VersionReserved,
        format!(
            "`{}@{}` is held by another publish that is under way, until {until} at the latest",
            intent.identifier, intent.version
        ),
        "wait for it to end, or to expire, and run this one again",
    )
    .retry_after(u32::try_from(seconds).unwrap_or(60).min(60))
}

/// Runs work for the processor off the threads that answer requests.
pub(super) async fn blocking<T: Send + 'static>(
    turn: &Turn,
    work: impl FnOnce() -> ApiResult<T> + Send + 'static,
) -> ApiResult<T> {
    let turn = Turn::clone(turn);
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(ApiError::new(
            ErrorCode::Internal,
            "the registry stumbled over this archive",
            "tell the operator the request id; its log has the cause",
        ))
    })
}
