//! The read side on the memory store, asked as clients ask.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use packhouse_core::archive::{pack, scan};
use packhouse_core::claims::Publisher;
use packhouse_core::digest::Digest;
use packhouse_core::limits::Limits;
use packhouse_core::manifest::{Author, Dependency, Export, External, Target};
use packhouse_core::release::{Attachment, Described, EntryRef, Mark, Marks, Release, SCHEMA};
use packhouse_core::requirement::{Grammar, Requirement};
use packhouse_core::tree::Tree;
use packhouse_core::version::{Order, Version};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::Reads;
use crate::app::{App, PublicUrl, Service, Settings};
use crate::cache::Front;
use crate::memory::{MemoryBlobs, MemoryLedger};
use crate::oidc::Verifier;
use crate::ports::{
    Begun, Clock, Committed, Intent, IntentId, MarkChange, Member, Prepared, Quota, Train,
};
use crate::spacing::ClientAddr;

const BASE: &str = "https://reg.example/sub";

struct SetClock(Mutex<Timestamp>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A registry in memory, read through cache and router.
struct Registry {
    app: App,
    clock: Arc<SetClock>,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Registry {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(private: bool) -> Self {
        let public_url = PublicUrl::parse(BASE).unwrap();
        let clock = Arc::new(SetClock(Mutex::new("2026-03-01T12:00:00Z".parse().unwrap())));
        let app = Arc::new(Service {
            ledger: Arc::new(MemoryLedger::new()),
            blobs: Arc::new(MemoryBlobs::new(&public_url, [7; 32])),
            clock: clock.clone(),
            verifier: Verifier::default(),
            turns: crate::publish::Turns::default(),
            webhook: None,
            ecosystems: Default::default(),
            reads: Reads::default(),
            settings: Settings {
                public_url,
                files_url: None,
                private,
                open: false,
                loopback_only: false,
                limits: Limits::default(),
                motd: Some("hello".to_owned()),
                github_app: None,
            },
        });
        Self { app, clock }
    }

    fn later(&self, seconds: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = Timestamp::from_second(now.as_second() + seconds).unwrap();
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let router = super::routes().with_state(self.app.clone());
        let response: Response =
            Front::new(router, self.app.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Asks the whole router, with all that stands around the routes.
    async fn whole(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let router = crate::router::router(self.app.clone(), axum::Router::new());
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let path = path.strip_prefix(BASE).unwrap_or(path);
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = ClientAddr(IpAddr::from([192, 0, 2, 1]));
        self.send(request.extension(client).body(Body::empty()).unwrap()).await
    }

    /// Releases a package with these files, changed by `change` before it is sealed.
    async fn release(
        &self,
        id: &str,
        version: &str,
        files: &[(&str, &str)],
        change: impl FnOnce(&mut Release),
    ) -> Release {
        let now = self.clock.now();
        let mut tree = Tree::default();
        tree.insert("ato.yaml".parse().unwrap(), format!("# {id} {version}").into_bytes(), false);
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes().to_vec(), false);
        }
        let archive = pack(&tree).unwrap();
        let entries = scan(&archive.bytes, &Limits::default()).unwrap();
        let readme = entries.iter().find(|e| e.path.as_str().ends_with("README.md"));
        let (identifier, version) =
            (id.parse().unwrap(), Version::parse(Order::SemVer, version).unwrap());
        let intent = IntentId::random().unwrap();
        let mut release = Release {
            schema: SCHEMA,
            identifier,
            version,
            digest: archive.digest,
            tree_digest: archive.tree_digest,
            bytes: archive.bytes.len() as u64,
            unpacked_bytes: tree.bytes(),
            files: u32::try_from(tree.len()).unwrap(),
            described: Described {
                format: "ato".to_owned(),
                native: None,
                repository: "https://forge.example/acme/sensor".to_owned(),
                license: "MIT".to_owned(),
                summary: "A temperature sensor".to_owned(),
                homepage: None,
                authors: vec![],
                keywords: vec![],
                dependencies: vec![],
                exports: vec![],
                requires: vec![],
                original: json!({"package": {"identifier": id}}),
            },
            readme: readme.map(|e| EntryRef {
                path: e.path.as_str().to_owned(),
                data_offset: e.data_offset,
                packed_bytes: e.packed_bytes,
                bytes: e.bytes,
                method: e.method,
                crc32: e.crc32,
            }),
            attachments: None,
            git_ref: None,
            quality: None,
            publisher: Publisher::Token { token_id: "0123456789ab".to_owned() },
            intent: intent.to_string(),
            created_at: now,
            released_at: now,
            warnings: vec![],
            marks: Marks::default(),
        };
        change(&mut release);
        assert_eq!(self.app.blobs.put(archive.bytes.into()).await.unwrap(), release.digest);
        let member = Member {
            identifier: release.identifier.clone(),
            version: release.version.clone(),
            digest: release.digest,
        };
        let train = Train { id: release.digest, members: vec![member] };
        let asked = Intent {
            schema: SCHEMA,
            id: intent.clone(),
            identifier: release.identifier.clone(),
            version: release.version.clone(),
            format: "ato".to_owned(),
            publisher: release.publisher.clone(),
            bound_audience: true,
            bytes: release.bytes,
            digest: Some(release.digest),
            artifacts_bytes: None,
            artifacts_digest: None,
            git_ref: None,
            quality: None,
            train: Some(train.clone()),
            created_at: now,
            expires_at: Timestamp::from_second(now.as_second() + 900).unwrap(),
        };
        let quota = Quota { open_intents: 100, per_ten_minutes: 10_000 };
        let ledger = &self.app.ledger;
        assert!(matches!(ledger.begin(&asked, None, quota, now).await, Ok(Begun::Opened(_))));
        let prepared = ledger.prepare(&intent, &train, &release, None, now).await.unwrap();
        assert!(matches!(prepared, Prepared::Ready));
        match ledger.commit(&train, now).await.unwrap() {
            Committed::Committed(mut releases) => releases.remove(0),
            other => panic!("{other:?}"),
        }
    }

    async fn mark(&self, id: &str, version: &str, change: MarkChange) {
        let now = self.clock.now();
        let id = id.parse().unwrap();
        assert!(self.app.ledger.mark(&id, version, &change, now).await.unwrap().is_some());
    }

    fn reason(&self, reason: &str) -> Mark {
        Mark {
            at: self.clock.now(),
            by: Publisher::Open,
            reason: reason.to_owned(),
            replacement: Some("acme/other@2.0.0".to_owned()),
        }
    }
}

fn versions(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let releases = json["releases"].as_array().unwrap();
    releases.iter().map(|r| r["version"].as_str().unwrap().to_owned()).collect()
}

/// A key, and whether its value is of the right kind.
type Check<'a> = (&'a str, &'a dyn Fn(&Value) -> bool);

/// Everything that a client reads of a release, with what it may be.
fn assert_release_shape(info: &Value) {
    let text = |v: &Value| v.is_string();
    let text_or_null = |v: &Value| v.is_string() || v.is_null();
    let list_or_null = |v: &Value| v.is_array() || v.is_null();
    let checks: &[Check] = &[
        ("created_at", &text),
        ("released_at", &text),
        ("key", &text),
        ("identifier", &text),
        ("version", &text),
        ("repository", &text),
        ("authors", &|v| {
            v.as_array().unwrap().iter().all(|a| a["name"].is_string() && a["email"].is_string())
        }),
        ("license", &text),
        ("summary", &text),
        ("homepage", &text_or_null),
        ("readme_url", &text_or_null),
        ("url", &text),
        ("stats", &|v| {
            ["total_downloads", "this_week_downloads", "this_month_downloads"]
                .iter()
                .all(|key| v[key].is_u64())
        }),
        ("hashes", &|v| v["sha256"].as_str().unwrap().len() == 64),
        ("filename", &|v| !v.as_str().unwrap().contains(['/', '\\'])),
        ("git_ref", &text_or_null),
        ("requires_atopile", &text),
        ("size", &Value::is_u64),
        ("download_url", &|v| v.as_str().unwrap().starts_with(BASE)),
        ("builds", &list_or_null),
        ("dependencies", &|v| {
            v["requires"].as_array().unwrap().iter().all(|d| {
                d["identifier"].is_string()
                    && d["type"] == "registry"
                    && text_or_null(&d["release"])
            })
        }),
        ("artifacts", &|v| {
            v.is_null()
                || v["artifacts"].as_array().unwrap().iter().all(|a| {
                    a["filename"].is_string()
                        && a["url"].is_string()
                        && a["size"].is_u64()
                        && a["hashes"]["sha256"].is_string()
                        && text_or_null(&a["build_name"])
                })
        }),
        ("layouts", &|v| {
            v.is_null()
                || v["layouts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|l| l["build_name"].is_string() && l["url"].is_string())
        }),
        ("yanked_at", &text_or_null),
        ("yanked_reason", &text_or_null),
        ("import_statements", &list_or_null),
    ];
    for (key, check) in checks {
        let value = info.get(key).unwrap_or_else(|| panic!("`{key}` is missing"));
        assert!(check(value), "`{key}` is {value}");
    }
}

#[tokio::test]
async fn every_key_is_there_whatever_a_package_says() {
    let registry = Registry::new();
    let plain =
        registry.release("acme/plain", "1.0.0", &[], |r| r.described.format = "packhouse".into());
    plain.await;
    let board = Digest::of(b"board");
    registry
        .release("Acme/Kit/Sensor", "1.2.3", &[("docs/README.md", "# Hello")], |r| {
            r.git_ref = Some("main".to_owned());
            r.described.homepage = Some("https://a.example".to_owned());
            r.described.authors = vec![Author { name: "Ann".into(), email: "a@b.example".into() }];
            let exact = |grammar, text| Some(Requirement::parse(grammar, text).unwrap());
            let on = |id: &str, requirement, condition: Option<&str>| Dependency {
                target: Target::Registry { identifier: id.parse().unwrap() },
                requirement,
                condition: condition.map(str::to_owned),
                at: None,
            };
            r.described.dependencies = vec![
                on("acme/plain", exact(Grammar::Exact, "1.0.0"), None),
                on("acme/cargo", exact(Grammar::Cargo, "=2.0.0"), None),
                on("acme/range", exact(Grammar::Cargo, "^1"), None),
                on("acme/extra", None, Some("extra")),
            ];
            r.described.requires = vec![External {
                name: "atopile".to_owned(),
                requirement: exact(Grammar::Ato, "^0.3.0"),
            }];
            let details = json!({"entry": "sensor.ato:Sensor"}).as_object().unwrap().clone();
            let build = |name: &str, details| Export {
                kind: "build".to_owned(),
                name: name.to_owned(),
                path: None,
                summary: None,
                details,
            };
            r.described.exports =
                vec![build("default", details), build("odd", serde_json::Map::new())];
            let file = |path: &str| Attachment { path: path.to_owned(), digest: board, bytes: 5 };
            r.attachments = Some(vec![
                file("default/aa.kicad_pcb"),
                file("default/default.kicad_pcb"),
                file("default/a b.step"),
            ]);
        })
        .await;

    let one = registry.get("/v1/package/acme/kit/sensor/releases/1.2.3").await;
    assert_eq!(one.status, 200);
    let json = one.json();
    assert_release_shape(&json["info"]);
    assert_eq!(json["readme"], "# Hello");
    let info = &json["info"];
    assert_eq!(info["identifier"], "Acme/Kit/Sensor");
    assert_eq!(info["filename"], "acme-kit-sensor-1.2.3.zip");
    assert_eq!(info["requires_atopile"], "^0.3.0");
    assert_eq!(info["builds"], json!(["default", "odd"]));
    assert_eq!(
        info["import_statements"],
        json!([{
            "build_name": "default",
            "import_statement": "from \"Acme/Kit/Sensor/sensor.ato\" import Sensor",
        }])
    );
    assert_eq!(
        info["dependencies"]["requires"],
        json!([
            {"type": "registry", "identifier": "acme/plain", "release": "1.0.0"},
            {"type": "registry", "identifier": "acme/cargo", "release": "2.0.0"},
            {"type": "registry", "identifier": "acme/range", "release": null},
        ])
    );
    let url = format!("{BASE}/blobs/sha256/{board}");
    assert_eq!(
        info["layouts"]["layouts"],
        json!([{"build_name": "default", "url": format!("{url}/default.kicad_pcb")}])
    );
    assert_eq!(info["artifacts"]["artifacts"][2]["url"], format!("{url}/a%20b.step"));
    assert_eq!(info["artifacts"]["artifacts"][2]["filename"], "a b.step");
    assert_eq!(registry.get(info["readme_url"].as_str().unwrap()).await.text(), "# Hello");

    let other = registry.get("/v1/package/acme/plain/releases").await.json();
    assert_release_shape(&other["releases"][0]);
    assert_eq!(other["releases"][0]["requires_atopile"], "*");
    assert_eq!(other["releases"][0]["artifacts"], Value::Null);

    let package = registry.get("/v1/package/acme/plain").await.json();
    assert_eq!(package["readme"], Value::Null);
    for key in [
        "created_at",
        "released_at",
        "key",
        "identifier",
        "version",
        "repository",
        "authors",
        "license",
        "summary",
        "homepage",
        "readme_url",
        "url",
        "stats",
    ] {
        assert!(package["info"].get(key).is_some(), "{key}");
    }

    let found = registry.get("/v1/packages?query=temperature%20sensor").await.json();
    for key in ["identifier", "version", "summary", "url", "repository", "homepage", "downloads"] {
        assert!(found["packages"][0].get(key).is_some(), "{key}");
    }
    let all = registry.get("/v1/packages/all").await.json();
    assert_eq!((all["total"].as_u64(), &all["truncated"]), (Some(2), &json!(false)));
}

#[tokio::test]
async fn exports_are_found_by_kind_format_and_words() {
    let registry = Registry::new();
    let offer = |kind: &str, name: &str| Export {
        kind: kind.to_owned(),
        name: name.to_owned(),
        path: Some("src/cells.py".to_owned()),
        summary: None,
        details: json!({"module": "cells.growth", "line": 3}).as_object().unwrap().clone(),
    };
    let process = |name: &str| offer("process", name);
    let python = |r: &mut Release| r.described.format = "pyproject".to_owned();
    registry
        .release("acme/cells", "1.0.0", &[], |r| {
            python(r);
            r.described.exports =
                vec![process("Growth"), process("Division"), offer("step", "Count")];
        })
        .await;
    registry
        .release("acme/sensor", "1.0.0", &[], |r| {
            r.described.exports = vec![offer("build", "Sensor")]
        })
        .await;
    let answer = registry.get("/v1/search?kind=process&limit=1").await.json();
    assert_eq!(
        (&answer["total"], &answer["next"], &answer["page"]),
        (&json!(2), &json!(2), &json!(1))
    );
    let hit = &answer["hits"][0];
    let export = json!({"kind": "process", "name": "Growth", "module": "cells.growth", "path": "src/cells.py"});
    assert_eq!((&hit["identifier"], &hit["exports"]), (&json!("acme/cells"), &json!([export])));
    let archive = registry.get("/v1/package/acme/cells/releases/1.0.0").await.json();
    let archive = archive["info"]["download_url"].as_str().unwrap().to_owned();
    assert_eq!(hit["install"], format!("pip install {archive}"));
    let names = async |query: &str| {
        let answer = registry.get(&format!("/v1/search?{query}")).await.json();
        let hits = answer["hits"].as_array().unwrap().clone();
        let name = |hit: &Value| {
            format!("{}{}", hit["identifier"].as_str().unwrap(), hit["exports"][0]["name"])
        };
        hits.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("").await, "acme/cellsnull acme/sensornull", "all there is, by identifier");
    assert_eq!(names("query=division&kind=").await, "acme/cells\"Division\"", "packages, and why");
    assert_eq!(names("query=division&kind=process").await, "acme/cells\"Division\"");
    assert_eq!(names("kind=process&page=2&limit=1").await, "acme/cells\"Division\"");
    assert_eq!(names("kind=process&format=ato").await, "");
    assert_eq!(names("format=ato").await, "acme/sensornull");
    assert_eq!(
        names("query=temperature&kind=build").await,
        "acme/sensor\"Sensor\"",
        "by its summary"
    );
    assert_eq!(names("kind=block&page=4294967295&limit=100").await, "", "no package offers one");
    for (query, detail, help) in [
        (
            "kind=Process",
            "there is no kind `Process`",
            "did you mean `process`? kinds are: action, block, build, ",
        ),
        ("format=aato", "there is no format `aato`", "did you mean `ato`? formats are: apl, ato, "),
        ("page=0", "there is no page 0 of 20 hits", "pages count from 1"),
        ("limit=101", "there is no page 1 of 101 hits", "have 1 to 100 hits"),
        ("page=x", "the query cannot be read", "ask with `?query=words"),
    ] {
        let refused = registry.get(&format!("/v1/search?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        let body = refused.json();
        assert!(body["detail"].as_str().unwrap().contains(detail), "{body}");
        assert!(body["error"]["help"].as_str().unwrap().contains(help), "{body}");
    }
    let index = registry.get("/index/acme/cells.json").await.json();
    assert_eq!(index["exports"].as_array().unwrap().len(), 3, "{index}");
    let closure = registry.get("/v1/closure?root=acme/cells").await.json();
    assert!(closure["packages"][0].get("exports").is_none(), "{closure}");
}

#[tokio::test]
async fn lists_show_the_latest_first_and_leave_out_what_is_not_served() {
    let registry = Registry::new();
    for version in ["1.0.0", "1.9.0", "1.10.0", "2.0.0-rc.1", "3.0.0", "4.0.0", "5.0.0"] {
        registry.release("acme/sensor", version, &[], |_| {}).await;
    }
    registry.mark("acme/sensor", "3.0.0", MarkChange::Yank(registry.reason("overheats"))).await;
    let quarantine = MarkChange::Quarantine(registry.reason("looked at"));
    registry.mark("acme/sensor", "4.0.0", quarantine).await;
    registry.mark("acme/sensor", "5.0.0", MarkChange::Remove(registry.reason("malware"))).await;

    let list = registry.get("/v1/package/acme/sensor/releases").await;
    assert_eq!(versions(&list), ["1.10.0", "1.9.0", "1.0.0", "2.0.0-rc.1", "3.0.0"]);
    assert_eq!(list.json()["releases"][4]["yanked_reason"], "overheats");
    let package = registry.get("/v1/package/acme/sensor").await.json();
    assert_eq!(package["info"]["version"], "1.10.0");

    let status = async |version: &str| {
        let answer = registry.get(&format!("/v1/package/acme/sensor/releases/{version}")).await;
        let code = answer.json()["error"]["code"].as_str().unwrap_or("-").to_owned();
        (answer.status.as_u16(), code)
    };
    for version in ["3.0.0", "v1.9.0", "1.9.0+build", "2.0.0-rc.1"] {
        assert_eq!(status(version).await.0, 200, "{version}");
    }
    assert_eq!(status("4.0.0").await, (451, "quarantined".to_owned()));
    assert_eq!(status("5.0.0").await, (410, "removed".to_owned()));
    assert_eq!(status("9.9.9").await, (404, "not-found".to_owned()));
    assert_eq!(status("nonsense").await, (404, "not-found".to_owned()));

    let index = registry.get("/index/acme/sensor.json").await.json();
    assert_eq!(index["latest"], "1.10.0");
    let versions = index["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 7);
    assert_eq!(versions[0]["removed"]["reason"], "malware");
    assert_eq!(versions[1]["quarantined"]["reason"], "looked at");
}

#[tokio::test]
async fn unknown_packages_are_answered_with_what_was_meant() {
    let registry = Registry::new();
    registry.release("acme/sensor", "1.0.0", &[], |_| {}).await;
    for path in ["/v1/package/acme/sensr", "/v1/package/acme/sensr/releases", "/p/acme/sensr"] {
        let answer = registry.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.json()["detail"].as_str().unwrap(),
                @"there is no package `acme/sensr` (did you mean `acme/sensor`?)");
        }
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    for path in ["/v1/package/acme/sen%20sor", "/v1/package/-/x", "/v1/package/a/releases"] {
        let answer = registry.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["detail"].is_string()),
            (422, true),
            "{path}"
        );
    }
    assert_eq!(registry.get("/v1/package/acme/%ff").await.status, 400);
}

#[tokio::test]
async fn bytes_of_strangers_may_have_a_host_of_their_own() {
    let mut registry = Registry::new();
    let files = PublicUrl::parse("https://files.packages.example").unwrap();
    Arc::get_mut(&mut registry.app).unwrap().settings.files_url = Some(files);
    let readme = [("README.md", "# Hi\n![x](x.png)"), ("x.png", "png")];
    registry.release("acme/sensor", "1.0.0", &readme, |_| {}).await;
    let info = registry.get("/v1/package/acme/sensor/releases/1.0.0").await.json()["info"].clone();
    let theirs =
        |key: &str| info[key].as_str().unwrap().strip_prefix("https://files.packages.example");
    assert!(theirs("download_url").unwrap().starts_with("/blobs/sha256/"), "{info}");
    assert!(theirs("readme_url").unwrap().ends_with("/-/files/1.0.0/README.md"), "{info}");
    assert_eq!(info["url"], format!("{BASE}/p/acme/sensor"));
    let page = registry.get("/p/acme/sensor").await;
    assert!(page.text().contains("src=\"https://files.packages.example/v1/package/acme/sensor/"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("img-src https://files.packages.example;"), "{policy}");
    assert!(page.text().contains(&format!("action=\"{BASE}/p/\"")));
}

#[tokio::test]
async fn archives_come_whole_in_parts_or_not_again() {
    let registry = Registry::new();
    let release = registry.release("acme/sensor", "1.0.0", &[("a.txt", "hello")], |_| {}).await;
    let info = registry.get("/v1/package/acme/sensor/releases/1.0.0").await.json();
    let url = info["info"]["download_url"].as_str().unwrap().to_owned();

    let whole = registry.get(&url).await;
    assert_eq!((whole.status.as_u16(), Digest::of(&whole.body)), (200, release.digest));
    assert_eq!(whole.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(whole.header("content-length"), release.bytes.to_string());
    assert!(whole.header("content-disposition").starts_with("attachment"));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert!(whole.header("content-security-policy").contains("sandbox"));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let tag = whole.header("etag").to_owned();

    let part = registry.get_with(&url, &[("range", "bytes=2-9")]).await;
    assert_eq!((part.status.as_u16(), part.body.as_slice()), (206, &whole.body[2..10]));
    assert_eq!(part.header("content-range"), format!("bytes 2-9/{}", release.bytes));
    let guarded = [("range", "bytes=2-9"), ("if-range", tag.as_str())];
    assert_eq!(registry.get_with(&url, &guarded).await.status, 206);
    let stale = [("range", "bytes=2-9"), ("if-range", "\"other\"")];
    assert_eq!(registry.get_with(&url, &stale).await.status, 200);
    let outside = registry.get_with(&url, &[("range", "bytes=999999-")]).await;
    assert_eq!(outside.status, 416);
    assert_eq!(outside.header("content-range"), format!("bytes */{}", release.bytes));
    assert_eq!(registry.get_with(&url, &[("if-none-match", &tag)]).await.status, 304);
    let head = registry.ask("HEAD", &url, &[("range", "bytes=2-9")]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), release.bytes.to_string());

    let renamed = url.replace("acme-sensor-1.0.0.zip", "login.html");
    for path in
        [renamed, url.replace(&release.digest.hex(), &"0".repeat(64)), "/blobs/sha256/x/y".into()]
    {
        assert_eq!(registry.get(&path).await.status, 404, "{path}");
    }
    registry.mark("acme/sensor", "1.0.0", MarkChange::Quarantine(registry.reason("x"))).await;
    assert_eq!(registry.get(&url).await.status, 451);
    registry.mark("acme/sensor", "1.0.0", MarkChange::Restore).await;
    assert_eq!(registry.get(&url).await.status, 200);
    registry.mark("acme/sensor", "1.0.0", MarkChange::Remove(registry.reason("x"))).await;
    assert_eq!(registry.get(&url).await.status, 410);
}

#[tokio::test]
async fn downloads_are_counted_once_and_off_the_answers_way() {
    let registry = Registry::new();
    registry.release("acme/sensor", "1.0.0", &[("a.txt", "hello")], |_| {}).await;
    let release = "/v1/package/acme/sensor/releases/1.0.0";
    let info = registry.get(release).await.json();
    let url = info["info"]["download_url"].as_str().unwrap().to_owned();
    registry.get(&url).await;
    registry.get(&url).await; // tries again
    registry.get_with(&url, &[("range", "bytes=5-")]).await; // goes on
    registry.ask("HEAD", &url, &[]).await;
    let request = Request::get(url.strip_prefix(BASE).unwrap()).header("range", "bytes=0-3");
    let other = ClientAddr(IpAddr::from([192, 0, 2, 2]));
    registry.send(request.extension(other).body(Body::empty()).unwrap()).await;
    let total =
        async || registry.get(release).await.json()["info"]["stats"]["total_downloads"].clone();
    assert_eq!(total().await, 0);
    let counted = registry.app.reads.downloads.flush(registry.app.ledger.as_ref()).await.unwrap();
    registry.app.reads.catalogue.recount(counted);
    assert_eq!(total().await, 2);
    registry.later(40 * 86_400);
    let stats = registry.get(release).await.json()["info"]["stats"].clone();
    assert_eq!(
        stats,
        json!({"total_downloads": 2, "this_week_downloads": 0, "this_month_downloads": 0})
    );
    let found = registry.get("/v1/packages?query=sensor").await.json();
    assert_eq!(found["packages"][0]["downloads"], 2);
}

#[tokio::test]
async fn cached_answers_follow_the_record() {
    let registry = Registry::new();
    registry.release("acme/sensor", "1.0.0", &[], |_| {}).await;
    let path = "/v1/package/acme/sensor/releases";
    let first = registry.get(path).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(registry.get_with(path, &[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(registry.get(path).await.body, first.body);
    registry.release("acme/sensor", "1.1.0", &[], |_| {}).await;
    let next = registry.get_with(path, &[("if-none-match", &tag)]).await;
    assert_eq!(
        (next.status.as_u16(), versions(&next)),
        (200, vec!["1.1.0".into(), "1.0.0".into()])
    );
    registry.mark("acme/sensor", "1.1.0", MarkChange::Yank(registry.reason("x"))).await;
    assert_eq!(versions(&registry.get(path).await), ["1.0.0", "1.1.0"]);
    assert_eq!(
        registry.get("/v1/packages?query=sensor").await.json()["packages"][0]["version"],
        "1.0.0"
    );
    let head = registry.ask("HEAD", path, &[]).await;
    assert!(head.body.is_empty() && head.header("content-length").parse::<u64>().unwrap() > 500);

    let private = Registry::with(true);
    private.release("acme/sensor", "1.0.0", &[], |_| {}).await;
    assert_eq!(private.get(path).await.header("cache-control"), "private, no-cache");
    assert_eq!(
        private.get("/index/acme/sensor.json").await.header("cache-control"),
        "private, max-age=60"
    );
}

#[tokio::test]
async fn any_web_page_may_read_and_none_may_write() {
    let registry = Registry::new();
    let ask = async |method: &str| {
        let headers = [("origin", "https://a.example"), ("access-control-request-method", method)];
        registry.ask("OPTIONS", "/v1/packages/all", &headers).await
    };
    let get = ask("GET").await;
    assert_eq!((get.status.as_u16(), get.header("access-control-allow-origin")), (204, "*"));
    assert!(!get.header("access-control-allow-methods").contains("POST"));
    let post = ask("POST").await;
    assert_eq!(post.header("access-control-allow-methods"), "");
}

#[tokio::test]
async fn files_are_read_straight_from_the_archive() {
    let registry = Registry::new();
    let long = "line\n".repeat(5_000);
    let files =
        [("README.md", "# Hi"), ("src/a b.ato", &long), ("x.svg", "<svg/>"), ("p.png", "png")];
    registry.release("acme/sensor", "1.0.0", &files, |_| {}).await;
    let at = |path: &str| format!("/v1/package/acme/sensor/-/files/1.0.0/{path}");
    for (path, text) in [("README.md", "# Hi"), ("src/a%20b.ato", &long), ("x.svg", "<svg/>")] {
        let file = registry.get(&at(path)).await;
        assert_eq!((file.status.as_u16(), file.text()), (200, text), "{path}");
        assert!(file.header("content-disposition").starts_with("attachment"));
        assert_eq!(file.header("content-type"), "application/octet-stream");
        let again = registry.get_with(&at(path), &[("if-none-match", file.header("etag"))]).await;
        assert_eq!(again.status, 304);
    }
    assert_eq!(registry.get(&at("p.png")).await.header("content-type"), "image/png");
    let head = registry.ask("HEAD", &at("src/a%20b.ato"), &[]).await;
    assert_eq!((head.header("content-length"), head.body.len()), ("25000", 0));
    for path in ["nothing", "..%2f..%2fetc", "readme.md", "src", "%2e%2e/x", "a%00b"] {
        assert_eq!(registry.get(&at(path)).await.status, 404, "{path}");
    }
    let manifest = registry.get("/v1/package/acme/sensor/-/manifest/1.0.0").await.json();
    assert_eq!(manifest["original"]["package"]["identifier"], "acme/sensor");
}

#[tokio::test]
async fn a_closure_holds_all_that_a_resolver_needs() {
    let registry = Registry::new();
    let needs = |ids: &'static [&'static str]| {
        move |release: &mut Release| {
            let on = |id: &&str| Dependency {
                target: Target::Registry { identifier: id.parse().unwrap() },
                requirement: None,
                condition: None,
                at: None,
            };
            release.described.dependencies = ids.iter().map(on).collect();
        }
    };
    registry.release("acme/a", "1.0.0", &[], needs(&["acme/b", "acme/gone"])).await;
    registry.release("acme/b", "1.0.0", &[], needs(&["acme/a", "acme/c"])).await;
    registry.release("acme/c", "1.0.0", &[], needs(&[])).await;
    registry.release("acme/d", "1.0.0", &[], needs(&[])).await;
    let answer = registry.get("/v1/closure?root=acme/a&root=acme%2Fa").await.json();
    let names: Vec<_> =
        answer["packages"].as_array().unwrap().iter().map(|p| p["identifier"].clone()).collect();
    assert_eq!(names, ["acme/a", "acme/b", "acme/c"]);
    assert_eq!((&answer["missing"], &answer["truncated"]), (&json!(["acme/gone"]), &json!(false)));
    let body = Body::from(r#"{"roots": ["acme/d", "python:numpy"]}"#);
    let posted = registry.send(Request::post("/v1/closure").body(body).unwrap()).await.json();
    assert_eq!(posted["packages"][0]["identifier"], "acme/d");
    assert_eq!(posted["missing"], json!(["python:numpy"]));
    for bad in ["/v1/closure", "/v1/closure?root=%zz", "/v1/closure?root=%+1"] {
        assert_eq!(registry.get(bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_feed_tells_every_change_in_portions() {
    let registry = Registry::new();
    for n in 0..5 {
        registry.release("acme/a", &format!("1.{n}.0"), &[], |_| {}).await;
        registry.release("acme/b", &format!("1.{n}.0"), &[], |_| {}).await;
    }
    let (mut after, mut seen) = (0, 0);
    loop {
        let answer = registry.get(&format!("/v1/events?after={after}&limit=3")).await.json();
        let events = answer["events"].as_array().unwrap();
        seen += events.len();
        after = answer["next"].as_u64().unwrap();
        if answer["more"] == json!(false) {
            break;
        }
    }
    assert!(seen >= 10, "{seen}");
    let own = registry.get("/v1/package/acme/b/-/events?limit=1000").await.json();
    let own = own["events"].as_array().unwrap();
    assert!(own.len() >= 5 && own.iter().all(|event| event["identifier"] == "acme/b"));
    for bad in ["limit=0", "limit=9999", "after=-1", "after=x"] {
        assert_eq!(registry.get(&format!("/v1/events?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn pages_show_hostile_packages_safely() {
    let registry = Registry::new();
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    registry
        .release("acme/sensor", "1.0.0", &[("README.md", evil)], |r| {
            r.described.summary = evil.to_owned();
            r.described.license = evil.to_owned();
            r.described.repository = "javascript:alert(1)".to_owned();
            r.described.homepage = Some(format!("https://a.example/{evil}"));
            r.described.authors = vec![Author { name: evil.into(), email: evil.into() }];
            r.warnings = vec![evil.to_owned()];
        })
        .await;
    for path in ["/p/acme/sensor", "/p/", "/p/?query=%3Cscript%3Ealert(1)", "/"] {
        let page = registry.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let text = page.text();
        assert!(!text.contains("<script") && !text.contains("<img src=x"), "{path}: {text}");
        assert!(!text.contains("href=\"javascript"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn long_lists_are_streamed_and_whole() {
    let registry = Registry::new();
    for n in 0..620 {
        registry.release(&format!("acme/part{n:04}"), "1.0.0", &[], |_| {}).await;
    }
    let plain = registry.get("/v1/packages/all").await;
    let list = plain.json();
    assert_eq!(
        (list["total"].as_u64(), list["packages"].as_array().unwrap().len()),
        (Some(620), 620)
    );
    let packed =
        registry.get_with("/v1/packages/all", &[("accept-encoding", "gzip, deflate")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() * 4 < plain.body.len());
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(packed.body.as_slice());
    std::io::Read::read_to_end(&mut reader, &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn an_index_file_stays_as_clients_know_it() {
    let registry = Registry::new();
    registry
        .release("acme/Sensor", "1.0.0-rc.1+b5", &[], |r| {
            r.described.dependencies = vec![Dependency {
                target: Target::Registry { identifier: "acme/base".parse().unwrap() },
                requirement: Some(Requirement::parse(Grammar::Cargo, "^1.2").unwrap()),
                condition: None,
                at: None,
            }];
        })
        .await;
    registry.mark("acme/sensor", "1.0.0-rc.1", MarkChange::Yank(registry.reason("hot"))).await;
    let index = registry.get("/index/acme/sensor.json").await;
    assert_eq!(index.header("cache-control"), "public, max-age=60");
    let mut json = index.json();
    // The archive's own bytes are golden in the archive's tests.
    json["versions"][0]["digest"] = json!("…");
    json["versions"][0]["bytes"] = json!(0);
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    {
      "schema": 1,
      "identifier": "acme/Sensor",
      "latest": null,
      "versions": [
        {
          "version": "1.0.0-rc.1+b5",
          "order": "semver",
          "format": "ato",
          "digest": "…",
          "tree_digest": "f56ba306bbe1825e5c7aac39cade9926c312a484e44a90e1d9742dd946ee52d1",
          "bytes": 0,
          "released_at": "2026-03-01T12:00:00Z",
          "publisher": {
            "kind": "token",
            "token_id": "0123456789ab"
          },
          "dependencies": [
            {
              "target": {
                "type": "registry",
                "identifier": "acme/base"
              },
              "requirement": {
                "grammar": "cargo",
                "text": "^1.2"
              }
            }
          ],
          "yanked": {
            "at": "2026-03-01T12:00:00Z",
            "reason": "hot",
            "replacement": "acme/other@2.0.0"
          }
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn the_service_tells_about_itself() {
    let registry = Registry::new();
    assert_eq!(registry.get("/v0/motd").await.json(), json!({"message": "hello"}));
    let health = registry.get("/healthz").await;
    assert_eq!((health.status.as_u16(), health.header("cache-control")), (200, "no-store"));
    let api = registry.get("/openapi.json").await.json();
    assert_eq!(api["servers"][0]["url"], BASE);
    // Every documented path leads to a handler of the real router, and takes the methods it names.
    registry.release("acme/sensor", "1.0.0", &[("README.md", "x")], |_| {}).await;
    let router = crate::router::router(registry.app.clone(), axum::Router::new());
    let (paths, mut asked) = (api["paths"].as_object().unwrap(), 0);
    for (path, methods) in paths {
        let real = path
            .replace("/v1/admin/tokens/{id}", "/v1/admin/tokens/0123456789ab")
            .replace("{id}", "acme/sensor")
            .replace("{version}", "1.0.0")
            .replace("{path}", "README.md")
            .replace("{release_id}", &"0".repeat(32))
            .replace("{hex}", &"0".repeat(64))
            .replace("{file}", "x.zip");
        for method in methods.as_object().unwrap().keys() {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&real);
            let response =
                router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8_lossy(&body);
            assert!(
                !body.contains("there is nothing at") && status != 405,
                "{method} {real}: {body}"
            );
            asked += 1;
        }
    }
    assert!(asked >= 36, "{asked} operations are documented");
    assert!(paths.contains_key("/v1/publish") && paths.contains_key("/v1/package/{id}"));
}

#[tokio::test]
async fn the_whole_router_answers_preflights_and_refuses_in_json() {
    let registry = Registry::new();
    let preflight = registry.whole("OPTIONS", "/v1/package/acme/sensor").await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
    for (method, path) in [
        ("OPTIONS", "/v1/publish"),
        ("POST", "/v1/package/%ff/x/-/yank"),
        ("GET", "/v1/package/%ff/x/-/policy"),
        ("GET", "/v1/publish/%ff"),
        ("DELETE", "/v1/admin/tokens/%ff"),
        ("DELETE", "/v1/admin/reserve"),
        ("GET", "/v1/package/acme"),
    ] {
        let answer = registry.whole(method, path).await;
        assert!(answer.status.is_client_error(), "{method} {path}");
        assert!(answer.json()["detail"].is_string(), "{method} {path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
        assert!(answer.header("access-control-allow-methods").is_empty(), "{method} {path}");
    }
}

/// Identifiers of two and three parts, slashes as they are, and queries in which only blanks and letters
/// beyond ASCII are escaped. No answer is a redirect: `ato` follows none.
#[tokio::test]
async fn addresses_are_taken_as_the_stock_client_writes_them() {
    let registry = Registry::new();
    for id in ["acme/sensor", "acme/sensor/sub"] {
        registry.release(id, "1.0.0", &[], |_| {}).await;
    }
    for (path, status) in [
        ("/v1/packages", 200),
        ("/v1/packages?query=", 200),
        ("/v1/packages?query=acme/sensor", 200),
        ("/v1/packages?query=a%20b&c", 200),
        ("/v1/packages?query=%C3%BC%ff", 200),
        ("/v1/packages/all", 200),
        ("/v1/package/acme/sensor", 200),
        ("/v1/package/ACME/Sensor", 200),
        ("/v1/package/acme/sensor/releases", 200),
        ("/v1/package/acme/sensor/releases/1.0.0", 200),
        ("/v1/package/acme/sensor/releases/v1.0.0", 200),
        ("/v1/package/acme/sensor/sub", 200),
        ("/v1/package/acme/sensor/sub/releases", 200),
        ("/v1/package/acme/sensor/sub/releases/1.0.0", 200),
        ("/v1/package/acme/sensor/releases/9.9.9", 404),
        ("/v1/package/acme/sensor/releases/newest", 404),
        ("/v1/package/acme/other/releases", 404),
        ("/v1/package/acme/sensor/", 404),
        ("/v1/package/acme/sensor/releases/", 404),
        ("/v1/package/acme%2Fsensor/releases", 422),
    ] {
        let answer = registry.whole("GET", path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json().is_object(), "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.json()["detail"].is_string(), status != 200, "{path}");
        let head = registry.whole("HEAD", path).await;
        assert_eq!((head.status, head.body.len()), (answer.status, 0), "{path}");
    }
}
