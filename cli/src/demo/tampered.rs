//! A tampered upload, by hand: the announced digest of one archive, the bytes of another.

use anyhow::{Context as _, ensure};
use packhouse_core::digest::Digest;
use packhouse_core::policy::audience;
use packhouse_core::version::{Order, Version};
use serde_json::{Value, json};

use super::Demo;

/// Announces an archive and sends other bytes; the store must refuse them.
pub(super) fn show(demo: &Demo) -> anyhow::Result<()> {
    let mut pack = demo.packhouse()?;
    let archive = demo.packages.join("sensor.zip");
    pack.current_dir(demo.packages)
        .args(["pack", "ato-sensor", "--version", "1.0.1", "--output"])
        .arg(&archive);
    let packed = pack.output().context("cannot run pack")?;
    ensure!(
        packed.status.success(),
        "packing failed:\n{}",
        String::from_utf8_lossy(&packed.stderr)
    );
    let mut bytes = std::fs::read(&archive).context("cannot read the archive")?;
    let digest = Digest::of(&bytes);
    let version = Version::parse(Order::SemVer, "1.0.1")?;
    let audience = audience(&demo.url, &"acme/sensor".parse()?, &version, &digest);
    let encode = packhouse_client::url::encode;
    let token_url = format!(
        "{}/_dev/token?repository=acme%2Fsensor&ref=refs%2Ftags%2Fv1.0.1&audience={}",
        demo.url,
        encode(&audience)
    );
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let token: Value = read(agent.get(&token_url).call()?)?;
    let token = token["value"].as_str().context("the issuer gave no token")?;
    let request = json!({
        "identifier": "acme/sensor", "package_version": "1.0.1", "format": "ato",
        "package_size": bytes.len(), "digest": digest.hex(),
    });
    let asked = agent
        .post(format!("{}/v1/publish", demo.url))
        .header("authorization", format!("Bearer {token}"))
        .send(request.to_string())?;
    let asked = read(asked)?;
    let upload = asked["upload"]["url"].as_str().with_context(|| format!("refused: {asked}"))?;
    let mut put = agent.put(upload);
    for (name, value) in asked["upload"]["headers"].as_object().context("no headers")? {
        if !name.eq_ignore_ascii_case("content-length") {
            put = put.header(name, value.as_str().unwrap_or_default());
        }
    }
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut refused = put.send(&bytes)?;
    let status = refused.status().as_u16();
    let answer = refused.body_mut().read_to_string()?;
    ensure!(status == 400, "tampered bytes should be refused with 400: {status} {answer}");
    let part = |tag: &str| {
        let start = answer.split(&format!("<{tag}>")).nth(1).unwrap_or_default();
        start.split("</").next().unwrap_or_default().to_owned()
    };
    let line = format!("{status} {}: {}", part("Code"), part("Message"));
    demo.show("curl -T tampered.zip <upload address>", &line)
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> anyhow::Result<Value> {
    let text = response.body_mut().read_to_string().context("the answer breaks off")?;
    serde_json::from_str(&text).with_context(|| format!("the answer is no JSON: {text}"))
}
