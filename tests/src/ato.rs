//! A client that does, request by request, what the stock `ato` does: one token for both calls, no
//! digest, bzip2 archives written by Python, the odd last part of its upload form, no redirect
//! followed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::ato_verbs::{Release, Wire};
use crate::{Ci, http};

/// The stock client in a CI job.
pub struct Ato {
    /// The registry, as `ATO_SERVICES_PACKAGES_URL` says it.
    pub registry: String,
    /// The job it runs in.
    pub ci: Ci,
    /// The client's version: all of them publish alike.
    pub release: Release,
    /// What it asked, and with which status it was answered.
    pub wire: Wire,
}

/// Writes a zip as Python's `zipfile` does with `ZIP_BZIP2`: `ato.yaml` first, then the rest.
pub fn bzip2_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    const PROGRAM: &str = "
import io, json, sys, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, 'w', zipfile.ZIP_BZIP2) as archive:
    for path, content in json.load(sys.stdin):
        archive.writestr(path, bytes.fromhex(content))
sys.stdout.buffer.write(out.getvalue())
";
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let list: Vec<(&str, String)> = files.iter().map(|(path, bytes)| (*path, hex(bytes))).collect();
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let input = serde_json::to_vec(&list).expect("JSON");
    python.stdin.take().expect("stdin").write_all(&input).expect("python reads");
    let output = python.wait_with_output().expect("python ends");
    assert!(output.status.success(), "python3 writes the zip");
    output.stdout
}

/// The files of a package's folder, `ato.yaml` first, as the client packs them.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).expect("the file")));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort_by_key(|(name, _)| (name != "ato.yaml", name.clone()));
    found
}

impl Ato {
    /// The client 0.15.9.
    pub fn new(registry: &str, ci: Ci) -> Self {
        let (registry, wire) = (registry.to_owned(), Wire::default());
        Self { registry, ci, release: Release::V0_15_9, wire }
    }

    /// `ato package publish [--skip-duplicate-versions]` as a shell sees it: what it prints last, or
    /// the error that it exits 1 with.
    pub fn package_publish(
        &self,
        identifier: &str,
        zip: &[u8],
        artifacts: Option<&[u8]>,
        skip_duplicates: bool,
    ) -> Result<String, String> {
        match self.publish(identifier, "1.0.0", zip, artifacts) {
            (200, done) => {
                assert_eq!(done["status"], "ok", "{done}");
                Ok(format!("Package URL: {}", done["url"].as_str().expect("a url")))
            }
            (409, _) if skip_duplicates => Ok("Release already exists, skipping".to_owned()),
            (status, error) => {
                let detail = error["detail"].as_str().expect("`detail` is what people see");
                Err(format!("{status} {detail}"))
            }
        }
    }

    /// `ato package publish`: the answer of the last request, or of the first that failed.
    pub fn publish(
        &self,
        identifier: &str,
        version: &str,
        zip: &[u8],
        artifacts: Option<&[u8]>,
    ) -> (u16, Value) {
        let host = self.registry.trim_start_matches("http://");
        let token = self.ci.token(host);
        self.wire.note("token");
        let request = json!({
            "identifier": identifier,
            "package_version": version,
            "git_ref": "main",
            "package_size": zip.len(),
            "artifacts_size": artifacts.map(<[u8]>::len),
            "manifest": {
                "requires_atopile": "^0.15.9",
                "package": { "identifier": identifier, "version": version },
                "paths": { "root": "/home/somebody/project" },
            },
        });
        let (status, asked) = self.post("/v1/publish", &token, &request);
        if status != 200 {
            return (status, asked);
        }
        assert_eq!(asked["status"], "ok");
        let name = format!("{}-{version}.zip", identifier.replace('/', "-"));
        self.upload(&asked["upload_info"], &name, zip);
        // Where nothing was built, it is an empty zip, and uploaded all the same.
        if let Some(artifacts) = artifacts {
            self.upload(&asked["artifacts_upload_info"], "artifacts.zip", artifacts);
        }
        let confirm = json!({ "release_id": asked["release_id"] });
        self.post("/v1/publish/upload-complete", &token, &confirm)
    }

    /// A POST of JSON as the client sends it.
    pub fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("user-agent", self.release.agent()),
            ("accept", "*/*"),
            ("accept-encoding", "gzip, deflate"),
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
        ];
        let url = format!("{}{path}", self.registry);
        let (status, body) = http::send("POST", &url, &headers, body.to_string().as_bytes());
        self.wire.asked("POST", &url, status);
        (status, serde_json::from_slice(&body).expect("answers are JSON objects"))
    }

    /// The upload form, the odd last part included.
    pub fn upload(&self, info: &Value, filename: &str, zip: &[u8]) {
        let (status, body) = self.try_upload(info, filename, zip);
        assert!(
            (200..300).contains(&status),
            "upload: {status} {}",
            String::from_utf8_lossy(&body)
        );
    }

    /// The same, answering what the store says.
    pub fn try_upload(&self, info: &Value, filename: &str, zip: &[u8]) -> (u16, Vec<u8>) {
        let boundary = "0f5c5e3d2a9b4c1e8d7f6a5b4c3d2e1f";
        let mut body = Vec::new();
        for (name, value) in info["fields"].as_object().expect("fields") {
            let value = value.as_str().expect("fields are texts");
            body.extend(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .bytes(),
            );
        }
        body.extend(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\nContent-Type: application/zip\r\n\r\n")
                .bytes(),
        );
        body.extend(zip);
        body.extend(
            format!("\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"Content-Type\"; filename=\"upload\"\r\nContent-Type: application/octet-stream\r\n\r\napplication/zip\r\n--{boundary}--\r\n")
                .bytes(),
        );
        let kind = format!("multipart/form-data; boundary={boundary}");
        let headers = [("user-agent", self.release.agent()), ("content-type", kind.as_str())];
        let url = info["url"].as_str().expect("a url");
        let answer = http::send("POST", url, &headers, &body);
        // The store's own address, which differs between stores.
        self.wire.note(&format!("POST upload {}", answer.0));
        answer
    }

    /// A GET as the client sends it.
    pub fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.fetch(&format!("{}{path}", self.registry));
        (status, serde_json::from_slice(&body).expect("answers are JSON objects"))
    }

    /// A download.
    pub fn fetch(&self, url: &str) -> (u16, Vec<u8>) {
        http::get(url, &[("user-agent", self.release.agent())])
    }
}
