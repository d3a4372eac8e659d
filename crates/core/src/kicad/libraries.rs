//! Libraries that KiCad's files name: `Device:R`, `Resistor_SMD:R_0402_1005Metric`.

use std::collections::BTreeSet;

use super::{Token, Tokens};

/// The most libraries that one file is said to name.
const LIBRARIES: usize = 200;
/// The longest name of a library, in bytes.
const NAME_BYTES: usize = 100;

/// A library that is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// Of footprints: `<name>.pretty/`.
    Footprints(String),
    /// Of symbols: `<name>.kicad_sym`.
    Symbols(String),
}

impl Reference {
    /// The library in `Library:Item`; `None` for what is no such text.
    pub fn library(text: &str) -> Option<&str> {
        let (library, item) = text.split_once(':')?;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
        let fits = !library.is_empty() && library.len() <= NAME_BYTES && !item.is_empty();
        (fits && library.chars().all(plain)).then_some(library)
    }

    /// As manifests name it among what a package needs from outside: `kicad-symbols:Device`.
    pub fn external(&self) -> String {
        match self {
            Self::Footprints(name) => format!("kicad-footprints:{name}"),
            Self::Symbols(name) => format!("kicad-symbols:{name}"),
        }
    }

    /// Parses [`Reference::external`].
    pub fn of_external(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        match kind {
            "kicad-footprints" => Some(Self::Footprints(name.to_owned())),
            "kicad-symbols" => Some(Self::Symbols(name.to_owned())),
            _ => None,
        }
    }

    /// Whether a file at `path` belongs to the library.
    pub fn is_in(&self, path: &str) -> bool {
        let mut parts = path.split('/').rev();
        match self {
            Self::Symbols(name) => {
                parts.next().and_then(|file| file.strip_suffix(".kicad_sym")) == Some(name)
            }
            Self::Footprints(name) => {
                parts.next();
                parts.any(|folder| folder.strip_suffix(".pretty") == Some(name))
            }
        }
    }
}

/// The libraries that a schematic or a library of symbols names: `(lib_id "Device:R")`, and the
/// property `Footprint`. At most 200; what is no S-expression names none.
pub fn references(bytes: &[u8]) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let (mut before, mut last) = (Token::Close, Token::Close);
    for (_, token) in Tokens::new(bytes) {
        if found.len() >= LIBRARIES {
            break;
        }
        let library = |token: &Token| match token {
            Token::Text(text) | Token::Word(text) => {
                let text = std::str::from_utf8(text).ok()?;
                Reference::library(text).map(str::to_owned)
            }
            _ => None,
        };
        if last == Token::Word(b"lib_id") {
            found.extend(library(&token).map(Reference::Symbols));
        }
        if before == Token::Word(b"property") && last == Token::Text(b"Footprint") {
            found.extend(library(&token).map(Reference::Footprints));
        }
        (before, last) = (last, token);
    }
    found
}

/// Whether KiCad brings a library of this name: whoever has KiCad has it.
pub fn is_standard(reference: &Reference) -> bool {
    let (name, whole, begins) = match reference {
        Reference::Symbols(name) => (name, SYMBOLS, SYMBOL_FAMILIES),
        Reference::Footprints(name) => (name, FOOTPRINTS, FOOTPRINT_FAMILIES),
    };
    whole.contains(&name.as_str()) || begins.iter().any(|family| name.starts_with(family))
}

/// Libraries of symbols that KiCad 9 brings under just these names.
const SYMBOLS: &[&str] = &[
    "4xxx",
    "4xxx_IEEE",
    "74xGxx",
    "74xx",
    "74xx_IEEE",
    "Audio",
    "Battery_Management",
    "Buffer",
    "Comparator",
    "Connector",
    "Connector_Audio",
    "Connector_Generic",
    "Connector_Generic_MountingPin",
    "Connector_Generic_Shielded",
    "Converter_ACDC",
    "Converter_DCDC",
    "Device",
    "Diode",
    "Diode_Bridge",
    "Diode_Laser",
    "Display_Character",
    "Display_Graphic",
    "Fiber_Optic",
    "Filter",
    "Graphic",
    "Isolator",
    "Isolator_Analog",
    "Jumper",
    "LED",
    "Logic_LevelTranslator",
    "Logic_Programmable",
    "Mechanical",
    "Motor",
    "Nonisolated_Converter",
    "Oscillator",
    "Potentiometer_Digital",
    "power",
    "Reference_Current",
    "Reference_Voltage",
    "Simulation_SPICE",
    "Switch",
    "Timer",
    "Timer_PLL",
    "Timer_RTC",
    "Transformer",
    "Triac_Thyristor",
    "Valve",
    "Video",
];
/// How names of libraries of symbols begin of which KiCad 9 brings many.
const SYMBOL_FAMILIES: &[&str] = &[
    "Amplifier_",
    "Analog",
    "CPU",
    "DSP_",
    "Driver_",
    "FPGA_",
    "GPU",
    "Interface",
    "MCU_",
    "Memory_",
    "Power_",
    "Regulator_",
    "Relay",
    "RF",
    "Sensor",
    "Transistor_",
];
/// Libraries of footprints that KiCad 9 brings under just these names.
const FOOTPRINTS: &[&str] = &[
    "Audio_Module",
    "Battery",
    "Calibration_Scale",
    "Connector",
    "Converter_ACDC",
    "Converter_DCDC",
    "Crystal",
    "Diode_SMD",
    "Diode_THT",
    "Display",
    "Display_7Segment",
    "Ferrite_THT",
    "Fiducial",
    "Filter",
    "Fuse",
    "Heatsink",
    "Jumper",
    "LED_SMD",
    "LED_THT",
    "Module",
    "Motors",
    "MountingEquipment",
    "MountingHole",
    "NetTie",
    "Oscillator",
    "OptoDevice",
    "Potentiometer_SMD",
    "Potentiometer_THT",
    "RF",
    "Rotary_Encoder",
    "Sensor",
    "Socket",
    "Symbol",
    "TestPoint",
    "Transformer_SMD",
    "Transformer_THT",
    "Valve",
    "Varistor",
];
/// How names of libraries of footprints begin of which KiCad 9 brings many.
const FOOTPRINT_FAMILIES: &[&str] = &[
    "Button_Switch_",
    "Buzzer_",
    "Capacitor_",
    "Connector_",
    "Inductor_",
    "Package_",
    "Relay_",
    "Resistor_",
    "RF_",
    "Sensor_",
    "TerminalBlock",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schematic_names_its_libraries() {
        let text = r#"(kicad_sch (version 1) (lib_symbols (symbol "Device:R" (property "Reference" "R")))
            (symbol (lib_id "Device:R") (property "Footprint" "Resistor_SMD:R_0402" (at 0 0)))
            (symbol (lib_id "Acme:USB") (property "Footprint" "") (property "Datasheet" "https://x"))
            (text "(lib_id \"No:No\")") (lib_id ":x") (lib_id "a b:x"))"#;
        let found: Vec<_> = references(text.as_bytes()).iter().map(Reference::external).collect();
        assert_eq!(
            found,
            ["kicad-footprints:Resistor_SMD", "kicad-symbols:Acme", "kicad-symbols:Device"]
        );
    }

    #[test]
    fn a_library_is_held_by_its_files() {
        let symbols = Reference::Symbols("Acme".to_owned());
        assert!(symbols.is_in("lib/Acme.kicad_sym") && symbols.is_in("Acme.kicad_sym"));
        assert!(!symbols.is_in("lib/MyAcme.kicad_sym") && !symbols.is_in("Acme.kicad_sym/x"));
        let footprints = Reference::Footprints("Acme".to_owned());
        assert!(footprints.is_in("lib/Acme.pretty/USB.kicad_mod"));
        assert!(!footprints.is_in("lib/Acme.pretty") && !footprints.is_in("Acme/USB.kicad_mod"));
        for reference in [symbols, footprints] {
            assert_eq!(Reference::of_external(&reference.external()), Some(reference.clone()));
            assert!(!is_standard(&reference));
        }
        assert!(is_standard(&Reference::Symbols("Device".to_owned())));
        assert!(is_standard(&Reference::Footprints("Resistor_SMD".to_owned())));
    }
}
