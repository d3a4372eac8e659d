//! What S3's errors mean to the registry. No text of theirs is passed on: addresses of presigned
//! requests are secrets.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use packhouse_registry::ports::StoreError;

/// The error of `call` as the ports know it; the client has repeated it already, as long as it might
/// pass.
pub(super) fn store<E>(call: &str, error: &SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata,
{
    let code = error.code().unwrap_or("no code");
    match error {
        SdkError::TimeoutError(_) => {
            StoreError::Unavailable(format!("{call}: S3 did not answer in time"))
        }
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            StoreError::Unavailable(format!("{call}: S3 cannot be reached"))
        }
        SdkError::ServiceError(failed)
            if failed.raw().status().is_server_error()
                || matches!(code, "SlowDown" | "RequestTimeout" | "ConditionalRequestConflict") =>
        {
            StoreError::Unavailable(format!("{call}: S3 answered {code}"))
        }
        SdkError::ServiceError(_) => StoreError::Broken(format!("{call}: S3 answered {code}")),
        _ => StoreError::Broken(format!("{call}: the request cannot be built")),
    }
}

/// The HTTP status of an answer that is an error; 0 where none came.
pub(super) fn status<E>(error: &SdkError<E>) -> u16 {
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

/// Whether it says that there is no such object or version.
pub(super) fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == 404
        // A version that never was is an invalid argument to S3.
        || matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion"))
        || (status(error) == 400 && error.code() == Some("InvalidArgument"))
}
