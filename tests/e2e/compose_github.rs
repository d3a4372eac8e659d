//! Repositories of GitHub as sources of packages, where a registry has no git: by the archive of a commit.

use std::collections::BTreeMap;

use packhouse_core::compose;
use packhouse_core::formats::{Found, by_id};
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use packhouse_forge::github::GitHubSources;
use packhouse_registry::ports::sources::{SourceError, Sources as _};
use packhouse_tests::github::{FakeGitHub, Fault, File};

const FILES: [(&str, &str); 3] = [
    (
        "pyproject.toml",
        "[project]\nname = \"pbg-cells\"\nversion = \"1\"\ndependencies = [\"bigraph-schema\"]\n",
    ),
    (
        "src/pbg_cells/deep/grow.py",
        "import process_bigraph as pb\n\n\nclass Grow(pb.Process): ...\n",
    ),
    ("src/pbg_cells/left_out.py", "from process_bigraph import Step\n\n\nclass Out(Step): ...\n"),
];

fn file(text: &str, mode: &'static str) -> File {
    // An archive leaves out what `export-ignore` says; a package is the commit's files all the same.
    File { mode, bytes: text.as_bytes().into(), unarchived: text.contains("class Out") }
}

fn commit(github: &FakeGitHub, more: &[(&str, File)]) -> String {
    let all = FILES.iter().map(|(path, text)| ((*path).to_owned(), file(text, "100644")));
    let more = more.iter().map(|(path, file)| ((*path).to_owned(), file.clone()));
    github.commit_of(all.chain(more).collect::<BTreeMap<_, _>>())
}

fn fetch(
    github: &FakeGitHub,
    address: &str,
    reference: Option<&str>,
    limits: &Limits,
) -> Result<(Tree, String), String> {
    let sources = GitHubSources::new(&github.url(), limits);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(sources.git(address, reference)) {
        Ok(fetched) => Ok((fetched.tree, fetched.commit)),
        Err(SourceError::Refused(why)) => Err(why),
        Err(missing) => panic!("{missing}"),
    }
}

#[test]
fn a_branch_a_tag_and_a_commit_are_read_whole_by_the_archive() {
    let github = FakeGitHub::start();
    let tip = commit(&github, &[]);
    for name in ["HEAD", "feature/x", "v1"] {
        github.name("acme/pbg-cells", name, &tip);
    }
    let url = format!("{}/acme/pbg-cells", github.url());
    let mut plain = Tree::default();
    for (path, text) in FILES {
        plain.insert(path.parse().unwrap(), text.as_bytes(), false);
    }
    let outline = |tree: &Tree| match by_id("pyproject").unwrap().read(tree) {
        Found::Package(manifest) => compose::outline(tree, &manifest.original).unwrap(),
        _ => panic!("no package"),
    };
    assert_eq!(outline(&plain).compute.len(), 2);
    for reference in [None, Some("feature/x"), Some("v1"), Some(&*tip)] {
        let (tree, commit) = fetch(&github, &url, reference, &Limits::default()).unwrap();
        assert_eq!(commit, tip, "{reference:?}");
        assert_eq!(outline(&tree), outline(&plain), "{reference:?}");
        let calls = github.calls();
        assert!(calls.contains(&format!("GET /archive/{tip}")), "{calls:?}");
        assert_eq!(
            calls.len(),
            5,
            "commit, list, address, archive, and what it left out: {calls:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let github = FakeGitHub::start();
    let tip = commit(&github, &[]);
    github.name("acme/pbg-cells", "v1", &tip);
    for (name, mode) in [("linked", "120000"), ("nested", "160000")] {
        github.name("acme/pbg-cells", name, &commit(&github, &[("odd", file("x", mode))]));
    }
    github.name("acme/pbg-cells", "unsafe", &commit(&github, &[("a/../b", file("x", "100644"))]));
    let url = format!("{}/acme/pbg-cells.git", github.url());
    let (small, usual) = (Limits { entries: 2, ..Limits::default() }, Limits::default());
    let tiny = Limits { unpacked_bytes: 10, ..Limits::default() };
    for (address, reference, limits, why) in [
        (
            "https://gitlab.com/acme/x",
            "v1",
            &usual,
            "this registry has no git and reads archives of",
        ),
        (
            "https://github.com/acme/x",
            "v1",
            &usual,
            "this registry has no git and reads archives of",
        ),
        (&*url, "linked", &usual, "`odd` is a link or a submodule"),
        (&*url, "nested", &usual, "`odd` is a link or a submodule"),
        (&*url, "unsafe", &usual, "`a/../b`"),
        (&*url, "v9", &usual, "GitHub has no public `acme/pbg-cells` with `v9`"),
        (&*url, "../../user", &usual, "`../../user` is no branch, tag or commit"),
        (&*url.replace("pbg-cells", "secret"), "v1", &usual, "GitHub has no public `acme/secret`"),
        (&*url, "v1", &small, "it has more than 2 files"),
        (&*url, "v1", &tiny, "it has more than 0 MiB"),
    ] {
        let told = fetch(&github, address, Some(reference), limits).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
    for (call, status, to, why) in [
        // GitHub sends its archives from its own hosts alone; nothing else is asked.
        ("/tarball/", 302, "http://127.0.0.1:1/x", "does not lead to an archive on GitHub"),
        ("GET /archive/", 302, "http://127.0.0.1:1/x", "the download is answered with 302"),
        ("GET /archive/", 500, "", "the download is answered with 500"),
    ] {
        let headers = vec![("location".to_owned(), to.to_owned())];
        github.fail(Fault { call: call.to_owned(), status, headers, times: 1 });
        let told = fetch(&github, &url, Some("v1"), &usual).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
}
