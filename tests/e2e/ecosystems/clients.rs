//! Clients that do what their communities' documents say, request by request, and nothing else.

use std::io::Write as _;
use std::process::{Command, Stdio};

use packhouse_core::digest::Digest;
use packhouse_tests::ato_verbs::{Release, Workspace};
use packhouse_tests::http;
use serde_json::{Value, json};

use super::shelf::Shelf;

/// The names of a zip's entries, as Python reads it.
fn names_in(zip: &[u8]) -> Vec<String> {
    const PROGRAM: &str = "import io, json, sys, zipfile; \
        print(json.dumps(zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).namelist()))";
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(zip).unwrap();
    serde_json::from_slice(&python.wait_with_output().unwrap().stdout).unwrap()
}

fn has(zip: &[u8], name: &str) -> bool {
    names_in(zip).iter().any(|entry| entry == name)
}

/// `ato add acme/sensor` of 0.15.9.
pub fn atopile(shelf: &Shelf) {
    let ato = Workspace::new(&shelf.registry.url(), Release::V0_15_9);
    ato.add("acme/sensor", None).unwrap();
    assert_eq!(ato.installed("acme/sensor").version, "1.0.0");
    assert_eq!(ato.requests(), ["5 acme/sensor", "6 acme/sensor"]);
}

/// The list, one package, its processes.
pub fn compose(shelf: &Shelf) {
    let listed = shelf.registry.get("/compose/v1/packages");
    assert_eq!((&listed[0]["num_processes"], &listed[0]["num_steps"]), (&json!(1), &json!(0)));
    let package = shelf.registry.get(&format!("/compose/v1/packages/{}", listed[0]["id"]));
    assert_eq!(
        (&package["name"], &package["package_type"]),
        (&json!("pbg-growth"), &json!("pypi"))
    );
    let found = shelf.registry.get("/compose/v1/processes?source=db");
    let class = &package["processes"][0];
    assert_eq!((&found[0], &class["name"]), (class, &json!("Growth")));
    // Its module can be imported from what the package holds.
    let path = format!("src/{}.py", class["module"].as_str().unwrap().replace('.', "/"));
    let zip = archive(shelf, "acme/pbg-growth");
    assert!(has(&zip, &path), "{path}: {:?}", names_in(&zip));
}

/// `ListPackages`, `GetPackage` and `DependencyTree` of APM's registry module over HTTP.
pub fn apl(shelf: &Shelf) {
    for prefix in ["/apl/v1", "/apl/api/v1"] {
        let listed = shelf.registry.get(&format!("{prefix}/packages?group=^Acme$&name=^Moon$"));
        let config = listed["packages"][0].clone();
        let field = |key: &str| config[key].as_str().unwrap().to_owned();
        let id = format!("{}-{}-{}", field("group"), field("name"), field("version"));
        let url = format!("{}{prefix}/packages", shelf.registry.url());
        let (status, zip) = http::get(&format!("{url}/{id}"), &[]);
        assert!(status == 200 && has(&zip, "apl-project.json"), "{id}: {status}");
        let asked = json!({ "packages": [config] });
        let (status, answer) = http::post(&format!("{url}/dependencies"), "", &asked);
        assert_eq!((status, &answer["tree"][0]["name"]), (200, &json!("Moon")), "{answer}");
    }
}

/// One index, the pack in it, its archive with the checksum that the index names.
pub fn attune(shelf: &Shelf) {
    let index = shelf.registry.get("/attune/index.json");
    assert_eq!(index["version"], "1.0");
    let packs = index["packs"].as_array().unwrap();
    let pack = packs.iter().find(|pack| pack["ref"] == "disk-watch").unwrap();
    let source = &pack["install_sources"][0];
    assert_eq!(source["type"], "archive");
    let (status, bytes) = http::get(source["url"].as_str().unwrap(), &[]);
    assert_eq!(status, 200);
    assert_eq!(source["checksum"], format!("sha256:{}", Digest::of(&bytes)));
    assert!(has(&bytes, "pack.yaml"), "{:?}", names_in(&bytes));
}

/// Where a community has no client: the index file, the archive, `sha256sum`.
pub fn curl(shelf: &Shelf, identifier: &str, manifest: &str) {
    let zip = archive(shelf, identifier);
    assert!(has(&zip, manifest), "{identifier}: {:?}", names_in(&zip));
}

/// The archive of the newest version that the index file names, its digest compared.
fn archive(shelf: &Shelf, identifier: &str) -> Vec<u8> {
    let index: Value = shelf.registry.get(&format!("/index/{identifier}.json"));
    let newest = &index["versions"][0];
    let digest = newest["digest"].as_str().unwrap();
    let mut version = newest["version"].as_str().unwrap();
    if newest["order"] == "pep440" {
        version = version.trim_end_matches(".0");
    }
    let file = format!("{}-{version}.zip", identifier.replace('/', "-"));
    let (status, bytes) = shelf.registry.fetch(&format!("/blobs/sha256/{digest}/{file}"));
    assert_eq!((status, digest), (200, Digest::of(&bytes).to_string().as_str()), "{file}");
    bytes
}
