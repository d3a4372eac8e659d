//! Request ids: what an error shows and the log repeats.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// Runs `work` under a request id.
pub async fn scope<T>(id: Arc<str>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(id, work).await
}

/// The id of the request being handled; `-` outside of one.
pub fn current() -> String {
    CURRENT.try_with(|id| id.to_string()).unwrap_or_else(|_| "-".to_owned())
}
