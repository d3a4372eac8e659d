//! `binary-surprise`: no program ships in a package of sources unnoticed. Programs are known by their
//! first bytes, whatever their name says. Whether one is harmful, the rule cannot tell.

use super::{Draft, Facts, Rule, Severity};

pub(super) struct BinarySurprise;

impl Rule for BinarySurprise {
    fn id(&self) -> &'static str {
        "binary-surprise"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A file is a compiled program"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, file) in facts.tree.iter() {
            if let Some(what) = program(path.file_name(), &file.bytes) {
                let help = "ship what it is built from, or say in the README why it is there";
                found.push(
                    self.finding(format!("this is {what}")).file(path).about(what).help(help),
                );
            }
        }
    }
}

/// What kind of program `bytes` are, by the formats' magic numbers.
pub(super) fn program(name: &str, bytes: &[u8]) -> Option<&'static str> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match bytes.get(..4)? {
        [0x7F, b'E', b'L', b'F'] => Some("a program or library for Linux (ELF)"),
        [0xFE, 0xED, 0xFA, 0xCE | 0xCF] | [0xCE | 0xCF, 0xFA, 0xED, 0xFE] => {
            Some("a program or library for macOS (Mach-O)")
        }
        // Java took the number of Mach-O's universal files; those hold few architectures, and the
        // same place of a class file is a version from 45 on.
        [0xCA, 0xFE, 0xBA, 0xBE] => match bytes.get(4..8)? {
            [0, 0, 0, 1..=20] => Some("a program or library for macOS (Mach-O)"),
            _ => Some("a compiled Java class"),
        },
        [b'M', b'Z', ..] => {
            let at = bytes.get(0x3C..0x40)?;
            let at = u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize;
            let signature = bytes.get(at..at.checked_add(4)?)?;
            (signature == b"PE\0\0").then_some("a program or library for Windows (PE)")
        }
        [0, b'a', b's', b'm'] => Some("a WebAssembly module"),
        [b'P', b'K', 3, 4] => match extension.as_deref()? {
            "jar" | "war" | "ear" => Some("a Java program (jar)"),
            "apk" => Some("an Android program"),
            "whl" => Some("a built Python package (wheel)"),
            _ => None,
        },
        _ => None,
    }
}
