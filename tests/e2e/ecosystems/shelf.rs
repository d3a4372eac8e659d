//! A registry with a package of every ecosystem, and a forge with the repository of one of them.

use std::path::PathBuf;

use packhouse_tests::fppm::git;
use packhouse_tests::git_http::backend;
use packhouse_tests::liar::Liar;
use packhouse_tests::{Outcome, Runs as _, TestRegistry, copy, example, http, plain};
use serde_json::json;

/// What is published: folder below `packages`, repository of the job, tag, identifier.
pub const PACKAGES: [(&str, &str, &str, &str); 8] = [
    ("ato-sensor", "acme/sensor", "v1.0.0", "acme/sensor"),
    ("python-process", "acme/pbg-growth", "v0.2.0", "acme/pbg-growth"),
    ("fppm-thermometer", "acme/thermometer", "v1.0.0", "acme/Thermometer"),
    ("barometer", "acme/barometer", "v1.0.0", "acme/Barometer"),
    ("apl-package", "acme/apl-moon", "v0.3.0", "acme/Acme-Moon"),
    ("attune-pack", "acme/disk-watch", "v1.1.0", "acme/disk-watch"),
    ("kicad-block", "acme/usb-c-sink", "v1.0.0", "acme/usb-c-sink"),
    ("packhouse-lib", "acme/units", "v2.1.0", "acme/units"),
];

/// The views of ecosystems: what their clients ask for first.
pub const VIEWS: [&str; 4] =
    ["/apl/v1/packages", "/attune/index.json", "/compose/v1/packages", "/fppm/registry.yaml"];

/// The registry and a place for everybody's files.
pub struct Shelf {
    pub registry: TestRegistry,
    /// Serves the repository of the thermometer, which everybody can clone.
    pub forge: Liar,
    /// The commit of its release.
    pub commit: String,
    dir: tempfile::TempDir,
}

impl Shelf {
    /// One registry with all packages, each published by the job of its repository.
    pub fn full() -> Self {
        let (registry, dir) = (TestRegistry::start(), tempfile::tempdir().unwrap());
        let root = dir.path().join("git");
        let bare = root.join("acme/thermometer.git");
        std::fs::create_dir_all(&bare).unwrap();
        git(&bare, &["init", "--quiet", "--bare", "."]);
        let forge = Liar::start(move |request| backend(&root, request));
        let mut shelf = Self { registry, forge, commit: String::new(), dir };
        for (folder, ..) in PACKAGES {
            let from = if folder == "barometer" { "fppm-thermometer" } else { folder };
            copy(&example(from), &shelf.path(&format!("packages/{folder}")));
        }
        let manifest = shelf.path("packages/barometer/package.yaml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(manifest, text.replace("acme/Thermometer", "acme/Barometer")).unwrap();
        shelf.push_thermometer(&bare);
        for (folder, repository, tag, _) in PACKAGES {
            let job = shelf.registry.ci(repository).tag(tag);
            let job = job.env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", tag);
            let job = match folder {
                "fppm-thermometer" => job.claim("sha", &shelf.commit),
                "barometer" => job.claim("repository_visibility", "private"),
                _ => job,
            };
            job.publish(&shelf.path(&format!("packages/{folder}"))).ok();
        }
        shelf
    }

    /// Makes the thermometer's folder what its publisher pushed to the forge.
    fn push_thermometer(&mut self, bare: &std::path::Path) {
        let folder = self.path("packages/fppm-thermometer");
        let manifest = folder.join("package.yaml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let address = format!("{}/acme/thermometer.git", self.forge.url);
        let text = text.replace("https://github.com/acme/fprime-thermometer", &address);
        std::fs::write(manifest, text).unwrap();
        git(&folder, &["init", "--quiet"]);
        git(&folder, &["add", "."]);
        git(&folder, &["commit", "--quiet", "-m", "one"]);
        git(&folder, &["tag", "v1.0.0"]);
        git(&folder, &["push", "--quiet", bare.to_str().unwrap(), "main", "v1.0.0"]);
        self.commit = git(&folder, &["rev-parse", "HEAD"]);
    }

    /// A path of this story.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// `packhouse` as anybody, in a folder.
    pub fn run(&self, folder: &str, arguments: &[&str]) -> Outcome {
        plain(arguments)
            .current_dir(self.path(folder))
            .env("PACKHOUSE_REGISTRY", self.registry.url())
            .env("HOME", self.dir.path())
            .env("PACKHOUSE_CACHE_DIR", self.path("cache"))
            .outcome()
    }

    /// The text of a view, as anybody reads it.
    pub fn view(&self, path: &str) -> String {
        let (status, body) = self.registry.fetch(path);
        let text = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    /// A new API token.
    pub fn token(&self, prefix: &str, action: &str) -> String {
        let new = json!({"label": "story", "prefix": prefix, "actions": [action], "days": 1});
        let url = format!("{}/v1/admin/tokens", self.registry.url());
        let (status, body) = http::post(&url, &self.registry.admin_token(), &new);
        assert_eq!(status, 200, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }
}
