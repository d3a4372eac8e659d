use super::*;
use crate::git::fixture::Repository;

const FILE: &str = "packhouse.yaml";

fn place(history: &History, commit: &str) -> usize {
    history.commits.iter().position(|made| made.id.as_str() == commit).unwrap()
}

/// Commits and paths of all changes, in their order.
fn changes(history: &History) -> Vec<(String, String)> {
    let changes = history.manifests().unwrap().into_iter();
    let shown = changes.map(|c| (history.commits[c.commit].id.as_str().to_owned(), c.path));
    shown.collect()
}

#[test]
fn parents_come_first_and_tags_are_followed() {
    let repository = Repository::new();
    let first = repository.commit(&[("a", b"1")]);
    let second = repository.commit(&[("a", b"2")]);
    repository.git(&["tag", "light", &first]);
    repository.git(&["tag", "-a", "-m", "x", "heavy", &first]);
    repository.git(&["tag", "-a", "-m", "x", "of-a-tag", "heavy"]);
    repository.git(&["tag", "tree", "HEAD^{tree}"]);
    repository.git(&["tag", "file", "HEAD:a"]);
    let into = tempfile::tempdir().unwrap();
    for history in [repository.history(), repository.fetched(into.path())] {
        let ids: Vec<_> = history.commits.iter().map(|made| made.id.as_str()).collect();
        assert_eq!(ids, [first.as_str(), second.as_str()]);
        assert_eq!((&history.commits[0].parents, &history.commits[1].parents), (&vec![], &vec![0]));
        assert!(history.cut.is_empty());
        let tags: Vec<_> = history.tags.iter().map(|tag| (tag.name.as_str(), tag.commit)).collect();
        let expected = [
            ("file", None),
            ("heavy", Some(0)),
            ("light", Some(0)),
            ("of-a-tag", Some(0)),
            ("tree", None),
        ];
        assert_eq!(tags, expected);
    }
}

#[test]
fn a_manifest_changes_where_no_parent_has_it_so() {
    let repository = Repository::new();
    let first = repository.commit(&[(FILE, b"1"), ("a/b/ato.yaml", b"1"), ("a/xato.yaml", b"1")]);
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    let side = repository.commit(&[(FILE, b"2")]);
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit(&[("other", b"1")]);
    repository.git(&["merge", "--quiet", "--no-ff", "-m", "x", "side"]);
    let removed = {
        repository.git(&["rm", "--quiet", FILE]);
        repository.commit(&[])
    };
    let executable = {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(repository.path().join("a/b/ato.yaml"), mode).unwrap();
        repository.commit(&[])
    };
    std::os::unix::fs::symlink("a", repository.path().join(FILE)).unwrap();
    let linked = repository.commit(&[]);
    let told = changes(&repository.history());
    let expected = [
        (first.clone(), "a/b/ato.yaml".to_owned()),
        (first, FILE.to_owned()),
        (side, FILE.to_owned()),
        (executable, "a/b/ato.yaml".to_owned()),
    ];
    assert_eq!(told, expected, "neither the merge, nor {removed}, nor {linked}");
}

#[test]
fn the_default_branch_is_the_remotes_else_what_is_checked_out() {
    let repository = Repository::new();
    let base = repository.commit(&[("a", b"1")]);
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    let side = repository.commit(&[("a", b"2")]);
    repository.git(&["checkout", "--quiet", "main"]);
    let main = repository.commit(&[("a", b"3")]);
    let merged = |history: &History| {
        [&base, &side, &main].map(|commit| history.is_merged(place(history, commit)))
    };
    let into = tempfile::tempdir().unwrap();
    assert_eq!(merged(&repository.fetched(into.path())), [true, false, true]);
    assert_eq!(merged(&repository.history()), [true, false, true]);
    // What is checked out decides where nothing is known of a remote, and not where it is.
    repository.git(&["checkout", "--quiet", "side"]);
    assert_eq!(merged(&repository.history()), [true, true, false]);
    repository.git(&["update-ref", "refs/remotes/origin/main", "main"]);
    repository.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
    assert_eq!(merged(&repository.history()), [true, false, true]);
    // A head that names no branch is no default branch, and no reason to fetch nothing.
    repository.git(&["symbolic-ref", "HEAD", "refs/heads/nowhere"]);
    let into = tempfile::tempdir().unwrap();
    assert_eq!(merged(&repository.fetched(into.path())), [false, false, false]);
}

#[test]
fn a_shallow_repository_says_where_it_is_cut_also_where_it_is_fetched() {
    let full = Repository::new();
    full.commit(&[("a", b"1")]);
    let second = full.commit(&[("a", b"2")]);
    full.commit(&[("a", b"3")]);
    let shallow = Repository::new();
    shallow.git(&["pull", "--quiet", "--depth=2", &full.url(), "main"]);
    let into = tempfile::tempdir().unwrap();
    for history in [shallow.history(), shallow.fetched(into.path())] {
        assert_eq!(history.commits.len(), 2);
        assert_eq!(history.cut, HashSet::from([place(&history, &second)]));
    }
}

#[test]
fn of_several_commits_the_oldest_follow_on_no_other() {
    let repository = Repository::new();
    let base = repository.commit(&[("a", b"1")]);
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    let side = repository.commit(&[("a", b"2")]);
    let later = repository.commit(&[("a", b"3")]);
    repository.git(&["checkout", "--quiet", "main"]);
    let main = repository.commit(&[("a", b"4")]);
    let history = repository.history();
    let oldest = |commits: &[&String]| {
        let starts = commits.iter().map(|commit| place(&history, commit)).collect();
        let found = history.oldest(&starts);
        let mut found: Vec<_> =
            found.into_iter().map(|at| history.commits[at].id.as_str().to_owned()).collect();
        found.sort();
        found
    };
    let sorted = |mut commits: Vec<String>| {
        commits.sort();
        commits
    };
    assert_eq!(oldest(&[&base, &side, &main]), std::slice::from_ref(&base));
    assert_eq!(oldest(&[&side, &later, &main]), sorted(vec![side.clone(), main.clone()]));
    assert_eq!(oldest(&[&later]), std::slice::from_ref(&later));
}

#[test]
fn blobs_are_read_by_name_and_what_is_no_blob_or_too_long_is_left_out() {
    let repository = Repository::new();
    repository.commit(&[("short", b"abc"), ("long", b"abcdefgh")]);
    let names = ["HEAD:short", "HEAD:long", "HEAD", "HEAD^{tree}"];
    let mut names: HashSet<String> =
        names.iter().map(|name| repository.git(&["rev-parse", name])).collect();
    names.insert("0".repeat(40));
    let found = repository.history().blobs(&names, 5).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[&repository.git(&["rev-parse", "HEAD:short"])][..], *b"abc");
}

#[test]
fn an_empty_repository_has_an_empty_history() {
    let repository = Repository::new();
    let into = tempfile::tempdir().unwrap();
    for history in [repository.history(), repository.fetched(into.path())] {
        assert!(history.commits.is_empty() && history.tags.is_empty());
        assert!(history.manifests().unwrap().is_empty());
    }
    assert!(History::of(into.path().parent().unwrap()).is_err(), "no repository");
}
