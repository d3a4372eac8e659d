//! Failpoints: a server that stops where `PACKHOUSE_FAILPOINT` says, so that crash tests can kill it
//! there. Compiled with the feature `failpoints` only; a build without it does not know the variable.

use std::sync::Arc;

use packhouse_registry::faulty::{Faults, Faulty};
use packhouse_registry::ports::{Blobs, Ledger};

/// The variable's name; release builds must not hold this text.
const VARIABLE: &str = "PACKHOUSE_FAILPOINT";

/// Wraps both stores.
pub(crate) fn around(
    ledger: Arc<impl Ledger + 'static>,
    blobs: Arc<impl Blobs + 'static>,
) -> anyhow::Result<(Arc<dyn Ledger>, Arc<dyn Blobs>)> {
    let faults = Faults::none();
    if let Ok(failpoint) = std::env::var(VARIABLE) {
        faults.stop_at(&failpoint).map_err(anyhow::Error::msg)?;
    }
    Ok((Arc::new(Faulty::new(ledger, faults.clone())), Arc::new(Faulty::new(blobs, faults))))
}
