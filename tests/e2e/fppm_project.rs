//! Projects of F Prime with `packhouse fppm`: what the stock client lacks, in files that it reads.
#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use packhouse_tests::fppm::{git, project, stock};
use packhouse_tests::{Options, Outcome, Runs as _, TestRegistry, copy, example, plain};

/// A repository with a commit and a tag for each version; `CHANGES` holds the version.
fn repository(root: &Path, name: &str, versions: &[&str]) -> PathBuf {
    let folder = root.join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    git(&folder, &["init", "--quiet"]);
    for version in versions {
        std::fs::write(folder.join("CHANGES"), version).expect("written");
        git(&folder, &["add", "."]);
        git(&folder, &["commit", "--quiet", "-m", version]);
        git(&folder, &["tag", version]);
    }
    folder
}

/// A registry's file with packages of the namespace `acme`: name, repository, stable.
fn registry(path: &Path, packages: &[(&str, &Path, &str)]) {
    let mut text =
        "name: Parts\npublisher: Acme\ndescription: d\nupdated-on: today\nnamespaces:\n  - acme:\n"
            .to_owned();
    for (name, git, stable) in packages {
        let git = git.display();
        text.push_str(&format!(
            "    - {name}:\n        git: {git}\n        stable: \"{stable}\"\n"
        ));
    }
    std::fs::write(path, text).expect("written");
}

fn fppm(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut all = vec!["fppm"];
    all.extend(arguments);
    let mut command = plain(&all);
    command.current_dir(folder).env("HOME", folder).outcome()
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref())
        .unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// What lies in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

struct Story {
    dir: tempfile::TempDir,
    orbiter: PathBuf,
}

impl Story {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let orbiter = dir.path().join("orbiter");
        project(&orbiter);
        Self { dir, orbiter }
    }

    /// A project that has the registry of `acme` with three packages, two of which begin alike.
    fn with_registry() -> Self {
        let story = Self::new();
        let root = story.dir.path();
        let (pkg, file) =
            (repository(root, "pkg", &["v1", "v2"]), repository(root, "file", &["v1"]));
        let bus = repository(root, "bus", &["v1", "v2"]);
        let packages: [(&str, &Path, &str); 3] =
            [("Pkg", &pkg, "v2"), ("PkgFile", &file, "v1"), ("Bus", &bus, "v1")];
        registry(&root.join("registry.yaml"), &packages);
        fppm(&story.orbiter, &["registries", "--add", "../registry.yaml"]).ok();
        story
    }

    fn place(&self, package: &str) -> PathBuf {
        self.orbiter.join("_fprime_packages").join(package)
    }
}

#[test]
fn a_project_is_installed_as_a_whole_at_the_commits_of_its_lockfile() {
    let story = Story::with_registry();
    let orbiter = &story.orbiter;
    let warned = fppm(orbiter, &["registries", "--validate"]).ok();
    assert!(
        warned.stderr.contains("`acme/PkgFile` begins with the name of `acme/Pkg`"),
        "{warned}"
    );
    for package in ["acme/Pkg", "acme/PkgFile", "acme/Bus"] {
        let installed = fppm(orbiter, &["install", "--package", package]).ok();
        assert!(installed.stderr.contains(&format!("Installed {package}")), "{installed}");
    }
    assert_eq!(text(story.place("acme.Pkg/CHANGES")), "v2");
    let lock = text(orbiter.join("fppm.lock"));
    let commit = git(&story.dir.path().join("pkg"), &["rev-parse", "v2"]);
    assert!(lock.contains(&format!("commit: \"{commit}\"")), "{lock}");
    assert_eq!(text(orbiter.join("project.cmake")).matches("_fprime_packages").count(), 1);
    assert!(text(orbiter.join(".gitignore")).contains("/_fprime_packages/"));
    assert_eq!(
        names(orbiter),
        [".gitignore", "_fprime_packages", "fppm.lock", "project.cmake", "project.yaml"]
    );

    // Somebody else checks the project out. The registry is gone meanwhile, and blocks nothing.
    std::fs::remove_dir_all(orbiter.join("_fprime_packages")).expect("removed");
    std::fs::remove_file(story.dir.path().join("registry.yaml")).expect("removed");
    let json = fppm(orbiter, &["install", "--locked", "--json"]).ok().json();
    assert_eq!(json["packages"].as_array().map(Vec::len), Some(3), "{json}");
    assert_eq!(json["packages"][0]["commit"], commit.as_str());
    for (folder, version) in [("acme.Pkg", "v2"), ("acme.PkgFile", "v1"), ("acme.Bus", "v1")] {
        assert_eq!(text(story.place(folder).join("CHANGES")), version);
    }
    let again = fppm(orbiter, &["install", "--json"]).ok().json();
    assert!(
        again["packages"].as_array().expect("a list").iter().all(|p| p["changed"] == false),
        "{again}"
    );

    // The stock client works on the same project.
    let json = fppm(orbiter, &["remove", "--package", "acme/Bus", "--json"]).ok().json();
    assert_eq!(json["name"], "acme/Bus");
    let pkg = story.dir.path().join("pkg");
    registry(&story.dir.path().join("registry.yaml"), &[("Pkg", &pkg, "v1")]);
    std::fs::remove_dir_all(story.place("acme.PkgFile")).expect("removed");
    stock(orbiter, &["install", "--package", "acme/Pkg"], "").ok();
    assert_eq!(text(story.place("acme.Pkg/CHANGES")), "v1");
}

#[test]
fn a_tag_that_moved_is_not_taken_silently() {
    let story = Story::with_registry();
    fppm(&story.orbiter, &["install", "--package", "acme/Pkg"]).ok();
    let before = (text(story.orbiter.join("fppm.lock")), text(story.orbiter.join("project.yaml")));
    let upstream = story.dir.path().join("pkg");
    std::fs::write(upstream.join("CHANGES"), "other").expect("written");
    git(&upstream, &["commit", "--quiet", "-am", "other"]);
    git(&upstream, &["tag", "--force", "v2"]);
    std::fs::remove_dir_all(story.place("acme.Pkg")).expect("removed");
    let moved = fppm(&story.orbiter, &["install"]);
    assert_eq!(moved.code, 6, "{moved}");
    assert!(moved.stderr.contains("`v2` of") && moved.stderr.contains("--relock"), "{moved}");
    let after = (text(story.orbiter.join("fppm.lock")), text(story.orbiter.join("project.yaml")));
    assert_eq!((after, names(&story.place(""))), (before, vec!["CMakeLists.txt".to_owned()]));
    fppm(&story.orbiter, &["install", "--relock"]).ok();
    assert_eq!(text(story.place("acme.Pkg/CHANGES")), "other");
}

#[test]
fn local_edits_are_not_lost() {
    let story = Story::with_registry();
    fppm(&story.orbiter, &["install", "--package", "acme/Pkg", "--version", "v1"]).ok();
    let file = story.place("acme.Pkg/CHANGES");
    std::fs::write(&file, "mine").expect("written");
    for arguments in
        [&["install", "--package", "acme/Pkg"][..], &["remove", "--package", "acme/Pkg"]]
    {
        let refused = fppm(&story.orbiter, arguments);
        assert_eq!(refused.code, 2, "{refused}");
        assert!(refused.stderr.contains("has local edits"), "{refused}");
        assert_eq!(text(&file), "mine");
        assert!(text(story.orbiter.join("project.yaml")).contains("version: \"v1\""));
    }
    fppm(&story.orbiter, &["install", "--package", "acme/Pkg", "--force"]).ok();
    assert_eq!(text(&file), "v2");
}

#[test]
fn one_package_is_removed_and_none_that_begins_alike() {
    let story = Story::with_registry();
    for package in ["acme/Pkg", "acme/PkgFile"] {
        fppm(&story.orbiter, &["install", "--package", package]).ok();
    }
    fppm(&story.orbiter, &["remove", "--package", "acme/Pkg"]).ok();
    assert_eq!(names(&story.place("")), ["CMakeLists.txt", "acme.PkgFile"]);
    let list = text(story.place("CMakeLists.txt"));
    assert_eq!(list, "add_fprime_subdirectory(\"${CMAKE_CURRENT_LIST_DIR}/acme.PkgFile\")\n");
    let left = text(story.orbiter.join("project.yaml"));
    assert!(left.contains("acme/PkgFile") && !left.contains("\"acme/Pkg\""), "{left}");
    let again = fppm(&story.orbiter, &["remove", "--package", "acme/Pkg"]);
    assert_eq!(again.code, 3, "{again}");
}

#[test]
fn two_offers_are_a_question_and_a_dead_registry_blocks_only_what_comes_behind() {
    let story = Story::with_registry();
    let other = repository(story.dir.path(), "other", &["v9"]);
    registry(
        &story.dir.path().join("second.yaml"),
        &[("Pkg", &other, "v9"), ("Other", &other, "v9")],
    );
    fppm(&story.orbiter, &["registries", "--add", "../second.yaml"]).ok();
    let asked = fppm(&story.orbiter, &["install", "--package", "acme/Pkg"]);
    assert_eq!(asked.code, 2, "{asked}");
    assert!(asked.stderr.contains("../registry.yaml, ../second.yaml"), "{asked}");
    fppm(&story.orbiter, &["install", "--package", "acme/Pkg", "--from", "../second.yaml"]).ok();
    assert_eq!(text(story.place("acme.Pkg/CHANGES")), "v9");
    // The second one goes: what the first offers is installed all the same.
    std::fs::write(story.dir.path().join("second.yaml"), "<html>").expect("written");
    let installed = fppm(&story.orbiter, &["install", "--package", "acme/Bus"]).ok();
    assert!(installed.stderr.contains("cannot be read"), "{installed}");
    // The first one goes: the second may be asked by name only.
    std::fs::remove_file(story.dir.path().join("registry.yaml")).expect("removed");
    registry(&story.dir.path().join("second.yaml"), &[("Other", &other, "v9")]);
    let blocked = fppm(&story.orbiter, &["install", "--package", "acme/Other"]);
    assert_eq!(blocked.code, 2, "{blocked}");
    fppm(&story.orbiter, &["install", "--package", "acme/Other", "--from", "../second.yaml"]).ok();
}

#[test]
fn what_cannot_be_installed_leaves_nothing_behind() {
    let story = Story::with_registry();
    let odd = story.dir.path().join("odd");
    let text_of = |git: &str| {
        format!(
            "name: n\npublisher: p\ndescription: d\nupdated-on: u\nnamespaces:\n  - acme:\n    - Odd: {{git: '{git}', stable: v1}}\n    - None: {{git: {}}}\n",
            odd.display()
        )
    };
    let link = repository(story.dir.path(), "link", &["v0"]);
    std::os::unix::fs::symlink("/etc/passwd", link.join("passwd")).expect("a link");
    git(&link, &["add", "."]);
    git(&link, &["commit", "--quiet", "-m", "link"]);
    git(&link, &["tag", "v1"]);
    let before = names(&story.orbiter);
    for (git, why) in [
        (odd.to_str().expect("UTF-8"), "cannot be installed"),
        ("ext::sh -c 'touch pwned'", "is no address of a repository"),
        ("ext::sh", "an address is"),
        (link.to_str().expect("UTF-8"), "is a link"),
    ] {
        std::fs::write(story.dir.path().join("registry.yaml"), text_of(&git.replace('\'', "''")))
            .expect("written");
        let refused = fppm(&story.orbiter, &["install", "--package", "acme/Odd"]);
        let told = fppm(&story.orbiter, &["registries", "--validate"]);
        assert!(matches!(refused.code, 2 | 3), "{refused}");
        assert!(format!("{refused}{told}").contains(why), "{refused}{told}");
        assert_eq!(names(&story.orbiter), before);
    }
    let none = fppm(&story.orbiter, &["install", "--package", "acme/None"]);
    assert!(none.code == 2 && none.stderr.contains("no stable version"), "{none}");
    for (arguments, code) in [
        (&["install", "--package", "acme"][..], 2),
        (&["install", "--package", "acme/Missing"], 3),
        (&["install", "--package", "acme/Odd", "--version", "--x"], 2),
        (&["install", "--project-yaml-path", "nowhere.yaml"], 3),
        (&["registries", "--add", "../registry.yaml"], 2),
        (&["registries", "--add", "../nothing.yaml"], 3),
        (&["registries", "--add", "http://registry.example.org/x.yaml"], 2),
    ] {
        let refused = fppm(&story.orbiter, arguments);
        assert_eq!(refused.code, code, "{arguments:?}: {refused}");
        assert_eq!(names(&story.orbiter), before, "{arguments:?}");
    }
    std::fs::write(story.orbiter.join("project.yaml"), "packages: [a: b]\n").expect("written");
    let broken = fppm(&story.orbiter, &["install"]);
    assert!(broken.code == 2 && broken.stderr.contains("project.yaml:1:12"), "{broken}");
}

#[test]
fn a_package_is_installed_from_a_repository_that_no_registry_names() {
    let story = Story::new();
    let orbiter = &story.orbiter;
    let upstream = repository(story.dir.path(), "upstream", &["v1", "v2"]);
    let url = format!("file://{}", upstream.display());
    // Without a manifest nobody knows what it is called.
    let before = names(orbiter);
    let nameless = fppm(orbiter, &["install", "--package", &url]);
    assert!(nameless.code == 2 && nameless.stderr.contains("has no `package.yaml`"), "{nameless}");
    assert_eq!(names(orbiter), before);
    std::fs::write(upstream.join("package.yaml"), "package_info: {id: acme/Pkg}\n")
        .expect("written");
    git(&upstream, &["add", "."]);
    git(&upstream, &["commit", "--quiet", "-m", "manifest"]);
    git(&upstream, &["tag", "v3"]);
    // At a tag, and again at the commit that is checked out there.
    fppm(orbiter, &["install", "--package", &url, "--version", "v3"]).ok();
    assert_eq!(text(story.place("acme.Pkg/CHANGES")), "v2");
    assert!(text(orbiter.join("project.yaml")).contains("version: \"v3\""));
    let head = git(&upstream, &["rev-parse", "HEAD"]);
    let again = fppm(orbiter, &["install", "--package", &url, "--json"]).ok().json();
    assert_eq!(
        (&again["packages"][0]["commit"], &again["packages"][0]["version"]),
        (&head.as_str().into(), &head.as_str().into())
    );
    assert_eq!(again["packages"][0]["changed"], false, "it was that commit already");
    let lock = text(orbiter.join("fppm.lock"));
    assert!(lock.contains(&format!("git: \"{url}\"")) && lock.contains("registry: \"\""), "{lock}");
    // All of the project, from the lockfile and without any registry.
    std::fs::remove_dir_all(orbiter.join("_fprime_packages")).expect("removed");
    fppm(orbiter, &["install", "--locked"]).ok();
    fppm(orbiter, &["install", "--relock"]).ok();
    assert_eq!(git(&story.place("acme.Pkg"), &["rev-parse", "HEAD"]), head);
    for (arguments, code) in [
        (&["install", "--package", "https://127.0.0.1:1/x.git"][..], 2),
        (&["install", "--package", "ext::sh -c id://x"], 2),
        (&["install", "--package", &url, "--version", "v9"], 2),
        (&["install", "--package", &url, "--from", "../registry.yaml"], 2),
    ] {
        let refused = fppm(orbiter, arguments);
        assert_eq!(refused.code, code, "{arguments:?}: {refused}");
    }
    fppm(orbiter, &["remove", "--package", "acme/Pkg"]).ok();
    assert!(!story.place("acme.Pkg").exists());
}

#[test]
fn a_private_registry_is_read_with_the_token_that_is_meant_for_it() {
    let options = Options { arguments: vec!["--private".to_owned()], ..Options::default() };
    let (registry, story) = (TestRegistry::with(options), Story::new());
    let folder = story.dir.path().join("package");
    copy(&example("fppm-thermometer"), &folder);
    let job = registry.ci("acme/fprime").tag("v1.0.0").claim("repository_visibility", "private");
    let job = job.env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", "v1.0.0");
    job.env("PACKHOUSE_TOKEN", &registry.admin_token()).publish(&folder).ok();
    let url = format!("{}/fppm/registry.yaml", registry.url());
    let run = |arguments: &[&str], token: bool| {
        let mut all = vec!["fppm"];
        all.extend(arguments);
        let mut command = plain(&all);
        command.current_dir(&story.orbiter).env("HOME", &story.orbiter);
        if token {
            command.env("PACKHOUSE_REGISTRY", registry.url());
            command.env("PACKHOUSE_TOKEN", registry.admin_token());
        }
        command.outcome()
    };
    let refused = run(&["registries", "--add", &url], false);
    assert!(refused.code == 2 && refused.stderr.contains("PACKHOUSE_TOKEN"), "{refused}");
    run(&["registries", "--add", &url], true).ok();
    run(&["install", "--package", "acme/Thermometer"], true).ok();
    assert!(story.place("acme.Thermometer/package.yaml").exists());
    let held = text(story.place("acme.Thermometer/.git/config"));
    assert!(!held.contains("pkh_") && !text(story.orbiter.join("fppm.lock")).contains("pkh_"));
    // From the lockfile, too.
    std::fs::remove_dir_all(story.place("acme.Thermometer")).expect("removed");
    run(&["install", "--locked"], true).ok();
    assert!(story.place("acme.Thermometer/package.yaml").exists());
}
