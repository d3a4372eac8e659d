//! Commits of a checkout, read by the `git` program.

use async_trait::async_trait;
use packhouse_core::snapshot::{Contents, Listing};

use super::{Commits, ReviewError};
use crate::git::{Checkout, Commit, GitError};

#[async_trait]
impl Commits for Checkout {
    async fn listing(&self, commit: &str) -> Result<Listing, ReviewError> {
        let commit: Commit = commit.parse().map_err(ReviewError::Unreadable)?;
        Checkout::listing(self, &commit).map_err(unreadable)
    }

    async fn contents(
        &self,
        _commit: &str,
        listing: &Listing,
        wanted: &[String],
    ) -> Result<Contents, ReviewError> {
        Checkout::contents(self, listing, wanted).map_err(unreadable)
    }
}

fn unreadable(error: GitError) -> ReviewError {
    ReviewError::Unreadable(error.to_string())
}
