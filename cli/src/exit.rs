//! The one table of exit codes; `docs/exit-codes.md` shows it.

use std::process::ExitCode;

use packhouse_client::publish::Failed;
use packhouse_client::{ClientError, Refusal};
use packhouse_core::api::{ErrorCode, LocalCode};
use packhouse_core::source::Unfit;
use serde_json::json;

use crate::teach::Lesson;
use crate::ui::{self, Ui};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or there was nothing to do.
    Ok,
    /// The audit found errors.
    Findings,
    /// What was asked for cannot be: arguments, a manifest, a local file.
    Usage,
    /// No such package, version, file or page.
    NotFound,
    /// No token, a wrong one, or a policy that says no.
    Denied,
    /// The version is published with other content.
    Conflict,
    /// Bytes that are not the promised ones.
    Integrity,
    /// The registry does not answer, or not as one.
    Unreachable,
    /// A defect of this program.
    Bug,
}

impl Exit {
    /// Every way to end, in the order of codes.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Ok,
        Self::Findings,
        Self::Usage,
        Self::NotFound,
        Self::Denied,
        Self::Conflict,
        Self::Integrity,
        Self::Unreachable,
        Self::Bug,
    ];

    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Integrity => 6,
            Self::Unreachable => 7,
            Self::Bug => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// An error of the command line itself.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Stop {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: String,
    pub(crate) code: Option<LocalCode>,
}

impl Stop {
    pub(crate) fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: hint.into(), code: None }
    }

    /// The same with a code that has a page.
    pub(crate) fn code(mut self, code: LocalCode) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, hint)
    }
}

/// The exit of a registry's refusal.
fn refused(refusal: &Refusal) -> Exit {
    use ErrorCode as E;
    let Some(code) = refusal.code else {
        return match refusal.status {
            401 | 403 => Exit::Denied,
            404 | 410 => Exit::NotFound,
            409 => Exit::Conflict,
            400..=499 => Exit::Usage,
            _ => Exit::Unreachable,
        };
    };
    match code {
        E::BadRequest
        | E::InvalidIdentifier
        | E::InvalidVersion
        | E::InvalidManifest
        | E::InvalidArchive
        | E::InvalidArtifacts
        | E::InvalidPolicy
        | E::TooLarge => Exit::Usage,
        E::NotFound | E::Removed | E::Quarantined => Exit::NotFound,
        E::VersionExists | E::ImportConflict => Exit::Conflict,
        E::UploadMismatch => Exit::Integrity,
        E::TokenMissing
        | E::TokenInvalid
        | E::TokenExpired
        | E::TokenReplayed
        | E::SignatureInvalid
        | E::WrongAudience
        | E::WrongIssuer
        | E::WrongEvent
        | E::WrongRepository
        | E::WrongOwner
        | E::WrongRef
        | E::TagMismatch
        | E::UnprotectedRef
        | E::WrongWorkflow
        | E::WrongEnvironment
        | E::WrongRunner
        | E::NameReserved
        | E::IntentForeign
        | E::Forbidden => Exit::Denied,
        E::VersionReserved
        | E::IntentExpired
        | E::RateLimited
        | E::Unavailable
        | E::IssuerUnavailable
        | E::Internal => Exit::Unreachable,
    }
}

/// The exit of a client's error.
pub(crate) fn of(error: &ClientError) -> Exit {
    match error {
        ClientError::Refused(refusal) => refused(refusal),
        ClientError::NotARegistry { .. } | ClientError::Unreachable { .. } => Exit::Unreachable,
        ClientError::Integrity(_) => Exit::Integrity,
        ClientError::Missing { .. } => Exit::NotFound,
        ClientError::Usage { .. } | ClientError::Io(_) => Exit::Usage,
        ClientError::Audit(_) => Exit::Findings,
        ClientError::Token(_) => Exit::Denied,
        ClientError::Archive(_) => Exit::Integrity,
    }
}

/// All that is told of an error.
struct Told<'a> {
    exit: Exit,
    message: String,
    during: Option<String>,
    hint: Option<String>,
    code: Option<&'static str>,
    refusal: Option<&'a Refusal>,
}

fn told(error: &anyhow::Error) -> Told<'_> {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        let hint = Some(stop.hint.clone()).filter(|hint| !hint.is_empty());
        return Told {
            exit: stop.exit,
            message: stop.message.clone(),
            during: None,
            hint,
            code: stop.code.map(LocalCode::as_str),
            refusal: None,
        };
    }
    if let Some(unfit) = error.downcast_ref::<Unfit>() {
        return Told {
            exit: Exit::Usage,
            message: unfit.message.clone(),
            during: None,
            hint: Some(unfit.help.clone()),
            code: None,
            refusal: None,
        };
    }
    let (client, during) = match error.downcast_ref::<Failed>() {
        Some(failed) => {
            let during = format!("{} `{}`", failed.step.as_str(), failed.package);
            (Some(&*failed.error), Some(during))
        }
        None => (error.downcast_ref::<ClientError>(), None),
    };
    match client {
        Some(client) => Told {
            exit: of(client),
            message: client.to_string(),
            during,
            hint: client.help().map(str::to_owned),
            code: client
                .code()
                .map(ErrorCode::as_str)
                .or(client.local_code().map(LocalCode::as_str)),
            refusal: match client {
                ClientError::Refused(refusal) => Some(refusal),
                _ => None,
            },
        },
        // What nobody foresaw still has a message; files and folders are the commonest.
        None => Told {
            exit: Exit::Usage,
            message: format!("{error:#}"),
            during,
            hint: None,
            code: None,
            refusal: None,
        },
    }
}

/// Whether the reader of stdout went away (`packhouse search | head -1`): nobody's mistake.
fn broken_pipe(error: &anyhow::Error) -> bool {
    let io = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    };
    error.chain().any(|cause| {
        let kind = match cause.downcast_ref::<ClientError>() {
            Some(ClientError::Io(error)) => Some(error.kind()),
            _ => io(cause),
        };
        kind == Some(std::io::ErrorKind::BrokenPipe)
    })
}

/// Tells `error`: to people on stderr, with `--json` to programs on stdout, in GitHub Actions as an
/// annotation.
pub(crate) fn report(error: &anyhow::Error, ui: &Ui) -> ExitCode {
    if broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let told = told(error);
    say(&told, ui);
    if ui.json {
        let _ = ui::print_json(&told.document());
    }
    told.exit.into()
}

/// Tells people of `error`, where stdout has a result all the same.
pub(crate) fn tell(error: &anyhow::Error, ui: &Ui) -> Exit {
    let told = told(error);
    say(&told, ui);
    told.exit
}

fn say(told: &Told<'_>, ui: &Ui) {
    ui.error(&told.message);
    if let Some(during) = &told.during {
        ui.detail("while", during);
    }
    if let Some(refusal) = told.refusal {
        for (key, value) in &refusal.facts {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !told.message.contains(&value) {
                ui.detail(key, &value);
            }
        }
    }
    if let Some(hint) = &told.hint {
        ui.hint(hint);
    }
    if let Some(code) = told.code {
        ui.detail("see", &format!("`packhouse explain {code}`"));
    }
    if let Some(refusal) = told.refusal.filter(|refusal| !refusal.request_id.is_empty()) {
        ui.detail("request", &refusal.request_id);
    }
    ui.annotate_error(told.code, &told.message, told.hint.as_deref());
    let lesson = Lesson {
        code: told.code,
        message: &told.message,
        hint: told.hint.as_deref(),
        facts: told.refusal.map(|refusal| &refusal.facts),
    };
    crate::github::summary(ui, &lesson.markdown());
}

/// Tells programs of arguments that cannot be; people have read it already.
pub(crate) fn report_arguments(message: String) {
    let hint = Some("`packhouse --help` lists commands and options".to_owned());
    let told = Told { exit: Exit::Usage, message, during: None, hint, code: None, refusal: None };
    let _ = ui::print_json(&told.document());
}

impl Told<'_> {
    /// What `docs/exit-codes.md` promises to programs.
    fn document(&self) -> serde_json::Value {
        json!({
            "schema": 1,
            "error": {
                "exit": self.exit.code(),
                "code": self.code,
                "message": self.message,
                "during": self.during,
                "help": self.hint,
                "request_id": self.refusal.map(|refusal| &refusal.request_id),
                "facts": self.refusal.map(|refusal| &refusal.facts),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_line_of_the_table() {
        let page = include_str!("../../docs/exit-codes.md");
        for exit in Exit::ALL {
            let rows =
                page.lines().filter(|line| line.starts_with(&format!("| {} |", exit.code())));
            assert_eq!(rows.count(), 1, "{exit:?}");
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_mistake() {
        let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(broken_pipe(&gone().into()));
        assert!(broken_pipe(&anyhow::Error::from(ClientError::Io(gone()))));
        assert!(!broken_pipe(&anyhow::anyhow!("x")));
    }
}
