//! The subject of a publish: what a request's texts say, parsed once.

use packhouse_core::api::{ErrorCode, PublishRequest};
use packhouse_core::digest::{Digest, Hasher};
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::version::{Order, Version};

use crate::error::{ApiError, ApiResult};
use crate::ports::Member;

/// An empty zip: what `ato` announces and uploads where nothing was built.
pub(super) const EMPTY_ZIP_BYTES: u64 = 22;

/// What would be published, as a request announces it.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) identifier: Identifier,
    pub(super) version: Version,
    pub(super) format: &'static str,
    pub(super) bytes: u64,
    pub(super) digest: Option<Digest>,
    pub(super) artifacts_bytes: Option<u64>,
    pub(super) artifacts_digest: Option<Digest>,
    /// The members of its train in ascending order; empty where the digest is not known yet.
    pub(super) members: Vec<Member>,
}

impl Subject {
    pub(super) fn parse(request: &PublishRequest, limits: &Limits) -> ApiResult<Self> {
        let identifier = identifier(&request.identifier)?;
        let digest = request.digest.as_deref().map(|d| digest(d, "digest")).transpose()?;
        let format = format(request.format.as_deref(), digest.is_some())?;
        let order = request.order.unwrap_or(format.order());
        let version = version(order, &request.package_version)?;
        if request.package_size > limits.archive_bytes {
            return Err(too_large("archive", request.package_size, limits.archive_bytes));
        }
        if request.package_size == 0 {
            return Err(ApiError::new(
                ErrorCode::BadRequest,
                "`package_size` is 0",
                "send the exact size of the archive in bytes",
            ));
        }
        if let Some(claim) = &request.quality {
            claim.check().map_err(|error| {
                let help = "send the counts of the reports as they are";
                ApiError::new(ErrorCode::BadRequest, error.to_string(), help)
            })?;
        }
        let artifacts_bytes = request.artifacts_size.filter(|bytes| *bytes > 0);
        if let Some(bytes) = artifacts_bytes.filter(|bytes| *bytes > limits.archive_bytes) {
            return Err(too_large("artifacts archive", bytes, limits.archive_bytes));
        }
        let artifacts_digest = artifacts_bytes
            .and(request.artifacts_digest.as_deref())
            .map(|d| self::digest(d, "artifacts_digest"))
            .transpose()?;
        let mut subject = Self {
            identifier,
            version,
            format: format.id(),
            bytes: request.package_size,
            digest,
            artifacts_bytes,
            artifacts_digest,
            members: Vec::new(),
        };
        subject.members = subject.train(request, limits)?;
        Ok(subject)
    }

    fn train(&self, request: &PublishRequest, limits: &Limits) -> ApiResult<Vec<Member>> {
        let bad = |message: String| {
            ApiError::new(
                ErrorCode::BadRequest,
                message,
                "send each member once, with identifier, version and digest, the package itself included",
            )
        };
        let Some(digest) = self.digest else {
            return if request.train.is_empty() {
                Ok(Vec::new())
            } else {
                Err(bad("a train needs the package's `digest`".to_owned()))
            };
        };
        let own =
            Member { identifier: self.identifier.clone(), version: self.version.clone(), digest };
        if request.train.is_empty() {
            return Ok(vec![own]);
        }
        if request.train.len() > limits.train_members {
            let message = format!("the train has {} members", request.train.len());
            let help = format!("at most {} packages ride one train", limits.train_members);
            return Err(ApiError::new(ErrorCode::TooLarge, message, help));
        }
        let mut members = Vec::with_capacity(request.train.len());
        for member in &request.train {
            let identifier = identifier(&member.identifier)?;
            // Every member's request must name the train alike, so each says its own order.
            let order = member.order.unwrap_or(Order::SemVer);
            let version = version(order, &member.version)?;
            members.push(Member {
                identifier,
                version,
                digest: self::digest(&member.digest, "digest")?,
            });
        }
        members.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        if let Some(twice) =
            members.windows(2).find(|pair| pair[0].identifier == pair[1].identifier)
        {
            return Err(bad(format!("the train has `{}` twice", twice[0].identifier)));
        }
        if !members.contains(&own) {
            return Err(bad(format!(
                "`{}@{}` with its digest is not in its train",
                own.identifier, own.version
            )));
        }
        Ok(members)
    }
}

/// The id of a train: SHA-256 over the publisher's lasting identity and the members, so that the
/// same content asked for again, in whatever run, rides the same train.
pub(super) fn train_id(publisher: &str, members: &[Member]) -> Digest {
    let mut hasher = Hasher::default();
    for line in [publisher.to_owned()].into_iter().chain(
        members.iter().map(|m| format!("{}@{} {}", m.identifier.key(), m.version.key(), m.digest)),
    ) {
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finish()
}

pub(crate) fn identifier(text: &str) -> ApiResult<Identifier> {
    text.parse::<Identifier>().map_err(|e| {
        ApiError::new(
            ErrorCode::InvalidIdentifier,
            e.to_string(),
            "write `owner/name` or `owner/name/sub`",
        )
    })
}

pub(crate) fn version(order: Order, text: &str) -> ApiResult<Version> {
    Version::parse(order, text).map_err(|e| {
        ApiError::new(
            ErrorCode::InvalidVersion,
            e.to_string(),
            "mend the version in the manifest or the tag",
        )
    })
}

pub(super) fn digest(text: &str, name: &str) -> ApiResult<Digest> {
    text.parse().map_err(|e: packhouse_core::digest::DigestError| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("`{name}`: {e}"),
            "send the SHA-256 as 64 hex digits",
        )
    })
}

pub(super) fn format(
    id: Option<&str>,
    has_digest: bool,
) -> ApiResult<&'static dyn packhouse_core::formats::Format> {
    let known = || {
        let ids: Vec<_> = packhouse_core::formats::FORMATS.iter().map(|f| f.id()).collect();
        format!("send one of: {}", ids.join(", "))
    };
    // Only `ato` sends neither a format nor a digest.
    let id = match id {
        Some(id) => id,
        None if !has_digest => "ato",
        None => return Err(ApiError::new(ErrorCode::BadRequest, "`format` is missing", known())),
    };
    packhouse_core::formats::by_id(id).ok_or_else(|| {
        let shown = packhouse_core::escape::printable(id);
        ApiError::new(
            ErrorCode::BadRequest,
            format!("`{shown}` is not a format of this registry"),
            known(),
        )
    })
}

fn too_large(what: &str, found: u64, limit: u64) -> ApiError {
    ApiError::new(
        ErrorCode::TooLarge,
        format!("the {what} has {found} bytes; at most {limit} are allowed here"),
        "leave out what consumers do not need (`packhouse pack --list` shows the largest files)",
    )
    .fact("limit_bytes", limit)
    .fact("found_bytes", found)
}
