//! Faults of SQLite and of the file system as the ports name them.

use std::io::ErrorKind;

use packhouse_registry::ports::StoreError;
use rusqlite::ErrorCode;

/// Waiting may help with a lock, a full disk and a failing device; with anything else it does not.
pub(crate) fn sqlite(error: rusqlite::Error) -> StoreError {
    let text = format!("ledger.sqlite: {error}");
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed,
        ) => StoreError::Unavailable(text),
        _ => StoreError::Broken(text),
    }
}

/// The path is in the error's text already.
pub(crate) fn file(error: std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::InvalidData | ErrorKind::NotADirectory => {
            StoreError::Broken(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// A record that is not what this program wrote.
pub(crate) fn record(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("ledger.sqlite holds a damaged {what}: {error}"))
}

/// A task of ours that died.
pub(crate) fn task(error: tokio::task::JoinError) -> StoreError {
    StoreError::Unavailable(format!("a storage task ended early: {error}"))
}
