//! Listings: native names that stand for something which is no package of this registry.

use jiff::Timestamp;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use serde::{Deserialize, Serialize};

use super::{IntentId, Reservation};

/// The longest native name of a listing, in bytes.
const NAME_BYTES: usize = 200;
/// The longest address of a repository, in bytes.
const ADDRESS_BYTES: usize = 2_000;
/// The longest branch or tag, and the longest path inside a repository, in bytes.
const REF_BYTES: usize = 255;
/// The largest outline as JSON, in bytes: a page of a hundred listings stays below 13 MiB.
pub const OUTLINE_BYTES: usize = 128 << 10;

/// A mutable pointer under a native name, owned by an API token. Compat views show it as long as no
/// package holds the name; `/v1` never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// 1.
    pub schema: u32,
    /// Where and how it is called.
    pub name: NativeName,
    /// A number from 1 that no other listing of the registry has or had.
    pub number: u64,
    /// How often the name was put or taken out: the same in two ledgers means the same listing.
    pub sequence: u64,
    /// The API token (its id) that put it; `open` under `--open`.
    pub owner: String,
    /// The change that made it so, by which its repetition is known.
    pub change: IntentId,
    /// What it says; `None` once it was taken out.
    pub entry: Option<Entry>,
    /// When it was put first under this number.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl Listing {
    /// The integer by which a view knows it: odd, those of packages are even.
    pub fn view_id(&self) -> u64 {
        self.number.saturating_mul(2).saturating_sub(1)
    }
}

/// What a listing says, bounded: a place in git, an outline, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawEntry", into = "RawEntry")]
pub struct Entry {
    git: Option<GitPointer>,
    outline: serde_json::Value,
}

impl Entry {
    /// An entry; an `outline` of `null` is none.
    ///
    /// # Errors
    ///
    /// [`ListingError`] for what is too long, an address that is none, and an entry of nothing.
    pub fn new(git: Option<GitPointer>, outline: serde_json::Value) -> Result<Self, ListingError> {
        if let Some(git) = &git {
            git.check()?;
        }
        let bytes = outline.to_string().len();
        if bytes > OUTLINE_BYTES {
            return Err(ListingError::Outline(bytes));
        }
        if git.is_none() && outline.is_null() {
            return Err(ListingError::Nothing);
        }
        Ok(Self { git, outline })
    }

    /// The place in git.
    pub fn git(&self) -> Option<&GitPointer> {
        self.git.as_ref()
    }

    /// The outline, in the shape of its view.
    pub fn outline(&self) -> &serde_json::Value {
        &self.outline
    }
}

#[derive(Serialize, Deserialize)]
struct RawEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    git: Option<GitPointer>,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    outline: serde_json::Value,
}

impl TryFrom<RawEntry> for Entry {
    type Error = ListingError;
    fn try_from(raw: RawEntry) -> Result<Self, ListingError> {
        Self::new(raw.git, raw.outline)
    }
}

impl From<Entry> for RawEntry {
    fn from(entry: Entry) -> Self {
        Self { git: entry.git, outline: entry.outline }
    }
}

/// A place in a git repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitPointer {
    /// The repository's address: `https://`, `http://`, `ssh://` or `git@`.
    pub address: String,
    /// The commit, 40 or 64 lower-case hex digits; `None` where only a branch or tag is known.
    pub commit: Option<String>,
    /// The branch or tag.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The folder inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl GitPointer {
    fn check(&self) -> Result<(), ListingError> {
        let schemes = ["https://", "http://", "ssh://", "git@"];
        if !schemes.iter().any(|scheme| self.address.starts_with(scheme))
            || !is_line(&self.address, ADDRESS_BYTES)
        {
            return Err(ListingError::Address(shown(&self.address)));
        }
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if let Some(commit) = &self.commit
            && !(matches!(commit.len(), 40 | 64) && commit.bytes().all(hex))
        {
            return Err(ListingError::Commit(shown(commit)));
        }
        for text in [&self.reference, &self.path].into_iter().flatten() {
            if !is_line(text, REF_BYTES) || text.starts_with(['-', '/']) || has_up(text) {
                return Err(ListingError::Reference(shown(text)));
            }
        }
        Ok(())
    }
}

fn is_line(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && !text.chars().any(|c| c.is_control() || c == ' ')
}

fn has_up(text: &str) -> bool {
    text.split('/').any(|part| part == "..")
}

fn shown(text: &str) -> String {
    packhouse_core::escape::printable(&text.chars().take(80).collect::<String>())
}

/// Why something is no listing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// A name that views cannot show.
    #[error(
        "the name `{0}` is empty, has more than {NAME_BYTES} bytes, or holds control characters"
    )]
    Name(String),
    /// An address that is none, or not one that is fetched.
    #[error("`{0}` is no address of a git repository: write `https://host/owner/repository`")]
    Address(String),
    /// A commit that is none.
    #[error("`{0}` is no commit: write its 40 hex digits, in lower case")]
    Commit(String),
    /// A branch, tag or folder that is none.
    #[error("`{0}` is no branch, tag or folder inside a repository, of at most {REF_BYTES} bytes")]
    Reference(String),
    /// Too much.
    #[error("the outline has {0} bytes as JSON; a listing takes at most {OUTLINE_BYTES}")]
    Outline(usize),
    /// Nothing.
    #[error("the listing says nothing: give it a git address or an outline")]
    Nothing,
}

/// The name of a listing, checked.
///
/// # Errors
///
/// [`ListingError::Name`] for one that is empty, too long, or not one line.
pub fn listing_name(ecosystem: &str, name: &str) -> Result<NativeName, ListingError> {
    if name.trim().is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(ListingError::Name(shown(name)));
    }
    Ok(NativeName { ecosystem: ecosystem.to_owned(), name: name.to_owned() })
}

/// A change of a listing that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingChange {
    /// Its own id: the same again is the same change.
    pub id: IntentId,
    /// Which listing.
    pub name: NativeName,
    /// The sequence of the listing that was read; 0 where the name must be free.
    pub sequence: u64,
    /// The API token (its id) that asks.
    pub owner: String,
    /// Whether it may change what others own, and use reserved names.
    pub operator: bool,
    /// What it is to say; `None` takes it out.
    pub entry: Option<Entry>,
}

/// What [`super::Ledger::change_listing`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)]
pub enum ListingChanged {
    /// It is so: now, or since an earlier call.
    Done(Listing),
    /// A package holds the name.
    Package(Identifier),
    /// A listing has the name: another token's, or changed since it was read.
    Listing(Listing),
    /// The name is reserved.
    Reserved(Reservation),
    /// There is no listing to change or to take out.
    Missing,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn git(address: &str, commit: &str) -> GitPointer {
        let (reference, path) = (Some("main".to_owned()), None);
        GitPointer { address: address.to_owned(), commit: Some(commit.to_owned()), reference, path }
    }

    #[test]
    fn an_entry_is_bounded_and_says_something() {
        let commit = "0123456789".repeat(4);
        let fine = Entry::new(Some(git("https://git.example/a/b", &commit)), json!(null)).unwrap();
        assert_eq!(fine.git().unwrap().commit.as_deref(), Some(&*commit));
        let text = serde_json::to_string(&fine).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), fine);
        for (address, id) in [
            ("file:///etc", &*commit),
            ("ext::sh -c x", &commit),
            ("--upload-pack=x", &commit),
            ("https://git.example/a b", &commit),
            ("https://git.example/a", "main"),
            ("https://git.example/a", "0123"),
        ] {
            assert!(Entry::new(Some(git(address, id)), json!(null)).is_err(), "{address} {id}");
        }
        let up = GitPointer { path: Some("a/../..".to_owned()), ..git("git@h:a/b", &commit) };
        assert!(matches!(Entry::new(Some(up), json!(null)), Err(ListingError::Reference(_))));
        assert_eq!(Entry::new(None, json!(null)), Err(ListingError::Nothing));
        let long = json!("x".repeat(OUTLINE_BYTES - 2));
        assert!(Entry::new(None, long).is_ok());
        let long = json!("x".repeat(OUTLINE_BYTES - 1));
        assert_eq!(Entry::new(None, long), Err(ListingError::Outline(OUTLINE_BYTES + 1)));
    }

    #[test]
    fn a_name_is_one_line() {
        assert!(listing_name("fprime", "Acme/Probe").is_ok());
        for name in ["", " ", "a\nb", &"x".repeat(201)] {
            assert!(listing_name("fprime", name).is_err(), "{name:?}");
        }
    }
}
