//! Claims of a CI job, as GitHub makes them, to be changed one by one.

use packhouse_core::digest::Digest;
use serde_json::{Map, Value, json};

/// The claims of one token.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimSet(pub Map<String, Value>);

impl ClaimSet {
    /// What GitHub says of a push of `git_ref` to `repository` at `now` (seconds since 1970).
    pub fn of_push(issuer: &str, repository: &str, git_ref: &str, now: i64) -> Self {
        let owner = repository.split('/').next().unwrap();
        let workflow = format!("{repository}/.github/workflows/publish.yml@{git_ref}");
        let claims = json!({
            "iss": issuer,
            "aud": format!("https://github.com/{owner}"),
            "sub": format!("repo:{repository}:ref:{git_ref}"),
            "jti": format!("{:032x}", unique()),
            "repository": repository,
            "repository_id": id_of(repository),
            "repository_owner": owner,
            "repository_owner_id": id_of(owner),
            "repository_visibility": "public",
            "event_name": "push",
            "ref": git_ref,
            "ref_type": if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" },
            "ref_protected": "false",
            "base_ref": "",
            "head_ref": "",
            "sha": "7d3fb0a1b2c3d4e5f60718293a4b5c6d7e8f9012",
            "workflow": "publish",
            "workflow_ref": workflow,
            "workflow_sha": "7d3fb0a1b2c3d4e5f60718293a4b5c6d7e8f9012",
            "job_workflow_ref": workflow,
            "job_workflow_sha": "7d3fb0a1b2c3d4e5f60718293a4b5c6d7e8f9012",
            "runner_environment": "github-hosted",
            "run_id": "9876543210",
            "run_number": "17",
            "run_attempt": "1",
            "check_run_id": "44556677",
            "actor": "maintainer",
            "actor_id": "1234567",
        });
        let Value::Object(claims) = claims else { unreachable!("it is an object") };
        Self(claims).issued_at(now)
    }

    /// The same, of another moment: `iat`, `nbf` ten minutes before it, `exp` five after it.
    #[must_use]
    pub fn issued_at(self, now: i64) -> Self {
        self.with("iat", now).with("nbf", now - 600).with("exp", now + 300)
    }

    /// The same for another audience.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        self.with("aud", audience)
    }

    /// The same with one claim changed or added.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The same without one claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.shift_remove(name);
        self
    }
}

/// The id that the harness gives to an owner or a repository: the same for the same name, ever.
pub fn id_of(name: &str) -> String {
    let digest = Digest::of(name.to_ascii_lowercase().as_bytes());
    let [a, b, c, d, ..] = *digest.as_bytes();
    (u32::from_be_bytes([a, b, c, d]) >> 1).to_string()
}

/// A number that no other call in this process, and hardly one in another, gets.
fn unique() -> u128 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let start = jiff::Timestamp::now().as_nanosecond().unsigned_abs();
    (start << 40)
        ^ (u128::from(std::process::id()) << 20)
        ^ u128::from(COUNT.fetch_add(1, Ordering::Relaxed))
}
