//! The stock `ato` publishes and reads back, request by request.

use std::time::{Duration, Instant};

use packhouse_tests::ato::{Ato, bzip2_zip, files};
use packhouse_tests::ato_verbs::{Release, Workspace, counted};
use packhouse_tests::{Runs as _, TestRegistry, example, plain};

const EMPTY_ZIP: [u8; 22] = *b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn ato(registry: &TestRegistry) -> Ato {
    Ato::new(&registry.url(), registry.ci("acme/sensor").tag("v1.0.0"))
}

fn sensor() -> Vec<u8> {
    let files = files(&example("ato-sensor"));
    let files: Vec<_> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    bzip2_zip(&files)
}

#[test]
fn the_stock_client_publishes_and_reads_back() {
    let registry = TestRegistry::start();
    let ato = ato(&registry);
    let zip = sensor();
    let (status, confirmed) = ato.publish("acme/sensor", "1.0.0", &zip, Some(&EMPTY_ZIP));
    assert_eq!(status, 200, "{confirmed}");
    assert_eq!(confirmed["status"], "ok");
    assert!(confirmed["url"].as_str().unwrap().ends_with("/p/acme/sensor"));

    let (status, listed) = ato.get("/v1/package/acme/sensor/releases");
    assert_eq!(status, 200, "{listed}");
    let release = &listed["releases"][0];
    assert_eq!(release["version"], "1.0.0");
    assert!(release["requires_atopile"].is_string());
    assert!(release["dependencies"]["requires"].is_array());
    assert!(release["artifacts"].is_null(), "22 bytes are no artifacts");
    let (status, bytes) = ato.fetch(release["download_url"].as_str().unwrap());
    assert_eq!((status, bytes.len()), (200, zip.len()));
    assert_eq!(bytes, zip);
    for path in ["/v1/package/acme/sensor", "/v1/package/acme/sensor/releases/1.0.0"] {
        let (status, body) = ato.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        assert_eq!(body["info"]["identifier"], "acme/sensor");
    }
    let (_, found) = ato.get("/v1/packages?query=sensor");
    assert_eq!(found["packages"][0]["identifier"], "acme/sensor");
}

#[test]
fn the_same_publish_again_is_a_conflict() {
    let registry = TestRegistry::start();
    let ato = ato(&registry);
    let zip = sensor();
    assert_eq!(ato.publish("acme/sensor", "1.0.0", &zip, None).0, 200);
    let (status, body) = ato.publish("acme/sensor", "1.0.0", &zip, None);
    assert_eq!(status, 409, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("already released"), "{body}");
}

#[test]
fn artifacts_become_attachments_layouts_and_builds() {
    let registry = TestRegistry::start();
    let ato = ato(&registry);
    let artifacts = bzip2_zip(&[
        ("usage/usage.kicad_pcb", b"(kicad_pcb (version 20240108))".as_slice()),
        ("usage/usage.glb", b"glTF"),
        ("usage/usage.bom.csv", b"part,count\n"),
    ]);
    let (status, body) = ato.publish("acme/sensor", "1.0.0", &sensor(), Some(&artifacts));
    assert_eq!(status, 200, "{body}");
    let (_, listed) = ato.get("/v1/package/acme/sensor/releases");
    let release = &listed["releases"][0];
    let stored = release["artifacts"]["artifacts"].as_array().expect("artifacts");
    assert_eq!(stored.len(), 3, "{release}");
    let layout = &release["layouts"]["layouts"][0];
    assert_eq!(layout["build_name"], "usage");
    let (status, pcb) = ato.fetch(layout["url"].as_str().unwrap());
    assert_eq!((status, pcb.as_slice()), (200, b"(kicad_pcb (version 20240108))".as_slice()));
    assert!(release["builds"].as_array().unwrap().contains(&"usage".into()), "{release}");
}

#[test]
fn a_bad_artifacts_zip_refuses_the_publish() {
    let registry = TestRegistry::start();
    let ato = ato(&registry);
    let escaping = bzip2_zip(&[("../../etc/cron.d/x", b"* * * * *".as_slice())]);
    let (status, body) = ato.publish("acme/sensor", "1.0.0", &sensor(), Some(&escaping));
    assert_eq!(status, 422, "{body}");
    assert_eq!(body["error"]["code"], "invalid-artifacts", "{body}");
    let (status, _) = ato.get("/v1/package/acme/sensor/releases");
    assert_eq!(status, 404, "nothing became visible");
}

#[test]
fn the_upload_takes_the_announced_length_only_and_once() {
    let registry = TestRegistry::start();
    let ato = ato(&registry);
    let zip = sensor();
    let token = ato.ci.token(registry.url().trim_start_matches("http://"));
    let ask = |size: usize| {
        let request = serde_json::json!({
            "identifier": "acme/sensor", "package_version": "1.0.0", "package_size": size,
        });
        ato.post("/v1/publish", &token, &request).1
    };
    let asked = ask(zip.len());
    let longer = [zip.as_slice(), b"x"].concat();
    for wrong in [&zip[..zip.len() - 1], &longer] {
        let (status, body) = ato.try_upload(&asked["upload_info"], "x.zip", wrong);
        assert!((400..500).contains(&status), "{status} {}", String::from_utf8_lossy(&body));
    }
    assert_eq!(ato.try_upload(&asked["upload_info"], "x.zip", &zip).0, 204);
    // Once means: these bytes again are there already, other bytes never replace them.
    assert_eq!(ato.try_upload(&asked["upload_info"], "x.zip", &zip).0, 204);
    let mut other = zip.clone();
    other[40] ^= 1;
    // S3 takes a form until it expires: whoever confirms pins one version, and gets that one checked.
    let second = if registry.is_on_aws() { 204 } else { 412 };
    assert_eq!(ato.try_upload(&asked["upload_info"], "x.zip", &other).0, second);
}

/// A circuit as the client packs it.
fn circuit(identifier: &str, requires: &str, needs: &[&str]) -> Vec<u8> {
    let needs: String = needs.iter().map(|d| format!("  - {d}\n")).collect();
    let needs = if needs.is_empty() { needs } else { format!("dependencies:\n{needs}") };
    let manifest = format!(
        "requires-atopile: '{requires}'\npackage:\n  identifier: {identifier}\n  version: 1.0.0\n  repository: https://github.com/acme/parts\n  license: MIT\n  summary: A part\n  authors: [{{name: Ada, email: ada@acme.example}}]\n{needs}"
    );
    bzip2_zip(&[
        ("ato.yaml", manifest.as_bytes()),
        (".gitignore", b"build/\n"),
        ("README.md", b"# A part\n"),
        ("part.ato", b"module Part:\n    pass\n"),
    ])
}

/// The client in a job that publishes circuits.
fn parts(registry: &TestRegistry) -> Ato {
    Ato::new(&registry.url(), registry.ci("acme/parts").tag("v1.0.0"))
}

/// Publishes a circuit with the stock client; the receipt's warnings.
fn release(registry: &TestRegistry, identifier: &str, needs: &[&str]) -> Vec<String> {
    let zip = circuit(identifier, ">=0.9.0,<1.0.0", needs);
    let ato = parts(registry);
    let (status, answer) = ato.publish(identifier, "1.0.0", &zip, None);
    assert_eq!(status, 200, "{answer}");
    serde_json::from_value(answer["receipt"].get("warnings").cloned().unwrap_or_default())
        .unwrap_or_default()
}

/// What both versions ask, word for word, and how they are answered; a redirect panics.
#[test]
fn every_verb_is_answered_as_the_stock_client_needs_it() {
    for client in [Release::V0_12_5, Release::V0_15_9] {
        let registry = TestRegistry::start();
        let ato = Ato { release: client, ..parts(&registry) };
        let publish = |id: &str, needs: &[&str], artifacts, skip| {
            let zip = circuit(id, ">=0.9.0,<1.0.0", needs);
            (ato.package_publish(id, &zip, artifacts, skip), ato.wire.take())
        };
        let url = |id: &str| Ok(format!("Package URL: {}/p/{id}", registry.url()));
        let (asked, upload) = ("POST /v1/publish 200", "POST upload 204");
        let confirmed = "POST /v1/publish/upload-complete 200";
        let base = publish("acme/base", &[], None, false);
        assert_eq!(base, (url("acme/base"), list(&["token", asked, upload, confirmed])));
        // Artifacts are on unless somebody says otherwise; nothing was built here.
        let part = publish("acme/kit/part", &["acme/base@1.0.0"], Some(&EMPTY_ZIP[..]), false);
        let all = list(&["token", asked, upload, upload, confirmed]);
        assert_eq!(part, (url("acme/kit/part"), all));
        let (again, wire) = publish("acme/base", &[], None, false);
        assert!(again.unwrap_err().starts_with("409 `acme/base@1.0.0` is already released"));
        assert_eq!(wire, ["token", "POST /v1/publish 409"]);
        let (skipped, wire) = publish("acme/base", &[], None, true);
        assert_eq!(skipped.unwrap(), "Release already exists, skipping");
        assert_eq!(wire, ["token", "POST /v1/publish 409"]);

        let about = |id: &str, rest: &str| format!("GET /v1/package/{id}{rest} 200");
        let zip =
            |id: &str| format!("GET /blobs/sha256/<digest>/{}-1.0.0.zip 200", id.replace('/', "-"));
        let each = |id: &str| match client {
            Release::V0_12_5 => {
                vec![about(id, "/releases"), about(id, "/releases/1.0.0"), zip(id)]
            }
            Release::V0_15_9 => vec![about(id, "/releases"), zip(id)],
        };
        let project = Workspace::new(&registry.url(), client);
        project.add("acme/kit/part", None).unwrap();
        assert_eq!(project.wire.take(), [each("acme/kit/part"), each("acme/base")].concat());
        project.sync(&[("acme/kit/part", Some("1.0.0"))]).unwrap();
        // 0.15.9 only downloaded what was needed further down, and comes again for it.
        let rest = if client == Release::V0_15_9 { each("acme/base") } else { Vec::new() };
        assert_eq!(project.wire.take(), rest);
        project.sync(&[("acme/kit/part", Some("1.0.0"))]).unwrap();
        assert!(project.wire.take().is_empty(), "all is installed");
        project.verify("acme/kit/part", &[("acme/base", "1.0.0")]).unwrap();
        let looked_up = ["acme/base", "acme/kit/part"]
            .map(|id| [about(id, ""), about(id, "/releases/1.0.0")])
            .concat();
        assert_eq!(project.wire.take(), looked_up);
        assert!(project.sync(&[("acme/kit/part", Some("2.0.0")), ("acme/gone", None)]).is_err());
        assert_eq!(project.wire.take(), ["GET /v1/package/acme/gone/releases 404"]);
    }
}

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What no version of `ato` reads would break everybody who installs it, and their search for older
/// releases; what it reads is kept as it was written.
#[test]
fn requirements_on_ato_that_it_cannot_read_are_refused() {
    let registry = TestRegistry::start();
    let ato = parts(&registry);
    let publish =
        |id: &str, requires: &str| ato.publish(id, "1.0.0", &circuit(id, requires, &[]), None);
    for bad in ["", "abc", "1.x", "0.14", "=1.0.0", "==0.14.0", "~0.14.0", "> 0.9.0", "*", "^1||^2"]
    {
        let (status, body) = publish("acme/bad", bad);
        assert_eq!((status, &body["error"]["code"]), (422, &"invalid-manifest".into()), "{bad}");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.starts_with("ato.yaml:1:19: `requires-atopile`"), "{bad}: {detail}");
    }
    assert_eq!(ato.get("/v1/package/acme/bad/releases").0, 404, "nothing became visible");
    let project = Workspace::new(&registry.url(), Release::V0_15_9);
    for (n, (good, fits)) in
        [("0.14.0", true), ("^0.3.0", true), (">=0.9.0,<0.15.0", false), (">0.15.9", false)]
            .into_iter()
            .enumerate()
    {
        let id = format!("acme/good{n}");
        assert_eq!(publish(&id, good).0, 200, "{good}");
        let listed = ato.get(&format!("/v1/package/{id}/releases")).1;
        assert_eq!(listed["releases"][0]["requires_atopile"], good);
        let manifest = ato.get(&format!("/v1/package/{id}/-/manifest/1.0.0")).1;
        assert_eq!(manifest["original"]["requires-atopile"], good);
        assert_eq!(project.sync(&[(id.as_str(), None)]).is_ok(), fits, "{good}");
    }
}

#[test]
fn add_sync_and_verify_ask_what_the_stock_client_asks() {
    let registry = TestRegistry::start();
    release(&registry, "acme/base", &[]);
    release(&registry, "acme/part", &["acme/base@1.0.0"]);
    let new = Workspace::new(&registry.url(), Release::V0_15_9);
    new.add("acme/part", None).unwrap();
    assert_eq!(new.requests(), ["5 acme/part", "6 acme/part", "5 acme/base", "6 acme/base"]);
    let gone = new.sync(&[("acme/gone", None)]).unwrap_err();
    assert!(gone.starts_with("404 there is no package `acme/gone`"), "{gone}");
    assert_eq!(new.requests(), ["5 acme/gone"]);
    new.verify("acme/part", &[("acme/base", "1.0.0")]).unwrap();
    let asked = ["3 acme/base", "4 acme/base", "3 acme/part", "4 acme/part"];
    assert_eq!(new.requests(), asked);

    let old = Workspace::new(&registry.url(), Release::V0_12_5);
    old.add("acme/part", Some("1.0.0")).unwrap();
    let each = |id: &str| [5, 4, 6].map(|n| format!("{n} {id}"));
    assert_eq!(old.requests(), [each("acme/part"), each("acme/base")].concat());
    old.sync(&[("acme/part", Some("1.0.0"))]).unwrap();
    assert!(old.requests().is_empty(), "all is installed");
}

#[test]
fn ten_packages_come_one_after_the_other_however_they_are_asked_for() {
    let registry = TestRegistry::start();
    let names: Vec<String> = (0..10).map(|n| format!("acme/part{n}")).collect();
    for name in &names {
        release(&registry, name, &[]);
    }
    let wanted: Vec<(&str, Option<&str>)> = names.iter().map(|n| (n.as_str(), None)).collect();
    let project = Workspace::new(&registry.url(), Release::V0_15_9);
    let start = Instant::now();
    project.sync(&wanted).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(9 * 40), "nine gaps");
    let requests = project.requests();
    assert!(requests[..10].iter().all(|request| request.starts_with('5')), "{requests:?}");
    assert_eq!(counted(&requests), [("5".into(), 10), ("6".into(), 10)].into());
    let gap = project.typical_gap().unwrap();
    assert!(gap >= Duration::from_millis(20), "{gap:?}: the client's parser takes no two at once");
    project.sync(&wanted).unwrap();
    assert!(project.requests().is_empty(), "all is installed");
}

#[test]
fn what_one_client_installs_is_installed_for_the_other() {
    let registry = TestRegistry::start();
    release(&registry, "acme/base", &[]);
    release(&registry, "acme/part", &["acme/base@1.0.0"]);
    let sync = |project: &Workspace| {
        let manifest = "requires-atopile: ^0.14.0\ndependencies:\n  - acme/part@1.0.0\n";
        std::fs::write(project.folder.path().join("ato.yaml"), manifest).unwrap();
        let mut command = plain(&["sync", "--json"]);
        command
            .current_dir(project.folder.path())
            .env("PACKHOUSE_REGISTRY", registry.url())
            .env("HOME", project.folder.path())
            .env("PACKHOUSE_CACHE_DIR", project.folder.path().join("cache"));
        command.outcome().ok().json()
    };
    let ours = Workspace::new(&registry.url(), Release::V0_15_9);
    sync(&ours);
    for identifier in ["acme/part", "acme/base"] {
        assert_eq!(ours.installed(identifier).version, "1.0.0");
    }
    ours.sync(&[("acme/part", Some("1.0.0"))]).unwrap();
    assert!(ours.requests().is_empty(), "all is installed");

    let theirs = Workspace::new(&registry.url(), Release::V0_15_9);
    theirs.sync(&[("acme/part", Some("1.0.0"))]).unwrap();
    let told = sync(&theirs);
    assert_eq!(told["downloaded"], 0, "{told}");
}

#[test]
fn what_is_wrong_further_down_is_warned_about() {
    let registry = TestRegistry::start();
    assert_eq!(release(&registry, "acme/one", &["acme/two"]).len(), 1, "not there yet");
    assert_eq!(
        release(&registry, "acme/two", &["acme/one@1.0.0"]),
        [
            "`acme/two@1.0.0` needs packages that need each other:\n  acme/one@1.0.0 → acme/two@1.0.0 → acme/one@1.0.0"
        ]
    );
    release(&registry, "acme/part", &["acme/gone@2.0.0"]);
    let told = release(&registry, "acme/board", &["acme/part@1.0.0"]);
    assert_eq!(
        told,
        [
            "`acme/board@1.0.0` needs `acme/gone`, which the registry does not have:\n  acme/board@1.0.0 → acme/part 1.0.0 → acme/gone 2.0.0"
        ]
    );
    let mut info = plain(&["info", "acme/board@1.0.0"]);
    let info = info.env("PACKHOUSE_REGISTRY", registry.url()).outcome().ok().to_string();
    let shown = "warning: `acme/board@1.0.0` needs `acme/gone`, which the registry does not have:\n  - acme/board@1.0.0 → acme/part 1.0.0 → acme/gone 2.0.0\n";
    assert!(info.contains(shown), "{info}");
}
