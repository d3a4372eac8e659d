//! A dead registry is rebuilt from the git history of its packages.

use std::time::Instant;

use packhouse_tests::git_http::backend;
use packhouse_tests::liar::{Liar, Reply, forward};
use packhouse_tests::repository::{
    Repository, count, import, importing, manifest, told, version_of,
};
use packhouse_tests::{Options, Runs as _, TestRegistry, plain};
use serde_json::{Value, json};

const PACKAGES: usize = 30;
const VERSIONS: usize = 200;

#[test]
fn a_monorepo_of_thirty_packages_is_rebuilt_and_goes_on() {
    let commits: Vec<_> = (0..VERSIONS)
        .map(|at| {
            let name = format!("part-{:02}", at % PACKAGES);
            let version = format!("0.{}.0", at / PACKAGES + 1);
            version_of(&format!("acme/{name}"), &format!("packages/{name}"), &version)
        })
        .collect();
    let monorepo = Repository::of(&commits);
    let registry = TestRegistry::start();
    let planned = import(&registry, monorepo.path(), &["--dry-run"]).ok().json();
    assert_eq!(count(&planned, "would_import"), VERSIONS as u64, "{planned}");
    assert_eq!(registry.get("/v1/events?after=0")["events"].as_array().map(Vec::len), Some(0));

    let (begun, told) = (Instant::now(), monorepo.path().join("../import-report.json"));
    let told = told.to_str().expect("UTF-8");
    let report = import(&registry, monorepo.path(), &["--report", told]).ok().json();
    eprintln!("{VERSIONS} versions rebuilt in {:?}", begun.elapsed());
    assert_eq!(count(&report, "imported"), VERSIONS as u64, "{report}");
    assert_eq!((count(&report, "packages"), count(&report, "skipped")), (PACKAGES as u64, 0));
    let written: Value =
        serde_json::from_slice(&std::fs::read(told).expect("a report")).expect("JSON");
    assert_eq!(written, report);
    std::fs::remove_file(told).expect("the report goes");
    let index = registry.get("/index/acme/part-00.json");
    assert_eq!(index["latest"], "0.7.0");
    let publisher = &index["versions"][0]["publisher"];
    assert_eq!(publisher["kind"], "imported", "{index}");
    assert_eq!(publisher["commit"].as_str().map(str::len), Some(40));

    let feed = registry.get("/v1/events?after=0&limit=1000");
    let again = import(&registry, monorepo.path(), &[]).ok().json();
    assert_eq!(count(&again, "already_there"), VERSIONS as u64);
    assert_eq!(registry.get("/v1/events?after=0&limit=1000"), feed);

    // A project that needs them syncs again.
    let board = tempfile::tempdir().expect("a folder");
    let pins: String = (0..10).map(|at| format!("  - acme/part-{at:02}@0.6.0\n")).collect();
    let text = format!("requires-atopile: ^0.14.0\ndependencies:\n{pins}");
    std::fs::write(board.path().join("ato.yaml"), text).expect("written");
    let mut sync = plain(&["sync"]);
    sync.current_dir(board.path()).env("PACKHOUSE_REGISTRY", registry.url());
    sync.env("HOME", board.path()).env("PACKHOUSE_CACHE_DIR", board.path().join("cache"));
    sync.outcome().ok();
    let lock = std::fs::read_to_string(board.path().join("packhouse.lock")).expect("a lockfile");
    assert_eq!(lock.matches("[[package]]").count(), 10, "{lock}");
    assert!(board.path().join(".ato/modules/acme/part-09/ato.yaml").exists());

    // The first publish from CI is a first publish: the owner's repositories may, others may not.
    let next = tempfile::tempdir().expect("a folder");
    for (path, text) in version_of("acme/part-00", ".", "0.8.0") {
        std::fs::write(next.path().join(path), text).expect("written");
    }
    let stranger = registry.ci("other/packages").tag("v0.8.0").publish(next.path());
    assert_eq!(stranger.code, 4, "{stranger}");
    registry.ci("acme/packages").tag("v0.8.0").publish(next.path()).ok();
    // It pins: another repository of the same owner comes too late.
    std::fs::write(next.path().join("ato.yaml"), manifest("acme/part-00", "0.9.0"))
        .expect("written");
    let late = registry.ci("acme/other").tag("v0.9.0").publish(next.path());
    assert_eq!(late.code, 4, "{late}");
}

/// Three versions of a circuit, one commit each.
fn three() -> Repository {
    let versions = ["1.0.0", "1.1.0", "1.2.0"];
    Repository::of(&versions.map(|version| version_of("acme/amp", "amp", version)))
}

#[test]
fn an_address_gives_what_its_folder_gives_and_leaves_nothing_behind() {
    let repository = three();
    let root = repository.path().parent().expect("a folder").to_owned();
    let name = repository.path().file_name().expect("a name").to_string_lossy().into_owned();
    let server = Liar::start(move |request| backend(&root, request));
    let http = format!("{}/{name}/.git", server.url);
    let registry = TestRegistry::start();
    let cache = tempfile::tempdir().expect("a folder");
    let rows = |source: &str, more: &[&str]| {
        let mut command = importing(&registry, source, more);
        let report = command.env("PACKHOUSE_CACHE_DIR", cache.path()).outcome().ok().json();
        (report["versions"].clone(), report["source"].clone())
    };
    let (folder, _) = rows(repository.path().to_str().expect("UTF-8"), &["--dry-run"]);
    assert_eq!(folder.as_array().map(Vec::len), Some(3));
    assert_eq!(rows(&repository.url(), &["--dry-run"]).0, folder);
    let (fetched, source) = rows(&http, &["--dry-run"]);
    assert_eq!((fetched, source), (folder, json!(http)));
    // What is recorded is the address without credentials.
    let secret = http.replace("http://", "http://someone:s3cret@");
    let (_, source) = rows(&secret, &[]);
    assert_eq!(source, json!(http));
    let index = registry.get("/index/acme/amp.json");
    assert_eq!(index["versions"][0]["publisher"]["repository"], json!(http), "{index}");
    assert_eq!(runs(cache.path()), Vec::<String>::new());
}

/// The folders of imports that lie in a cache.
fn runs(cache: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(cache.join("import")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "lock").collect()
}

#[test]
fn a_repository_that_is_too_large_is_given_up_and_removed() {
    let repository = three();
    let mut noise = 1_u64;
    let text: String = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (noise >> 58) as u8)
    })
    .take(16 << 20)
    .collect();
    repository.commit(&[("noise".to_owned(), text)]);
    let root = repository.path().parent().expect("a folder").to_owned();
    let name = repository.path().file_name().expect("a name").to_string_lossy().into_owned();
    let server = Liar::start(move |request| backend(&root, request));
    let registry = TestRegistry::start();
    let cache = tempfile::tempdir().expect("a folder");
    for source in [repository.url(), format!("{}/{name}/.git", server.url)] {
        let mut command = importing(&registry, &source, &["--limit", "repository_bytes=1000000"]);
        let outcome = command.env("PACKHOUSE_CACHE_DIR", cache.path()).outcome();
        assert_eq!(outcome.code, 2, "{outcome}");
        let said = "error: the repository has more than 1000000 bytes (`repository_bytes`)\n\
                    hint: clone it yourself and name the folder, or raise `--limit repository_bytes=…`\n";
        assert_eq!(outcome.stderr, said);
        assert_eq!(runs(cache.path()), Vec::<String>::new());
    }
}

#[test]
fn an_import_that_was_killed_is_swept_by_the_next() {
    let server =
        Liar::start(|_| Reply { hang: std::time::Duration::from_secs(5), ..Reply::new(500, "") });
    let registry = TestRegistry::start();
    let cache = tempfile::tempdir().expect("a folder");
    let slow = Liar::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(5));
        Reply::new(500, "")
    });
    let mut command = importing(&registry, &format!("{}/a.git", slow.url), &[]);
    let mut killed = command.env("PACKHOUSE_CACHE_DIR", cache.path()).spawn().expect("it runs");
    assert!(slow.wait_for(1), "git asks");
    killed.kill().expect("it is killed");
    killed.wait().expect("it ends");
    assert_eq!(runs(cache.path()).len(), 1);
    let mut next = importing(&registry, &format!("{}/a.git", server.url), &[]);
    let outcome = next.env("PACKHOUSE_CACHE_DIR", cache.path()).outcome();
    assert_eq!(outcome.code, 2, "{outcome}");
    assert_eq!(runs(cache.path()), Vec::<String>::new());
}

#[test]
fn an_import_that_cannot_go_on_tells_what_it_did_and_where_it_stopped() {
    let repository = three();
    let registry = TestRegistry::start();
    let to = registry.url();
    let taken = std::sync::atomic::AtomicUsize::new(0);
    let between = Liar::start(move |request| {
        let sends = request.path == "/v1/admin/import/release";
        if sends && taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 {
            let error = json!({"code": "token-expired", "message": "the token has expired",
                "help": "make another", "request_id": "x"});
            return Reply::json(401, &json!({"detail": "no", "error": error}));
        }
        forward(&to, request)
    });
    let file = repository.path().join("report.json");
    let mut command = importing(
        &registry,
        repository.path().to_str().expect("UTF-8"),
        &["--report", file.to_str().expect("UTF-8")],
    );
    let outcome = command.env("PACKHOUSE_REGISTRY", &between.url).outcome();
    assert_eq!(outcome.code, 4, "{outcome}");
    let report = outcome.json();
    let written: Value =
        serde_json::from_slice(&std::fs::read(file).expect("a report")).expect("JSON");
    assert_eq!(report, written);
    assert_eq!(
        told(&report, &[]),
        ["acme/amp@1.0.0 imported", "acme/amp@1.1.0 failed (token-expired): the token has expired"]
    );
    assert_eq!(count(&report, "failed"), 1);
    assert!(outcome.stderr.contains("error: the token has expired"), "{outcome}");
    // Run again, it goes on.
    let report = import(&registry, repository.path(), &[]).ok().json();
    assert_eq!((count(&report, "already_there"), count(&report, "imported")), (1, 2));
}

#[test]
fn what_a_registry_refuses_is_told_and_the_rest_is_imported() {
    let mut commits = vec![version_of("acme/amp", "amp", "1.0.0")];
    commits.push(version_of("acme/amp", "amp", "1.1.0"));
    commits[1].push(("amp/more".to_owned(), "x".to_owned()));
    let repository = Repository::of(&commits);
    let arguments = ["--limit", "entries=3"].map(str::to_owned).to_vec();
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    let outcome = import(&registry, repository.path(), &[]);
    assert_eq!(outcome.code, 5, "{outcome}");
    let report = outcome.json();
    assert_eq!(
        told(&report, &[]),
        [
            "acme/amp@1.0.0 imported",
            "acme/amp@1.1.0 refused (invalid-archive): the archive has more than 3 files: split the \
             package or leave build output out"
        ]
    );
    // With the registry's limits it is not even sent.
    let report = import(&registry, repository.path(), &["--limit", "entries=3"]).ok().json();
    assert_eq!(told(&report, &[]).len(), 2);
    let wrong = import(&registry, repository.path(), &["--limit", "entrys=3"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("did you mean `entries`?"), "{wrong}");
}
