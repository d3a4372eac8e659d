//! No file of F Prime makes its reader panic or run away, and what was read is read the same after it
//! was written. The first byte chooses the reader.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use packhouse_core::fppm::lock::Lock;
use packhouse_core::fppm::project::Project;
use packhouse_core::fppm::{cmake, registry};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&kind, rest)) = input.split_first() else { return Corpus::Reject };
    match kind % 3 {
        0 => read_registry(rest),
        1 => read_project(rest),
        _ => read_lock(rest),
    }
    Corpus::Keep
});

fn read_registry(bytes: &[u8]) {
    let Ok(found) = registry::read(bytes) else { return };
    assert!(found.errors.len() <= 100 && found.warnings.len() <= 100, "one page tells enough");
    for entry in &found.packages {
        assert!(!entry.git.starts_with('-') && !entry.git.is_empty(), "{:?}", entry.git);
        let folder = entry.name.folder();
        assert!(!folder.starts_with('.') && !folder.contains(['/', '\\']), "{folder}");
        assert!(entry.stable.iter().chain(&entry.branch).all(|text| packhouse_core::fppm::is_reference(text)));
        let listed = cmake::listed("", &entry.name).expect("it is not in");
        assert_eq!(cmake::unlisted(&listed, &entry.name).as_deref(), Some(""));
    }
}

fn read_project(bytes: &[u8]) {
    let Ok(project) = Project::read(bytes) else { return };
    let text = project.write();
    // What is larger once it is quoted may be too large to be read again.
    if text.len() > 200 << 10 {
        return;
    }
    let again = Project::read(text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!((&again.registries, &again.packages), (&project.registries, &project.packages));
    assert_eq!(again.write(), text, "it settles at once");
}

fn read_lock(bytes: &[u8]) {
    let Ok(lock) = Lock::read(bytes) else { return };
    let text = lock.write();
    if text.len() <= 200 << 10 {
        assert_eq!(Lock::read(text.as_bytes()).expect("it is one"), lock, "{text}");
    }
}
