//! Packs out of repositories over ssh, from Debian's own `sshd`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use packhouse_tests::sshd::{Known, Sshd};
use serde_json::json;

use super::place::*;

/// A place whose repository the server's user may read; that, and the commit of its tag `v1`.
fn served() -> (Place, PathBuf, String) {
    let place = Place::new();
    std::fs::set_permissions(place.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let first = repository(&place, "weather.git");
    let folder = place.path("git/weather.git");
    (place, folder, first)
}

#[test]
fn a_pack_is_installed_over_ssh() {
    let (place, folder, first) = served();
    // The second server speaks git's older protocol, as Debian's does unless it is told otherwise.
    for accept in [Some("GIT_PROTOCOL"), None] {
        let sshd = Sshd::start(accept);
        let (url, programs) = (sshd.url(&folder), sshd.client(Known::Right));
        for (reference, version) in [
            (None, "1.1.0"),
            (Some("next"), "1.1.0"),
            (Some("v1"), "1.0.0"),
            (Some(first.as_str()), "1.0.0"),
        ] {
            let mut arguments = vec!["install", &url, "--force"];
            arguments.extend(reference.into_iter().flat_map(|reference| ["--ref", reference]));
            let outcome = place.with_path(&arguments, Some(&programs)).ok();
            assert_eq!(outcome.stdout, format!("weather {version}\n"), "{accept:?} {reference:?}");
            let record = place.record("weather");
            let content = checksum(&tree(&weather("weather", version, ""), ""));
            assert_eq!(record["kind"], "git");
            assert_eq!(record["url"], url);
            assert_eq!(record["git_ref"], json!(reference));
            assert_eq!(record["checksum"], json!(content));
            assert_eq!(record["version"], version);
            let head = git(&folder, &["rev-parse", reference.unwrap_or("HEAD")]);
            assert_eq!(record["commit"], head, "{accept:?} {reference:?}");
        }
    }
}

#[test]
fn nothing_is_installed_from_a_host_that_is_not_the_known_one() {
    let (place, folder, _) = served();
    let sshd = Sshd::start(Some("GIT_PROTOCOL"));
    let url = sshd.url(&folder);
    let wrong = "REMOTE HOST IDENTIFICATION HAS CHANGED";
    for (known, words) in [(Known::Wrong, wrong), (Known::Nothing, "Host key verification failed")]
    {
        let programs = sshd.client(known);
        let refused = place.with_path(&["install", &url], Some(&programs));
        assert_eq!(refused.code, 2, "{known:?}: {refused}");
        assert!(refused.stderr.contains(words), "{known:?}: {refused}");
        assert!(place.packs().is_empty(), "{known:?}: {:?}", place.packs());
    }
    let programs = sshd.client(Known::Right);
    for (url, reference) in [(url.as_str(), "nowhere"), (&format!("{url}.none"), "main")] {
        let refused = place.with_path(&["install", url, "--ref", reference], Some(&programs));
        assert_eq!(refused.code, 2, "{url} {reference}: {refused}");
        assert!(place.packs().is_empty(), "{url} {reference}: {:?}", place.packs());
    }
    let absent = "0".repeat(40);
    let refused = place.with_path(&["install", &url, "--ref", &absent], Some(&programs));
    assert!(refused.code == 2 && place.packs().is_empty(), "{refused}");
    place.with_path(&["install", &url], Some(&programs)).ok();
}
