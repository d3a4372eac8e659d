//! One registry that holds packages of all ecosystems at once: each published from CI, each used by our
//! commands and by a client that follows its own community's documents, none seen in another's view.

mod clients;
mod hostile;
mod pages;
mod shelf;

use packhouse_tests::fppm::{git, project, stock};
use packhouse_tests::http;
use serde_json::{Value, json};

use shelf::{PACKAGES, Shelf, VIEWS};

#[test]
fn every_ecosystems_package_is_fetched_verified_and_found() {
    let shelf = Shelf::full();
    for (_, _, tag, identifier) in PACKAGES {
        let to = shelf.path(&format!("fetched/{identifier}"));
        let to = to.to_str().unwrap();
        shelf.run("", &["fetch", identifier, "--to", to]).ok();
        let pinned = format!("{identifier}@{}", tag.trim_start_matches('v'));
        shelf.run("", &["verify", to, &pinned]).ok();
        let name = identifier.split_once('/').unwrap().1;
        let found = shelf.run("", &["search", name, "--json"]).ok().json();
        let hits: Vec<_> = found["hits"].as_array().unwrap().iter().collect();
        assert!(hits.iter().any(|hit| hit["identifier"] == *identifier), "{name}: {found}");
    }
    let all = shelf.registry.get("/v1/packages/all");
    let mut listed: Vec<_> =
        all["packages"].as_array().unwrap().iter().map(|p| p["identifier"].clone()).collect();
    listed.sort_by_key(Value::to_string);
    let mut held: Vec<Value> = PACKAGES.iter().map(|(.., id)| json!(id)).collect();
    held.sort_by_key(Value::to_string);
    assert_eq!(listed, held);
}

#[test]
fn our_commands_use_the_packages_of_every_ecosystem() {
    let shelf = Shelf::full();
    let url = shelf.registry.url();
    // atopile, kicad-tools and packhouse.yaml: in one project.
    shelf.write("board/packhouse.yaml", "package: {identifier: acme/station}\n");
    for identifier in ["acme/sensor", "acme/usb-c-sink", "acme/units"] {
        shelf.run("board", &["add", identifier]).ok();
    }
    shelf.run("board", &["sync", "--locked"]).ok();
    let listed = shelf.run("board", &["list"]).ok().stdout;
    for package in ["acme/sensor", "acme/usb-c-sink", "acme/units"] {
        assert!(listed.contains(package), "{listed}");
    }
    // process-bigraph.
    let found = shelf.run("", &["compose", "processes", "--source", "db"]).ok().json();
    assert_eq!(found[0]["name"], "Growth", "{found}");
    // F Prime.
    let orbiter = shelf.path("orbiter");
    project(&orbiter);
    let registry = format!("{url}/fppm/registry.yaml");
    shelf.run("orbiter", &["fppm", "registries", "--add", &registry]).ok();
    for package in ["acme/Thermometer", "acme/Barometer"] {
        shelf.run("orbiter", &["fppm", "install", "--package", package]).ok();
    }
    let place = orbiter.join("_fprime_packages/acme.Thermometer");
    assert_eq!(git(&place, &["rev-parse", "HEAD"]), shelf.commit);
    shelf.run("orbiter", &["fppm", "install", "--locked"]).ok();
    // APL.
    let uri = format!("{url}/apl");
    shelf.run("", &["apl", "get", "Acme-Moon-v0.3.0", "--uri", &uri]).ok();
    assert!(shelf.path("Acme-Moon-v0.3.0.zip").exists());
    // Attune; what the pack needs is not here.
    let index = format!("{url}/attune/index.json");
    let refused = shelf.run("", &["attune", "install", "disk-watch", "--index", &index]);
    assert_eq!(refused.code, 1, "{refused}");
    let install = ["attune", "install", "disk-watch", "--index", &index, "--skip-deps"];
    shelf.run("", &install).ok();
    assert!(shelf.path("packs/disk-watch/pack.yaml").exists());
}

#[test]
fn each_communitys_own_client_uses_its_packages() {
    let shelf = Shelf::full();
    clients::atopile(&shelf);
    clients::compose(&shelf);
    clients::apl(&shelf);
    clients::attune(&shelf);
    clients::curl(&shelf, "acme/usb-c-sink", "kicad-tools-block.yaml");
    clients::curl(&shelf, "acme/units", "packhouse.yaml");
}

#[test]
fn the_stock_client_of_f_prime_installs_from_both_kinds_of_repository() {
    let shelf = Shelf::full();
    let orbiter = shelf.path("orbiter");
    project(&orbiter);
    let registry = format!("{}/fppm/registry.yaml", shelf.registry.url());
    stock(&orbiter, &["registries", "--add", &registry], "").ok();
    for package in ["acme/Thermometer", "acme/Barometer"] {
        stock(&orbiter, &["install", "--package", package], "y\ny\n").ok();
    }
    let place = |name: &str| orbiter.join("_fprime_packages").join(name);
    // The one is a clone of its publisher's repository, the other of the registry's own.
    let origin = |name: &str| git(&place(name), &["remote", "get-url", "origin"]);
    assert_eq!(origin("acme.Thermometer"), format!("{}/acme/thermometer.git", shelf.forge.url));
    assert_eq!(git(&place("acme.Thermometer"), &["rev-parse", "HEAD"]), shelf.commit);
    let own = format!("{}/fppm/git/acme/Barometer.git", shelf.registry.url());
    assert_eq!(origin("acme.Barometer"), own);
    let released = std::fs::read(shelf.path("packages/barometer/package.yaml")).unwrap();
    assert_eq!(std::fs::read(place("acme.Barometer").join("package.yaml")).unwrap(), released);
    // Our own client goes on with the project that it left.
    shelf.run("orbiter", &["fppm", "install"]).ok();
    shelf.run("orbiter", &["fppm", "remove", "--package", "acme/Barometer"]).ok();
    assert!(place("acme.Thermometer").exists() && !place("acme.Barometer").exists());
}

#[test]
fn no_package_is_in_anothers_view_and_a_yank_is_seen_in_its_own_only() {
    let shelf = Shelf::full();
    let views = || VIEWS.map(|view| shelf.view(view));
    let named = |text: &str, name: &str| text.contains(name);
    // What each view calls its package; no view has the name of another's.
    let names = ["Moon", "disk-watch", "pbg-growth", "Thermometer"];
    for (at, text) in views().iter().enumerate() {
        for (other, name) in names.iter().enumerate() {
            assert_eq!(named(text, name), at == other, "{name} in {}: {text}", VIEWS[at]);
        }
        for name in ["acme/sensor", "usb-c-sink", "acme/units"] {
            assert!(!named(text, name), "{name} in {}: {text}", VIEWS[at]);
        }
    }
    let yanks = [
        ("acme/apl-moon", "v0.3.0", "acme/Acme-Moon@0.3.0"),
        ("acme/disk-watch", "v1.1.0", "acme/disk-watch@1.1.0"),
        ("acme/pbg-growth", "v0.2.0", "acme/pbg-growth@0.2.0"),
        ("acme/thermometer", "v1.0.0", "acme/Thermometer@1.0.0"),
        ("acme/sensor", "v1.0.0", "acme/sensor@1.0.0"),
    ];
    for (at, (repository, tag, release)) in yanks.iter().enumerate() {
        let before = views();
        shelf.registry.ci(repository).tag(tag).run(&["yank", release, "--reason", "burns"]).ok();
        for (other, (before, after)) in before.iter().zip(views()).enumerate() {
            assert_eq!(*before == after, at != other, "{release} in {}: {after}", VIEWS[other]);
            let gone = names.get(at).is_some_and(|name| !named(&after, name));
            assert!(at != other || gone, "{release} in {}: {after}", VIEWS[other]);
        }
    }
    // Pins keep working, whatever the format.
    for (_, _, release) in yanks {
        let to = shelf.path(&format!("pinned/{release}"));
        shelf.run("", &["fetch", release, "--to", to.to_str().unwrap()]).ok();
    }
}

#[test]
fn a_name_that_is_taken_is_a_conflict_at_the_views_own_post() {
    let shelf = Shelf::full();
    let url = shelf.registry.url();
    let before = VIEWS.map(|view| shelf.view(view));
    // process-bigraph: whoever may list, in any spelling of the name.
    let lister = shelf.token("", "list");
    for name in ["pbg-growth", "PBG_growth"] {
        let outline = json!({"package_type": "pypi", "name": name, "compute": []});
        let body = json!({"kind": "outline", "outline": outline});
        let (status, answer) = http::post(&format!("{url}/compose/v1/packages"), &lister, &body);
        assert_eq!(status, 409, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("already registered"), "{answer}");
    }
    // APL: the archive of somebody else's package, posted by another owner.
    let (_, zip) = http::get(&format!("{url}/apl/v1/packages/Acme-Moon-v0.3.0"), &[]);
    let bearer = format!("Bearer {}", shelf.token("rival/", "publish"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/zip")];
    let (status, answer) = http::send("POST", &format!("{url}/apl/v1/packages"), &headers, &zip);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 409, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("held by `acme/Acme-Moon`"), "{answer}");
    // F Prime: many in one request, each told for itself.
    let package =
        json!({"name": "acme/Thermometer", "git": "https://example.org/x.git", "ref": "v1"});
    let body = json!({ "packages": [package] });
    let (status, answer) = http::post(&format!("{url}/fppm/listings"), &lister, &body);
    assert_eq!((status, &answer["packages"][0]["result"]), (200, &json!("refused")), "{answer}");
    assert!(answer["packages"][0]["reason"].as_str().unwrap().contains("held by"), "{answer}");
    assert_eq!(VIEWS.map(|view| shelf.view(view)), before, "a refusal changes nothing");
}
