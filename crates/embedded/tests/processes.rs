//! Several processes on one data folder, one of them killed.
//!
//! The test runs its own binary again: with `PACKHOUSE_CHILD` set, the test `a_child_publishes` is a
//! process of its own that publishes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // helpers of tests are tests

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use packhouse_embedded::{DataDir, EmbeddedLedger, Mode};
use packhouse_registry::conformance::fixtures::{PLENTY, Publish, at, id, job, train};
use packhouse_registry::ledger::verify_chain;
use packhouse_registry::ports::{Begun, Committed, Ledger, Prepared};

const VERSIONS: u32 = 12;

fn open(path: &std::path::Path) -> EmbeddedLedger {
    EmbeddedLedger::open(&DataDir::open(path, Mode::Checked).unwrap()).unwrap()
}

fn child(path: &std::path::Path, number: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_publishes", "--nocapture"])
        .env("PACKHOUSE_CHILD", number.to_string())
        .env("PACKHOUSE_CHILD_DATA", path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Publishes all versions with bytes of its own, each until somebody's stands.
#[tokio::test]
async fn a_child_publishes() {
    let Ok(number) = std::env::var("PACKHOUSE_CHILD") else { return };
    let number: u32 = number.parse().unwrap();
    let ledger = open(std::env::var_os("PACKHOUSE_CHILD_DATA").unwrap().as_ref());
    for n in 0..VERSIONS {
        let content = format!("version {n} of process {number}");
        let publish = Publish::new("acme/sensor", &format!("1.0.{n}"), &content)
            .by(job("acme/sensor", number));
        let train = train([&publish]);
        loop {
            let asked = publish.intent(&train);
            let begun = ledger.begin(&asked, None, PLENTY, at(0)).await.unwrap();
            let Begun::Opened(intent) = begun else { break };
            let release = publish.release(&intent);
            let prepared = ledger.prepare(&intent.id, &train, &release, None, at(1)).await;
            match prepared.unwrap() {
                Prepared::Ready => {}
                Prepared::Reserved { .. } => {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    continue;
                }
                _ => break,
            }
            if let Committed::Committed(_) = ledger.commit(&train, at(2)).await.unwrap() {
                break;
            }
        }
    }
}

async fn check(ledger: &EmbeddedLedger, versions: usize) {
    let releases = ledger.releases(&id("acme/sensor")).await.unwrap();
    assert_eq!(releases.len(), versions);
    let events = ledger.events(0, 1000).await.unwrap();
    assert_eq!(events.len(), versions);
    verify_chain(&events).unwrap();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.number, at as u64 + 1);
    }
}

#[tokio::test]
async fn processes_share_a_data_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    // Nobody made the folder before: they also race for that.
    let mut children: Vec<Child> = (0..4).map(|number| child(&path, number)).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    check(&open(&path), VERSIONS as usize).await;
}

#[tokio::test]
async fn a_killed_process_loses_nothing_and_breaks_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    let ledger = open(&path);
    let before = ledger.generation().unwrap();
    for released in [1, 3, 5, 8] {
        let mut child = child(&path, 0);
        // In the middle of its work: some versions stand, some do not.
        while ledger.releases(&id("acme/sensor")).await.unwrap().len() < released {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let stand = ledger.releases(&id("acme/sensor")).await.unwrap().len();
        check(&ledger, stand).await;
    }
    // What it acknowledged stands; the rest is free for the same publisher's next try.
    let mut last = child(&path, 0);
    assert!(last.wait().unwrap().success());
    check(&ledger, VERSIONS as usize).await;
    assert_ne!(ledger.generation().unwrap(), before, "another process's commits are seen");
}

#[tokio::test]
async fn a_reader_sees_what_another_value_committed_at_once() {
    let temporary = tempfile::tempdir().unwrap();
    let writer = open(temporary.path());
    let reader: Arc<dyn Ledger> = Arc::new(open(temporary.path()));
    let mut last = reader.generation().unwrap();
    for n in 0..20 {
        let text = format!("1.0.{n}");
        Publish::new("acme/sensor", &text, &text).released(&writer).await;
        let now = reader.generation().unwrap();
        assert_ne!(now, last);
        last = now;
        assert!(reader.release(&id("acme/sensor"), &text).await.unwrap().is_some());
    }
}
