//! One catalogue of all ecosystems: what packages offer is found by kind, browsed page by page, and had
//! by the lines that are shown.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use packhouse_core::formats;
use packhouse_tests::binary::{packhouse, root};
use packhouse_tests::fppm::{project, stock};
use packhouse_tests::{Outcome, Runs as _, TestRegistry, copy, example, plain};
use serde_json::Value;

/// A registry with a package of each ecosystem.
struct World {
    registry: TestRegistry,
    dir: tempfile::TempDir,
}

/// A program that makes a wheel, so that `pip` needs nothing from elsewhere.
const BACKEND: &str = r#"
import glob, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, info = "pbg_growth-0.2.0-py3-none-any.whl", "pbg_growth-0.2.0.dist-info/"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        for file in glob.glob("src/**/*.py", recursive=True):
            wheel.write(file, file.removeprefix("src/"))
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: pbg-growth\nVersion: 0.2.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "")
    return name
"#;

impl World {
    fn new() -> Self {
        let world = Self { registry: TestRegistry::start(), dir: tempfile::tempdir().unwrap() };
        for (name, repository, tag) in [
            ("apl-package", "acme/apl-moon", "v0.3.0"),
            ("ato-sensor", "acme/sensor", "v1.0.0"),
            ("attune-pack", "acme/attune-disk-watch", "v1.1.0"),
            ("fppm-thermometer", "acme/fprime-thermometer", "v1.2.3"),
            ("kicad-block", "acme/usb-c-sink", "v1.0.0"),
            ("packhouse-lib", "acme/units", "v2.1.0"),
            ("python-process", "acme/pbg-growth", "v0.2.0"),
        ] {
            let folder = world.path(name);
            copy(&example(name), &folder);
            match name {
                // A pack that needs no other.
                "attune-pack" => edit(&folder.join("pack.yaml"), "dependencies: [core]\n", ""),
                "python-process" => {
                    let ours = "requires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]";
                    let theirs = "requires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"";
                    edit(&folder.join("pyproject.toml"), theirs, ours);
                    std::fs::write(folder.join("backend.py"), BACKEND).unwrap();
                }
                _ => {}
            }
            // Not public, so that F Prime's client clones from the registry.
            let ci = world.registry.ci(repository).tag(tag);
            let ci = ci.claim("repository_visibility", "private");
            ci.env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", tag).publish(&folder).ok();
        }
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn search(&self, arguments: &[&str]) -> Outcome {
        let mut command = plain(&["search"]);
        command.args(arguments).env("PACKHOUSE_REGISTRY", self.registry.url()).outcome()
    }

    fn found(&self, arguments: &[&str]) -> Value {
        self.search(&[arguments, &["--json"]].concat()).ok().json()
    }

    /// The line that installs what a search finds first.
    fn install(&self, arguments: &[&str]) -> String {
        let found = self.found(arguments);
        found["hits"][0]["install"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned()
    }

    /// Runs a line as a shell does, in a folder, where the programs are that it may name.
    fn run(&self, folder: &Path, line: &str, answers: &str) -> Outcome {
        let programs = self.path("bin");
        if !programs.exists() {
            std::fs::create_dir(&programs).unwrap();
            std::os::unix::fs::symlink(packhouse(), programs.join("packhouse")).unwrap();
        }
        let stock = root().join("target/tools-fppm/bin");
        let path = std::env::join_paths(
            [programs, stock]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut child = Command::new("sh")
            .args(["-c", line])
            .current_dir(folder)
            .env_clear()
            .env("PATH", path.unwrap())
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("PACKHOUSE_REGISTRY", self.registry.url())
            .env("PACKHOUSE_CACHE_DIR", self.path("cache"))
            .env("PIP_NO_DEPS", "1")
            .env("PIP_NO_INDEX", "1")
            .env("PIP_NO_CACHE_DIR", "1")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("PIP_TARGET", self.path("python"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end before it asked.
        let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: format!("$ {line}\n{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    fn folder(&self, name: &str) -> PathBuf {
        std::fs::create_dir_all(self.path(name)).unwrap();
        self.path(name)
    }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

#[test]
fn what_packages_of_every_ecosystem_offer_is_found_by_its_kind() {
    let world = World::new();
    let shown = |arguments: &[&str]| {
        let mut command = plain(&["search"]);
        command.args(arguments).env("PACKHOUSE_REGISTRY", world.registry.url());
        command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").outcome().told()
    };
    assert_snapshot!(shown(&[]), @"
    exit 0
    acme/Acme-Moon@0.3.0    apl        The phase of the moon on a day
        packhouse apl get Acme-Moon-v0.3.0 --uri REGISTRY/apl
    acme/disk-watch@1.1.0   attune     Reports how full disks are, and warns before they are full
        packhouse attune install disk-watch --index REGISTRY/attune/index.json
    acme/pbg-growth@0.2.0   pyproject  Exponential growth of a population as a process-bigraph process
        pip install REGISTRY/blobs/sha256/HEX/acme-pbg-growth-0.2.zip
    acme/sensor@1.0.0       ato        Reads a temperature with a thermistor and gives a filtered voltage
        ato add acme/sensor
    acme/Thermometer@1.2.3  fppm       Reads a temperature over I2C and reports it as telemetry
        fppm install --package acme/Thermometer
    acme/units@2.1.0        packhouse  Units of measurement as data, and a schema for measured values
        packhouse add acme/units
    acme/usb-c-sink@1.0.0   kicad      A USB-C connector that asks for 5 V at 3 A, as a sheet
        packhouse add acme/usb-c-sink
    ");
    assert_snapshot!(shown(&["--kind", "process"]), @"
    exit 0
    process pbg_growth.processes.Growth  acme/pbg-growth@0.2.0  Exponential growth of a population as a process-bigraph process
        pip install REGISTRY/blobs/sha256/HEX/acme-pbg-growth-0.2.zip
    ");
    assert_snapshot!(shown(&["growth"]), @"
    exit 0
    acme/pbg-growth@0.2.0  pyproject  process pbg_growth.processes.Growth  Exponential growth of a population as a process-bigraph process
        pip install REGISTRY/blobs/sha256/HEX/acme-pbg-growth-0.2.zip
    ");
    assert_snapshot!(shown(&["--kind", "block", "sink"]), @"
    exit 0
    block usb-c-sink  sheets/usb-c-sink.kicad_sch  acme/usb-c-sink@1.0.0  A USB-C connector that asks for 5 V at 3 A, as a sheet
        packhouse add acme/usb-c-sink
    ");
    assert_snapshot!(shown(&["--kind", "schema"]), @"
    exit 0
    schema measurement  schemas/measurement.json  acme/units@2.1.0  Units of measurement as data, and a schema for measured values
        packhouse add acme/units
    ");
    assert_snapshot!(shown(&["--kind", "proces"]), @"
    exit 2
    error: there is no kind `proces`
    hint: did you mean `process`? kinds are: action, block, build, config-object, entry-point, footprint, gui-script, namespace, process, rule, schema, script, sensor, step, symbol, table, trigger, workflow
      see: `packhouse explain bad-request`
    ");
    assert_snapshot!(shown(&["--format", "atto"]), @"
    exit 2
    error: there is no format `atto`
    hint: did you mean `ato`? formats are: apl, ato, attune, fppm, kicad, packhouse, pyproject
      see: `packhouse explain bad-request`
    ");
    assert_snapshot!(shown(&["--kind", "process", "--format", "ato"]), @"
    exit 0
    note: there is nothing
    ");
    assert_snapshot!(shown(&["--page", "9"]), @"
    exit 0
    note: there is no page 9: 7 were found
    ");
    assert_eq!(world.search(&["--page", "0"]).code, 2);
    assert_eq!(world.search(&["--limit", "101"]).code, 2);
    let coloured = {
        let mut command = plain(&["search", "growth", "--color", "always"]);
        command.env("PACKHOUSE_REGISTRY", world.registry.url()).outcome().ok().stdout
    };
    assert!(coloured.contains("\u{1b}[1macme/pbg-growth@0.2.0"), "{coloured:?}");

    // Every export of every release is found by its kind, and by its name.
    let packages = world.found(&["--limit", "100"]);
    let mut kinds = BTreeSet::new();
    for hit in packages["hits"].as_array().unwrap() {
        let (id, version) = (hit["identifier"].as_str().unwrap(), hit["version"].as_str().unwrap());
        let manifest = world.registry.get(&format!("/v1/package/{id}/-/manifest/{version}"));
        let index = world.registry.get(&format!("/index/{id}.json"));
        let exports = manifest["exports"].as_array().unwrap();
        let listed = index["exports"].as_array().map(Vec::len).unwrap_or_default();
        assert_eq!(listed, exports.len(), "{index}");
        for export in exports {
            let [kind, name] = ["kind", "name"].map(|key| export[key].as_str().unwrap());
            kinds.insert(kind.to_owned());
            let format = formats::by_id(hit["format"].as_str().unwrap()).unwrap();
            assert!(
                format.id() == "packhouse"
                    || format.kinds().iter().any(|(known, _)| *known == kind),
                "the format `{}` names `{kind}` among its kinds",
                format.id()
            );
            for arguments in [&["--kind", kind, "--limit", "100"][..], &["--kind", kind, name]] {
                let found = world.found(arguments);
                let same =
                    |hit: &&Value| hit["identifier"] == id && hit["exports"][0]["name"] == name;
                let hit = found["hits"].as_array().unwrap().iter().find(same);
                let hit = hit.unwrap_or_else(|| panic!("{arguments:?}: {found}"));
                assert_eq!(hit["exports"][0]["path"], export["path"]);
                assert_eq!(hit["exports"].as_array().unwrap().len(), 1, "the hit is this one");
            }
        }
    }
    for kind in ["block", "build", "config-object", "namespace", "process", "rule", "schema"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    // A closure is for resolvers.
    let closure = world.registry.get("/v1/closure?root=acme/pbg-growth");
    assert!(closure["packages"][0].get("exports").is_none(), "{closure}");
}

#[test]
fn pages_follow_one_another_in_one_order() {
    let world = World::new();
    for arguments in [&[][..], &["--kind", "action"], &["acme"]] {
        let whole = world.found(&[arguments, &["--limit", "100"]].concat());
        let hits = whole["hits"].as_array().unwrap();
        assert_eq!(whole["total"].as_u64().unwrap(), hits.len() as u64, "{whole}");
        let mut paged = Vec::new();
        let mut page = Some(1);
        while let Some(number) = page {
            let answer = world
                .found(&[arguments, &["--limit", "2", "--page", &number.to_string()]].concat());
            assert_eq!(answer["total"], whole["total"]);
            assert_eq!(answer["page"], number);
            paged.extend(answer["hits"].as_array().unwrap().iter().cloned());
            page = answer["next"].as_u64();
        }
        assert_eq!(&paged, hits, "{arguments:?}");
    }
    let identifiers: Vec<_> = world.found(&[])["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["identifier"].as_str().unwrap().to_lowercase())
        .collect();
    assert!(identifiers.is_sorted() && identifiers.len() == 7, "{identifiers:?}");
}

#[test]
fn each_line_that_is_shown_installs_what_was_found() {
    let world = World::new();
    // Python's own installer.
    let line = world.install(&["growth", "--kind", "process"]);
    world.run(&world.folder("."), &line, "").ok();
    assert!(world.path("python/pbg_growth/processes.py").is_file(), "{line}");
    // A pack of Attune.
    let line = world.install(&["--format", "attune"]);
    let desk = world.folder("packs-desk");
    let done = world.run(&desk, &format!("{line} --packs-dir packs"), "").ok();
    assert!(desk.join("packs/disk-watch/pack.yaml").is_file(), "{done}");
    // A package of APL.
    let line = world.install(&["--kind", "namespace"]);
    let desk = world.folder("apl-desk");
    let done = world.run(&desk, &line, "").ok();
    assert!(
        std::fs::read_dir(&desk)
            .unwrap()
            .flatten()
            .any(|file| { std::fs::read(file.path()).unwrap().starts_with(b"PK") }),
        "{done}"
    );
    // The stock client of F Prime, which asks before it does something.
    let line = world.install(&["thermometer", "--kind", "config-object"]);
    let orbiter = world.path("orbiter");
    project(&orbiter);
    let url = format!("{}/fppm/registry.yaml", world.registry.url());
    stock(&orbiter, &["registries", "--add", &url], "").ok();
    let done = world.run(&orbiter, &line, "y\ny\n").ok();
    let installed = orbiter.join("_fprime_packages/acme.Thermometer/package.yaml");
    assert!(installed.is_file(), "{done}");
    // A block, and any other package, in a project.
    for (arguments, file) in [
        (["sink", "--kind", "block"], "acme/usb-c-sink"),
        (["measurement", "--kind", "schema"], "acme/units"),
    ] {
        let board = world.folder("board");
        let manifest = board.join("packhouse.yaml");
        std::fs::write(&manifest, "package: {identifier: acme/board}\n").unwrap();
        let found = world.found(&arguments);
        if found["total"] == 0 {
            panic!("{arguments:?}: {found}");
        }
        let line = world.install(&arguments);
        world.run(&board, &line, "").ok();
        let text = std::fs::read_to_string(&manifest).unwrap();
        assert!(text.contains(file), "{text}");
    }
    // Of a circuit, what the stock client types.
    assert_eq!(world.install(&["--kind", "build"]), "ato add acme/sensor");
    // What another owner holds is left out of the flat view, and had by its identifier.
    let moon = world.path("rival");
    copy(&example("apl-package"), &moon);
    world.registry.ci("rival/moon").tag("v0.3.0").publish(&moon).ok();
    let line = world.install(&["rival/Acme-Moon"]);
    assert_eq!(line, "packhouse fetch rival/Acme-Moon@0.3.0");
    world.run(&world.folder("rivals"), &line, "").ok();
}
