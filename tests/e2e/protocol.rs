//! What README and the protocol page tell people to type is typed here, word for word.
#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use packhouse_core::digest::Digest;
use packhouse_tests::binary::root;
use packhouse_tests::shell::{Shell, blocks};
use packhouse_tests::{Options, TestRegistry};

#[test]
fn the_protocol_page_publishes_and_fetches() {
    let arguments = vec!["--dev-issuer".to_owned()];
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    let shell = Shell::new();
    let script = blocks("docs/protocol.md").join("\n");
    let url = registry.url();
    let environment = [("PACKHOUSE_REGISTRY", url.as_str())];
    let told = shell.run(&script, &environment);
    for part in ["\nrelease\n", "\nopen\n", "\nreleased\n", "fetched.zip: OK", "acme/right@2.1.0"] {
        assert!(told.contains(part), "{part:?} is missing:\n{told}");
    }
    let index = registry.get("/index/acme/units.json");
    let digest = index["versions"][0]["digest"].as_str().expect("a digest");
    assert!(told.contains(&format!("\"digest\": \"{digest}\"")), "the receipt names it:\n{told}");
    let (status, bytes) = registry.fetch(&format!("/blobs/sha256/{digest}/acme-units-2.1.0.zip"));
    assert_eq!((status, Digest::of(&bytes).hex().as_str()), (200, digest));
    let together = ["left", "right"].map(|name| {
        registry.get(&format!("/index/acme/{name}.json"))["versions"][0]["released_at"].clone()
    });
    assert_eq!(together[0], together[1], "the train became visible at once");
    // All of it again: the same content ends in the same receipt.
    let again = shell.run(&script, &environment);
    assert!(again.contains("\nalready-released\n"), "{again}");
    assert_eq!(registry.get("/index/acme/units.json"), index);
}

#[test]
fn the_readme_leads_a_newcomer_to_a_package() {
    let all = blocks("README.md");
    let serve = all.iter().find(|block| block.starts_with("packhouse serve")).expect("it serves");
    let steps: Vec<_> = all
        .iter()
        .filter(|block| {
            block.starts_with("export PACKHOUSE_REGISTRY") || block.starts_with("packhouse fetch")
        })
        .collect();
    assert!(steps.len() >= 2, "the blocks of the five minutes: {all:#?}");

    let shell = Shell::new();
    // The port of the README may be taken on this machine.
    let mut server = shell
        .bash(&format!("exec {}", serve.replace("127.0.0.1:8080", "127.0.0.1:0")))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
    let url = line.split_whitespace().find(|word| word.starts_with("http://"));
    let script: Vec<_> = steps.iter().map(|block| block.as_str()).collect();
    let script = script.join("\n").replace("http://127.0.0.1:8080", url.unwrap_or("nowhere"));
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shell.run(&script, &[])));
    server.kill().expect("the server runs");
    server.wait().expect("the server ended");
    let told = told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(told.contains("acme/sensor@1.0.0"), "{told}");
    let fetched = std::fs::read(shell.path().join("acme-sensor-1.0.0/sensor.ato"));
    let source = std::fs::read(root().join("examples/ato-sensor/sensor.ato"));
    assert_eq!(fetched.expect("it was fetched"), source.expect("the example"));
}

#[test]
fn a_backup_restores_the_registry() {
    let registry = TestRegistry::start();
    let shell = Shell::new();
    let package = root().join("examples/ato-sensor");
    let sensor = registry.ci("acme/sensor").tag("v1.0.0").publish(&package);
    sensor.ok();
    let before = registry.get("/index/acme/sensor.json");
    let data = registry.data();
    let all = blocks("docs/operating.md");
    let find =
        |start: &str| all.iter().find(|block| block.starts_with(start)).expect(start).clone();
    let backup = find("# Backup");
    let restore = find("# Restore");
    let here = |block: &str| {
        let place = |name: &str| shell.path().join(name).display().to_string();
        block
            .replace("/srv/packhouse", &data.display().to_string())
            .replace("/backup/packhouse", &place("backup"))
            .replace("/srv/restored", &place("restored"))
    };
    // While the registry runs, with the latest writes still in its log.
    shell.run(&here(&backup), &[]);
    drop(registry);
    shell.run(&here(&restore), &[]);
    let mut server = shell
        .bash("exec packhouse serve --data restored --listen 127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_default();
    let (status, after) = packhouse_tests::http::get(&format!("{url}/index/acme/sensor.json"), &[]);
    let digest = before["versions"][0]["digest"].as_str().expect("a digest");
    let blob = format!("{url}/blobs/sha256/{digest}/acme-sensor-1.0.0.zip");
    let (blob_status, bytes) = packhouse_tests::http::get(&blob, &[]);
    server.kill().expect("the server runs");
    server.wait().expect("the server ended");
    assert_eq!((status, blob_status), (200, 200));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&after).expect("JSON"), before);
    assert_eq!(Digest::of(&bytes).hex(), digest);
}
