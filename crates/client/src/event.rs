//! The event that started a GitHub Actions job, as far as anybody here asks: a pull request's commits
//! and repositories. Its texts are a stranger's.

use std::path::Path;

use packhouse_core::api::SupposedRepository;
use packhouse_core::escape::excerpt;
use serde::Deserialize;

/// The largest event that is looked at, in bytes.
const EVENT_BYTES: u64 = 8 << 20;

/// A pull request as the event tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullEvent {
    /// Its number.
    pub number: u64,
    /// The commit that is proposed.
    pub head: String,
    /// The commit that its target was at.
    pub base: String,
    /// The repository that it is to be merged into.
    pub repository: SupposedRepository,
    /// The repository that it comes from, where that is another: a fork. A deleted one has no name.
    pub fork: Option<Option<String>>,
}

/// Why the event cannot be read; printable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` is no event of GitHub's: {why}")]
pub struct EventError {
    /// The file.
    pub file: String,
    /// Why.
    pub why: String,
}

#[derive(Deserialize)]
struct Event {
    pull_request: Option<Pull>,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    sha: String,
    repo: Option<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    #[serde(default)]
    id: u64,
    full_name: String,
    owner: Option<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    id: u64,
}

/// The pull request in the event at `path`; `None` where it is about something else.
///
/// # Errors
///
/// [`EventError`] for a file that is not there, too large, or no JSON of GitHub's.
pub fn pull_request(path: &Path) -> Result<Option<PullEvent>, EventError> {
    let wrong = |why: String| EventError {
        file: excerpt(&path.to_string_lossy(), 200),
        why: excerpt(&why, 200),
    };
    let bytes = fs_err::metadata(path).map_err(|e| wrong(e.kind().to_string()))?.len();
    if bytes > EVENT_BYTES {
        return Err(wrong(format!("it has {bytes} bytes, at most {EVENT_BYTES} are read")));
    }
    let text = fs_err::read(path).map_err(|e| wrong(e.kind().to_string()))?;
    let event: Event = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    let Some(pull) = event.pull_request else { return Ok(None) };
    let repo = pull.base.repo.ok_or_else(|| wrong("it names no repository".to_owned()))?;
    let fork = match pull.head.repo {
        Some(head) if head.full_name == repo.full_name => None,
        Some(head) => Some(Some(excerpt(&head.full_name, 100))),
        None => Some(None), // deleted since
    };
    let hex =
        |sha: &str| matches!(sha.len(), 40 | 64) && sha.bytes().all(|b| b.is_ascii_hexdigit());
    let named = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        name.len() <= 200 && name.matches('/').count() == 1 && name.bytes().all(plain)
    };
    if !(hex(&pull.head.sha) && hex(&pull.base.sha) && named(&repo.full_name)) {
        return Err(wrong("its commits or its repository are none".to_owned()));
    }
    Ok(Some(PullEvent {
        number: pull.number,
        head: pull.head.sha,
        base: pull.base.sha,
        repository: SupposedRepository {
            id: repo.id.to_string(),
            owner_id: repo.owner.map_or(0, |owner| owner.id).to_string(),
            name: repo.full_name,
        },
        fork,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<PullEvent>, EventError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        pull_request(file.path())
    }

    #[test]
    fn a_pull_request_tells_its_commits_and_whether_it_is_a_forks() {
        let sha = "a".repeat(40);
        let side = |repo: &str| format!(r#"{{"sha":"{sha}","repo":{repo}}}"#);
        let repo = |name: &str| format!(r#"{{"id":7,"full_name":"{name}","owner":{{"id":8}}}}"#);
        let event = |head: &str| {
            let (head, base) = (side(head), side(&repo("acme/x")));
            read(&format!(r#"{{"pull_request":{{"number":3,"head":{head},"base":{base}}}}}"#))
        };
        let own = event(&repo("acme/x")).unwrap().unwrap();
        assert_eq!((own.number, own.fork, own.repository.owner_id.as_str()), (3, None, "8"));
        let foreign = event(&repo("stranger/x")).unwrap().unwrap();
        assert_eq!(foreign.fork, Some(Some("stranger/x".to_owned())));
        assert_eq!(event("null").unwrap().unwrap().fork, Some(None));
        let odd = format!(r#"{{"sha":"x) [y](z","repo":{}}}"#, repo("acme/x"));
        let event = format!(r#"{{"pull_request":{{"number":3,"head":{odd},"base":{odd}}}}}"#);
        assert!(read(&event).is_err());
        assert_eq!(read("{}"), Ok(None));
        for broken in ["", "[]", "{\"pull_request\":3}", "{\"pull_request\":{\"number\":1}}"] {
            assert!(read(broken).is_err(), "{broken}");
        }
        assert!(pull_request(Path::new("/nowhere/event.json")).is_err());
    }
}
