use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::archive::corpus::harmless;
use crate::archive::{ArchiveError, pack, read, scan, unpack};
use crate::digest::Digest;
use crate::limits::Limits;
use crate::tree::Tree;

/// A tree with what archivers treat differently: an empty file, a program, a name beyond ASCII,
/// noise that does not shrink.
fn sample() -> Tree {
    let noise: Vec<u8> = (0..9_u8).flat_map(|n| *Digest::of(&[n]).as_bytes()).collect();
    let mut tree = Tree::default();
    let mut add = |path: &str, bytes: &[u8], executable| {
        tree.insert(path.parse().unwrap(), bytes, executable);
    };
    add("ato.yaml", b"requires-atopile: ^0.12.0\n", false);
    add("sensor.ato", &b"module Sensor:\n    r1 = new Resistor\n".repeat(40), false);
    add("layout/default/default.kicad_pcb", &b"(segment (start 1 2))\n".repeat(400), false);
    add("parts/größe.kicad_sym", b"(symbol)", false);
    add("tools/build", b"#!/bin/sh\n", true);
    add(".gitignore", b"build/\n", false);
    add("noise.bin", &noise, false);
    add("empty", b"", false);
    tree
}

/// Writes `tree` below a fresh folder.
fn on_disk(tree: &Tree) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for (path, file) in tree.iter() {
        let target = folder.path().join(path.as_str());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(&target, &file.bytes).unwrap();
        let mode = if file.executable { 0o755 } else { 0o644 };
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    folder
}

/// Runs a program that these tests cannot do without, and answers its output.
fn run(program: &str, args: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|e| panic!("`{program}` is needed for this test: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    output.stdout
}

/// Packs `folder` with Python's zipfile, as `ato` does: the manifest first, then every file.
fn python_pack(folder: &Path, method: &str) -> Vec<u8> {
    const SCRIPT: &str = "
import pathlib, sys, zipfile
root, out, method = pathlib.Path(sys.argv[1]), sys.argv[2], getattr(zipfile, sys.argv[3])
with zipfile.ZipFile(out, 'x', method, compresslevel=9) as z:
    z.write(root / 'ato.yaml', 'ato.yaml')
    for f in root.glob('**/*'):
        if f.is_file() and f.name != 'ato.yaml':
            z.write(f, f.relative_to(root))
";
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("out.zip");
    let (root, target) = (folder.to_str().unwrap(), target.to_str().unwrap());
    run("python3", &["-c", SCRIPT, root, target, method], out.path());
    std::fs::read(target).unwrap()
}

/// Packs `folder` with Info-ZIP.
fn info_zip(folder: &Path, args: &[&str]) -> Vec<u8> {
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("out.zip");
    run("zip", &[args, &["-q", target.to_str().unwrap(), "."]].concat(), folder);
    std::fs::read(target).unwrap()
}

/// What three readers see in an archive, one JSON array of files each.
fn ours(bytes: &[u8]) -> Value {
    let mut files = Vec::new();
    read(bytes, &Limits::default(), |e, content| {
        let digest = Digest::of(content).hex();
        files.push(json!([e.path.as_str(), e.method, e.packed_bytes, e.bytes, e.crc32, digest]));
    })
    .unwrap();
    files.into()
}

fn of_the_crate(bytes: &[u8]) -> Value {
    use std::io::Read as _;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    assert!(!archive.has_overlapping_entries().unwrap());
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let method = match file.compression() {
            zip::CompressionMethod::Stored => 0,
            zip::CompressionMethod::Deflated => 8,
            zip::CompressionMethod::Bzip2 => 12,
            other => panic!("{other}"),
        };
        let (name, sizes) = (file.name().unwrap(), [file.compressed_size(), file.size()]);
        let digest = Digest::of(&content).hex();
        files.push(json!([name, method, sizes[0], sizes[1], file.crc32(), digest]));
    }
    files.into()
}

/// Reads all `archives` in one Python process.
fn of_python(archives: &[Vec<u8>]) -> Vec<Value> {
    const SCRIPT: &str = "
import hashlib, json, sys, zipfile
for name in sys.argv[1:]:
    with zipfile.ZipFile(name) as z:
        assert z.testzip() is None
        print(json.dumps([[i.filename, i.compress_type, i.compress_size, i.file_size, i.CRC,
            hashlib.sha256(z.read(i)).hexdigest()] for i in z.infolist()]))
";
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec!["-c".to_owned(), SCRIPT.to_owned()];
    for (index, bytes) in archives.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{index}.zip")), bytes).unwrap();
        args.push(format!("{index}.zip"));
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let output = String::from_utf8(run("python3", &args, folder.path())).unwrap();
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_all_readers_agree(archives: &[Vec<u8>]) {
    let python = of_python(archives);
    assert_eq!(python.len(), archives.len());
    for (bytes, python) in archives.iter().zip(python) {
        let ours = ours(bytes);
        assert_eq!(ours, python);
        assert_eq!(ours, of_the_crate(bytes));
    }
}

fn assert_unpacks_to(tree: &Tree, bytes: &[u8]) {
    let (found, contents) = unpack(bytes, &Limits::default()).unwrap();
    assert_eq!(&found, tree);
    contents.verify_tree_digest(tree.digest()).unwrap();
}

#[test]
fn what_ato_sends_is_read() {
    let tree = sample();
    let folder = on_disk(&tree);
    for (method, number) in [("ZIP_BZIP2", 12), ("ZIP_DEFLATED", 8), ("ZIP_STORED", 0)] {
        let bytes = python_pack(folder.path(), method);
        assert_unpacks_to(&tree, &bytes);
        let entries = scan(&bytes, &Limits::default()).unwrap();
        assert_eq!(entries[0].path.as_str(), "ato.yaml");
        assert!(entries.iter().all(|entry| entry.method == number));
        assert_all_readers_agree(&[bytes]);
    }
}

#[test]
fn an_archive_without_files_is_read() {
    // What `ato` sends where nothing was built.
    let folder = tempfile::tempdir().unwrap();
    let script = "import zipfile; zipfile.ZipFile('x.zip', 'x').close()";
    run("python3", &["-c", script], folder.path());
    let bytes = std::fs::read(folder.path().join("x.zip")).unwrap();
    assert_eq!(bytes.len(), 22);
    assert_eq!(bytes, pack(&Tree::default()).unwrap().bytes);
    assert_eq!(scan(&bytes, &Limits::default()), Ok(vec![]));
}

#[test]
fn what_info_zip_packs_is_read() {
    let mut tree = sample();
    tree.remove("parts/größe.kicad_sym"); // it does not mark names as UTF-8
    let folder = on_disk(&tree);
    for args in [
        &["-r", "-D", "-X"][..],
        &["-r", "-D"],
        &["-r", "-D", "-9"],
        &["-r", "-D", "-1"],
        &["-r", "-D", "-0"],
        &["-r", "-D", "-Z", "bzip2"],
    ] {
        let bytes = info_zip(folder.path(), args);
        assert_unpacks_to(&tree, &bytes);
        assert_all_readers_agree(&[bytes]);
    }
}

#[test]
fn what_info_zip_packs_by_default_is_refused_with_the_right_option() {
    let mut tree = sample();
    let refusal = |tree: &Tree, args: &[&str]| {
        let folder = on_disk(tree);
        scan(&info_zip(folder.path(), args), &Limits::default()).unwrap_err()
    };
    let error = refusal(&tree, &["-r", "-D"]);
    assert!(matches!(error, ArchiveError::NameFlag { .. }), "{error}");
    tree.remove("parts/größe.kicad_sym");
    let error = refusal(&tree, &["-r"]);
    assert!(matches!(error, ArchiveError::Folder { .. }), "{error}");
    assert!(error.to_string().contains("zip -D"), "{error}");

    let folder = on_disk(&tree);
    let piped = run("sh", &["-c", "zip -q -r -D - . | cat"], folder.path());
    let error = scan(&piped, &Limits::default()).unwrap_err();
    assert!(matches!(error, ArchiveError::Descriptor { .. }), "{error}");
}

#[test]
fn three_readers_agree_on_what_is_packed() {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    let path = "[a-zA-Z0-9 ._+-]{0,6}[a-z]/?[a-zäßж👍]{1,8}(\\.[a-z]{1,3})?";
    let content = prop::collection::vec(prop_oneof!["[ab]{0,200}", ".{0,40}"], 0..20);
    let files = prop::collection::vec((path, content, any::<bool>()), 0..15);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut archives = vec![harmless(), pack(&sample()).unwrap().bytes];
    while archives.len() < 80 {
        let mut tree = Tree::default();
        for (path, content, executable) in files.new_tree(&mut runner).unwrap().current() {
            if let Ok(path) = path.parse() {
                tree.insert(path, content.concat().into_bytes(), executable);
            }
        }
        match pack(&tree) {
            Ok(archive) => archives.push(archive.bytes),
            Err(error) => assert!(matches!(error, ArchiveError::Twins { .. }), "{error}"),
        }
    }
    assert_all_readers_agree(&archives);
}

#[test]
fn another_content_is_noticed() {
    let (_, contents) = unpack(&harmless(), &Limits::default()).unwrap();
    let other = sample().digest();
    let error = contents.verify_tree_digest(other).unwrap_err();
    assert_eq!(error, ArchiveError::TreeDigest { expected: other, found: contents.tree_digest });
}
