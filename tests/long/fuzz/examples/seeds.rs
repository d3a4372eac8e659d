//! Writes the inputs from which fuzzing starts into the `corpus/` of each target, those of `token`
//! into `../fuzz-token`: `cargo run --example seeds`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use packhouse_core::archive::corpus::{harmless, hostile};
use packhouse_core::formats::FORMATS;

/// Manifests that go further than the examples do: what formats read, and what rules complain of.
const MANIFESTS: &[(&str, &str)] = &[
    (
        "packhouse",
        "package: &a {identifier: acme/x@1, version: 1.0, license: mit OR, repository: https://u:p@h}\nexports: [*a]\ndependencies:\n- acme/y@^1.2\n- {git: git://h/x.git, ref: main}\n- {path: ../x}\nrequires: {python: '>=3'}\n",
    ),
    (
        "ato",
        "requires-atopile: ^0.9\npackage:\n  identifier: ACME/X/\u{202e}\n  version: v1\n  authors: [a, {name: b}]\nbuilds: {x: {entry: a.ato:A}, y: 1}\ndependencies:\n- {type: git, repo_url: https://h/x.git, ref: main}\n- {type: file, path: ../x, identifier: a/b}\n- acme/y@1.2.3\n- git://h/x.git#b:c\n",
    ),
    (
        "apl",
        "// c\n{group: 'a', \"name\": \"b\", version: '1.0.0-rc.1+x', /* d */\n dependencies: ['a-c-v1.0.0@C', {group: 'a', name: 'd', version: '^1.0.0',},],\n devDependencies: '', files: ['src'], source: 'src', x: [.5, -0x1F, +Infinity, null, '\\u2364\\\n'],}\n",
    ),
    (
        "attune",
        "\u{feff}ref: Core_x\nversion: ~\nruntime_deps: shell\ndependencies: [core@1.0.0, core@latest, x@^1]\nactions: {ask: {label: Ask, parameters: {}}}\nsensors: []\nmeta: {a: [[[1]]], ? b : c}\ntags: ['a\\x1b', \"\\e[31m\"]\n",
    ),
    (
        "kicad",
        "name: usb-c\nversion: 1.0\nauthor: [Ada, {name: B}]\nrequires-kicad-tools: '>=0.10'\ndependencies: {acme/x: ^1, y: 2}\nblocks: [{name: a, entry: a.kicad_sch}, 3]\nfootprints: ['R:R_0402', a.pretty/b.kicad_mod]\nsymbols: ['Device:R', /a]\n",
    ),
    (
        "fppm",
        "package_info: {id: a.b/C, name: [x], repo: << X >>, author: a <b>, license: mit OR}\nfprime_info: {built-with: 3.4, compatible-with: [v3, '>x']}\ndependencies: [a/b@^1, c/d, e]\nconfig_objects: ['a/{{cookiecutter.X}}.fpp', ../x]\n",
    ),
    (
        "pyproject",
        "[project]\nname = 'A_b..c'\ndynamic = ['version']\ndependencies = ['a[b]>=1,<2; extra == \"x\"', 'c @ https://h/c.whl', 'd (==1.*)']\nlicense = {file = 'LICENSE'}\n[project.urls]\n'Source\\Code' = 'https://h'\n[project.scripts]\nx = 'a:b'\n[dependency-groups]\ndev = [{include-group = 'x'}]\n[tool.packhouse]\n",
    ),
    (
        "pyproject",
        "[project]\nname = \"\\u202e\"\nversion = \"1!2.0.post1.dev2+l\"\nreadme = {file = 'README.rst', content-type = 'text/x-rst'}\noptional-dependencies.plots = ['x~=1.0']\n",
    ),
];

/// Files beside a manifest; see `fuzz_targets/manifest.rs`.
const BESIDE: &[u8] = b"\xff\xferef: a\nlabel: \x1b[31m\xff\xfe# Read me\n<<<<<<< x\n\xff\xfeMIT\xff\xfeAWS_SECRET_ACCESS_KEY=x\n";

/// A registry, a project and a lockfile of F Prime; see `fuzz_targets/fppm.rs`.
const FPPM: [&str; 3] = [
    "\x00name: n\npublisher: p\ndescription: d\nupdated-on: 2024-07-10\nnamespaces:\n- A:\n  - B: {git: https://u:p@h/b, stable: 1.0}\n  - BC: [{git: git@h:c}, {stable: 0123456}]\n  D: {E: {git: /e}}\n- F:\n",
    "\x01project: {name: 'A \\x1b', on: [1.0, {a: ~}]}\nregistries: [https://h/r.yaml, ../r.yaml]\npackages:\n- {name: a/B, version: 1.0}\n- name: a/C\n  version: v1\n",
    "\x02schema: 1\npackages:\n- {name: a/B, version: v1, commit: 0123456789abcdef0123456789abcdef01234567, git: /b, registry: r.yaml}\n",
];

/// Indices and a configuration of Attune; see `fuzz_targets/attune.rs`.
const ATTUNE: [&str; 3] = [
    "\x00{\"registry_name\":\"n\",\"registry_url\":\"https://h\",\"version\":\"1.0\",\"last_updated\":\"2026-01-01T00:00:00Z\",\"packs\":[{\"ref\":\"a\",\"label\":\"A\",\"description\":\"\",\"version\":\"1.0.0\",\"author\":\"x\",\"license\":\"MIT\",\"keywords\":[],\"runtime_deps\":[],\"install_sources\":[{\"type\":\"git\",\"url\":\"https://h/a.git\",\"ref\":\"v1\",\"checksum\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}],\"contents\":{\"actions\":[{\"name\":\"a\",\"description\":\"\"}],\"sensors\":2}}]}",
    "\x00{\"metadata\":{\"generated_ts\":1},\"packs\":{\"a\":{\"version\":0.1,\"repo_url\":\"https://h/a\",\"keywords\":[\"x\"]}}}",
    "\x01pack_registry: {indices: [{url: 'https://h/i.json', priority: 1, headers: {A: b}, key: x, enabled: false}]}",
];

/// Files of a circuit; see `fuzz_targets/audit.rs`.
const AUDITS: [&[u8]; 2] = [
    b"import A, B; import A\nfrom \"acme/x/y.ato\" import C\n\xff\xfe\"\"\"\nimport D\n\"\"\" # E\nfrom 'a' import \\\n F\n\xff\xfe(a (model \"${KIPRJMOD}/../b.step\" (c)) (model $(X)/d))\xff\xfe# A\xff\xfe",
    b"import Old from \"parts/a.ato\"\nx = Old(\n)\xff\xfe\xff\xfe(model :Y:a) (model \"../../../c\\\"\")",
];

/// Source of Python; see `fuzz_targets/python.rs`.
const PYTHON: [&[u8]; 2] = [
    b"from .a import *\nfrom .b.c import X as Y\n\nclass A[T](P, Y[T]):\n    config_schema = {'a': -1}\n    def inputs(self):\n        return {'x': 'float'}\n\xffimport process_bigraph as pb\nfrom process_bigraph import Process as P\n__all__ = ['P']\n__all__ += ['S']\nS = pb.Step if P else None\n\xfffrom . import c\n\xfffrom .. import A\ntry:\n    class X(A): pass\nexcept E:\n    X = pb.Step\n",
    b"@pb.step(inputs={}, outputs={})\ndef f(x: int = f'{x:>{y}}') -> None:\n    class L(P): ...\nif __name__ == '__main__':\n    type T[*Ts] = P\nmatch x:\n    case {'a': [1, *_]} | P(): del x\n\xff\xff",
];

/// Files of KiCad; see `fuzz_targets/kicad.rs`.
const KICAD: [&str; 3] = [
    "(kicad_sch (version 1) (symbol (lib_id \"Device:R\") (property \"Footprint\" \"R:R_0402\")))",
    "(footprint \"a\\\"b\" (version 2)",
    "(kicad_symbol_lib\n\t(version x",
];

/// Test reports; see `fuzz_targets/junit.rs`.
const JUNIT: [&str; 2] = [
    "<?xml version=\"1.0\"?>\n<testsuites><testsuite name=\"a &amp; b\"><testcase time=\"1,000.5\"><failure/><![CDATA[<error/>]]></testcase><testcase><skipped/></testcase></testsuite></testsuites>",
    "<!DOCTYPE a [<!ENTITY b \"c\">]><testsuite>&b;<testcase time=\"x\"/><!-- - --></testsuite>",
];

/// Coverage reports; see `fuzz_targets/lcov.rs`.
const LCOV: [&str; 2] = [
    "TN:a\nSF:b\nFN:1,2,f(a,b)\nFNDA:1,f\nFNL:0,1\nFNA:0,2,g\nBRDA:1,e0,(a,b),-\nDA:1,2,x==\nLF:3\nLH:2\nend_of_record\n",
    "# c\nSF:b\r\nFNF:1\nFNH:1\nBRF:2\nBRH:0\nVER:1\nend_of_record\nSF:c\nDA:4294967295,-1\n",
];

/// Advisories; see `fuzz_targets/osv.rs`.
const OSV: [&str; 2] = [
    r#"{"id":"X-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"A"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.2"},{"introduced":"1.5rc1"},{"last_affected":"2"},{"limit":"*"}]}],"versions":["1!1"]}],"aliases":["CVE-1"],"summary":"s"}"#,
    r#"{"id":"X-2","modified":"2026-01-01T00:00:00Z","withdrawn":null,"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N"}],"database_specific":{"severity":"HIGH"},"affected":[{"package":{"ecosystem":"Packhouse","name":"acme/a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"}]},{"type":"GIT","events":[{"introduced":"0"}]}]}]}"#,
];

const HEADER: &str = r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"iss":"https://issuer.example","aud":"a","sub":"s","jti":"j","iat":1800000000,"nbf":1799999400,"exp":1800000300,"repository":"o/r","repository_id":"1","repository_owner":"o","repository_owner_id":"2","repository_visibility":"public","event_name":"push","ref":"refs/tags/v1.0.0","ref_type":"tag","ref_protected":"true","sha":"0","workflow_ref":"o/r/.github/workflows/p.yml@refs/tags/v1.0.0","job_workflow_ref":"w","environment":"e","runner_environment":"github-hosted","run_id":"3","run_attempt":"1","actor":"a","actor_id":"4"}"#;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The first byte tells `zip_scan` that an archive follows.
    let whole = |bytes: &[u8]| [&[0], bytes].concat();
    let folder = Folder::new(root, "zip_scan")?;
    folder.write("harmless", &whole(&harmless()))?;
    folder.write("changed", &[1, 0, 10, 0, 1])?;
    for (index, case) in hostile().iter().enumerate().filter(|(_, case)| case.bytes.len() < 4096) {
        folder.write(&format!("hostile-{index}"), &whole(&case.bytes))?;
    }
    let texts = ["acme/sensor", "0x/a_b-c/d", "1.2.3-rc.1+b", "2!1.0.post1.dev2", "releases/-"];
    Folder::new(root, "identifier")?.write_all(texts)?;
    let texts = ["^1.2 || >=2 <3", "~=1.4,!=1.4.2", "==1.*", "1.2 - 1.4", "^0.3.0", "*", "name>=1"];
    Folder::new(root, "requirement")?.write_all(texts.map(|text| format!("{text}1.2.3")))?;
    Folder::new(root, "zip_pack")?.write("some", b"src/a.py\0Read me\x01docs/b.md\0\x02a")?;
    Folder::new(root, "fppm")?.write_all(FPPM)?;
    Folder::new(root, "attune")?.write_all(ATTUNE)?;
    Folder::new(root, "junit")?.write_all(JUNIT)?;
    Folder::new(root, "lcov")?.write_all(LCOV)?;
    Folder::new(root, "osv")?.write_all(OSV)?;
    manifests(root)?;
    Folder::new(root, "kicad")?.write_all(KICAD)?;
    Folder::new(root, "audit")?.write_all(AUDITS)?;
    Folder::new(root, "python")?.write_all(PYTHON)?;
    tokens(&root.join("../fuzz-token"))
}

/// Where a target's inputs lie.
struct Folder(PathBuf);

impl Folder {
    fn new(root: &Path, target: &str) -> io::Result<Self> {
        let folder = root.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write(self.0.join(name), bytes)
    }

    fn write_all(&self, texts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> io::Result<()> {
        let mut texts = texts.into_iter().enumerate();
        texts.try_for_each(|(index, text)| self.write(&index.to_string(), text.as_ref()))
    }
}

/// The manifests of `examples/` and those above, with each version that the target may set.
fn manifests(root: &Path) -> io::Result<()> {
    let mut found: Vec<(usize, Vec<u8>)> = Vec::new();
    for example in fs::read_dir(root.join("../../../examples"))? {
        let example = example?.path();
        for (index, format) in FORMATS.iter().enumerate() {
            if let Ok(bytes) = fs::read(example.join(format.file())) {
                found.push((index, bytes));
            }
        }
    }
    for (id, text) in MANIFESTS {
        let index = FORMATS.iter().position(|format| format.id() == *id);
        found.push((index.expect("a format"), text.as_bytes().to_vec()));
    }
    let folder = Folder::new(root, "manifest")?;
    for (name, (index, bytes)) in found.iter().enumerate() {
        for version in 0..5 {
            // From 128 on, reports are rendered in JSON.
            let report = version % 2 * 128;
            let kind = u8::try_from(report + index + version * FORMATS.len()).expect("a byte");
            let beside = if version < 3 { BESIDE } else { b"" };
            let input = [&[kind], &bytes[..], beside].concat();
            folder.write(&format!("{name}-{version}"), &input)?;
        }
    }
    Ok(())
}

/// A right token but for its signature, its like from another issuer, and a key set.
fn tokens(root: &Path) -> io::Result<()> {
    let folder = Folder::new(root, "token")?;
    let github = "https://token.actions.githubusercontent.com/acme";
    folder.write_all([
        format!("\x02{HEADER}\n{CLAIMS}"),
        format!("\x02{HEADER}\n{}", CLAIMS.replace("https://issuer.example", github)),
        format!("\x02{}\n{CLAIMS}", HEADER.replace("}", r#","crit":["b64"],"jku":"https://h"}"#)),
        format!("\x01{{\"keys\":[{{\"kty\":\"RSA\",\"alg\":\"RS256\",\"use\":\"sig\",\"kid\":\"k\",\"e\":\"AQAB\",\"n\":\"{}w\"}}]}}", "x".repeat(341)),
        "\x00eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.AQ".to_owned(),
    ])
}
