//! A corpus of broken manifests: every field of every ecosystem's format with every kind of value that it
//! cannot have, and documents that are none. Each is refused with place, reason, and what would be right.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use packhouse_core::formats::{Found, by_id};
use packhouse_core::manifest::{Manifest, Problem};
use packhouse_core::tree::Tree;

/// A field, and which kinds of value it may have: of `t`ext, `n`umber, `b`oolean, `l`ist and `m`ap.
type Fields = &'static [(&'static str, &'static str)];

/// What each format knows. Texts, lists and maps are given with nothing of sense in them, which none of these
/// holds, but those with a capital letter: their content is the publisher's alone.
const FORMATS: &[(&str, &str, Fields)] = &[
    (
        "apl",
        r#"{"group": "Acme", "name": "Moon", "version": "1.0.0"}"#,
        &[
            ("api", "t"),
            ("author", "t"),
            ("authors", ""),
            ("caseCode", ""),
            ("dependencies", ""),
            ("dependencies[0].alias", "t"),
            ("dependencies[0].group", "t"),
            ("dependencies[0].name", "t"),
            ("dependencies[0].version", "t"),
            ("description", "t"),
            ("devDependencies", ""),
            ("files", ""),
            ("group", "t"),
            ("homepage", "t"),
            ("keywords", "t"),
            ("license", "t"),
            ("name", "t"),
            ("packageFiles", ""),
            ("readme", "t"),
            ("repository", "t"),
            ("source", "t"),
            ("tags", "t"),
            ("version", ""),
        ],
    ),
    (
        "attune",
        r#"{"ref": "weather", "version": "1.0.0"}"#,
        &[
            ("actions", "M"),
            ("author", "t"),
            ("dependencies", ""),
            ("dependencies.attune_version", ""),
            ("dependencies.nodejs_version", ""),
            ("dependencies.packs", ""),
            ("dependencies.python_version", ""),
            ("description", "t"),
            ("email", "t"),
            ("homepage", "t"),
            ("keywords", "L"),
            ("label", "t"),
            ("license", "t"),
            ("meta", "M"),
            ("nodejs", ""),
            ("python", ""),
            ("ref", "t"),
            ("repository", "t"),
            ("rules", "M"),
            ("runtime_deps", ""),
            ("sensors", "M"),
            ("tags", "L"),
            ("triggers", "M"),
            ("version", ""),
            ("workflows", "M"),
        ],
    ),
    (
        "fppm",
        r#"{"package_info": {"id": "acme/Sensor"}, "fprime_info": {"built-with": "3.4.4"}}"#,
        &[
            ("config_objects", ""),
            ("dependencies[0]", ""),
            ("fprime_info", ""),
            ("fprime_info.built-with", "n"),
            ("fprime_info.compatible-with", "nL"),
            ("package_info", ""),
            ("package_info.author", "t"),
            ("package_info.description", "t"),
            ("package_info.id", ""),
            ("package_info.keywords", ""),
            ("package_info.license", "t"),
            ("package_info.name", "t"),
            ("package_info.repo", "t"),
        ],
    ),
    (
        "kicad",
        r#"{"name": "acme/usb", "version": "1.0.0"}"#,
        &[
            ("author", "t"),
            ("blocks", ""),
            ("blocks[0].entry", "t"),
            ("blocks[0].name", "t"),
            ("dependencies", ""),
            ("dependencies[0].identifier", ""),
            ("dependencies[0].version", ""),
            ("description", "t"),
            ("footprints", ""),
            ("license", "t"),
            ("name", "t"),
            ("requires-kicad-tools", ""),
            ("symbols", ""),
            ("version", ""),
        ],
    ),
    (
        "pyproject",
        r#"{"project": {"name": "cells", "version": "1.0"}}"#,
        &[
            ("project", ""),
            ("project.authors", ""),
            ("project.dependencies", ""),
            ("project.description", "t"),
            ("project.dynamic", ""),
            ("project.entry-points", ""),
            ("project.gui-scripts", ""),
            ("project.keywords", ""),
            ("project.license", "t"),
            ("project.license.file", "t"),
            ("project.license.text", "t"),
            ("project.name", "t"),
            ("project.optional-dependencies", ""),
            ("project.readme", "t"),
            ("project.readme.file", "t"),
            ("project.requires-python", ""),
            ("project.scripts", ""),
            ("project.urls", ""),
            ("project.urls.Homepage", "t"),
            ("project.urls.Repository", "t"),
            ("project.version", ""),
        ],
    ),
];

/// The kinds of value, none of which says anything of sense.
const KINDS: [(char, &str); 5] =
    [('t', "\"! ?\""), ('n', "7"), ('b', "true"), ('l', "[7]"), ('m', "{\"x\": 7}")];

/// The item of a list that a field belongs to.
fn beside(field: &str) -> &'static str {
    match field {
        _ if field.starts_with("blocks") => r#"[{"name": "sink", "entry": "sink.kicad_sch"}]"#,
        _ if field.ends_with("identifier") => {
            r#"[{"identifier": "acme/base", "version": "1.0.0"}]"#
        }
        _ => {
            r#"[{"alias": "C", "group": "Acme", "identifier": "acme/base", "name": "Moon", "version": "1.0.0"}]"#
        }
    }
}

/// The document with `value` at `field`, on a line of its own; the line.
fn with(base: &str, field: &str, value: &str) -> (String, u32) {
    let mut json: serde_json::Value = serde_json::from_str(base).unwrap();
    let mut at = &mut json;
    for part in field.split('.') {
        let (key, item) = part.split_once('[').map_or((part, false), |(key, _)| (key, true));
        if !at.is_object() {
            *at = serde_json::json!({});
        }
        at = &mut at[key];
        if item {
            // What stands beside a field of a dependency or a block is right.
            *at = serde_json::from_str(if field.contains("].") { beside(field) } else { "[0]" })
                .unwrap();
            at = &mut at[0];
        }
    }
    *at = serde_json::json!("HERE");
    let text = serde_json::to_string_pretty(&json).unwrap();
    let line = text.lines().position(|line| line.contains("\"HERE\"")).unwrap();
    (text.replace("\"HERE\"", value), u32::try_from(line + 1).unwrap())
}

/// The same in TOML, which has no other way to write it: inline tables, one line a field.
fn toml(json: &str) -> String {
    fn inline(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::Object(map) => {
                let one = |(key, value): (&String, _)| format!("\"{key}\" = {}", inline(value));
                format!("{{{}}}", map.iter().map(one).collect::<Vec<_>>().join(", "))
            }
            serde_json::Value::Array(items) => {
                format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        }
    }
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    let mut out = String::from("[build-system]\n");
    for (key, value) in json.as_object().unwrap() {
        let table = value.as_object().filter(|table| !table.contains_key("x"));
        match table {
            Some(table) => {
                out = format!("{out}[{key}]\n");
                for (key, value) in table {
                    out = format!("{out}\"{key}\" = {}\n", inline(value));
                }
            }
            None => out = format!("{key} = {}\n{out}", inline(value)),
        }
    }
    out
}

fn read(format: &str, bytes: &[u8]) -> Found {
    let format = by_id(format).unwrap();
    let mut tree = Tree::default();
    tree.insert(format.file().parse().unwrap(), bytes.to_vec(), false);
    tree.insert("README.md".parse().unwrap(), b"# x\n".to_vec(), false);
    format.read(&tree)
}

/// Everything that is wrong with it, remarks included.
fn problems(manifest: &Manifest) -> Vec<&Problem> {
    manifest.problems.iter().chain(&manifest.unknown_keys).collect()
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_where_it_stands_whatever_the_field() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (format, base, fields) in FORMATS {
        for (field, takes) in *fields {
            for (kind, value) in KINDS {
                if takes.contains(kind) || takes.contains(kind.to_ascii_uppercase()) {
                    continue;
                }
                seen += 1;
                let (mut text, line) = with(base, field, value);
                let is_toml = *format == "pyproject";
                if is_toml {
                    text = toml(&text);
                }
                let case = format!("{format} {field} = {value}");
                let told = |at: u32, path: &str, message: &str, help: &str| -> bool {
                    let inside = path.starts_with(field.split(['[', '.']).next().unwrap());
                    (is_toml || at >= line) && inside && message.len() > 5 && help.len() > 5
                };
                match read(format, text.as_bytes()) {
                    Found::Package(manifest) => {
                        let found = problems(&manifest)
                            .iter()
                            .any(|p| told(p.at.line, &p.field, &p.message, &p.help));
                        if !found {
                            wrong.push(format!("{case}: {:?}\n{text}", problems(&manifest)));
                        }
                    }
                    Found::Broken(broken) => {
                        let path = broken.field.as_deref().unwrap_or_default();
                        if !told(broken.at.line, path, &broken.message, &broken.help) {
                            wrong.push(format!("{case}: {broken:?}"));
                        }
                    }
                    Found::Missing => wrong.push(format!("{case}: it is taken for none\n{text}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 300, "{seen}");
}

/// Documents that are none of their language, for one language or for all.
fn documents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = |open: &str| open.repeat(5_000).into_bytes();
    let aliases = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(900), "*a, ".repeat(900));
    vec![
        ("all", b"\xFF\xFE\x00".to_vec(), "is not UTF-8"),
        ("all", b"name: \x00".to_vec(), "control character U+0000"),
        ("all", b"a\x1b[31m".to_vec(), "control character U+001B"),
        ("all", vec![b' '; (256 << 10) + 1], "at most 262144 are read"),
        ("yaml", Vec::new(), "is empty"),
        ("yaml", b"7".to_vec(), "is the number `7`"),
        ("yaml", b"- a\n- b\n".to_vec(), "is a list"),
        ("yaml", b"a: [".to_vec(), "is not YAML"),
        ("yaml", b"a: b: c\n".to_vec(), "is not YAML"),
        ("yaml", b"a: 1\na: 2\n".to_vec(), "the key stands here and at line 1"),
        ("yaml", b"a: 1\n---\nb: 2\n".to_vec(), "a second document starts here"),
        ("yaml", b"a: !!python/object:os.system x\n".to_vec(), "has the tag"),
        ("yaml", b"a: &a [*a]\n".to_vec(), "never end"),
        ("yaml", b"? [a]\n: b\n".to_vec(), "where a key belongs"),
        ("yaml", deep("["), ""),
        ("yaml", "- ".repeat(100).into_bytes(), "nest more than 64 deep"),
        ("yaml", deep("a: {"), ""),
        ("yaml", aliases.into_bytes(), "has more than 20000 values"),
        ("json", Vec::new(), ""),
        ("json", b"[]".to_vec(), "is a list"),
        ("json", b"{\"a\": 1, \"a\": 2}".to_vec(), "the key stands here"),
        ("json", b"{\"a\": }".to_vec(), "is not JSON"),
        ("json", b"{a: 'b}".to_vec(), "the text has no end"),
        ("json", b"{} {}".to_vec(), ""),
        ("json", deep("["), "nest more than 64 deep"),
        ("toml", b"[project".to_vec(), "is not TOML"),
        ("toml", b"[project]\nname = \"a\"\nname = \"b\"\n".to_vec(), ""),
        ("toml", b"project = 7\n".to_vec(), "is the number `7`"),
        ("toml", b"[build-system]\n".to_vec(), "has no `[project]` table"),
        ("toml", [b"[project]\nname = ".to_vec(), deep("[")].concat(), ""),
    ]
}

#[test]
fn a_document_that_is_none_is_refused_with_place_and_reason() {
    let mut wrong = Vec::new();
    for (format, ..) in FORMATS {
        let language = match *format {
            "apl" => "json",
            "pyproject" => "toml",
            _ => "yaml",
        };
        for (of, bytes, reason) in documents() {
            if of != "all" && of != language {
                continue;
            }
            let start: Vec<u8> = bytes.iter().copied().take(40).collect();
            let case = format!("{format} {:?}", String::from_utf8_lossy(&start));
            match read(format, &bytes) {
                Found::Broken(broken) => {
                    let told = broken.to_string().contains(reason) && broken.at.line >= 1;
                    if !told || broken.help.is_empty() {
                        wrong.push(format!("{case}: {broken:?}"));
                    }
                }
                // A `package.yaml` that has nothing of F Prime is somebody else's.
                Found::Missing if *format == "fppm" => {}
                other => wrong.push(format!("{case}: {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
