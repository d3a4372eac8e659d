//! One file a command: it asks the libraries and prints.

pub(crate) mod action;
pub(crate) mod admin;
pub(crate) mod apl;
pub(crate) mod attune;
pub(crate) mod audit;
pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod compose;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod fppm;
pub(crate) mod git;
pub(crate) mod info;
pub(crate) mod init;
pub(crate) mod mark;
pub(crate) mod moving;
pub(crate) mod pack;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod publish;
pub(crate) mod search;
pub(crate) mod verify;

use packhouse_core::identifier::Identifier;

use crate::exit::Stop;

/// An identifier from the command line.
fn identifier(text: &str) -> anyhow::Result<Identifier> {
    text.parse::<Identifier>().map_err(|e| {
        Stop::usage(e.to_string(), "packages are named `owner/name` or `owner/name/sub`").into()
    })
}

/// `identifier@version` from the command line.
fn exact(text: &str) -> anyhow::Result<(Identifier, String)> {
    match text.split_once('@') {
        Some((name, version)) if !version.is_empty() => Ok((identifier(name)?, version.to_owned())),
        _ => Err(Stop::usage(
            format!("`{}` names no version", packhouse_core::escape::excerpt(text, 200)),
            "write `owner/name@1.2.3`",
        )
        .into()),
    }
}
