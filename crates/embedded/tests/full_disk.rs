//! A disk that takes no more: the error says so, nothing is half there, and it goes on afterwards.
//!
//! The test runs its own binary again below a limit on the size of files, at which writes fail as
//! they do on a full disk: in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // helpers of tests are tests
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use packhouse_embedded::{DataDir, EmbeddedLedger, FileBlobs, Mode};
use packhouse_registry::app::PublicUrl;
use packhouse_registry::conformance::fixtures::{PLENTY, Publish, at, id, train};
use packhouse_registry::ledger::verify_chain;
use packhouse_registry::ports::{Begun, Blobs, Committed, Ledger, Prepared, StoreError};

fn open(path: &Path) -> (EmbeddedLedger, FileBlobs) {
    let folder = DataDir::open(path, Mode::Checked).unwrap();
    let url = PublicUrl::parse("http://127.0.0.1:1").unwrap();
    (EmbeddedLedger::open(&folder).unwrap(), FileBlobs::open(&folder, &url).unwrap())
}

async fn publish(ledger: &EmbeddedLedger, n: u32) -> Result<(), StoreError> {
    let text = format!("1.0.{n}");
    let publish = Publish::new("acme/sensor", &text, &text);
    let train = train([&publish]);
    let begun = ledger.begin(&publish.intent(&train), None, PLENTY, at(0)).await?;
    let Begun::Opened(intent) = begun else { panic!("{begun:?}") };
    let release = publish.release(&intent);
    let prepared = ledger.prepare(&intent.id, &train, &release, None, at(1)).await?;
    assert!(matches!(prepared, Prepared::Ready), "{prepared:?}");
    let committed = ledger.commit(&train, at(2)).await?;
    assert!(matches!(committed, Committed::Committed(_)), "{committed:?}");
    Ok(())
}

/// Publishes until the disk is full; says on its last line how many it released.
#[tokio::test]
async fn a_publisher_on_a_full_disk() {
    let Some(path) = std::env::var_os("PACKHOUSE_FULL") else { return };
    let (ledger, blobs) = open(Path::new(&path));
    let stored = blobs.put(Bytes::from(vec![7; 4 << 20])).await;
    assert!(matches!(stored, Err(StoreError::Unavailable(_))), "{stored:?}");
    for n in 0..1000 {
        if let Err(error) = publish(&ledger, n).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            println!("released {n}");
            return;
        }
    }
    panic!("the disk was never full");
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_half_written() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    drop(open(&path));
    // The shell's unit is 512 bytes or 1 KiB: files end between 256 and 512 KiB.
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 512; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_publisher_on_a_full_disk", "--nocapture"])
        .env("PACKHOUSE_FULL", &path)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&limited.stdout);
    let error = String::from_utf8_lossy(&limited.stderr);
    assert!(limited.status.success(), "{out}{error}");
    let released = out.split("released ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let released: u32 = released.unwrap().parse().unwrap();
    assert!(released > 0, "the limit is too low to prove anything");

    let (ledger, blobs) = open(&path);
    assert_eq!(std::fs::read_dir(path.join("staging")).unwrap().count(), 0);
    assert_eq!(
        blobs.size(&packhouse_core::digest::Digest::of(&vec![7; 4 << 20])).await.unwrap(),
        None
    );
    assert_eq!(ledger.releases(&id("acme/sensor")).await.unwrap().len(), released as usize);
    verify_chain(&ledger.events(0, 1000).await.unwrap()).unwrap();
    publish(&ledger, released).await.unwrap();
}
