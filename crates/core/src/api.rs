//! The wire: what goes over HTTP between client and registry, and the error codes both agree on.

pub mod read;
pub mod transfer;

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($(#[$about:meta])* $codes:ident: $($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $codes {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl $codes {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as text, for example `version-exists`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }

        impl std::fmt::Display for $codes {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

error_codes! {
    /// A stable error code of a registry; its page is `docs/errors/<code>.md`.
    ErrorCode:
    /// The request is not what the route takes.
    BadRequest = "bad-request",
    /// No such package, release, intent or route.
    NotFound = "not-found",
    /// The identifier cannot be one.
    InvalidIdentifier = "invalid-identifier",
    /// The version cannot be one.
    InvalidVersion = "invalid-version",
    /// The package's manifest is missing, broken or says something else than the request.
    InvalidManifest = "invalid-manifest",
    /// The archive is unsafe or damaged.
    InvalidArchive = "invalid-archive",
    /// The artifacts archive is unsafe or damaged.
    InvalidArtifacts = "invalid-artifacts",
    /// More than a limit allows.
    TooLarge = "too-large",
    /// The version is released with other content, or was removed.
    VersionExists = "version-exists",
    /// The version is reserved by another publish that is under way.
    VersionReserved = "version-reserved",
    /// Records of an import that contradict what the registry holds.
    ImportConflict = "import-conflict",
    /// The uploaded bytes are not there, or not the ones that were announced.
    UploadMismatch = "upload-mismatch",
    /// The intent expired.
    IntentExpired = "intent-expired",
    /// Another job than the one that opened the intent.
    IntentForeign = "intent-foreign",
    /// No token.
    TokenMissing = "token-missing",
    /// Not a token, or its signature is wrong.
    TokenInvalid = "token-invalid",
    /// Expired, or not valid yet.
    TokenExpired = "token-expired",
    /// Used before.
    TokenReplayed = "token-replayed",
    /// A webhook's delivery that is not signed as it should be.
    SignatureInvalid = "signature-invalid",
    /// Made for another audience.
    WrongAudience = "wrong-audience",
    /// From another issuer.
    WrongIssuer = "wrong-issuer",
    /// The event is not one that may publish.
    WrongEvent = "wrong-event",
    /// Another repository than the package is pinned to.
    WrongRepository = "wrong-repository",
    /// Another owner than the identifier's or the pinned one.
    WrongOwner = "wrong-owner",
    /// A ref that the policy does not admit.
    WrongRef = "wrong-ref",
    /// A tag that does not equal the version.
    TagMismatch = "tag-mismatch",
    /// A ref that is not protected where the policy asks for one.
    UnprotectedRef = "unprotected-ref",
    /// Another workflow than the policy names.
    WrongWorkflow = "wrong-workflow",
    /// Another environment than the policy names.
    WrongEnvironment = "wrong-environment",
    /// Another kind of runner than the policy names.
    WrongRunner = "wrong-runner",
    /// The name is reserved, or a look-alike of one that is taken.
    NameReserved = "name-reserved",
    /// The token may not do this.
    Forbidden = "forbidden",
    /// The policy cannot be set like this.
    InvalidPolicy = "invalid-policy",
    /// Too many requests; `Retry-After` says when.
    RateLimited = "rate-limited",
    /// A passing fault; `Retry-After` says when.
    Unavailable = "unavailable",
    /// The keys of the token's issuer could not be fetched.
    IssuerUnavailable = "issuer-unavailable",
    /// A release that an operator took out of service.
    Quarantined = "quarantined",
    /// A release that an operator removed.
    Removed = "removed",
    /// A defect of the registry.
    Internal = "internal",
}

error_codes! {
    /// A stable code of an error that arises before a registry is asked, or instead of its answer; its
    /// page is `docs/errors/<code>.md`.
    LocalCode:
    /// No CI job, and no API token.
    OutsideCi = "outside-ci",
    /// The job may not ask for a token.
    NoIdToken = "no-id-token",
    /// A pull request from a fork, which gets no token.
    ForkPullRequest = "fork-pull-request",
    /// The token service's address is not GitHub's.
    ForeignTokenService = "foreign-token-service",
    /// The token service gave no token.
    TokenService = "token-service",
    /// An API token that cannot be one.
    BadApiToken = "bad-api-token",
    /// An input of an action that cannot be.
    BadInput = "bad-input",
    /// The file with the event is not there, or is not one.
    BadEvent = "bad-event",
    /// The program that an action downloaded is not the one that it was made for.
    BinaryMismatch = "binary-mismatch",
    /// Nothing answers at the registry's address.
    RegistryUnreachable = "registry-unreachable",
    /// What answers at the registry's address is no registry.
    NotARegistry = "not-a-registry",
}

/// The body of every error on `/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// One readable sentence; all that `ato` shows.
    pub detail: String,
    /// The same for programs.
    pub error: ErrorDetail,
}

/// An error for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorDetail {
    /// The stable code.
    pub code: ErrorCode,
    /// What was found.
    pub message: String,
    /// What would be right.
    pub help: String,
    /// Find the request in the registry's log by it.
    pub request_id: String,
    /// A claim's name, expected and actual value, a digest that holds the version, ...
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(value_type = Object)]
    pub facts: serde_json::Map<String, serde_json::Value>,
}

/// `POST /v1/publish`: asks to publish one version. `ato` sends the first six.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublishRequest {
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The version.
    pub package_version: String,
    /// Short branch name.
    #[serde(default)]
    pub git_ref: Option<String>,
    /// Exact size of the archive in bytes.
    pub package_size: u64,
    /// Exact size of `artifacts.zip` in bytes; 22 is an empty zip, which leaves the release without artifacts.
    #[serde(default)]
    pub artifacts_size: Option<u64>,
    /// Ignored: the manifest inside the archive counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub manifest: Option<serde_json::Value>,
    /// SHA-256 of the archive, 64 hex digits; clients that send it get an upload bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// SHA-256 of `artifacts.zip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts_digest: Option<String>,
    /// The format's id, needed to judge the version before the archive is there; default `ato`
    /// where no digest is sent, else required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The order of its versions; default: the format's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<crate::version::Order>,
    /// What the publisher claims of tests and coverage; kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<crate::quality::Claim>,
    /// The packages that become visible together with this one; itself included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<TrainMember>,
}

/// A package of a train.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
pub struct TrainMember {
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// SHA-256 of its archive.
    pub digest: String,
    /// The order of its versions; default: SemVer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<crate::version::Order>,
}

/// A POST form: send all fields in order, then `file`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UploadForm {
    /// Where to.
    pub url: String,
    /// The form's fields, `file` excluded.
    #[schema(value_type = Object)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// A PUT of exactly the announced bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UploadPut {
    /// Where to; a secret.
    pub url: String,
    /// Headers that must be sent as they are.
    #[schema(value_type = Object)]
    pub headers: std::collections::BTreeMap<String, String>,
}

/// The answer to [`PublishRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublishAnswer {
    /// Always `ok`.
    pub status: String,
    /// The intent's id, which `upload-complete` takes.
    pub release_id: String,
    /// Upload of the archive as a form.
    pub upload_info: UploadForm,
    /// Upload of `artifacts.zip` as a form; all empty where none is expected.
    pub artifacts_upload_info: UploadForm,
    /// Upload of the archive as a PUT, where a digest was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadPut>,
    /// Upload of `artifacts.zip` as a PUT, where a digest was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts_upload: Option<UploadPut>,
    /// When the intent expires (RFC 3339).
    pub expires_at: String,
    /// This very content is released already: nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// `POST /v1/publish/upload-complete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfirmRequest {
    /// The intent's id.
    pub release_id: String,
}

/// The answer to [`ConfirmRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConfirmAnswer {
    /// Always `ok`.
    pub status: String,
    /// The package's page.
    pub url: String,
    /// The proof, once the train is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Members of the train that are not confirmed yet, as `identifier@version`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}

/// `GET /v1/publish/{release_id}`: where a publish stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublishStatus {
    /// The intent's id.
    pub release_id: String,
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// `open`, `prepared`, `released` or `expired`.
    pub state: String,
    /// When the intent expires (RFC 3339).
    pub expires_at: String,
    /// The proof, once released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Members of the train that are not confirmed yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}

/// What a publisher gets back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// 1.
    pub schema: u32,
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// SHA-256 of the archive.
    pub digest: String,
    /// The content's identity.
    pub tree_digest: String,
    /// Size of the archive in bytes.
    pub bytes: u64,
    /// Who published it.
    pub publisher: crate::claims::Publisher,
    /// When it became visible (RFC 3339).
    pub released_at: String,
    /// The package's page.
    pub url: String,
    /// The permanent download address.
    pub download_url: String,
    /// What the publisher should know: left out of a flat view, a dependency that does not resolve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// `POST /v1/publish/rehearse`: a publish that is only asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RehearsalRequest {
    /// What would be published.
    #[serde(flatten)]
    pub publish: PublishRequest,
    /// Asks about the run that would follow this one, and not about this one: from a pull request,
    /// the push of the tag that the package's policy wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppose: Option<Supposed>,
}

/// The run that would publish, as far as the one that asks knows it. The ref, the event and the
/// protection of the ref are those that the package's policy asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Supposed {
    /// Paths of workflows that publish, for example `.github/workflows/publish.yml`. A policy that
    /// names another one would refuse the run; none says nothing about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workflows: Vec<String>,
    /// The repository. Without a token it stands for the claims that nobody proves; with one the
    /// token's count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<SupposedRepository>,
}

/// A repository as GitHub names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SupposedRepository {
    /// `owner/name`.
    pub name: String,
    /// Its number.
    pub id: String,
    /// Its owner's number.
    pub owner_id: String,
}

/// The answer to [`RehearsalRequest`]: what a publish would answer; nothing is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RehearsalAnswer {
    /// Always `ok`: a publish that would be refused answers its error.
    pub status: String,
    /// `release`, or `already-released` when the version stands with this very content.
    pub outcome: String,
    /// Whether it would be the package's first release, which pins it.
    pub first_release: bool,
    /// The policy that was asked.
    pub policy: crate::policy::Policy,
    /// The newest released version, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// Whether a token proved who asks; without one the decision is about what was supposed.
    #[serde(default)]
    pub proved: bool,
    /// The ref that the decision is about, for example `refs/tags/v1.4.0`; `None` with an API token.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
}

/// `POST /v1/package/{id}/-/yank` and `.../-/deprecate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MarkRequest {
    /// The version.
    pub version: String,
    /// Why, in one sentence of at most 500 characters; required unless `undo`.
    #[serde(default)]
    pub reason: String,
    /// What to use instead: a version, or `owner/name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// Takes the mark back.
    #[serde(default)]
    pub undo: bool,
}

/// A release's marks, after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MarkAnswer {
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// Why it is yanked, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
    /// Why it is deprecated, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// Why it is quarantined, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<String>,
    /// Why it was removed, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<String>,
}

/// `GET` and `PUT /v1/package/{id}/-/policy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyAnswer {
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// From where it may be published.
    pub policy: crate::policy::Policy,
    /// What it is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<crate::claims::Pins>,
    /// Whether API tokens may publish it although it is pinned.
    pub tokens_allowed: bool,
}

/// `POST /v1/admin/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NewToken {
    /// What it is for.
    pub label: String,
    /// Identifier prefix it is good for: empty for all, `acme/`, or `acme/sensor`.
    #[serde(default)]
    pub prefix: String,
    /// `read`, `publish`, `yank`, `admin`.
    pub actions: Vec<String>,
    /// How long it lives, in days: 1 to 366.
    pub days: u32,
}

/// An API token's public record, and once, in the answer that made it, the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenAnswer {
    /// Its public id.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// Identifier prefix.
    pub prefix: String,
    /// What it may do.
    pub actions: Vec<String>,
    /// When it expires (RFC 3339).
    pub expires_at: String,
    /// When it was revoked (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// The token itself, shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub token: Option<crate::secret::Secret>,
}

/// `POST /v1/admin/transfer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TransferRequest {
    /// The package.
    pub identifier: String,
    /// Whom it is pinned to from now on; absent with `unpin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<crate::claims::Pins>,
    /// Forgets the pins: the next release of the identifier's owner pins it anew.
    #[serde(default)]
    pub unpin: bool,
    /// Whether API tokens may publish it although it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_allowed: Option<bool>,
    /// A native name, `<ecosystem>:<name>`, that becomes this package's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
}

/// `POST /v1/admin/reserve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReserveRequest {
    /// An owner (`acme`), an identifier (`acme/sensor`) or a native name (`python:numpy`).
    pub name: String,
    /// Who may use it all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<crate::claims::OwnerPin>,
    /// Why.
    pub reason: String,
}

/// `POST /v1/admin/quarantine` and `/v1/admin/remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TakedownRequest {
    /// The package.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// Why; required unless `undo`.
    #[serde(default)]
    pub reason: String,
    /// Puts a quarantined release back; a removal cannot be undone.
    #[serde(default)]
    pub undo: bool,
}
