//! Publishers, intents, releases and trains to test with.

use jiff::{SignedDuration, Timestamp};
use packhouse_core::claims::{OidcPublisher, Pins, Publisher};
use packhouse_core::digest::{Digest, TreeDigest};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{Dependency, Export, NativeName, Target};
use packhouse_core::quality::{Claim, Tests};
use packhouse_core::release::{Attachment, Described, Marks, Release};
use packhouse_core::version::{Order, Version};
use serde_json::json;

use crate::ports::{
    Begun, Committed, Intent, IntentId, Ledger, Member, Prepared, Quota, SeenToken, Train,
};

/// How long intents of the suite live, in seconds.
pub const LIFE: i64 = 900;

/// A quota that nothing in the suite uses up by accident.
pub const PLENTY: Quota = Quota { open_intents: 1_000, per_ten_minutes: 1_000 };

/// The suite's time, this many seconds after its start.
pub fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    start.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// An identifier.
pub fn id(text: &str) -> Identifier {
    text.parse().unwrap()
}

/// A semantic version.
pub fn version(text: &str) -> Version {
    Version::parse(Order::SemVer, text).unwrap()
}

/// Run `run` of a repository `owner/name`, whose numbers are made from the names.
pub fn job(repository: &str, run: u32) -> Publisher {
    let owner = repository.split('/').next().unwrap();
    Publisher::Oidc(OidcPublisher {
        pins: Pins {
            issuer: "https://issuer.example".to_owned(),
            repository_id: format!("id-of-{repository}"),
            owner_id: format!("id-of-{owner}"),
        },
        repository: repository.to_owned(),
        git_ref: "refs/tags/v1.0.0".to_owned(),
        sha: "0".repeat(40),
        repository_visibility: None,
        workflow_ref: None,
        job_workflow_ref: None,
        environment: None,
        runner_environment: None,
        run_id: run.to_string(),
        run_attempt: Some("1".to_owned()),
    })
}

/// What a repository is pinned to.
pub fn pins(repository: &str) -> Pins {
    match job(repository, 0) {
        Publisher::Oidc(job) => job.pins,
        other => panic!("{other:?} is no job"),
    }
}

/// A token's use.
pub fn token(jti: &str) -> SeenToken {
    SeenToken { issuer: "https://issuer.example".to_owned(), jti: jti.to_owned(), until: at(LIFE) }
}

/// One package's publish: what the suite varies.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The package.
    pub identifier: Identifier,
    /// The version.
    pub version: Version,
    /// The archive's bytes.
    pub content: String,
    /// Who.
    pub publisher: Publisher,
    /// The ecosystem's own name.
    pub native: Option<NativeName>,
    /// Identifiers it depends on.
    pub needs: Vec<Identifier>,
    /// What it offers: kinds and names.
    pub offers: Vec<(&'static str, &'static str)>,
    /// Whether its token is bound to the bytes.
    pub bound_audience: bool,
    /// When it is asked for, in seconds of the suite.
    pub at: i64,
}

impl Publish {
    /// `package@version` with these bytes, by a repository of the same name, in run 1.
    pub fn new(package: &str, version_text: &str, content: &str) -> Self {
        let repository = package.split('/').take(2).collect::<Vec<_>>().join("/");
        Self {
            identifier: id(package),
            version: version(version_text),
            content: content.to_owned(),
            publisher: job(&repository.to_lowercase(), 1),
            native: None,
            needs: Vec::new(),
            offers: Vec::new(),
            bound_audience: true,
            at: 0,
        }
    }

    /// By another publisher.
    #[must_use]
    pub fn by(self, publisher: Publisher) -> Self {
        Self { publisher, ..self }
    }

    /// At another time.
    #[must_use]
    pub fn at(self, seconds: i64) -> Self {
        Self { at: seconds, ..self }
    }

    /// With a Python name.
    #[must_use]
    pub fn python(self, name: &str) -> Self {
        let native = NativeName { ecosystem: "python".to_owned(), name: name.to_owned() };
        Self { native: Some(native), ..self }
    }

    /// With something that it offers.
    #[must_use]
    pub fn offering(mut self, kind: &'static str, name: &'static str) -> Self {
        self.offers.push((kind, name));
        self
    }

    /// The archive's digest.
    pub fn digest(&self) -> Digest {
        Digest::of(self.content.as_bytes())
    }

    /// As a train's member.
    pub fn member(&self) -> Member {
        let (identifier, version) = (self.identifier.clone(), self.version.clone());
        Member { identifier, version, digest: self.digest() }
    }

    /// A fresh intent that rides `train`.
    pub fn intent(&self, train: &Train) -> Intent {
        Intent {
            schema: 1,
            id: IntentId::random().unwrap(),
            identifier: self.identifier.clone(),
            version: self.version.clone(),
            format: "packhouse".to_owned(),
            publisher: self.publisher.clone(),
            bound_audience: self.bound_audience,
            bytes: self.content.len() as u64,
            digest: Some(self.digest()),
            artifacts_bytes: None,
            artifacts_digest: None,
            git_ref: None,
            quality: Some(claim()),
            train: Some(train.clone()),
            created_at: at(self.at),
            expires_at: at(self.at + LIFE),
        }
    }

    /// The release that an intent makes.
    pub fn release(&self, intent: &Intent) -> Release {
        let needs = self.needs.iter().map(|identifier| Dependency {
            target: Target::Registry { identifier: identifier.clone() },
            requirement: None,
            condition: None,
            at: None,
        });
        let exports = self.offers.iter().map(|(kind, name)| Export {
            kind: (*kind).to_owned(),
            name: (*name).to_owned(),
            path: None,
            summary: None,
            details: serde_json::Map::new(),
        });
        Release {
            schema: 1,
            identifier: self.identifier.clone(),
            version: self.version.clone(),
            digest: self.digest(),
            tree_digest: TreeDigest(self.digest()),
            bytes: self.content.len() as u64,
            unpacked_bytes: self.content.len() as u64,
            files: 1,
            described: Described {
                format: "packhouse".to_owned(),
                native: self.native.clone(),
                repository: format!("https://git.example/{}", self.identifier),
                license: "MIT".to_owned(),
                summary: "A package of the suite".to_owned(),
                homepage: None,
                authors: Vec::new(),
                keywords: Vec::new(),
                dependencies: needs.collect(),
                exports: exports.collect(),
                requires: Vec::new(),
                original: json!({ "zebra": 1, "aardvark": [null, "é"] }),
            },
            readme: None,
            attachments: Some(vec![Attachment {
                path: "default/board.step".to_owned(),
                digest: Digest::of(format!("attached to {}", self.content).as_bytes()),
                bytes: 3,
            }]),
            git_ref: Some("main".to_owned()),
            quality: intent.quality.clone(),
            publisher: self.publisher.clone(),
            intent: intent.id.to_string(),
            created_at: intent.created_at,
            released_at: intent.created_at,
            warnings: vec!["a warning".to_owned()],
            marks: Marks::default(),
        }
    }

    /// Opens an intent for a train of this package alone, prepares it, and commits, a second each.
    pub async fn run(&self, ledger: &dyn Ledger) -> Committed {
        let train = train([self]);
        let intent = self.prepared(ledger, &train).await;
        assert_eq!(intent.identifier, self.identifier);
        ledger.commit(&train, at(self.at + 2)).await.unwrap()
    }

    /// Opens an intent and prepares its release.
    pub async fn prepared(&self, ledger: &dyn Ledger, train: &Train) -> Intent {
        let asked = self.intent(train);
        let begun = ledger.begin(&asked, None, PLENTY, at(self.at)).await.unwrap();
        let Begun::Opened(intent) = begun else { panic!("{}: {begun:?}", self.identifier) };
        let release = self.release(&intent);
        let prepared = ledger.prepare(&intent.id, train, &release, None, at(self.at + 1)).await;
        let prepared = prepared.unwrap();
        assert!(matches!(prepared, Prepared::Ready), "{}: {prepared:?}", self.identifier);
        intent
    }

    /// As [`Publish::run`], and it must succeed; the release.
    pub async fn released(&self, ledger: &dyn Ledger) -> Release {
        match self.run(ledger).await {
            Committed::Committed(releases) => releases.into_iter().next().unwrap(),
            other => panic!("{}@{} was not released: {other:?}", self.identifier, self.version),
        }
    }
}

/// What publishers of the suite claim.
fn claim() -> Claim {
    let tests = Tests { tests: 3, passed: 2, skipped: 1, ..Tests::default() };
    Claim { tests: Some(tests), coverage: None }
}

/// The train of these publishes.
pub fn train<'a>(publishes: impl IntoIterator<Item = &'a Publish>) -> Train {
    let mut text = String::new();
    let mut members = Vec::new();
    for publish in publishes {
        let member = publish.member();
        text += &format!(
            "{} {} {} {}\n",
            crate::ledger::publisher_key(&publish.publisher),
            member.identifier.key(),
            member.version.key(),
            member.digest
        );
        members.push(member);
    }
    members.sort_by(|a, b| a.identifier.cmp(&b.identifier));
    Train { id: Digest::of(text.as_bytes()), members }
}

/// The intent that was opened.
pub fn opened(begun: Begun) -> Intent {
    match begun {
        Begun::Opened(intent) => intent,
        other => panic!("no intent was opened: {other:?}"),
    }
}
