//! APL's clients over the real router, on the store in memory.

use axum::body::Body;
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt as _;
use packhouse_core::archive::{pack, unpack};
use packhouse_core::limits::{Limits, POSTED_BYTES};
use packhouse_core::release::Mark;
use packhouse_core::tree::Tree;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::app::App;
use crate::compat::tests::{app, token};
use crate::conformance::fixtures::{id, job};
use crate::ports::{Action, MarkChange};
use crate::router::router;

const PACKAGES: &str = "/apl/v1/packages";

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
    /// The text of an error, which is all there is in it.
    fn error(&self) -> String {
        let json = self.json();
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(1), "{json}");
        json["error"].as_str().unwrap().to_owned()
    }
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

async fn send(
    app: &App,
    method: Method,
    path: &str,
    token: &str,
    kind: &str,
    body: Vec<u8>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.header(header::CONTENT_TYPE, kind).body(Body::from(body)).unwrap();
    let response = router(App::clone(app), axum::Router::new()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn get(app: &App, path: &str) -> Answer {
    send(app, Method::GET, path, "", "text/plain", Vec::new()).await
}

async fn post(app: &App, token: &str, zip: Vec<u8>) -> Answer {
    send(app, Method::POST, PACKAGES, token, "application/zip", zip).await
}

/// The zip of a package, with `code` as its one source.
fn zip(package: &str, needs: &[&str], code: &str) -> Vec<u8> {
    let parts: Vec<&str> = package.split('-').collect();
    let config = json!({"group": parts[0], "name": parts[1], "version": parts[2].trim_start_matches('v'),
        "dependencies": needs, "source": "src", "engines": {"dyalog": "18"}});
    let mut tree = Tree::default();
    tree.insert("apl-project.json".parse().unwrap(), config.to_string().as_bytes(), false);
    tree.insert("src/a.apl".parse().unwrap(), code.as_bytes(), false);
    pack(&tree).unwrap().bytes
}

async fn publisher(app: &App, prefix: &str) -> String {
    token(app, prefix, &[Action::Publish]).await
}

#[tokio::test]
async fn a_posted_zip_is_a_release_that_is_listed_and_fetched() {
    let app = app(false, false);
    let acme = publisher(&app, "acme/").await;
    let bytes = zip("Dyalog-Conga-v3.1.3", &[], "a←1");
    let posted = post(&app, &acme, bytes.clone()).await;
    assert_eq!(posted.status, 201, "{}", posted.json());
    let place = "http://localhost:8080/apl/v1/packages/Dyalog-Conga-v3.1.3";
    assert_eq!(posted.header(header::LOCATION), place);
    assert_eq!(posted.json()["engines"]["dyalog"], "18", "unknown fields stay");

    for prefix in ["/apl/v1", "/apl/api/v1"] {
        let root = get(&app, prefix).await.json();
        assert_eq!(root["packages"], format!("http://localhost:8080{prefix}/packages"));
        let listed = get(&app, &format!("{prefix}/packages")).await.json();
        assert_eq!(
            (&listed["total"], &listed["packages"][0]["name"]),
            (&json!(1), &json!("Conga"))
        );
        for id in ["Dyalog-Conga-v3.1.3", "Dyalog-Conga-3.1.3"] {
            let got = get(&app, &format!("{prefix}/packages/{id}")).await;
            assert_eq!((got.status, got.header(header::CONTENT_TYPE)), (200, "application/zip"));
            assert!(got.header(header::CONTENT_DISPOSITION).contains("Dyalog-Conga-v3.1.3.zip"));
            assert_eq!(got.body, bytes);
        }
    }
    let (tree, _) = unpack(&bytes, &Limits::default()).unwrap();
    assert!(tree.get("apl-project.json").is_some(), "the config is at the root");
    let release = app.ledger.release(&id("acme/dyalog-conga"), "3.1.3").await.unwrap().unwrap();
    assert_eq!(release.described.format, "apl", "a release like any other");

    // The same again changes nothing; other content of a version is refused.
    assert_eq!(post(&app, &acme, bytes).await.status, 200);
    let other = post(&app, &acme, zip("Dyalog-Conga-v3.1.3", &[], "a←2")).await;
    assert_eq!(other.status, 409);
    assert!(other.error().contains("is already released"), "{}", other.error());
}

#[tokio::test]
async fn a_write_needs_the_right_token_and_a_free_name() {
    let app = app(false, false);
    let acme = publisher(&app, "acme/").await;
    let bytes = zip("a-b-v1.0.0", &[], "x");
    let refused = post(&app, "", bytes.clone()).await;
    assert_eq!(refused.status, 401);
    assert!(
        refused.headers.contains_key(header::WWW_AUTHENTICATE) && refused.error().contains("token")
    );
    assert_eq!(post(&app, "pkh_wrong", bytes.clone()).await.status, 401);
    let reader = token(&app, "", &[Action::Read]).await;
    assert_eq!(post(&app, &reader, bytes.clone()).await.status, 403);
    assert_eq!(post(&app, &acme, bytes).await.status, 201);
    let rival = publisher(&app, "rival/").await;
    let taken = post(&app, &rival, zip("a-b-v1.1.0", &[], "x")).await;
    assert_eq!(taken.status, 409);
    assert!(taken.error().contains("the name `a-b` is held by `acme/a-b`"), "{}", taken.error());
    assert_eq!(get(&app, PACKAGES).await.json()["total"], 1);
    // A package that is pinned to a repository is its CI's.
    let free = publisher(&app, "").await;
    assert_eq!(post(&app, &free, zip("Tools-x-v1.0.0", &[], "x")).await.status, 201);
    assert!(
        app.ledger.head(&id("tools/tools-x")).await.unwrap().is_some(),
        "the group is the owner"
    );
}

#[tokio::test]
async fn what_is_no_package_is_refused_with_place_and_reason() {
    let app = app(false, false);
    let acme = publisher(&app, "acme/").await;
    let tree = |files: &[(&str, &str)]| {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes(), false);
        }
        pack(&tree).unwrap().bytes
    };
    let config = "apl-project.json";
    for (bytes, reason) in [
        (Vec::new(), "the archive is empty"),
        (b"no zip".to_vec(), "the archive ends inside"),
        (tree(&[("README.md", "x")]), "has no `apl-project.json` at its root"),
        (tree(&[(config, "{\n  group: }")]), "apl-project.json:2:10: "),
        (tree(&[(config, "{\"group\": \"a\", \"name\": \"b\", \"version\": \"1\"}")]), "`version`"),
        (zip("a-b-v1.0.0", &["c"], "x"), "dependencies[0]"),
    ] {
        let refused = post(&app, &acme, bytes).await;
        assert_eq!(refused.status, 400, "{reason}");
        assert!(refused.error().contains(reason), "{}", refused.error());
    }
    let large = vec![0; usize::try_from(POSTED_BYTES).unwrap() + 1];
    let refused = post(&app, &acme, large).await;
    assert_eq!(refused.status, 413);
    assert!(refused.error().contains("`packhouse publish`"), "{}", refused.error());
    assert_eq!(get(&app, PACKAGES).await.json()["total"], 0, "nothing stays");
    assert_eq!(get(&app, "/apl/v1/packages/a-b-v1.0.0").await.status, 404);
    assert_eq!(get(&app, "/apl/v1/packages/nonsense").await.status, 400);
    assert!(get(&app, "/apl/v1/nowhere").await.error().contains("nowhere"));
    let refused = send(&app, Method::PATCH, PACKAGES, &acme, "text/plain", Vec::new()).await;
    assert_eq!(refused.status, 400, "as APM's documents say");
    assert!(refused.error().contains("does not take PATCH"), "{}", refused.error());
}

#[tokio::test]
async fn a_form_with_one_file_is_taken_as_well() {
    let app = app(false, false);
    let acme = publisher(&app, "acme/").await;
    // Larger than what axum takes where nobody says otherwise.
    let noise: String = (0..400_000_u32)
        .map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 26) as u8))
        .collect();
    let file = zip("a-b-v1.0.0", &[], &noise.repeat(8));
    let form = |files: usize| {
        let mut body =
            b"--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n".to_vec();
        for _ in 0..files {
            body.extend(
                b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"p.zip\"\r\n\r\n",
            );
            body.extend(&file);
            body.extend(b"\r\n");
        }
        body.extend(b"--x--\r\n");
        body
    };
    let kind = "multipart/form-data; boundary=x";
    let send = |files| send(&app, Method::POST, PACKAGES, &acme, kind, form(files));
    assert!(send(0).await.error().contains("it has no file"));
    let posted = send(1).await;
    assert_eq!(posted.status, 201, "{}", posted.json());
    assert_eq!(get(&app, "/apl/v1/packages/a-b-v1.0.0").await.body, file);
}

#[tokio::test]
async fn a_hundred_and_fifty_packages_are_listed_by_hostile_expressions() {
    let app = app(false, false);
    let acme = publisher(&app, "acme/").await;
    for nth in 0..150 {
        let name = format!("group{}-{}{nth}-v1.{nth}.0", nth % 3, "a".repeat(40));
        assert_eq!(post(&app, &acme, zip(&name, &[], "x")).await.status, 201);
    }
    let page = get(&app, PACKAGES).await;
    let json = page.json();
    let shown = json["packages"].as_array().unwrap().len();
    assert_eq!(
        (shown, &json["page"], &json["per_page"], &json["total"]),
        (100, &json!(1), &json!(100), &json!(150))
    );
    let base = "http://localhost:8080/apl/v1/packages";
    assert_eq!(
        page.header(header::LINK),
        format!(
            "<{base}?page=1&per_page=100>; rel=\"first\", <{base}?page=2&per_page=100>; rel=\"last\", <{base}?page=2&per_page=100>; rel=\"next\""
        )
    );
    let last = get(&app, "/apl/v1/packages?page=2&per_page=100&group=group").await;
    assert_eq!(last.json()["packages"].as_array().unwrap().len(), 50);
    assert!(last.header(header::LINK).contains("?page=1&per_page=100&group=group>; rel=\"prev\""));
    assert!(!last.header(header::LINK).contains("next"));
    let clamped = get(&app, "/apl/v1/packages?per_page=9999").await.json();
    assert_eq!(clamped["per_page"], 1000);
    let start = std::time::Instant::now();
    for (query, total) in [
        ("group=^group1$", 50),
        ("group=1&name=7$", 5),
        ("version=^1\\.14.\\.", 10),
        ("name=(a%2B)%2B$", 0),
        ("name=^(a|aa)%2B$", 0),
        ("name=(.*a){25}b", 0),
    ] {
        let found = get(&app, &format!("{PACKAGES}?{query}")).await.json();
        assert_eq!(found["total"], total, "{query}: {found}");
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    for (query, reason) in [
        ("page=0", "`page` is `0`"),
        ("per_page=x", "`per_page` is `x`"),
        ("page=-1", "`page` is `-1`"),
        ("name=(", "unclosed group"),
        ("name=(a)%5C1", "backreferences"),
    ] {
        let refused = get(&app, &format!("{PACKAGES}?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.error().contains(reason), "{}", refused.error());
    }
}

#[tokio::test]
async fn trees_are_answered_and_yanked_versions_are_found_by_exact_pins_only() {
    let app = app(false, false);
    let acme = publisher(&app, "acme/").await;
    for (name, needs) in
        [("t-hub-v1.0.0", &[][..]), ("t-hub-v1.1.0", &[]), ("t-app-v1.0.0", &["t-hub-v1.0.0@H"])]
    {
        assert_eq!(post(&app, &acme, zip(name, needs, name)).await.status, 201, "{name}");
    }
    let ask = async |query: &str, packages: Value| {
        let path = format!("{PACKAGES}/dependencies{query}");
        let body = json!({ "packages": packages }).to_string().into_bytes();
        send(&app, Method::POST, &path, "", "application/json", body).await
    };
    let project = json!([{"group": "my", "name": "project", "version": "0.1.0", "dependencies": ["t-app-v1.0.0"]}]);
    let tree = ask("", project.clone()).await.json();
    let hub = &tree["tree"][0]["dependencies"][0]["dependencies"][0];
    assert_eq!((&hub["version"], &hub["alias"]), (&json!("1.0.0"), &json!("H")), "{tree}");
    let latest = ask("?strategy=latest&form=flat", project.clone()).await.json();
    assert_eq!(latest["tree"][1]["id"], "t-hub-v1.1.0");
    assert_eq!(latest["tree"][1]["orig_ids"], json!(["t-hub-v1.0.0"]));

    let mark = Mark {
        at: app.clock.now(),
        by: job("acme/probe", 1),
        reason: "x".into(),
        replacement: None,
    };
    for key in ["1.0.0", "1.1.0"] {
        let change = MarkChange::Yank(mark.clone());
        app.ledger.mark(&id("acme/t-hub"), key, &change, app.clock.now()).await.unwrap().unwrap();
    }
    assert_eq!(get(&app, "/apl/v1/packages?name=hub").await.json()["total"], 0);
    assert_eq!(get(&app, "/apl/v1/packages/t-hub-v1.0.0").await.status, 200);
    assert_eq!(ask("", project.clone()).await.status, 200, "pins keep working");

    let missing = json!([{"group": "my", "name": "project", "version": "0.1.0", "dependencies": ["t-gone-v1.0.0"]}]);
    let refused = ask("", missing).await;
    assert_eq!(refused.status, 404);
    assert!(refused.error().contains("`my-project-v0.1.0` needs `t-gone-v1.0.0`"));
    for (query, packages, reason) in [
        ("?strategy=newest", project.clone(), "write `exact`, `latest` or `mvs`"),
        ("?form=round", project.clone(), "`nested` or `flat`"),
        ("", json!([{"group": "my"}]), "`packages[0]`: `name`"),
        ("", json!(7), "invalid type"),
    ] {
        let refused = ask(query, packages).await;
        assert_eq!(refused.status, 400, "{reason}");
        assert!(refused.error().contains(reason), "{}", refused.error());
    }
}

#[tokio::test]
async fn a_private_registry_answers_readers_only() {
    let app = app(true, false);
    let reader = token(&app, "", &[Action::Read]).await;
    let body = || json!({ "packages": [] }).to_string().into_bytes();
    let tree = format!("{PACKAGES}/dependencies");
    let none = send(&app, Method::POST, &tree, "", "application/json", body()).await;
    assert_eq!(none.status, 401, "a POST that only reads is a read");
    assert_eq!(
        send(&app, Method::POST, &tree, &reader, "application/json", body()).await.status,
        200
    );
    assert_eq!(get(&app, PACKAGES).await.status, 401);
    assert_eq!(
        send(&app, Method::GET, PACKAGES, &reader, "text/plain", Vec::new()).await.status,
        200
    );
}
