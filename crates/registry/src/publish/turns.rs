//! Turns at checking archives: what is checked at one time takes a bounded amount of memory,
//! however many publishers confirm at once.

use std::sync::Arc;
use std::time::Duration;

use packhouse_core::api::ErrorCode;
use packhouse_core::limits::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::contents::KEPT_BYTES;
use crate::error::{ApiError, ApiResult};
use crate::ports::Intent;

/// What archives may take at one time, in MiB: one of the largest, or many small ones.
const MEMORY_MIB: u32 = 384;

/// How long a confirm waits for its turn; clients wait ten seconds for all of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands out memory for checking archives, first come, first served.
#[derive(Debug)]
pub struct Turns {
    mebibytes: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { mebibytes: Arc::new(Semaphore::new(MEMORY_MIB as usize)) }
    }
}

/// A turn; it ends when the last clone is dropped. Work that outlives its request keeps one, or
/// clients that hang up could start more of it than there is memory for.
pub(super) type Turn = Arc<OwnedSemaphorePermit>;

impl Turns {
    /// Waits for the memory that checking this intent's archives may take at worst.
    ///
    /// # Errors
    ///
    /// `unavailable` when others still need it after five seconds.
    pub(super) async fn take(&self, intent: &Intent, limits: &Limits) -> ApiResult<Turn> {
        let packed = intent.bytes.saturating_add(intent.artifacts_bytes.unwrap_or_default());
        self.take_for(packed, limits).await
    }

    /// Does `work` for the processor with an archive of `bytes`, at its turn.
    ///
    /// # Errors
    ///
    /// Those of [`Turns::take`], and of `work`.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        bytes: u64,
        limits: &Limits,
        work: impl FnOnce() -> ApiResult<T> + Send + 'static,
    ) -> ApiResult<T> {
        let turn = self.take_for(bytes, limits).await?;
        super::confirm::blocking(&turn, work).await
    }

    async fn take_for(&self, packed: u64, limits: &Limits) -> ApiResult<Turn> {
        let mebibytes = Arc::clone(&self.mebibytes).acquire_many_owned(cost_mib(packed, limits));
        match tokio::time::timeout(PATIENCE, mebibytes).await {
            Ok(Ok(turn)) => Ok(Arc::new(turn)),
            _ => Err(ApiError::new(
                ErrorCode::Unavailable,
                "the registry is checking as many archives as it has memory for",
                "confirm again in a few seconds; repeating it is safe",
            )
            .retry_after(3)),
        }
    }
}

/// The archives as they came, the largest file in them, and what formats read, in MiB.
fn cost_mib(packed: u64, limits: &Limits) -> u32 {
    let unpacked = packed.saturating_mul(limits.ratio).min(limits.file_bytes + KEPT_BYTES);
    let mebibytes = (packed.saturating_add(unpacked) >> 20) + 1;
    u32::try_from(mebibytes).unwrap_or(MEMORY_MIB).min(MEMORY_MIB)
}
