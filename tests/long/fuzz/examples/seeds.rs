//! Writes the inputs from which fuzzing starts into `corpus/`: `cargo run --example seeds`.

use std::path::Path;

use packhouse_core::archive::corpus::{harmless, hostile};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let folder = root.join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), bytes)
    };
    // The first byte tells `zip_scan` that an archive follows.
    let whole = |bytes: &[u8]| [&[0], bytes].concat();
    write("zip_scan", "harmless", &whole(&harmless()))?;
    write("zip_scan", "changed", &[1, 0, 10, 0, 1])?;
    for (index, case) in hostile().iter().enumerate().filter(|(_, case)| case.bytes.len() < 4096) {
        write("zip_scan", &format!("hostile-{index}"), &whole(&case.bytes))?;
    }
    let texts = ["acme/sensor", "0x/a_b-c/d", "1.2.3-rc.1+b", "2!1.0.post1.dev2", "releases/-"];
    for (index, text) in texts.iter().enumerate() {
        write("identifier", &format!("{index}"), text.as_bytes())?;
    }
    let texts = ["^1.2 || >=2 <3", "~=1.4,!=1.4.2", "==1.*", "1.2 - 1.4", "^0.3.0", "*", "name>=1"];
    for (index, text) in texts.iter().enumerate() {
        write("requirement", &format!("{index}"), format!("{text}1.2.3").as_bytes())?;
    }
    Ok(())
}
