//! A publish as the client does it: request, upload, confirm, and a look as an anonymous reader.
//!
//! There is no state between runs. Every step may be repeated after any fault, and a publish of the
//! same content ends in the same receipt; so whatever broke, the answer is to run it again. Several
//! packages are one train: they become visible together or not at all.

use std::time::Duration;

use packhouse_core::api::read::ReleaseInfo;
use packhouse_core::api::{
    ConfirmAnswer, ConfirmRequest, ErrorCode, PublishAnswer, PublishStatus, Receipt,
    RehearsalAnswer, TrainMember, UploadPut,
};
use packhouse_core::archive::{self, Archive};
use packhouse_core::digest::{Digest, TreeDigest};
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::policy::{audience, rehearsal_audience};
use packhouse_core::secret::Secret;
use ureq::http::Method;

use crate::error::ClientError;
use crate::http::Client;
use crate::parallel;
use crate::plan::Ready;
use crate::token::TokenSource;

/// How many packages of a train are asked for and uploaded at once.
const AT_ONCE: usize = 8;

/// What is told while a publish goes on.
pub trait Progress: Sync {
    /// A CI token was made: no log may ever show it.
    fn mask(&self, token: &Secret);
    /// A step of a package begins.
    fn step(&self, package: &Ready, step: Step);
    /// So many bytes of a package's upload are sent.
    fn sent(&self, package: &Ready, bytes: u64);
}

/// The steps of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The registry is asked whether it may be.
    Request,
    /// The archive goes to the store.
    Upload,
    /// The artifacts go to the store.
    Artifacts,
    /// The registry checks and releases.
    Confirm,
    /// An anonymous reader looks.
    Verify,
}

impl Step {
    /// The step in words: `uploading`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "asking to publish",
            Self::Upload => "uploading",
            Self::Artifacts => "uploading artifacts of",
            Self::Confirm => "confirming",
            Self::Verify => "reading back",
        }
    }
}

/// How a package's publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is released now.
    Published,
    /// This very content was released already.
    AlreadyPublished,
    /// The version stands with other content, and that was to be skipped.
    Skipped,
}

/// A package that was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// How it ended.
    pub outcome: Outcome,
    /// The proof; `None` where it was skipped.
    pub receipt: Option<Receipt>,
    /// What an anonymous reader could not see, and why that may be.
    pub note: Option<String>,
}

/// An error, and where it happened.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// `identifier@version`.
    pub package: String,
    /// During which step.
    pub step: Step,
    /// What happened.
    pub error: Box<ClientError>,
}

/// Publishes `packages` as one train; answers one result each, in their order.
///
/// With `skip_duplicates`, versions that stand with other content are left out, and the rest rides.
///
/// # Errors
///
/// The first thing that fails. Nothing of the train is visible then, unless the last confirm was
/// answered and only the reading back failed.
pub fn publish(
    client: &Client,
    tokens: &TokenSource,
    packages: &[Ready],
    skip_duplicates: bool,
    progress: &dyn Progress,
) -> Result<Vec<Published>, Failed> {
    let run = Run { client, tokens, progress };
    let (riding, answers) =
        asked(packages, skip_duplicates, |package, members| run.request(package, members))?;
    let riders: Vec<_> =
        riding.iter().zip(&answers).map(|(&at, answer)| (&packages[at], answer)).collect();
    for sent in parallel(&riders, AT_ONCE, |_, (package, answer)| run.upload(package, answer)) {
        sent?;
    }
    let mut receipts = Vec::with_capacity(riders.len());
    for (package, answer) in &riders {
        receipts.push(match &answer.receipt {
            Some(receipt) => Some(receipt.clone()),
            None => run.confirm(package, &answer.release_id)?,
        });
    }
    let mut results: Vec<_> = packages
        .iter()
        .map(|_| Published { outcome: Outcome::Skipped, receipt: None, note: None })
        .collect();
    for (((package, answer), receipt), at) in riders.iter().zip(receipts).zip(&riding) {
        let outcome = match answer.receipt {
            Some(_) => Outcome::AlreadyPublished,
            None => Outcome::Published,
        };
        // Members that were confirmed before the last one learn of the seal only now.
        let receipt = match receipt {
            Some(receipt) => receipt,
            None => run.receipt(package, &answer.release_id)?,
        };
        let note = run.verify(package, &receipt, outcome)?;
        results[*at] = Published { outcome, receipt: Some(receipt), note };
    }
    Ok(results)
}

/// Asks for each of `packages` as a member of their train. Answers which of them ride, and what each
/// of those was told; with `skip_duplicates`, versions that stand with other content do not ride.
fn asked<T: Send>(
    packages: &[Ready],
    skip_duplicates: bool,
    ask: impl Fn(&Ready, &[TrainMember]) -> Result<T, Failed> + Sync,
) -> Result<(Vec<usize>, Vec<T>), Failed> {
    let mut riding: Vec<usize> = (0..packages.len()).collect();
    loop {
        let train: Vec<&Ready> = riding.iter().map(|&at| &packages[at]).collect();
        let members = members(&train);
        let answers = parallel(&train, AT_ONCE, |_, package| ask(package, &members));
        // A train without one of its members is another train: it is asked for anew.
        let taken = |answer: &Result<_, Failed>| {
            skip_duplicates
                && answer.as_ref().is_err_and(|f| f.error.code() == Some(ErrorCode::VersionExists))
        };
        if !answers.iter().any(taken) {
            return Ok((riding, answers.into_iter().collect::<Result<_, _>>()?));
        }
        let kept = riding.iter().zip(&answers).filter(|(_, answer)| !taken(answer));
        riding = kept.map(|(&at, _)| at).collect();
    }
}

/// Asks what a publish of `packages` would answer; nothing is stored. `None` stands for a version
/// that `skip_duplicates` would leave out.
///
/// # Errors
///
/// The refusal that a publish would get.
pub fn rehearse(
    client: &Client,
    tokens: &TokenSource,
    packages: &[Ready],
    skip_duplicates: bool,
    progress: &dyn Progress,
) -> Result<Vec<Option<RehearsalAnswer>>, Failed> {
    let run = Run { client, tokens, progress };
    let (riding, answers) = asked(packages, skip_duplicates, |package, members| {
        run.at(package, Step::Request, || {
            let origin = client.registry().origin();
            let audience = rehearsal_audience(
                origin,
                &package.identifier,
                &package.version,
                &package.archive.digest,
            );
            let token = tokens.token(client, &audience, &|token| progress.mask(token))?;
            let request = package.request(members);
            client.send(Method::POST, "/v1/publish/rehearse", Some(&token), Some(&request))
        })
    })?;
    let mut results: Vec<Option<RehearsalAnswer>> = packages.iter().map(|_| None).collect();
    for (at, answer) in riding.into_iter().zip(answers) {
        results[at] = Some(answer);
    }
    Ok(results)
}

/// The members of a train, as each of its requests names them; empty for a single package.
fn members(train: &[&Ready]) -> Vec<TrainMember> {
    if train.len() < 2 {
        return Vec::new();
    }
    let member = |package: &&Ready| TrainMember {
        identifier: package.identifier.to_string(),
        version: package.version.text().to_owned(),
        digest: package.archive.digest.hex(),
        order: Some(package.order),
    };
    train.iter().map(member).collect()
}

struct Run<'a> {
    client: &'a Client,
    tokens: &'a TokenSource,
    progress: &'a dyn Progress,
}

impl Run<'_> {
    /// Does a step, and names package and step in its error.
    fn at<T>(
        &self,
        package: &Ready,
        step: Step,
        work: impl FnOnce() -> Result<T, ClientError>,
    ) -> Result<T, Failed> {
        self.progress.step(package, step);
        work().map_err(|error| Failed { package: package.title(), step, error: Box::new(error) })
    }

    /// A fresh token for one call, made for this package and these bytes at this registry. Nothing
    /// that a registry said goes into the audience.
    fn token(&self, package: &Ready) -> Result<Secret, ClientError> {
        let origin = self.client.registry().origin();
        let digest = &package.archive.digest;
        let audience = audience(origin, &package.identifier, &package.version, digest);
        self.tokens.token(self.client, &audience, &|token| self.progress.mask(token))
    }

    fn request(&self, package: &Ready, members: &[TrainMember]) -> Result<PublishAnswer, Failed> {
        self.at(package, Step::Request, || {
            let token = self.token(package)?;
            let request = package.request(members);
            let answer: PublishAnswer =
                self.client.send(Method::POST, "/v1/publish", Some(&token), Some(&request))?;
            if let Some(receipt) = &answer.receipt {
                fits(package, receipt)?;
            }
            Ok(answer)
        })
    }

    fn upload(&self, package: &Ready, answer: &PublishAnswer) -> Result<(), Failed> {
        if answer.receipt.is_some() {
            return Ok(()); // released already
        }
        let parts = [
            (Step::Upload, Some(&package.archive), &answer.upload),
            (Step::Artifacts, package.artifacts.as_ref(), &answer.artifacts_upload),
        ];
        for (step, archive, put) in parts {
            let Some(archive) = archive else { continue };
            self.at(package, step, || match put {
                Some(put) => self.put(package, archive, put),
                None => Err(ClientError::NotARegistry {
                    what: format!("POST /v1/publish at {}", self.client.registry()),
                    found: "an answer without an upload".to_owned(),
                }),
            })?;
        }
        Ok(())
    }

    fn put(&self, package: &Ready, archive: &Archive, put: &UploadPut) -> Result<(), ClientError> {
        let sent = |bytes| self.progress.sent(package, bytes);
        let again = "run the publish again: nothing of it is visible";
        self.client.store_put(&archive.bytes, put, &sent, again)
    }

    /// Confirms; `None` while other members of the train are waited for.
    fn confirm(&self, package: &Ready, release_id: &str) -> Result<Option<Receipt>, Failed> {
        self.at(package, Step::Confirm, || {
            let token = self.token(package)?;
            let request = ConfirmRequest { release_id: release_id.to_owned() };
            let path = "/v1/publish/upload-complete";
            let answer: ConfirmAnswer =
                self.client.send(Method::POST, path, Some(&token), Some(&request))?;
            answer.receipt.iter().try_for_each(|receipt| fits(package, receipt))?;
            Ok(answer.receipt)
        })
    }

    /// The receipt of a member that was confirmed before its train was sealed.
    fn receipt(&self, package: &Ready, release_id: &str) -> Result<Receipt, Failed> {
        self.at(package, Step::Confirm, || {
            let path = format!("/v1/publish/{}", crate::url::encode(release_id));
            let status: PublishStatus = self.client.get(&path)?;
            match status.receipt {
                Some(receipt) => fits(package, &receipt).map(|()| receipt),
                None => Err(ClientError::Unreachable {
                    what: "the train".to_owned(),
                    cause: format!("waits for {}", named(&status.waiting_for)),
                }),
            }
        })
    }

    /// Looks at the release as anybody would. What must not be is an error; what cannot be seen (a
    /// private registry, a view that lags) is a note.
    fn verify(
        &self,
        package: &Ready,
        receipt: &Receipt,
        outcome: Outcome,
    ) -> Result<Option<String>, Failed> {
        self.at(package, Step::Verify, || {
            let mut tries = 0;
            let seen = loop {
                let (identifier, version) = (&package.identifier, package.version.text());
                match self.client.release_as(identifier, version, None) {
                    Err(ClientError::Refused(r)) if r.status == 404 && tries < 4 => {
                        tries += 1;
                        std::thread::sleep(Duration::from_millis(250 * tries));
                    }
                    other => break other,
                }
            };
            let seen = match seen {
                Ok(answer) => answer.info,
                Err(ClientError::Refused(refusal)) if matches!(refusal.status, 401 | 403) => {
                    return Ok(Some("the registry is private: not read back".to_owned()));
                }
                Err(error) => return Ok(Some(format!("not read back: {error}"))),
            };
            if seen.hashes.sha256 != package.archive.digest.hex() {
                return Err(other_bytes(package, &seen.hashes.sha256));
            }
            if !self.client.registry().admits(&receipt.download_url) {
                return Err(ClientError::Integrity(
                    "the receipt's download address is not https".to_owned(),
                ));
            }
            let others = match &package.artifacts {
                Some(sent) => !holds(&seen, sent)?,
                None => false,
            };
            let claims = package.quality.is_some() && seen.quality != package.quality;
            match outcome {
                Outcome::Published if !others && claims => Ok(Some(
                    "the registry keeps other figures than the reports of this publish, or none".to_owned(),
                )),
                _ if !others && claims => Ok(Some(
                    "it was released before with other reports of tests and coverage, or none, and those stay".to_owned(),
                )),
                _ if !others => Ok(None),
                Outcome::Published => Err(ClientError::Integrity(format!(
                    "the registry's artifacts of `{}` are not the ones that were sent",
                    package.title()
                ))),
                _ => Ok(Some(
                    "it was released before with other artifacts, or none, and those stay: raise the version to publish these".to_owned(),
                )),
            }
        })
    }
}

/// Whether a release's artifacts are the files in `sent`, compared by their digests.
fn holds(seen: &ReleaseInfo, sent: &Archive) -> Result<bool, ClientError> {
    let contents = archive::read(&sent.bytes, &Limits::default(), |_, _| {})?;
    let mut sent: Vec<_> = contents.digests.iter().map(Digest::hex).collect();
    let listed = seen.artifacts.iter().flat_map(|artifacts| &artifacts.artifacts);
    let mut listed: Vec<_> = listed.map(|artifact| artifact.hashes.sha256.clone()).collect();
    sent.sort();
    listed.sort();
    Ok(sent == listed)
}

fn named(waiting: &[String]) -> String {
    match waiting {
        [] => "its other members".to_owned(),
        names => packhouse_core::escape::excerpt(&names.join(", "), 300),
    }
}

/// Holds a receipt against what was sent.
fn fits(package: &Ready, receipt: &Receipt) -> Result<(), ClientError> {
    let digest = receipt.digest.parse::<Digest>();
    if digest.as_ref() != Ok(&package.archive.digest) {
        return Err(other_bytes(package, &receipt.digest));
    }
    let tree = receipt.tree_digest.parse::<Digest>().map(TreeDigest);
    let same_name = receipt.identifier.parse::<Identifier>().as_ref() == Ok(&package.identifier);
    if !same_name || tree.as_ref() != Ok(&package.archive.tree_digest) {
        return Err(ClientError::Integrity(format!(
            "the registry's receipt is not of `{}`",
            package.title()
        )));
    }
    Ok(())
}

fn other_bytes(package: &Ready, found: &str) -> ClientError {
    ClientError::Integrity(format!(
        "the registry holds `{}` with sha256:{}, sent was sha256:{}",
        package.title(),
        packhouse_core::escape::excerpt(found, 80),
        package.archive.digest
    ))
}
