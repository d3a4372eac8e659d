//! How a package is installed: the line that a user of its community types.

use crate::identifier::Identifier;

/// A package of a registry, as far as a line that installs it names it.
#[derive(Clone, Copy, Debug)]
pub struct Installed<'a> {
    /// The package.
    pub identifier: &'a Identifier,
    /// Its latest version.
    pub version: &'a str,
    /// Whether that version is a yanked one, for want of others: views of other clients leave it out.
    pub yanked: bool,
    /// The ecosystem's own name, where the package holds it.
    pub native: Option<&'a str>,
    /// The registry's public address, without a final `/`.
    pub registry: &'a str,
    /// The archive's permanent address, for formats that [install from it](super::Format::installs_archives).
    pub archive: Option<&'a str>,
}

impl<'a> Installed<'a> {
    /// The name under which a flat view shows the package, if one does.
    pub(super) fn shown(&self) -> Option<&'a str> {
        self.native.filter(|_| !self.yanked)
    }

    /// The line for clients that know identifiers: projects of `packhouse` do.
    pub(super) fn add(&self) -> String {
        format!("packhouse add {}", self.identifier)
    }

    /// The line that works for every package, whatever its community's client can reach.
    pub fn fetch(&self) -> String {
        format!("packhouse fetch {}", word(&format!("{}@{}", self.identifier, self.version)))
    }
}

/// `text` as one word of a shell of POSIX. Names come from publishers.
pub(super) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&b);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FORMATS, by_id};
    use super::*;

    fn lines(held: bool, version: &str, yanked: bool) -> String {
        let lines = FORMATS.iter().map(|format| {
            let (name, native) = match format.id() {
                "apl" => ("Acme-Moon", "Acme-Moon"),
                "fppm" => ("Thermometer", "acme/Thermometer"),
                _ => ("pack", "pack"),
            };
            let line = format.install(&Installed {
                identifier: &Identifier::new("acme", name).unwrap(),
                version,
                yanked,
                native: held.then_some(native),
                registry: "https://packages.example.org",
                archive: format
                    .installs_archives()
                    .then_some("https://packages.example.org/blobs/sha256/00/pack-1.0.0.zip"),
            });
            format!("{}: {line}\n", format.id())
        });
        lines.collect()
    }

    #[test]
    fn each_community_s_own_client_installs_what_it_can_reach() {
        insta::assert_snapshot!(lines(true, "1.0.0", false), @"
        packhouse: packhouse add acme/pack
        apl: packhouse apl get Acme-Moon-v1.0.0 --uri https://packages.example.org/apl
        ato: ato add acme/pack
        attune: packhouse attune install pack --index https://packages.example.org/attune/index.json
        fppm: fppm install --package acme/Thermometer
        kicad: packhouse add acme/pack
        pyproject: pip install https://packages.example.org/blobs/sha256/00/pack-1.0.0.zip
        ");
        insta::assert_snapshot!(lines(true, "1.1.0-rc.1", false), @"
        packhouse: packhouse add acme/pack
        apl: packhouse apl get Acme-Moon-v1.1.0-rc.1 --uri https://packages.example.org/apl
        ato: ato add acme/pack
        attune: packhouse fetch acme/pack@1.1.0-rc.1
        fppm: fppm install --package acmeDevel/Thermometer
        kicad: packhouse add acme/pack
        pyproject: pip install https://packages.example.org/blobs/sha256/00/pack-1.0.0.zip
        ");
        insta::assert_snapshot!(lines(true, "1.0.0", true), @"
        packhouse: packhouse add acme/pack
        apl: packhouse fetch acme/Acme-Moon@1.0.0
        ato: ato add acme/pack
        attune: packhouse fetch acme/pack@1.0.0
        fppm: packhouse fetch acme/Thermometer@1.0.0
        kicad: packhouse add acme/pack
        pyproject: pip install https://packages.example.org/blobs/sha256/00/pack-1.0.0.zip
        ");
        insta::assert_snapshot!(lines(false, "1.0.0", false), @"
        packhouse: packhouse add acme/pack
        apl: packhouse fetch acme/Acme-Moon@1.0.0
        ato: ato add acme/pack
        attune: packhouse fetch acme/pack@1.0.0
        fppm: fppm install --package acme/Thermometer
        kicad: packhouse add acme/pack
        pyproject: pip install https://packages.example.org/blobs/sha256/00/pack-1.0.0.zip
        ");
    }

    #[test]
    fn no_name_runs_a_command() {
        for (text, expected) in [
            ("acme/sensor@1.0.0+a", "acme/sensor@1.0.0+a"),
            ("a;id", "'a;id'"),
            ("a'$(id)`id`", r"'a'\''$(id)`id`'"),
            ("∆x", "'∆x'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), expected);
        }
        let hostile = Installed {
            identifier: &Identifier::new("acme", "x").unwrap(),
            version: "1.0.0",
            yanked: false,
            native: Some("x; rm -rf ~"),
            registry: "https://packages.example.org",
            archive: None,
        };
        let line = by_id("attune").unwrap().install(&hostile);
        assert!(line.contains("install 'x; rm -rf ~' --index"), "{line}");
    }
}
