//! What an owner has on a registry, as F Prime's client sees it.

use packhouse_core::fppm::registry;
use packhouse_core::identifier::Identifier;
use ureq::http::Method;

use crate::error::ClientError;
use crate::http::Client;

impl Client {
    /// The packages of an owner in F Prime's view; none where the registry has no such view or shows none.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unreachable`].
    pub(crate) fn fppm_packages(&self, owner: &str) -> Result<Vec<Identifier>, ClientError> {
        let path = format!("/fppm/{owner}/registry.yaml");
        let call = self.call(Method::GET, &path).bearer(self.read_token());
        let (status, body) = self.attempt(&call, |answer| {
            let status = answer.status;
            answer.read(registry::BYTES as u64, self.deadline()).map(|body| (status, body))
        })?;
        let read = (status == 200).then(|| registry::read(&body).ok()).flatten();
        let packages = read.into_iter().flat_map(|registry| registry.packages);
        // Prereleases stand in a namespace of their own.
        let own = packages.filter(|entry| entry.name.namespace().eq_ignore_ascii_case(owner));
        Ok(own.filter_map(|entry| Identifier::new(owner, entry.name.package()).ok()).collect())
    }
}
