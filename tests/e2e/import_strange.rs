//! Repositories that are strange or hostile: each is imported as far as it can be, told of exactly, and
//! runs nothing.

use std::path::Path;

use packhouse_tests::repository::{Repository, import, importing, told, version_of};
use packhouse_tests::{Runs as _, TestRegistry, plain};
use serde_json::Value;

/// A package of three files in another format than the circuits.
fn part(name: &str, version: &str, folder: &str) -> Vec<(String, String)> {
    let manifest = format!(
        "package:\n  identifier: acme/{name}\n  version: {version}\n  license: MIT\n  summary: A part.\n"
    );
    let at = |file: &str| format!("{folder}/{file}");
    vec![(at("packhouse.yaml"), manifest), (at("README.md"), format!("# {name}\n"))]
}

/// The digest that `packhouse pack` gives of a folder.
fn packed(folder: &Path) -> String {
    let into = tempfile::tempdir().expect("a folder");
    let output = into.path().join("x.zip");
    let mut command = plain(&[Path::new("pack"), folder, Path::new("--json"), Path::new("-o")]);
    let packed = command.arg(output).outcome().ok().json();
    packed["digest"].as_str().expect("a digest").to_owned()
}

fn digest_of(report: &Value, title: &str) -> String {
    let rows = report["versions"].as_array().expect("rows").iter();
    let title_of = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        format!("{}@{}", text("identifier"), text("version"))
    };
    let mut found = rows.filter(|row| title_of(row) == title);
    let row = found.next().unwrap_or_else(|| panic!("no {title}: {report}"));
    row["digest"].as_str().expect("a digest").to_owned()
}

#[test]
fn a_shallow_clone_says_that_its_history_is_cut() {
    let full = Repository::new();
    full.commit(&version_of("acme/amp", "amp", "1.0.0"));
    full.commit(&version_of("acme/amp", "amp", "1.1.0"));
    let cut = full.commit(&[("x".to_owned(), "x".to_owned())]);
    let last = full.commit(&version_of("acme/amp", "amp", "1.2.0"));
    let shallow = Repository::new();
    shallow.git(&["pull", "--quiet", "--depth=2", &full.url(), "main"]);
    let registry = TestRegistry::start();
    let why = "the history is cut off here, so which commit first said this version is not known: \
               import from a full clone";
    let expected = [
        "acme/amp@1.2.0 would-import".to_owned(),
        format!("acme/amp@1.1.0 tag - in \"amp\" shallow: {why}"),
    ];
    for source in [shallow.url().as_str(), shallow.path().to_str().expect("UTF-8")] {
        let report = importing(&registry, source, &["--dry-run"]).outcome().ok().json();
        assert_eq!(told(&report, &[]), expected, "{source}");
        assert_eq!(report["skipped"][0]["commit"], cut.as_str());
        assert_eq!(report["versions"][0]["commit"], last.as_str());
    }
    // A tag needs no history.
    shallow.git(&["tag", "amp-v1.1.0", &cut]);
    let report = import(&registry, shallow.path(), &[]).ok().json();
    assert_eq!(told(&report, &[]), ["acme/amp@1.1.0 imported", "acme/amp@1.2.0 imported"]);
}

#[test]
fn a_submodule_is_told_and_not_fetched() {
    let other = Repository::new();
    let commit = other.commit(&[("lib.txt".to_owned(), "x".to_owned())]);
    let repository = Repository::new();
    let link = format!("160000,{commit},amp/lib");
    repository.commit(&version_of("acme/amp", "amp", "1.0.0"));
    let with = |version: &str, more: &[(&str, &str)]| {
        let mut files = version_of("acme/amp", "amp", version);
        files.extend(more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
        for (path, text) in &files {
            let path = repository.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("written");
        }
        repository.git(&["add", "."]);
        repository.git(&["update-index", "--add", "--cacheinfo", &link]);
        repository.git(&["commit", "--quiet", "-m", "x"]);
    };
    let modules = format!(
        "[submodule \"lib\"]\n\tpath = amp/lib\n\turl = {}\n\tupdate = !touch pwned\n",
        other.url()
    );
    with("1.1.0", &[(".gitmodules", &modules)]);
    // What an ignore file leaves out is no part of the package.
    with("1.2.0", &[("amp/.packhouseignore", "/lib/\n")]);
    let registry = TestRegistry::start();
    for source in [repository.url().as_str(), repository.path().to_str().expect("UTF-8")] {
        let report = importing(&registry, source, &["--dry-run"]).outcome().ok().json();
        assert_eq!(
            told(&report, &[]),
            [
                "acme/amp@1.0.0 would-import",
                "acme/amp@1.2.0 would-import",
                "acme/amp@1.1.0 tag - in \"amp\" submodule: `amp/lib` is a submodule, whose files \
                 are not here"
            ]
        );
    }
    assert!(!repository.path().join("pwned").exists());
}

#[test]
fn filters_and_substitutions_do_not_run_and_pointers_are_named() {
    let repository = Repository::new();
    let attributes = "*.txt filter=evil export-subst ident text eol=crlf\n*.bin filter=lfs\n";
    let mut files = part("cells", "1.0.0", "cells");
    files.push(("cells/note.txt".to_owned(), "$Format:%H$ $Id$\nsecond\n".to_owned()));
    files.push((".gitattributes".to_owned(), attributes.to_owned()));
    repository.commit(&files);
    let pointer = format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n",
        "ab".repeat(32)
    );
    // Made without a work tree, which is left as it was.
    let blob = repository.git_with(&["hash-object", "-w", "--stdin"], pointer.as_bytes());
    let next = part("cells", "1.1.0", "cells").remove(0).1;
    let manifest = repository.git_with(&["hash-object", "-w", "--stdin"], next.as_bytes());
    for (blob, path) in [(blob, "cells/big.bin"), (manifest, "cells/packhouse.yaml")] {
        let entry = format!("100644,{blob},{path}");
        repository.git(&["update-index", "--add", "--cacheinfo", &entry]);
    }
    let tree = repository.git(&["write-tree"]);
    let head = repository.git(&["commit-tree", "-p", "HEAD", "-m", "x", &tree]);
    repository.git(&["update-ref", "refs/heads/main", &head]);
    let pwned = repository.path().join("pwned");
    let evil = format!("touch {}", pwned.display());
    for name in
        ["filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "filter.lfs.smudge"]
    {
        repository.git(&["config", name, &evil]);
    }
    let registry = TestRegistry::start();
    let report = import(&registry, repository.path(), &[]).ok().json();
    assert_eq!(
        told(&report, &[]),
        [
            "acme/cells@1.0.0 imported",
            "acme/cells@1.1.0 tag - in \"cells\" refused: `big.bin`: this is a Git LFS pointer, not the \
             file itself (lfs-pointer)"
        ]
    );
    assert!(!pwned.exists(), "nothing ran");
    // As git stores them: neither line ends nor keywords are changed.
    let plain_files = tempfile::tempdir().expect("a folder");
    for (path, text) in
        files.iter().filter_map(|(path, text)| Some((path.strip_prefix("cells/")?, text)))
    {
        std::fs::write(plain_files.path().join(path), text).expect("written");
    }
    assert_eq!(digest_of(&report, "acme/cells@1.0.0"), packed(plain_files.path()));
}

#[test]
fn a_package_within_another_belongs_to_both_as_where_a_folder_is_packed() {
    let repository = Repository::new();
    let mut files = part("outer", "1.0.0", ".");
    files.extend(part("inner", "2.0.0", "parts/inner"));
    files.push(("parts/loose.txt".to_owned(), "x".to_owned()));
    files.push((".gitignore".to_owned(), "*.log\n/out/\n".to_owned()));
    files.push(("parts/inner/.gitignore".to_owned(), "!keep.log\n".to_owned()));
    repository.commit(&files);
    for path in ["parts/inner/keep.log", "parts/inner/drop.log", "out/x"] {
        let path = repository.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, "x").expect("written");
    }
    // Git holds what its ignore files name, and neither way packs it.
    repository.git(&["add", "--force", "."]);
    repository.git(&["commit", "--quiet", "--amend", "--no-edit"]);
    let registry = TestRegistry::start();
    let report = import(&registry, repository.path(), &[]).ok().json();
    assert_eq!(told(&report, &[]), ["acme/inner@2.0.0 imported", "acme/outer@1.0.0 imported"]);
    let outer = digest_of(&report, "acme/outer@1.0.0");
    let inner = digest_of(&report, "acme/inner@2.0.0");
    assert_eq!(outer, packed(repository.path()));
    assert_eq!(inner, packed(&repository.path().join("parts/inner")));
    // And one of the two alone is the same.
    let report = import(&registry, repository.path(), &["--path", "parts/*"]).ok().json();
    assert_eq!(told(&report, &[]), ["acme/inner@2.0.0 already-there"]);
}

#[test]
fn refs_that_look_like_options_are_names() {
    let repository = Repository::new();
    let first = repository.commit(&version_of("acme/amp", "amp", "1.0.0"));
    for name in ["-x", "--upload-pack=touch", "--output=pwned", "-oProxyCommand=touch", "v1.0.0"] {
        repository.git(&["update-ref", &format!("refs/tags/{name}"), &first]);
    }
    let second = repository.commit(&version_of("acme/amp", "amp", "1.1.0"));
    for name in ["-x", "--upload-pack=touch", "--all", "$(touch${IFS}pwned)"] {
        repository.git(&["update-ref", &format!("refs/heads/{name}"), &second]);
    }
    repository.git(&["update-ref", "refs/tags/amp-v1.1.0", &second]);
    let registry = TestRegistry::start();
    for source in [repository.url().as_str(), repository.path().to_str().expect("UTF-8")] {
        let mut command = importing(&registry, source, &["--dry-run"]);
        let report = command.current_dir(repository.path()).outcome().ok().json();
        let expected = ["acme/amp@1.0.0 would-import", "acme/amp@1.1.0 would-import"];
        assert_eq!(told(&report, &[]), expected, "{source}");
        assert_eq!(report["versions"][0]["tag"], "v1.0.0");
        assert_eq!(report["versions"][1]["tag"], "amp-v1.1.0");
    }
    let pwned: Vec<_> = ["pwned", "touch"].map(|name| repository.path().join(name).exists()).into();
    assert_eq!(pwned, [false, false]);
    for source in ["--upload-pack=touch pwned", "ext::sh -c touch% pwned", "http://example.org/x"] {
        let mut command = plain(&["admin", "import", "--json", "--", source]);
        command.env("PACKHOUSE_REGISTRY", registry.url());
        command.env("PACKHOUSE_TOKEN", registry.admin_token());
        let outcome = command.current_dir(repository.path()).outcome();
        assert!([2, 3].contains(&outcome.code), "{source}: {outcome}");
    }
    assert!(!repository.path().join("pwned").exists());
}

#[test]
fn tags_of_trees_and_files_are_told() {
    let repository = Repository::new();
    repository.commit(&version_of("acme/amp", "amp", "1.0.0"));
    repository.git(&["tag", "v1.0.0", "HEAD^{tree}"]);
    repository.git(&["tag", "file", "HEAD:amp/p.ato"]);
    repository.git(&["tag", "-a", "-m", "x", "heavy", "HEAD^{tree}"]);
    let registry = TestRegistry::start();
    let why = "odd-tag: the tag names a tree, a file, or a commit that is not here";
    let expected = [
        "acme/amp@1.0.0 imported".to_owned(),
        format!("-@- tag file in \"-\" {why}"),
        format!("-@- tag heavy in \"-\" {why}"),
        format!("-@- tag v1.0.0 in \"-\" {why}"),
    ];
    assert_eq!(told(&import(&registry, repository.path(), &[]).ok().json(), &[]), expected);
}

#[test]
fn files_that_nobody_could_unpack_are_refused_by_name() {
    let repository = Repository::new();
    repository.commit(&part("cells", "1.0.0", "."));
    let blob = repository.git_with(&["hash-object", "-w", "--stdin"], b"x");
    let mut version = 0;
    let mut expected = Vec::new();
    let mut say = |mode: &str, kind: &str, name: &str, object: &str| {
        version += 1;
        let version = format!("1.{version}.0");
        let manifest = part("cells", &version, ".").remove(0).1;
        let manifest = repository.git_with(&["hash-object", "-w", "--stdin"], manifest.as_bytes());
        // `git mktree` takes names that no work tree could hold.
        let entries =
            format!("{mode} {kind} {object}\t{name}\0100644 blob {manifest}\tpackhouse.yaml\0");
        let tree = repository.git_with(&["mktree", "-z"], entries.as_bytes());
        let commit = repository.git(&["commit-tree", "-p", "main", "-m", "x", &tree]);
        repository.git(&["update-ref", "refs/heads/main", &commit]);
        version
    };
    let folder =
        repository.git_with(&["mktree", "-z"], format!("100644 blob {blob}\tx\0").as_bytes());
    let newline = "`a\\u{a}b`: `a\\u{a}b` has '\\n', which not every system allows in a file name: rename \
                   the file (windows-names)";
    let escape = "`a\\u{1b}[31mred`: `a\\u{1b}[31mred` has '\\u{1b}', which not every system allows in a \
                  file name: rename the file (windows-names)";
    let dots = "`../x`: `../x` has a part `.` or `..`: paths stay inside the package's folder (unsafe-path)";
    let device = "`con.txt`: `con.txt` has a part that Windows keeps for a device: rename it (windows-names)";
    let twins = "`packhouse.yaml`: this is the same path as `PACKHOUSE.yaml` on systems that fold case and \
                 Unicode form (case-twins)";
    for (mode, kind, name, object, why) in [
        ("100644", "blob", "a\nb", &blob, newline),
        ("100644", "blob", "a\x1b[31mred", &blob, escape),
        ("040000", "tree", "..", &folder, dots),
        (
            "040000",
            "tree",
            ".git",
            &folder,
            "`.git/x`: this is data of a git repository (git-data)",
        ),
        ("100644", "blob", "con.txt", &blob, device),
        ("100644", "blob", "PACKHOUSE.yaml", &blob, twins),
        ("120000", "blob", "link", &blob, "`link`: this is a link to `x` (links)"),
    ] {
        let version = say(mode, kind, name, object);
        expected.push(format!("acme/cells@{version} tag - in \"\" refused: {why}"));
    }
    let registry = TestRegistry::start();
    for source in [repository.url().as_str(), repository.path().to_str().expect("UTF-8")] {
        let outcome = importing(&registry, source, &["--dry-run"]).outcome().ok();
        assert!(!outcome.stderr.contains('\x1b'), "{outcome}");
        let told = told(&outcome.json(), &[]);
        assert_eq!(told[0], "acme/cells@1.0.0 would-import");
        assert_eq!(told[1..], expected, "{source}");
    }
}

#[test]
fn a_huge_tree_is_left_out_with_the_limit_that_it_breaks() {
    let repository = Repository::new();
    repository.commit(&part("cells", "1.0.0", "."));
    let mut files = part("cells", "1.1.0", ".");
    files.extend((0..500).map(|at| (format!("data/{at}"), "0123456789".to_owned())));
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    repository.commit(&files);
    let registry = TestRegistry::start();
    for (limit, entries, unpacked) in
        [("entries=100", 100, 268_435_456_u64), ("unpacked_bytes=2000", 10_000, 2_000)]
    {
        let report =
            import(&registry, repository.path(), &["--dry-run", "--limit", limit]).ok().json();
        let expected = [
            "acme/cells@1.0.0 would-import".to_owned(),
            format!(
                "acme/cells@1.1.0 tag - in \"\" too-large: it has 502 files of {bytes} bytes; at most \
                 {entries} files (`entries`) of {unpacked} bytes (`unpacked_bytes`) are packed"
            ),
        ];
        assert_eq!(told(&report, &[]), expected);
    }
}

#[test]
fn versions_that_are_claimed_twice_are_told_unless_their_files_agree() {
    let repository = Repository::new();
    let first = repository.commit(&version_of("acme/amp", "amp", "1.0.0"));
    repository.git(&["tag", "v1.0.0"]);
    let second = repository.commit(&[("elsewhere".to_owned(), "x".to_owned())]);
    repository.git(&["tag", "amp-v1.0.0"]);
    let third = repository.commit(&version_of("acme/amp", "amp", "1.1.0"));
    repository.git(&["tag", "v1.1.0"]);
    let fourth = repository.commit(&[("amp/more".to_owned(), "x".to_owned())]);
    repository.git(&["tag", "amp-v1.1.0"]);
    let registry = TestRegistry::start();
    let report = import(&registry, repository.path(), &[]).ok().json();
    assert_eq!(
        told(&report, &[&first, &second, &third, &fourth]),
        [
            "acme/amp@1.0.0 imported",
            "acme/amp@1.1.0 tag amp-v1.1.0 in \"amp\" ambiguous: 2 candidate trees differ: <3> (tag \
             `amp-v1.1.0`), <2> (tag `v1.1.0`)"
        ]
    );
    repository.git(&["tag", "--delete", "v1.1.0"]);
    let report = import(&registry, repository.path(), &[]).ok().json();
    assert_eq!(told(&report, &[]), ["acme/amp@1.0.0 already-there", "acme/amp@1.1.0 imported"]);
}

#[test]
fn a_squashed_release_is_one_version_and_a_draft_is_none() {
    let repository = Repository::new();
    repository.commit(&version_of("acme/amp", "amp", "1.0.0"));
    repository.git(&["checkout", "--quiet", "-b", "bump"]);
    repository.commit(&version_of("acme/amp", "amp", "1.1.0"));
    repository.commit(&version_of("acme/amp", "amp", "2.0.0"));
    repository.git(&["checkout", "--quiet", "main"]);
    let squashed = repository.commit(&version_of("acme/amp", "amp", "1.1.0"));
    let mut files = version_of("acme/amp", "amp", "2.0.0");
    files.push(("amp/more".to_owned(), "x".to_owned()));
    let real = repository.commit(&files);
    let registry = TestRegistry::start();
    for source in [repository.url().as_str(), repository.path().to_str().expect("UTF-8")] {
        let report = importing(&registry, source, &["--dry-run"]).outcome().ok().json();
        assert_eq!(
            told(&report, &[]),
            ["1.0.0", "1.1.0", "2.0.0"].map(|v| format!("acme/amp@{v} would-import"))
        );
        assert_eq!(report["versions"][1]["commit"], squashed.as_str());
        assert_eq!(report["versions"][2]["commit"], real.as_str());
    }
}

#[test]
fn what_cannot_be_rebuilt_is_told_and_the_rest_is_imported() {
    let repository = Repository::new();
    repository.commit(&version_of("acme/amp", "a", "1.0.0"));
    let broken = repository.commit(&[("a/ato.yaml".to_owned(), "package: [".to_owned())]);
    repository.commit(&version_of("acme/amp", "a", "1.1.0"));
    let damaged = repository.commit(&version_of("acme/amp", "a", "1.2.0"));
    repository.commit(&version_of("acme/amp", "a", "1.3.0"));
    let registry = TestRegistry::start();
    // Git itself refuses to read a repository with such a name.
    let bad = repository.path().join(".git/refs/tags/--upload-pack=touch pwned");
    std::fs::copy(repository.path().join(".git/refs/heads/main"), &bad).expect("a broken ref");
    assert_eq!(import(&registry, repository.path(), &[]).code, 2);
    std::fs::remove_file(bad).expect("removed");
    // A file that the repository lost is one version's trouble, and the exit code's.
    let blob = repository.git(&["rev-parse", &format!("{damaged}:a/p.ato")]);
    let lost = repository.path().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    std::fs::remove_file(lost).expect("an object");
    let outcome = import(&registry, repository.path(), &[]);
    assert_eq!(outcome.code, 2, "{outcome}");
    assert_eq!(
        told(&outcome.json(), &[&broken, &damaged]),
        [
            "acme/amp@1.0.0 imported".to_owned(),
            "acme/amp@1.1.0 imported".to_owned(),
            "acme/amp@1.3.0 imported".to_owned(),
            "-@- tag - in \"a/ato.yaml\" broken-manifest: ato.yaml:1:11: is not YAML: while parsing a node, did not find \
             expected node content"
                .to_owned(),
            "acme/amp@1.2.0 tag - in \"a\" unreadable: the object of `a/p.ato` cannot be read"
                .to_owned(),
        ]
    );
}
