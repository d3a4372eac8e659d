//! The publish protocol over stores that fail: every call that a publish makes, failing before it
//! reached the store and after its answer got lost. The first try is answered 503, nothing half of
//! it is visible, and the same publish again ends as if nothing had happened.

use std::sync::Arc;

use crate::app::{PublicUrl, Service, Settings};
use crate::dev_issuer::DevIssuer;
use crate::faulty::{Fault, Faults, Faulty};
use crate::memory::{MemoryBlobs, MemoryLedger};
use crate::oidc::Verifier;
use crate::ports::{Blobs, Ledger, SystemClock};
use crate::read::Reads;
use crate::router::{Registry, router};
use crate::uploads::{self, UploadTimes};
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use packhouse_core::archive::pack;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::policy;
use packhouse_core::tree::Tree;
use packhouse_core::version::{Order, Version};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const BASE: &str = "http://127.0.0.1:7000";

/// A registry in memory whose stores fail as planned, and a way past the faults to what they hold.
struct World {
    registry: Registry,
    issuer: Arc<DevIssuer>,
    faults: Faults,
    ledger: Arc<MemoryLedger>,
    blobs: Arc<MemoryBlobs>,
}

impl World {
    fn new(issuer: &Arc<DevIssuer>) -> Self {
        let public_url = PublicUrl::parse(BASE).unwrap();
        let clock = Arc::new(SystemClock);
        let faults = Faults::none();
        let ledger = Arc::new(MemoryLedger::new());
        let blobs = Arc::new(MemoryBlobs::new(&public_url, [7; 32]));
        let verifier = Verifier::new(Vec::new()).with(issuer.issuer().unwrap(), issuer.clone());
        let app = Arc::new(Service {
            ledger: Arc::new(Faulty::new(ledger.clone(), faults.clone())),
            blobs: Arc::new(Faulty::new(blobs.clone(), faults.clone())),
            clock: clock.clone(),
            verifier,
            turns: super::Turns::default(),
            webhook: None,
            ecosystems: Default::default(),
            reads: Reads::default(),
            settings: Settings {
                public_url,
                files_url: None,
                private: false,
                open: false,
                loopback_only: false,
                limits: Limits::default(),
                motd: None,
                github_app: None,
            },
        });
        let signer = blobs.signer().clone();
        let beside = uploads::router(blobs.clone(), signer, clock, UploadTimes::default());
        let registry = router(app, beside);
        Self { registry, issuer: issuer.clone(), faults, ledger, blobs }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.registry.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Answer { status: parts.status, waits: parts.headers.contains_key("retry-after"), json }
    }

    async fn post(&self, path: &str, package: &Package, run: &str, body: Value) -> Answer {
        let (id, version) = (package.identifier(), package.version());
        let parameters = [
            ("audience", policy::audience(BASE, &id, &version, &package.digest)),
            ("repository", "acme/packages".to_owned()),
            ("ref", format!("refs/tags/v{version}")),
            ("run_id", run.to_owned()),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
        let token = self.issuer.mint(&parameters).await.unwrap();
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()));
        self.send(request.unwrap()).await
    }

    async fn upload(&self, upload: &Value, bytes: &[u8]) -> Answer {
        let url = upload["url"].as_str().unwrap().strip_prefix(BASE).unwrap();
        self.send(Request::put(url).body(Body::from(bytes.to_vec())).unwrap()).await
    }

    /// All packages of a train, one after the other; the first answer that stops a client.
    async fn publish(&self, train: &[Package], run: &str) -> Answer {
        let mut last = None;
        for package in train {
            let asked = self.post("/v1/publish", package, run, package.request(train)).await;
            if asked.status != StatusCode::OK {
                return asked;
            }
            if asked.json["receipt"].is_object() {
                last = Some(asked);
                continue;
            }
            let mut uploads = vec![(&asked.json["upload"], &package.zip)];
            uploads.extend(
                package.artifacts.iter().map(|(zip, _)| (&asked.json["artifacts_upload"], zip)),
            );
            for (upload, bytes) in uploads {
                let answer = self.upload(upload, bytes).await;
                if answer.status != StatusCode::OK
                    && answer.status != StatusCode::PRECONDITION_FAILED
                {
                    return answer;
                }
            }
            let body = json!({ "release_id": asked.json["release_id"] });
            let answer = self.post("/v1/publish/upload-complete", package, run, body).await;
            if answer.status != StatusCode::OK {
                return answer;
            }
            last = Some(answer);
        }
        last.unwrap()
    }

    /// What anybody can see, apart from times and intents.
    async fn visible(&self, train: &[Package]) -> Vec<Value> {
        let mut seen = Vec::new();
        for package in train {
            for release in self.ledger.releases(&package.identifier()).await.unwrap() {
                let files = release.attachments.iter().flatten();
                for digest in files.clone().map(|file| file.digest).chain([release.digest]) {
                    let size = self.blobs.size(&digest).await.unwrap();
                    assert!(size.is_some(), "{} has its bytes", release.identifier);
                }
                let files: Vec<_> = files.map(|file| (&file.path, file.digest)).collect();
                let head = self.ledger.head(&release.identifier).await.unwrap().unwrap();
                seen.push(json!({
                    "release": format!("{}@{}", release.identifier, release.version),
                    "digest": release.digest,
                    "tree_digest": release.tree_digest,
                    "files": files,
                    "pins": head.pins,
                    "sequence": head.sequence,
                }));
            }
        }
        let events = self.ledger.events(0, 100).await.unwrap();
        seen.extend(events.iter().map(|event| {
            json!({ "event": event.kind, "of": event.identifier, "sequence": event.sequence })
        }));
        seen
    }
}

struct Answer {
    status: StatusCode,
    /// Whether it says when to come again.
    waits: bool,
    json: Value,
}

struct Package {
    name: &'static str,
    zip: Vec<u8>,
    digest: Digest,
    artifacts: Option<(Vec<u8>, Digest)>,
}

impl Package {
    fn new(name: &'static str) -> Self {
        Self::needing(name, &[])
    }

    fn needing(name: &'static str, needs: &[&str]) -> Self {
        let needs: String = needs.iter().map(|name| format!("  - {name}\n")).collect();
        let needs = if needs.is_empty() { needs } else { format!("dependencies:\n{needs}") };
        let manifest = format!(
            "package:\n  identifier: {name}\n  version: 1.2.3\n  summary: Faults\n  license: MIT\n  repository: https://github.com/acme/packages\n{needs}"
        );
        let (zip, digest) = zip(&[("packhouse.yaml", &manifest), ("README.md", "# Faults\n")]);
        Self { name, zip, digest, artifacts: None }
    }

    fn with_artifacts(mut self) -> Self {
        let files = [("default/board.kicad_pcb", "(kicad_pcb)"), ("default/parts.csv", "R1,10k")];
        self.artifacts = Some(zip(&files));
        self
    }

    fn identifier(&self) -> Identifier {
        self.name.parse().unwrap()
    }

    fn version(&self) -> Version {
        Version::parse(Order::SemVer, "1.2.3").unwrap()
    }

    fn request(&self, train: &[Self]) -> Value {
        let members: Vec<_> = train
            .iter()
            .map(|p| json!({ "identifier": p.name, "version": "1.2.3", "digest": p.digest }))
            .collect();
        json!({
            "identifier": self.name,
            "package_version": "1.2.3",
            "format": "packhouse",
            "package_size": self.zip.len(),
            "digest": self.digest,
            "artifacts_size": self.artifacts.as_ref().map(|(zip, _)| zip.len()),
            "artifacts_digest": self.artifacts.as_ref().map(|(_, digest)| digest),
            "train": members,
        })
    }
}

fn zip(files: &[(&str, &str)]) -> (Vec<u8>, Digest) {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(path.parse().unwrap(), text.as_bytes(), false);
    }
    let archive = pack(&tree).unwrap();
    (archive.bytes, archive.digest)
}

fn issuer() -> Arc<DevIssuer> {
    DevIssuer::new(&PublicUrl::parse(BASE).unwrap(), Arc::new(SystemClock)).unwrap()
}

/// Fails every call of a publish in both ways, and runs it again: once in the same run of the CI
/// job, once in a later one.
async fn every_call_may_fail(what: &str, train: &[Package]) {
    let issuer = issuer();
    let calm = World::new(&issuer);
    assert_eq!(calm.publish(train, "1").await.status, StatusCode::OK);
    let (calls, expected) = (calm.faults.calls(), calm.visible(train).await);
    assert_eq!(expected.len(), train.len() * 2, "each has its release and its event");
    println!("{what}: {} calls of the stores", calls.len());
    println!(
        "  {:<12} {:>6} {:>12} {:>12}  after a rerun",
        "call", "", "not reached", "answer lost"
    );
    for (place, verb) in calls.iter().enumerate() {
        let mut shown = Vec::new();
        for fault in [Fault::Before, Fault::After] {
            for rerun in ["1", "2"] {
                let world = World::new(&issuer);
                let context = format!("{what}, call {place} ({verb}), {fault:?}, run {rerun}");
                world.faults.fail_nth(place, fault);
                let first = world.publish(train, "1").await;
                assert!(!world.faults.is_pending(), "{context}: the fault came up");
                // Tidying up is nobody's wait, and warnings stop no publish: all else must say that
                // it did not go well.
                let fine = if matches!(*verb, "discard" | "releases" | "prepared") {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                assert_eq!(first.status, fine, "{context}: {}", first.json);
                assert_eq!(first.waits, fine == StatusCode::SERVICE_UNAVAILABLE, "{context}");
                let seen = world.visible(train).await;
                assert!(
                    seen.is_empty() || seen == expected,
                    "{context}: half is visible: {seen:?}"
                );
                let again = world.publish(train, rerun).await;
                assert_eq!(again.status, StatusCode::OK, "{context}: {}", again.json);
                assert!(again.json["receipt"].is_object(), "{context}: {}", again.json);
                assert_eq!(world.visible(train).await, expected, "{context}");
                shown.push(first.status.as_u16());
            }
        }
        println!("  {verb:<12} {place:>6} {:>12} {:>12}  the same state", shown[0], shown[2]);
    }
}

#[tokio::test]
async fn a_publish_survives_every_fault_of_the_stores() {
    every_call_may_fail("one package", &[Package::new("acme/sensor")]).await;
}

#[tokio::test]
async fn a_publish_with_dependencies_survives_every_fault_of_the_stores() {
    let board = Package::needing("acme/board", &["acme/sensor", "acme/motor"]);
    every_call_may_fail("with dependencies", &[board]).await;
}

#[tokio::test]
async fn a_look_up_for_warnings_that_fails_is_no_warning() {
    let issuer = issuer();
    // What a publish of the board warns about, with its `nth` call failing; and its calls.
    let board = async |nth: Option<usize>| {
        let world = World::new(&issuer);
        world.publish(&[Package::needing("acme/sensor", &["acme/gone"])], "1").await;
        let before = world.faults.calls().len();
        if let Some(nth) = nth {
            world.faults.fail_nth(nth, Fault::Before);
        }
        let board = Package::needing("acme/board", &["acme/sensor"]);
        let answer = world.publish(&[board], "2").await;
        assert!(!world.faults.is_pending(), "the fault came up");
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
        let kept = world.ledger.releases(&"acme/board".parse().unwrap()).await.unwrap();
        let told = answer.json["receipt"].get("warnings").cloned().unwrap_or(json!([]));
        assert_eq!(json!(kept[0].warnings), told, "the receipt tells what is kept");
        (kept[0].warnings.clone(), world.faults.calls().split_off(before))
    };
    let (warnings, calls) = board(None).await;
    assert_eq!(
        warnings,
        [
            "`acme/board@1.2.3` needs `acme/gone`, which the registry does not have:\n  acme/board@1.2.3 → acme/sensor → acme/gone"
        ]
    );
    let look_ups = || calls.iter().enumerate().filter(|(_, call)| **call == "releases");
    assert_eq!(look_ups().count(), 2, "the dependency, and what it leads to");
    for (nth, _) in look_ups() {
        assert!(board(Some(nth)).await.0.is_empty(), "call {nth}");
    }
}

#[tokio::test]
async fn a_publish_with_artifacts_survives_every_fault_of_the_stores() {
    every_call_may_fail("with artifacts", &[Package::new("acme/board").with_artifacts()]).await;
}

#[tokio::test]
async fn a_train_survives_every_fault_of_the_stores() {
    let train = ["acme/one", "acme/three", "acme/two"].map(Package::new);
    every_call_may_fail("a train of three", &train).await;
}

#[tokio::test]
async fn a_train_whose_members_need_each_other_survives_every_fault_of_the_stores() {
    let train = [Package::new("acme/one"), Package::needing("acme/two", &["acme/one"])];
    every_call_may_fail("a train with dependencies", &train).await;
}

#[tokio::test]
async fn a_member_of_the_train_counts_with_what_it_needs() {
    let warnings = async |train: &[Package]| {
        let world = World::new(&issuer());
        let answer = world.publish(train, "1").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
        let last = train.last().unwrap();
        let kept = world.ledger.releases(&last.identifier()).await.unwrap();
        kept[0].warnings.clone()
    };
    let sensor = Package::needing("acme/sensor", &["acme/gone"]);
    let board = Package::needing("acme/board", &["acme/sensor"]);
    assert_eq!(
        warnings(&[sensor, board]).await,
        [
            "`acme/board@1.2.3` needs `acme/gone`, which the registry does not have:\n  acme/board@1.2.3 → acme/sensor → acme/gone"
        ]
    );
    let one = Package::needing("acme/one", &["acme/two"]);
    let two = Package::needing("acme/two", &["acme/one"]);
    assert_eq!(
        warnings(&[one, two]).await,
        [
            "`acme/two@1.2.3` needs packages that need each other:\n  acme/one@1.2.3 → acme/two@1.2.3 → acme/one@1.2.3"
        ]
    );
}

#[tokio::test]
async fn a_train_whose_member_was_refused_can_be_mended_at_once() {
    let world = World::new(&issuer());
    let mut broken = Package::new("acme/two");
    (broken.zip, broken.digest) = zip(&[("packhouse.yaml", "package: [")]);
    let refused = world.publish(&[Package::new("acme/one"), broken], "1").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.json);
    let mended = ["acme/one", "acme/two"].map(Package::new);
    let answer = world.publish(&mended, "2").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
    assert!(answer.json["receipt"].is_object(), "{}", answer.json);
    assert_eq!(world.visible(&mended).await.len(), 4);
}

#[tokio::test]
async fn a_manifest_that_is_too_long_is_refused_with_what_is_too_long() {
    let world = World::new(&issuer());
    for (count, expected) in [
        (1_001, "lists 1001 dependencies; at most 1000 are allowed"),
        (20_000, "bytes; at most 262144 are read"),
    ] {
        let mut package = Package::new("acme/sensor");
        let mut manifest = String::from("dependencies:\n");
        manifest.extend((0..count).map(|n| format!("  - acme/part{n}\n")));
        manifest.push_str("package:\n  identifier: acme/sensor\n  version: 1.2.3\n  summary: Long\n  license: MIT\n  repository: https://github.com/acme/packages\n");
        (package.zip, package.digest) = zip(&[("packhouse.yaml", &manifest)]);
        let answer = world.publish(&[package], "1").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.json);
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{detail}");
    }
}

#[tokio::test]
async fn confirms_of_one_intent_at_once_get_one_answer() {
    let world = World::new(&issuer());
    let train = ["acme/one", "acme/two"].map(Package::new);
    for (package, is_last) in train.iter().zip([false, true]) {
        let asked = world.post("/v1/publish", package, "1", package.request(&train)).await;
        world.upload(&asked.json["upload"], &package.zip).await;
        let body = json!({ "release_id": asked.json["release_id"] });
        let confirm = || world.post("/v1/publish/upload-complete", package, "1", body.clone());
        let mut answers = futures_util::future::join_all((0..20).map(|_| confirm())).await;
        // The bytes are tidied up by now.
        answers.push(confirm().await);
        for answer in answers {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
            assert_eq!(answer.json["receipt"].is_object(), is_last, "{}", answer.json);
        }
    }
}
