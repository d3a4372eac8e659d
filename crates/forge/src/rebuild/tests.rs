use packhouse_core::limits::Limits;
use packhouse_core::source::Setting;

use super::*;
use crate::git::History;
use crate::git::fixture::Repository;

const FILE: &str = "packhouse.yaml";

fn manifest(name: &str, version: &str) -> String {
    format!(
        "package:\n  identifier: acme/{name}\n  version: {version}\n  license: MIT\n  summary: A part\n"
    )
}

/// Commits this version of the package `acme/part` at the root, with a file of this text.
fn part(repository: &Repository, version: &str, text: &str) -> String {
    let manifest = manifest("part", version);
    repository.commit(&[(FILE, manifest.as_bytes()), ("part.txt", text.as_bytes())])
}

/// What is found: `identifier@version commit tag`, and `identifier@version code: reason`.
fn told(history: &History) -> (Vec<String>, Vec<String>) {
    let limits = Limits::default();
    let (found, skipped) = find(history, &[], &Setting::default(), &limits).unwrap();
    let found = found.iter().map(|one| {
        let commit = history.commits[one.commit].id.as_str();
        let tag = one.tag.as_deref().unwrap_or("-");
        format!("{}@{} {commit} {tag}", one.identifier, one.version)
    });
    let skipped = skipped.iter().map(|one| {
        let name = one.identifier.as_deref().unwrap_or("-");
        let version = one.version.as_deref().unwrap_or("-");
        format!("{name}@{version} {}: {}", one.code, one.reason)
    });
    (found.collect(), skipped.collect())
}

fn short(commit: &str) -> &str {
    &commit[..12]
}

#[test]
fn a_version_is_its_tags_commit_else_the_first_that_says_it() {
    let repository = Repository::new();
    let first = part(&repository, "1.0.0", "a");
    part(&repository, "1.0.0", "b");
    part(&repository, "1.1.0", "c");
    let tagged = part(&repository, "1.1.0", "d");
    repository.git(&["tag", "v1.1.0"]);
    // A version that comes back is still its first commit, and a tag that says another one names none.
    part(&repository, "1.0.0", "e");
    repository.git(&["tag", "v3.0.0"]);
    let (found, skipped) = told(&repository.history());
    let expected =
        [format!("acme/part@1.0.0 {first} -"), format!("acme/part@1.1.0 {tagged} v1.1.0")];
    assert_eq!(found, expected);
    assert!(skipped.is_empty(), "{skipped:?}");
}

#[test]
fn tags_of_one_version_must_agree_on_its_files() {
    let repository = Repository::new();
    let first = part(&repository, "1.0.0", "a");
    repository.git(&["tag", "v1.0.0"]);
    repository.commit(&[]);
    repository.git(&["tag", "part-v1.0.0"]);
    let (found, skipped) = told(&repository.history());
    assert_eq!((found.len(), skipped.len()), (1, 0), "the same files: {skipped:?}");
    let other = part(&repository, "1.0.0", "b");
    repository.git(&["tag", "part@1.0.0"]);
    let (found, skipped) = told(&repository.history());
    let second = repository.git(&["rev-parse", "part-v1.0.0"]);
    let (a, b, c) = (short(&second), short(&other), short(&first));
    let reason = format!(
        "acme/part@1.0.0 ambiguous: 3 candidate trees differ: {a} (tag `part-v1.0.0`), \
         {b} (tag `part@1.0.0`), {c} (tag `v1.0.0`)"
    );
    assert_eq!((found.len(), &skipped[..]), (0, &[reason][..]));
}

#[test]
fn a_folder_of_two_formats_is_one_package() {
    let repository = Repository::new();
    let circuit =
        "requires-atopile: ^0.12.0\npackage:\n  identifier: acme/part\n  version: 1.0.0\n";
    let manifest = manifest("part", "1.0.0");
    repository.commit(&[(FILE, manifest.as_bytes()), ("ato.yaml", circuit.as_bytes())]);
    let (history, limits) = (repository.history(), Limits::default());
    let setting = Setting::default();
    let (found, skipped) = find(&history, &[], &setting, &limits).unwrap();
    assert!(skipped.is_empty(), "{skipped:?}");
    let packed = Workshop::new(&history, &setting, &limits).pack(&found[0]);
    assert_eq!(packed.unwrap().unwrap().ready.title(), "acme/part@1.0.0");
}

#[test]
fn a_squashed_branch_says_nothing_new() {
    let repository = Repository::new();
    part(&repository, "1.0.0", "a");
    repository.git(&["checkout", "--quiet", "-b", "side"]);
    part(&repository, "1.1.0", "b");
    repository.git(&["checkout", "--quiet", "main"]);
    // The same files, in a commit of its own.
    let squashed = part(&repository, "1.1.0", "b");
    let (found, skipped) = told(&repository.history());
    assert_eq!(found[1], format!("acme/part@1.1.0 {squashed} -"));
    assert!(skipped.is_empty(), "{skipped:?}");
    // Other files: what the default branch holds was released, and a branch that nobody merged was not.
    repository.git(&["checkout", "--quiet", "side"]);
    let draft = part(&repository, "1.2.0", "draft");
    repository.git(&["checkout", "--quiet", "main"]);
    let real = part(&repository, "1.2.0", "real");
    let (found, skipped) = told(&repository.history());
    assert_eq!(found[2], format!("acme/part@1.2.0 {real} -"));
    assert!(skipped.is_empty(), "{skipped:?}");
    // Merged, both are the default branch's, and neither follows on the other.
    repository.git(&["merge", "--quiet", "-s", "ours", "-m", "x", "side"]);
    let (found, skipped) = told(&repository.history());
    assert_eq!(found.len(), 2, "{found:?}");
    let mut both = [short(&draft), short(&real)];
    both.sort_by_key(|id| skipped[0].find(id));
    let reason = format!(
        "acme/part@1.2.0 ambiguous: 2 candidate trees differ: {} (folder `/`), {} (folder `/`)",
        both[0], both[1]
    );
    assert_eq!(skipped, [reason]);
}

#[test]
fn a_version_of_no_merged_branch_is_found_all_the_same() {
    let repository = Repository::new();
    part(&repository, "1.0.0", "a");
    repository.git(&["checkout", "--quiet", "-b", "1.x"]);
    let fix = part(&repository, "1.0.1", "b");
    repository.git(&["checkout", "--quiet", "main"]);
    let into = tempfile::tempdir().unwrap();
    for history in [repository.history(), repository.fetched(into.path())] {
        let (found, _) = told(&history);
        assert_eq!(found[1], format!("acme/part@1.0.1 {fix} -"));
    }
    // Two of them that differ are as good as each other.
    repository.git(&["checkout", "--quiet", "-b", "other"]);
    part(&repository, "1.0.1", "c");
    repository.git(&["checkout", "--quiet", "main"]);
    let (found, skipped) = told(&repository.history());
    assert_eq!((found.len(), skipped.len()), (1, 1), "{skipped:?}");
}

#[test]
fn a_commit_that_git_cannot_read_is_told_and_the_others_are_packed() {
    let repository = Repository::new();
    part(&repository, "1.0.0", "a");
    let broken = part(&repository, "1.1.0", "b");
    part(&repository, "1.2.0", "c");
    let blob = repository.git(&["rev-parse", &format!("{broken}:part.txt")]);
    let object = repository.path().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    std::fs::remove_file(object).unwrap();
    let (history, setting, limits) = (repository.history(), Setting::default(), Limits::default());
    let (found, skipped) = find(&history, &[], &setting, &limits).unwrap();
    assert_eq!((found.len(), skipped.len()), (3, 0));
    let mut workshop = Workshop::new(&history, &setting, &limits);
    let mut packed = Vec::new();
    for one in &found {
        packed.push(workshop.pack(one).unwrap());
    }
    assert!(packed[0].is_ok() && packed[2].is_ok());
    let why = packed[1].as_ref().err().unwrap();
    assert_eq!((why.code, why.commit.as_deref()), ("unreadable", Some(broken.as_str())));
    assert_eq!(why.reason, "the object of `part.txt` cannot be read");
}

#[test]
fn what_is_over_a_limit_is_told_with_the_limit() {
    let repository = Repository::new();
    repository.commit(&[("more", b"x"), ("noise", &[7; 1_000])]);
    part(&repository, "1.0.0", "a");
    let history = repository.history();
    let setting = Setting::default();
    let why = |limits: Limits| {
        let (found, _) = find(&history, &[], &setting, &limits).unwrap();
        let mut workshop = Workshop::new(&history, &setting, &limits);
        let why = workshop.pack(&found[0]).unwrap().err().unwrap();
        format!("{}: {}", why.code, why.reason)
    };
    let start = Limits::default();
    let bytes = 1_000 + 1 + 1 + manifest("part", "1.0.0").len();
    assert_eq!(
        why(Limits { entries: 3, ..start.clone() }),
        format!(
            "too-large: it has 4 files of {bytes} bytes; at most 3 files (`entries`) of 268435456 \
             bytes (`unpacked_bytes`) are packed"
        )
    );
    assert_eq!(
        why(Limits { unpacked_bytes: 500, ..start.clone() }),
        format!(
            "too-large: it has 4 files of {bytes} bytes; at most 10000 files (`entries`) of 500 \
             bytes (`unpacked_bytes`) are packed"
        )
    );
    let archive = why(Limits { archive_bytes: 100, ..start.clone() });
    assert!(archive.ends_with("bytes; at most 100 (`archive_bytes`)"), "{archive}");
    let file = why(Limits { file_bytes: 900, ..start });
    assert!(file.starts_with("refused: `noise`: "), "{file}");
}
