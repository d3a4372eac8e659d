use super::*;

fn tree() -> Tree {
    let mut tree = Tree::default();
    tree.insert("a/b/c.txt".parse().unwrap(), *b"hello", false);
    tree.insert("run".parse().unwrap(), *b"#!/bin/sh\n", true);
    tree
}

fn stored(cache: &Cache, digest: TreeDigest, path: &str) -> PathBuf {
    cache.entry(digest).join("files").join(path)
}

/// Writes over a read-only file of the cache, as a vandal would.
fn overwrite(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_tree_is_installed_as_it_was_stored() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache")).unwrap();
    let digest = cache.insert_tree(&tree()).unwrap();
    for (name, how) in [("editable", How::Editable), ("linked", How::Linked)] {
        let target = dir.path().join(name);
        let installed = cache.install(digest, &target, how).unwrap();
        let paths: Vec<_> = installed.files.iter().map(|f| f.path.to_string()).collect();
        assert_eq!(paths, ["a/b/c.txt", "run"]);
        assert_eq!(std::fs::read(target.join("a/b/c.txt")).unwrap(), b"hello");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode =
                |path: &str| std::fs::metadata(target.join(path)).unwrap().permissions().mode();
            assert_eq!(mode("a/b/c.txt") & 0o200 != 0, how == How::Editable);
            assert!(mode("run") & 0o100 != 0);
        }
    }
}

#[test]
fn an_archive_is_unpacked_once_and_only_if_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let packed = packhouse_core::archive::pack(&tree()).unwrap();
    let limits = Limits::default();
    assert!(cache.insert_archive(&packed.bytes, Tree::default().digest(), &limits).is_err());
    assert!(cache.trees().is_empty());
    cache.insert_archive(&packed.bytes, packed.tree_digest, &limits).unwrap();
    cache.insert_archive(b"not looked at", packed.tree_digest, &limits).unwrap();
    assert_eq!(cache.trees(), [packed.tree_digest]);
    assert_eq!(std::fs::read_dir(dir.path().join("v1/tmp")).unwrap().count(), 0);
}

#[test]
fn whatever_is_changed_in_the_cache_is_found_and_healed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache")).unwrap();
    type Vandal = fn(&Cache, TreeDigest);
    let vandals: [(&str, Vandal); 6] = [
        ("other bytes", |cache, digest| overwrite(&stored(cache, digest, "a/b/c.txt"), b"HELLO")),
        ("more bytes", |cache, digest| overwrite(&stored(cache, digest, "run"), b"#!/bin/sh\nrm")),
        ("a file gone", |cache, digest| {
            std::fs::remove_file(stored(cache, digest, "run")).unwrap()
        }),
        ("a listing of other content", |cache, digest| {
            std::fs::write(cache.entry(digest).join("listing.json"), "[]").unwrap();
        }),
        ("a listing that is none", |cache, digest| {
            std::fs::write(cache.entry(digest).join("listing.json"), "{").unwrap();
        }),
        #[cfg(unix)]
        ("a link", |cache, digest| {
            let place = stored(cache, digest, "run");
            std::fs::remove_file(&place).unwrap();
            std::os::unix::fs::symlink("/etc/hostname", &place).unwrap();
        }),
    ];
    for (name, vandal) in vandals {
        for how in [How::Editable, How::Linked] {
            let digest = cache.insert_tree(&tree()).unwrap();
            vandal(&cache, digest);
            let target = dir.path().join("out");
            let failed = cache.install(digest, &target, how);
            assert!(matches!(failed, Err(InstallError::Damaged { .. })), "{name}");
            let _ = std::fs::remove_dir_all(&target);
            assert!(!cache.has(digest), "{name}");
            cache.insert_tree(&tree()).unwrap();
            cache.install(digest, &target, how).unwrap();
            std::fs::remove_dir_all(&target).unwrap();
        }
    }
}

#[test]
fn many_at_once_store_and_install_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache")).unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (cache, dir) = (&cache, dir.path());
            scope.spawn(move || {
                let digest = cache.insert_tree(&tree()).unwrap();
                cache.install(digest, &dir.join(format!("out-{number}")), How::Linked).unwrap();
            });
        }
    });
    assert_eq!(cache.info().trees, 1);
}

#[test]
fn what_was_not_used_is_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let digest = cache.insert_tree(&tree()).unwrap();
    cache.put_index("https://packages.example.org", "acme+x", b"{}").unwrap();
    assert_eq!(cache.index("https://packages.example.org", "acme+x").unwrap(), b"{}");
    drop(cache);
    let month = Duration::from_secs(30 * 24 * 3600);
    assert_eq!(Cache::prune(dir.path(), month).unwrap().trees, 0);
    assert_eq!(Cache::prune(dir.path(), Duration::ZERO).unwrap().trees, 1);
    assert!(!Cache::open(dir.path()).unwrap().has(digest));
}
