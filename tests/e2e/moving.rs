//! A registry moves: exported, served as plain files, restored into another one.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use packhouse_core::digest::Digest;
use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, Outcome, Runs as _, TestRegistry, http, plain};
use serde_json::{Value, json};

fn released(registry: &TestRegistry, identifier: &str, version: &str) -> Parcel {
    let parcel = Parcel::new(identifier, version, version);
    let ci = registry.ci(&identifier.to_lowercase()).tag(&format!("v{version}"));
    let (status, body) = Raw { url: registry.url(), ci }.publish(&parcel);
    assert_eq!(status, 200, "{body}");
    parcel
}

/// `packhouse ARGUMENTS` as the registry's operator.
fn operator(registry: &TestRegistry, token: &str, arguments: &[&str]) -> Outcome {
    let mut command = plain(arguments);
    command.env("PACKHOUSE_REGISTRY", registry.url()).env("PACKHOUSE_TOKEN", token);
    command.outcome()
}

fn admin(registry: &TestRegistry, arguments: &[&str]) -> Outcome {
    operator(registry, &registry.admin_token(), arguments)
}

/// A registry in which everything has happened, and a read token of it.
fn busy(options: Options) -> (TestRegistry, String) {
    let registry = TestRegistry::with(options);
    for version in ["1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1"] {
        released(&registry, "Acme/Sensor", version);
    }
    released(&registry, "acme/base", "0.1.0");
    released(&registry, "other/probe", "3.0.0");
    released(&registry, "other/gone", "1.0.0");
    for arguments in [
        &["yank", "acme/sensor@1.1.0", "--reason", "burns"][..],
        &["deprecate", "acme/base@0.1.0", "--reason", "old", "--replacement", "acme/sensor@1.2.0"],
        &["admin", "quarantine", "other/probe@3.0.0", "--reason", "malware reported"],
        &["admin", "remove", "other/gone@1.0.0", "--reason", "court order"],
        &["admin", "reserve", "python:numpy", "--reason", "known"],
        &["admin", "transfer", "acme/base", "--allow-tokens", "true"],
    ] {
        admin(&registry, arguments).ok();
    }
    let create =
        ["admin", "token", "create", "--label", "readers", "--action", "admin", "--days", "9"];
    let token = admin(&registry, &create).ok().stdout.trim().to_owned();
    (registry, token)
}

/// A second registry that believes the CI jobs of the first.
fn second(first: &TestRegistry, more: &[&str]) -> TestRegistry {
    let mut arguments = vec!["--issuer".to_owned(), first.issuer.url().to_owned()];
    arguments.extend(more.iter().map(|text| (*text).to_owned()));
    let mut second = TestRegistry::with(Options { arguments, ..Options::default() });
    second.issuer = first.issuer.clone();
    second
}

fn index(registry: &TestRegistry, identifier: &str) -> Vec<u8> {
    let (status, body) = registry.fetch(&format!("/index/{identifier}.json"));
    assert_eq!(status, 200);
    body
}

const PACKAGES: [&str; 4] = ["acme/sensor", "acme/base", "other/probe", "other/gone"];

fn files(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path(), entry.metadata().unwrap().modified().unwrap()));
        }
    }
    found.sort();
    found
}

/// Python's file server, which ends with the value.
struct FileServer {
    child: Child,
    url: String,
}

impl FileServer {
    fn start(folder: &Path) -> Self {
        use std::io::BufRead as _;
        let mut child = Command::new("python3")
            .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "0", "--directory"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is there");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        std::io::BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let port = line.split("port ").nth(1).and_then(|rest| rest.split(' ').next());
        let url = format!("http://127.0.0.1:{}", port.expect("a port"));
        Self { child, url }
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_registry_is_restored_into_another_one_and_goes_on() {
    let (first, token) = busy(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("export");
    let to = folder.to_str().unwrap();
    let told = admin(&first, &["admin", "export", to, "--json"]).ok();
    let manifest = told.json();
    assert_eq!(manifest["counts"]["packages"], 4, "{told}");
    assert_eq!(manifest["counts"]["releases"], 7, "{told}");
    assert_eq!(manifest["blobs"], 6, "the removed release has none: {told}");

    let second = second(&first, &[]);
    let restored = admin(&second, &["admin", "import", to, "--json"]).ok();
    assert_eq!(restored.json()["counts"], manifest["counts"]);
    assert_eq!(restored.json()["went_on"], false);

    for package in PACKAGES {
        let (mine, its) = (index(&second, package), index(&first, package));
        assert_eq!(String::from_utf8_lossy(&mine), String::from_utf8_lossy(&its));
    }
    let feed = |registry: &TestRegistry| registry.get("/v1/events?after=0");
    assert_eq!(feed(&second), feed(&first));
    let blob = |registry: &TestRegistry, parcel: &Parcel, name: &str| {
        registry.fetch(&format!("/blobs/sha256/{}/{name}", parcel.digest))
    };
    let sensor = Parcel::new("Acme/Sensor", "1.0.0", "1.0.0");
    assert_eq!(blob(&second, &sensor, "acme-sensor-1.0.0.zip"), (200, sensor.zip.clone()));
    let probe = Parcel::new("other/probe", "3.0.0", "3.0.0");
    assert_eq!(blob(&second, &probe, "other-probe-3.0.0.zip").0, 451);
    admin(&second, &["admin", "quarantine", "other/probe@3.0.0", "--undo"]).ok();
    assert_eq!(blob(&second, &probe, "other-probe-3.0.0.zip"), (200, probe.zip.clone()));
    let gone = Parcel::new("other/gone", "1.0.0", "1.0.0");
    assert_eq!(blob(&second, &gone, "other-gone-1.0.0.zip").0, 410);

    // Tokens of the first are good at the second, and names are kept.
    let listed = operator(&second, &token, &["admin", "reserve", "--list", "--json"]).ok();
    assert_eq!(listed.json()["reserved"][0]["name"], "python:numpy");
    operator(&second, &first.admin_token(), &["admin", "token", "list"]).ok();

    // Publishing goes on: with the pinned repository, and with no other one.
    released(&second, "acme/sensor", "1.3.0");
    let stranger = second.ci("evil/sensor").tag("v1.4.0");
    let parcel = Parcel::new("acme/sensor", "1.4.0", "evil");
    let (status, body) = Raw { url: second.url(), ci: stranger }.publish(&parcel);
    assert_eq!(status, 403, "{body}");
    let again = Raw { url: second.url(), ci: second.ci("acme/sensor").tag("v1.2.0") };
    let (status, body) = again.publish(&Parcel::new("acme/sensor", "1.2.0", "other content"));
    assert_eq!((status, &body["error"]["code"]), (409, &json!("version-exists")), "{body}");

    // The old export again: what went on here stays.
    let before = (index(&second, "acme/sensor"), feed(&second));
    let again = admin(&second, &["admin", "import", to, "--json"]).ok();
    assert_eq!(again.json()["went_on"], true);
    assert_eq!((index(&second, "acme/sensor"), feed(&second)), before);
    assert_eq!(blob(&second, &probe, "other-probe-3.0.0.zip").0, 200);

    // And the first went on too: the two cannot become one.
    released(&first, "acme/other", "1.0.0");
    admin(&first, &["admin", "export", to]).ok();
    let refused = admin(&second, &["admin", "import", to]);
    assert_eq!(refused.code, 5, "{refused}");
    assert!(refused.stderr.contains("import-conflict"), "{refused}");
}

/// Moves a registry with the two commands of the runbook, and checks that nothing is missing.
fn moved(from: &TestRegistry, to: &TestRegistry, packages: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let exported = admin(from, &["admin", "export", folder, "--json"]).ok().json();
    let imported = admin(to, &["admin", "import", folder, "--json"]).ok().json();
    assert_eq!(imported["counts"], exported["counts"]);
    assert_eq!(imported["went_on"], false);
    let feed = |registry: &TestRegistry| registry.get("/v1/events?after=0");
    assert_eq!(feed(to), feed(from));
    for package in packages {
        let (mine, its) = (index(to, package), index(from, package));
        assert_eq!(String::from_utf8_lossy(&mine), String::from_utf8_lossy(&its), "{package}");
    }
    let statuses = |registry: &TestRegistry| {
        let mut all = Vec::new();
        for package in packages {
            let file: Value = serde_json::from_slice(&index(registry, package)).unwrap();
            for version in file["versions"].as_array().unwrap() {
                let (digest, version) = (&version["digest"], version["version"].as_str().unwrap());
                let name = format!("{}-{version}.zip", package.replace('/', "-"));
                let path = format!("/blobs/sha256/{}/{name}", digest.as_str().unwrap());
                let (status, body) = registry.fetch(&path);
                if status == 200 {
                    assert_eq!(Digest::of(&body).hex(), digest.as_str().unwrap());
                }
                all.push((path, status));
            }
        }
        all
    };
    assert_eq!(statuses(to), statuses(from));
}

/// The drill of the runbook: one registry goes from a machine to AWS and back, and publishing goes on
/// after each move.
#[test]
fn a_registry_moves_to_aws_and_back() {
    let (first, token) = busy(Options::default());
    let arguments = vec!["--issuer".to_owned(), first.issuer.url().to_owned()];
    let mut second = TestRegistry::on_aws(Options { arguments, ..Options::default() });
    second.issuer = first.issuer.clone();
    assert!(second.is_on_aws() && !first.is_on_aws());
    moved(&first, &second, &PACKAGES);
    let probe = Parcel::new("other/probe", "3.0.0", "3.0.0").digest;
    assert!(second.withholds(&probe), "what is in quarantine is kept from the CDN here, too");
    assert!(!second.withholds(&Parcel::new("acme/base", "0.1.0", "0.1.0").digest));
    released(&second, "acme/sensor", "1.3.0");
    released(&second, "acme/cloud", "0.1.0");
    let found = second.get("/v1/packages?query=cloud");
    assert_eq!(found["packages"][0]["identifier"], "acme/cloud", "{found}");
    let listed = operator(&second, &token, &["admin", "reserve", "--list", "--json"]).ok();
    assert_eq!(listed.json()["reserved"][0]["name"], "python:numpy");

    let third = self::second(&first, &[]);
    moved(&second, &third, &[&PACKAGES[..], &["acme/cloud"]].concat());
    released(&third, "acme/sensor", "1.4.0");
    let stranger = third.ci("evil/cloud").tag("v0.2.0");
    let parcel = Parcel::new("acme/cloud", "0.2.0", "evil");
    let (status, body) = Raw { url: third.url(), ci: stranger }.publish(&parcel);
    assert_eq!(status, 403, "what was pinned on AWS stays pinned: {body}");
    operator(&third, &token, &["admin", "token", "list"]).ok();
}

#[test]
fn a_private_registry_moves_too() {
    let private = || Options { arguments: vec!["--private".to_owned()], ..Options::default() };
    let (first, _) = busy(private());
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    admin(&first, &["admin", "export", to]).ok();
    let second = second(&first, &["--private"]);
    admin(&second, &["admin", "import", to]).ok();
    assert_eq!(second.fetch("/index/acme/sensor.json").0, 401);
    let bearer = format!("Bearer {}", first.admin_token());
    let read = |registry: &TestRegistry| {
        let url = format!("{}/index/acme/sensor.json", registry.url());
        http::get(&url, &[("authorization", &bearer)])
    };
    assert_eq!(read(&second), read(&first));
    assert_eq!(read(&second).0, 200);
}

#[test]
fn an_export_is_a_registry_for_readers_behind_any_file_server() {
    let (registry, _) = busy(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("export");
    admin(&registry, &["admin", "export", folder.to_str().unwrap()]).ok();
    let server = FileServer::start(&folder.join("public"));
    let packhouse = |arguments: &[&str]| {
        let mut command = plain(arguments);
        command.current_dir(dir.path()).env("PACKHOUSE_REGISTRY", &server.url);
        command.env("HOME", dir.path().join("home")).outcome()
    };
    for package in PACKAGES {
        let (status, body) = http::get(&format!("{}/index/{package}.json", server.url), &[]);
        assert_eq!((status, body), (200, index(&registry, package)));
    }
    let fetched = packhouse(&["fetch", "acme/sensor@>=1, <1.2", "Acme/Base", "--json"]).ok();
    assert_eq!(fetched.json()["packages"][0]["version"], "1.0.0", "1.1.0 is yanked: {fetched}");
    assert_eq!(fetched.json()["packages"][1]["version"], "0.1.0", "{fetched}");
    packhouse(&["verify", "acme-base-0.1.0", "acme/base@0.1.0"]).ok();
    let told = packhouse(&["info", "acme/sensor"]).ok();
    assert!(told.stdout.contains("acme/sensor@1.2.0") || told.stdout.contains("Sensor@1.2.0"));
    let refused = packhouse(&["fetch", "other/probe@3.0.0"]);
    assert_eq!(refused.code, 3, "{refused}");
    let missing = packhouse(&["fetch", "acme/nothing"]);
    assert_eq!(missing.code, 3, "{missing}");
    assert!(missing.stderr.contains("there is no package"), "{missing}");

    // Nothing that is out of service, and nothing confidential, is among what is served.
    let probe = Parcel::new("other/probe", "3.0.0", "3.0.0").digest.hex();
    let served = files(&folder.join("public"));
    assert!(served.iter().all(|(path, _)| !path.to_string_lossy().contains(&probe)));
    assert_eq!(served.len(), 4 + 5 + 1, "index files, blobs and the marker: {served:?}");
    let kept = std::fs::read(folder.join("backup/blobs").join(&probe)).unwrap();
    assert_eq!(Digest::of(&kept).hex(), probe);
    let sums = Command::new("sha256sum")
        .current_dir(&folder)
        .args(["--check", "--quiet", "--strict", "backup/SHA256SUMS"])
        .status();
    assert!(sums.unwrap().success());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |name: &str| std::fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("backup"), mode("backup/records.jsonl")), (0o700, 0o600));
    }
}

#[test]
fn an_export_takes_what_is_new_mends_what_is_damaged_and_drops_what_was_taken_down() {
    let (registry, _) = busy(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    admin(&registry, &["admin", "export", to]).ok();
    let public = dir.path().join("public");
    let before = files(&public);
    let damaged = before.iter().map(|(path, _)| path);
    let damaged = damaged.clone().find(|path| path.ends_with("acme-sensor-1.2.0.zip")).unwrap();
    std::fs::write(damaged, "rot").unwrap();
    released(&registry, "acme/new", "1.0.0");
    admin(&registry, &["admin", "quarantine", "acme/base@0.1.0", "--reason", "odd"]).ok();
    admin(&registry, &["admin", "export", to]).ok();
    let after = files(&public);
    let names = |files: &[(PathBuf, std::time::SystemTime)], name: &str| {
        files.iter().filter(|(path, _)| path.ends_with(name)).count()
    };
    assert_eq!(
        (names(&before, "acme-base-0.1.0.zip"), names(&after, "acme-base-0.1.0.zip")),
        (1, 0)
    );
    assert_eq!((names(&before, "acme-new-1.0.0.zip"), names(&after, "acme-new-1.0.0.zip")), (0, 1));
    let mended = Digest::of(&std::fs::read(damaged).unwrap());
    assert_eq!(mended, Parcel::new("Acme/Sensor", "1.2.0", "1.2.0").digest);
    let untouched = |name: &str| {
        let time = |files: &[(PathBuf, std::time::SystemTime)]| {
            files.iter().find(|(path, _)| path.ends_with(name)).unwrap().1
        };
        assert_eq!(time(&before), time(&after), "{name}");
    };
    untouched("acme-sensor-1.0.0.zip");
    untouched("index/acme/sensor.json");
}

#[test]
fn an_import_refuses_what_is_damaged_and_goes_on_where_it_was_cut_short() {
    let (first, _) = busy(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    admin(&first, &["admin", "export", to]).ok();
    let second = second(&first, &[]);

    let nothing = tempfile::tempdir().unwrap();
    let refused = admin(&second, &["admin", "import", nothing.path().to_str().unwrap()]);
    assert_eq!(refused.code, 3, "{refused}");
    let sensor = Parcel::new("Acme/Sensor", "1.2.0", "1.2.0");
    let blob =
        dir.path().join(format!("public/blobs/sha256/{}/acme-sensor-1.2.0.zip", sensor.digest));
    std::fs::write(&blob, "rot").unwrap();
    let refused = admin(&second, &["admin", "import", to]);
    assert_eq!(refused.code, 6, "{refused}");
    assert!(refused.stderr.contains("acme-sensor-1.2.0.zip"), "{refused}");
    // A release is never visible without its bytes.
    assert_eq!(second.fetch("/index/acme/sensor.json").0, 404);
    std::fs::write(&blob, &sensor.zip).unwrap();
    admin(&second, &["admin", "import", to]).ok();
    assert_eq!(index(&second, "acme/sensor"), index(&first, "acme/sensor"));

    let records = dir.path().join("backup/records.jsonl");
    let text = std::fs::read_to_string(&records).unwrap();
    std::fs::write(&records, text.replace("burns", "shines")).unwrap();
    let refused = admin(&second, &["admin", "import", to]);
    assert_eq!(refused.code, 6, "{refused}");
}

#[test]
fn only_an_operator_of_the_whole_registry_exports_and_imports() {
    let registry = TestRegistry::start();
    let new = json!({ "label": "t", "prefix": "acme/", "actions": ["admin"], "days": 1 });
    let url = |path: &str| format!("{}{path}", registry.url());
    let (_, narrow) = http::post(&url("/v1/admin/tokens"), &registry.admin_token(), &new);
    let narrow = narrow["token"].as_str().unwrap().to_owned();
    let new = json!({ "label": "t", "prefix": "", "actions": ["read", "publish"], "days": 1 });
    let (_, reader) = http::post(&url("/v1/admin/tokens"), &registry.admin_token(), &new);
    let reader = reader["token"].as_str().unwrap().to_owned();
    let hex = Digest::of(b"x").hex();
    for (method, path) in [
        ("GET", "/v1/admin/export".to_owned()),
        ("POST", "/v1/admin/import".to_owned()),
        ("GET", format!("/v1/admin/blobs/{hex}")),
        ("POST", format!("/v1/admin/blobs/{hex}")),
        ("POST", format!("/v1/admin/blobs/{hex}/complete")),
    ] {
        let body: &[u8] = if method == "POST" { b"{\"bytes\":1}" } else { b"" };
        let status = |token: &str| {
            let bearer = format!("Bearer {token}");
            let mut headers = vec![("content-type", "application/json")];
            if !token.is_empty() {
                headers.push(("authorization", bearer.as_str()));
            }
            if method == "GET" {
                return http::get(&url(&path), &headers).0;
            }
            http::send(method, &url(&path), &headers, body).0
        };
        assert_eq!((status(""), status(&narrow), status(&reader)), (401, 403, 403), "{path}");
    }
    let bad = |path: &str, body: &str| -> (u16, Value) {
        let bearer = format!("Bearer {}", registry.admin_token());
        let headers = [("authorization", bearer.as_str())];
        let (status, body) = http::send("POST", &url(path), &headers, body.as_bytes());
        (status, serde_json::from_slice(&body).unwrap())
    };
    let (status, body) = bad("/v1/admin/import", "{\"schema\":1}\n");
    assert_eq!((status, &body["error"]["code"]), (400, &json!("bad-request")), "{body}");
    let (status, body) = bad("/v1/admin/import", &"x".repeat(5 << 20));
    assert_eq!((status, &body["error"]["code"]), (413, &json!("too-large")), "{body}");
    let path = format!("/v1/admin/blobs/{hex}/complete");
    let (status, body) = bad(&path, "");
    assert_eq!((status, &body["error"]["code"]), (422, &json!("upload-mismatch")), "{body}");
    let (status, _) = bad("/v1/admin/blobs/xyz", "{\"bytes\":1}");
    assert_eq!(status, 400);
}
