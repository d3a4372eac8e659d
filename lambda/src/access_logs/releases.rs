//! From the log files in their bucket to the counts of releases.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use packhouse_core::identifier::Identifier;
use packhouse_registry::log;
use packhouse_registry::ports::{Downloads, Ledger, StoreResult};
use packhouse_registry::urls;

use super::Fetches;
use crate::dynamo::DynamoLedger;
use crate::s3::S3Logs;

/// Releases of one blob that are looked at to find the one whose name was in the address.
const HOLDERS: u32 = 100;
/// How long it is remembered that a file was counted: far longer than anybody looks back.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(40 * 24);

/// What [`take_in`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Taken {
    /// Log files that were counted.
    pub counted: u32,
    /// Log files that had been counted before, or had nothing to count.
    pub passed: u32,
    /// Log files that cannot be read.
    pub unreadable: u32,
    /// Packages whose counts changed.
    #[serde(skip)]
    pub packages: BTreeSet<Identifier>,
}

/// The downloads that a log file tells of. What is fetched as an attachment, and under a name that no
/// release gives the blob, is none. In the order of [`Fetches::fetched`].
///
/// # Errors
///
/// Those of the store.
pub async fn downloads(ledger: &dyn Ledger, fetches: &Fetches) -> StoreResult<Vec<Downloads>> {
    let mut counts: Vec<Downloads> = Vec::new();
    for same_blob in fetches.fetched.chunk_by(|one, next| one.digest == next.digest) {
        let Some(digest) = same_blob.first().map(|fetched| fetched.digest) else { continue };
        let holders = ledger.holders(&digest, HOLDERS).await?;
        for fetched in same_blob {
            let named = holders.iter().find(|holder| {
                holder.digest == digest && urls::archive_name(holder) == fetched.file
            });
            counts.extend(named.map(|release| Downloads {
                identifier: release.identifier.clone(),
                version: release.version.key().to_owned(),
                day: fetched.day.to_string(),
                count: fetched.count,
            }));
        }
    }
    Ok(counts)
}

/// Counts what the log files tell that came since `since`, each file once however often this is
/// called. Call it every hour with the time of some hours ago: then a call that failed is made up
/// for, and CloudFront's late files are seen, for those count by when they came.
///
/// A file that cannot be read is said in a line on stderr and left.
///
/// # Errors
///
/// Those of the stores; the call may be repeated.
pub async fn take_in(logs: &S3Logs, ledger: &DynamoLedger, since: Timestamp) -> StoreResult<Taken> {
    let mut taken = Taken::default();
    // Longer than a file is looked at.
    let until = since.saturating_add(REMEMBERED).unwrap_or(Timestamp::MAX);
    for key in logs.since(since).await? {
        let Some(read) = logs.read(&key).await? else { continue };
        let fetches = match read {
            Ok(fetches) => fetches,
            Err(error) => {
                log::error(&format!("the access log `{key}`: {error}"));
                taken.unreadable += 1;
                continue;
            }
        };
        if fetches.unreadable > 0 || fetches.left_out > 0 {
            log::error(&format!(
                "the access log `{key}`: {} of {} lines unreadable, {} downloads left out",
                fetches.unreadable, fetches.lines, fetches.left_out
            ));
        }
        let counts = downloads(ledger, &fetches).await?;
        if ledger.count_once(&key, &counts, until).await? {
            taken.counted += 1;
            taken.packages.extend(counts.into_iter().map(|count| count.identifier));
        } else {
            taken.passed += 1;
        }
    }
    Ok(taken)
}
