//! What can go wrong between here and a registry.

use packhouse_core::api::{ErrorCode, LocalCode};
use packhouse_core::archive::ArchiveError;
use packhouse_core::escape::excerpt;
use packhouse_core::source::Unfit;

use crate::token::TokenError;

/// An error of the client. Texts from outside are printable; none holds a token or an upload address.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The registry said no.
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    /// Something answered that does not speak like a registry.
    #[error("{what}: {found}")]
    NotARegistry {
        /// What was asked, for example `GET /v1/publish at https://…`.
        what: String,
        /// What came instead.
        found: String,
    },
    /// No answer, after every try.
    #[error("{what}: {cause}")]
    Unreachable {
        /// What was asked.
        what: String,
        /// What failed.
        cause: String,
    },
    /// Bytes that are not the ones that were promised.
    #[error("{0}")]
    Integrity(String),
    /// There is no such package, or no version that fits.
    #[error("{message}")]
    Missing {
        /// What is missing.
        message: String,
        /// What would be right.
        help: String,
    },
    /// Something that was asked for cannot be.
    #[error("{message}")]
    Usage {
        /// What was found.
        message: String,
        /// What would be right.
        help: String,
    },
    /// The package has errors; the findings tell them.
    #[error("{0}")]
    Audit(String),
    /// No token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An archive that is unsafe, damaged, or cannot be made.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file here could not be read or written; the error names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A registry's refusal, made printable and cut to sensible lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The stable code; `None` where the registry sent one that this client does not know.
    pub code: Option<ErrorCode>,
    /// What was found.
    pub message: String,
    /// What would be right; may be empty.
    pub help: String,
    /// Finds the request in the registry's log; may be empty.
    pub request_id: String,
    /// What the registry knows beyond that: claim, expected and actual value, a digest.
    pub facts: serde_json::Map<String, serde_json::Value>,
}

impl Refusal {
    /// Reads the body of an error; `None` where it is not a registry's.
    ///
    /// Codes and facts that this client does not know are no reason to drop the message.
    pub(crate) fn parse(status: u16, body: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        let Some(error) = value.get("error").filter(|error| error.is_object()) else {
            return Self::detail(status, value.get("detail")?);
        };
        let text = |key: &str, limit| {
            error.get(key).and_then(|v| v.as_str()).map(|s| excerpt(s, limit)).unwrap_or_default()
        };
        let code = error.get("code")?.as_str()?;
        let code = ErrorCode::ALL.iter().copied().find(|known| known.as_str() == code);
        let facts = error.get("facts").and_then(|v| v.as_object());
        let facts = facts.into_iter().flatten().take(20).map(|(key, value)| {
            let value = match value {
                serde_json::Value::String(text) => excerpt(text, 500).into(),
                serde_json::Value::Number(_) | serde_json::Value::Bool(_) => value.clone(),
                other => excerpt(&other.to_string(), 500).into(),
            };
            (excerpt(key, 60), value)
        });
        Some(Self {
            status,
            code,
            message: text("message", 2_000),
            help: text("help", 2_000),
            request_id: text("request_id", 100),
            facts: facts.collect(),
        })
    }

    /// The error of a path in another ecosystem's shape: a sentence, or a list of mistakes with places.
    fn detail(status: u16, detail: &serde_json::Value) -> Option<Self> {
        let mistake = |one: &serde_json::Value| {
            let parts = one.get("loc")?.as_array()?.iter().take(20);
            let loc: Vec<String> = parts
                .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                .collect();
            Some(format!("{}: {}", loc.join("."), one.get("msg")?.as_str()?))
        };
        let message = match detail {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(list) => {
                list.iter().take(10).map(mistake).collect::<Option<Vec<_>>>()?.join("; ")
            }
            _ => return None,
        };
        Some(Self {
            status,
            code: None,
            message: excerpt(&message, 2_000),
            help: String::new(),
            request_id: String::new(),
            facts: Default::default(),
        })
    }
}

impl From<Unfit> for ClientError {
    fn from(unfit: Unfit) -> Self {
        Self::Usage { message: unfit.message, help: unfit.help }
    }
}

impl ClientError {
    /// The registry's code, where it refused with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal) => refusal.code,
            _ => None,
        }
    }

    /// The code of an error that did not come from a registry.
    pub fn local_code(&self) -> Option<LocalCode> {
        match self {
            Self::Token(error) => Some(error.code()),
            Self::Unreachable { .. } => Some(LocalCode::RegistryUnreachable),
            Self::NotARegistry { .. } => Some(LocalCode::NotARegistry),
            _ => None,
        }
    }

    /// What would be right, where something is known.
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(refusal.help.as_str()).filter(|help| !help.is_empty()),
            Self::Missing { help, .. } | Self::Usage { help, .. } => Some(help),
            Self::Token(error) => Some(error.help()),
            Self::NotARegistry { .. } => {
                Some("check the address with `--registry`, or tell the registry's operator")
            }
            Self::Unreachable { .. } => Some(
                "check the address and the network, then run it again: nothing is left half done",
            ),
            Self::Integrity(_) => {
                Some("do not use these bytes; tell the registry's operator if it repeats")
            }
            Self::Audit(_) => Some("mend the errors above; `packhouse explain <rule>` tells more"),
            Self::Archive(_) | Self::Io(_) => None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: help.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_cannot_steer_a_terminal() {
        let body = serde_json::json!({"detail": "x", "error": {
            "code": "wrong-ref", "message": "a\u{1b}[31m", "help": "h\n::error::", "request_id": "r",
            "facts": {"claim": "ref\u{202e}", "n": 5, "deep": [["x"]]},
        }});
        let refusal = Refusal::parse(403, body.to_string().as_bytes()).unwrap();
        assert_eq!(refusal.code, Some(ErrorCode::WrongRef));
        assert_eq!(refusal.message, "a\\u{1b}[31m");
        assert_eq!(refusal.help, "h\\u{a}::error::");
        assert_eq!(refusal.facts["claim"], "ref\\u{202e}");
        assert_eq!(refusal.facts["deep"], r#"[["x"]]"#);
    }

    #[test]
    fn an_unknown_code_keeps_its_message() {
        let body = br#"{"detail": "", "error": {"code": "new-code", "message": "m"}}"#;
        let refusal = Refusal::parse(418, body).unwrap();
        assert_eq!((refusal.code, refusal.message.as_str()), (None, "m"));
        assert_eq!(Refusal::parse(500, b"<html>"), None);
    }
}
