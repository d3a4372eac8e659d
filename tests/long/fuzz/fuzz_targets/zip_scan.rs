//! What the scan accepts, another parser reads the same way, and reading it stays under its caps.
//!
//! The first byte of the input chooses: an even one means that the rest is an archive, an odd one
//! that the rest are changes to an archive that is known to be good. Near misses are found that way.
#![no_main]

use std::io::{Cursor, Read as _};

use libfuzzer_sys::{Corpus, fuzz_target};
use packhouse_core::archive::{ArchiveError, corpus, read, read_parallel, scan};
use packhouse_core::limits::Limits;

fuzz_target!(init: {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    pool.build_global().unwrap();
}, |input: &[u8]| -> Corpus {
    let Some((&kind, rest)) = input.split_first() else { return Corpus::Reject };
    if kind % 2 == 0 {
        check(rest);
    } else {
        check(&changed(corpus::harmless(), rest));
    }
    Corpus::Keep
});

/// Applies changes of four bytes each: what, where (two bytes), with which byte.
fn changed(mut bytes: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[1], change[2]])) % bytes.len().max(1);
        match change[0] % 5 {
            _ if bytes.is_empty() => return bytes,
            0 => bytes[at] = change[3],
            1 => bytes[at] = bytes[at].wrapping_add(change[3]),
            2 => bytes.insert(at, change[3]),
            3 => drop(bytes.remove(at)),
            _ => {
                let piece = bytes[at..bytes.len().min(at + usize::from(change[3]))].to_vec();
                let behind = at + piece.len();
                bytes.splice(behind..behind, piece);
            }
        }
    }
    bytes
}

fn check(archive: &[u8]) {
    let limits = Limits {
        archive_bytes: 1 << 20,
        unpacked_bytes: 8 << 20,
        file_bytes: 4 << 20,
        entries: 500,
        ..Limits::default()
    };
    let Ok(entries) = scan(archive, &limits) else {
        assert!(read(archive, &limits, |_, _| {}).is_err());
        return;
    };
    let mut other = zip::ZipArchive::new(Cursor::new(archive)).expect("the other parser opens it");
    assert_eq!(other.len(), entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let file = other.by_index_data(index).expect("the other parser finds it");
        assert_eq!(file.name_raw(), entry.path.as_str().as_bytes());
        assert_eq!(file.size(), entry.bytes);
        assert_eq!(file.compressed_size(), entry.packed_bytes);
        assert_eq!(file.crc32(), entry.crc32);
        assert!(file.is_file() && !file.is_symlink() && !file.encrypted());
    }
    assert!(!other.has_overlapping_entries().expect("ranges are known"));

    let mut sum = 0;
    let mut contents = Vec::new();
    let whole = read(archive, &limits, |entry, bytes| {
        assert_eq!(entry.bytes, bytes.len() as u64);
        sum += entry.bytes;
        contents.push(bytes.to_vec());
    });
    assert!(sum <= limits.unpacked_bytes);
    let parallel = read_parallel(archive, &limits, |_, _| Ok::<_, ArchiveError>(()));
    match (whole, parallel) {
        (Ok(whole), Ok(parallel)) => {
            assert_eq!(whole.tree_digest, parallel.tree_digest);
            assert_eq!(whole.unpacked_bytes, sum);
            for (index, content) in contents.iter().enumerate() {
                let mut same = Vec::new();
                let mut file = other.by_index(index).expect("the other parser finds it");
                file.read_to_end(&mut same).expect("the other parser reads it");
                assert_eq!(&same, content);
            }
        }
        (Err(one), Err(other)) => assert_eq!(one, other),
        (one, other) => panic!("{one:?} {other:?}"),
    }
}
