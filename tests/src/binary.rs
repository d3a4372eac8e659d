//! The `packhouse` binary under test, built once by the pinned cargo and copied aside, so that the
//! plain build and the one with failpoints can stand side by side.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The binary as it ships, in the test profile.
pub fn packhouse() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("packhouse", "plain", &[]))
}

/// The binary with failpoints: it stops at the step that `PACKHOUSE_FAILPOINT` names.
pub fn packhouse_with_failpoints() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("packhouse", "failpoints", &["--features", "packhouse/failpoints"]))
}

/// The binary of the functions on AWS, in the test profile; `PACKHOUSE_TEST_BOOTSTRAP` names another one,
/// such as what a release ships.
pub fn bootstrap() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match std::env::var_os("PACKHOUSE_TEST_BOOTSTRAP") {
        Some(path) => PathBuf::from(path),
        None => build("bootstrap", "plain", &[]),
    })
}

/// Builds the program of this name; `variant` tells builds of one program apart.
fn build(program: &str, variant: &str, features: &[&str]) -> PathBuf {
    let folder = root().join("target/stories");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    // Tests run in many processes: one builds, the others wait and find it fresh.
    let lock = std::fs::File::create(folder.join("lock")).expect("a lock file can be made");
    lock.lock().expect("the lock can be taken");
    let status = Command::new(env!("CARGO"))
        .current_dir(root())
        // Of the workspace: with one package alone, dependencies get other features and are built again.
        .args(["build", "--quiet", "--locked", "--workspace", "--bin", program])
        .args(features)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the binary builds");
    let built = target().join("debug").join(program);
    let copy = folder.join(format!("{program}-{variant}"));
    let fresh = |path: &Path| std::fs::read(path).unwrap_or_default();
    if fresh(&built) != fresh(&copy) {
        let next = folder.join(format!("{program}-{variant}.{}", std::process::id()));
        std::fs::copy(&built, &next).expect("the binary can be copied");
        // A running copy keeps its inode: renaming over it is safe, writing into it is not.
        std::fs::rename(&next, &copy).expect("the copy can be put in place");
    }
    copy
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
