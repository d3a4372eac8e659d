//! What a publish asks of the disk, and in what order, as the kernel saw it.
//!
//! The test runs its own binary again under `strace`, without which it fails: there, the test
//! `a_traced_publish` publishes in a data folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // helpers of tests are tests
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use packhouse_embedded::{DataDir, EmbeddedLedger, FileBlobs, Mode};
use packhouse_registry::app::PublicUrl;
use packhouse_registry::conformance::fixtures::{PLENTY, Publish, at, opened, train};
use packhouse_registry::ports::{Blobs, Committed, Ledger, Part, Prepared, UploadBounds};
use packhouse_registry::uploads::Incoming;

/// A name whose look-up in the trace tells where a step starts.
fn step(folder: &Path, name: &str) {
    let _ = std::fs::metadata(folder.join(format!("step-{name}")));
}

/// The steps of one publish, as the service takes them.
#[tokio::test]
async fn a_traced_publish() {
    let Some(path) = std::env::var_os("PACKHOUSE_TRACED") else { return };
    let path = Path::new(&path);
    let folder = DataDir::open(path, Mode::Checked).unwrap();
    let url = PublicUrl::parse("http://127.0.0.1:1").unwrap();
    let (ledger, blobs) =
        (EmbeddedLedger::open(&folder).unwrap(), FileBlobs::open(&folder, &url).unwrap());
    blobs.make_folders().unwrap();
    ledger.start_log().unwrap();
    for n in 0..3 {
        let content = format!("{n}").repeat(1_000_000);
        let publish = Publish::new("acme/sensor", &format!("1.0.{n}"), &content);
        let train = train([&publish]);

        step(path, "begin");
        let asked = publish.intent(&train);
        let intent = opened(ledger.begin(&asked, None, PLENTY, at(0)).await.unwrap());

        step(path, "upload");
        let bounds = UploadBounds {
            intent: intent.id.clone(),
            part: Part::Archive,
            bytes: intent.bytes,
            digest: intent.digest,
            expires_at: intent.expires_at,
        };
        let mut incoming = Incoming::start(&blobs, &bounds).await.unwrap();
        incoming.write(Bytes::from(content)).await.unwrap();
        incoming.finish(&blobs).await.unwrap();

        step(path, "promote");
        let staged = blobs.pin(&intent.id, Part::Archive).await.unwrap().unwrap();
        assert!(blobs.promote(&staged, &publish.digest()).await.unwrap());

        step(path, "prepare");
        let release = publish.release(&intent);
        let prepared = ledger.prepare(&intent.id, &train, &release, None, at(1)).await.unwrap();
        assert!(matches!(prepared, Prepared::Ready));

        step(path, "commit");
        let committed = ledger.commit(&train, at(2)).await.unwrap();
        assert!(matches!(committed, Committed::Committed(_)));

        step(path, "discard");
        blobs.discard(&intent.id).await.unwrap();
        step(path, "end");
    }
}

/// One call of the trace that matters: the step it belongs to, its name, the path it is about.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    step: String,
    name: String,
    path: String,
}

fn trace(folder: &Path) -> Vec<Call> {
    let log = folder.join("trace");
    let data = folder.join("data");
    let calls =
        "trace=fsync,fdatasync,sync_file_range,link,linkat,rename,renameat,renameat2,%stat,statx";
    let traced = Command::new("strace")
        .args(["-f", "-y", "-e", calls, "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_traced_publish"])
        .env("PACKHOUSE_TRACED", &data)
        .output()
        .expect("strace is needed for this test: apt-get install strace");
    let (out, error) =
        (String::from_utf8_lossy(&traced.stdout), String::from_utf8_lossy(&traced.stderr));
    assert!(traced.status.success(), "{out}{error}");
    let text = std::fs::read_to_string(log).unwrap();
    let mut step = String::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        if let Some((_, name)) = line.split_once("step-") {
            step = name.split('"').next().unwrap().to_owned();
            continue;
        }
        let Some((name, rest)) = line.split_once('(') else { continue };
        let syncs = ["fsync", "fdatasync", "sync_file_range"].contains(&name);
        let names = name.starts_with("link") || name.starts_with("rename");
        let path = match (syncs, names) {
            (true, _) => rest.split(['<', '>']).nth(1),
            (_, true) => rest.split('"').nth(3), // the new name
            _ => continue,
        };
        let path = path.unwrap_or_else(|| panic!("no path in {line}"));
        let path = path.strip_prefix(data.to_str().unwrap()).unwrap_or(path).to_owned();
        calls.push(Call { step: step.clone(), name: name.to_owned(), path });
    }
    calls
}

#[test]
fn bytes_are_on_disk_before_the_row_that_names_them_with_four_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let calls = trace(folder.path());
    let ends: Vec<usize> = calls
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0].step != "begin" && pair[1].step == "begin")
        .map(|(at, _)| at + 1)
        .collect();
    assert_eq!(ends.len(), 3, "three publishes: {calls:#?}");
    for (n, start) in ends.iter().enumerate() {
        let calls = &calls[*start..*ends.get(n + 1).unwrap_or(&calls.len())];
        let calls: Vec<&Call> = calls.iter().filter(|call| call.step != "end").collect();
        let what: Vec<String> = calls
            .iter()
            .map(|call| {
                let path = call.path.trim_start_matches('/');
                let kind = match path {
                    "ledger.sqlite-wal" => "log",
                    path if path.starts_with("staging/") && path.ends_with(".new") => "upload",
                    path if path.starts_with("staging/") => "staged",
                    path if path.starts_with("blobs/sha256/") && path.len() == 15 => "blob folder",
                    path if path.starts_with("blobs/sha256/") => "blob",
                    other => other,
                };
                let call_name = if call.name.starts_with("link") { "link" } else { "sync" };
                format!("{}: {call_name} {kind}", call.step)
            })
            .collect();
        let expected = [
            "begin: sync log",
            "upload: sync upload",
            "upload: link staged",
            "promote: link blob",
            "promote: sync blob folder",
            "commit: sync log",
        ];
        assert_eq!(what, expected, "publish {n}");
    }
}
