//! The stock `ato` publishes and reads back, request by request.

use packhouse_tests::ato::{Ato, bzip2_zip, files};
use packhouse_tests::{TestRegistry, example};

const EMPTY_ZIP: [u8; 22] = *b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn ato(registry: &TestRegistry) -> Ato {
    Ato { registry: registry.url(), ci: registry.ci("acme/sensor").tag("v1.0.0") }
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
