//! What the pages of ecosystems tell people to type is typed here, word for word, against a registry that
//! is for trying out.

use std::process::Command;

use packhouse_tests::binary::root;
use packhouse_tests::ci::escape;
use packhouse_tests::shell::{Shell, blocks};
use packhouse_tests::{Options, TestRegistry};

/// Each page with the job that publishes on it, the folder of its example, and what must be told.
const PAGES: &[(&str, &str, &str, &[&str])] = &[
    (
        "apl",
        "acme/apl-moon",
        "v0.3.0",
        &["Lab-Moon-v0.3.0", "Acme-Moon-v0.3.0.zip", "\"version\": \"0.3.0\""],
    ),
    ("atopile", "acme/sensor", "v1.0.0", &["acme/sensor@1.0.0", "acme-sensor-1.0.0", "thermistor"]),
    ("attune", "acme/disk-watch", "v1.1.0", &["disk-watch 1.1.0", "acme/disk-watch@1.1.0"]),
    ("compose", "acme/pbg-growth", "v0.2.0", &["\"Growth\"", "pbg-cells", "PASS"]),
    (
        "fppm",
        "acme/thermometer",
        "v1.0.0",
        &["acme/Thermometer@1.0.0", "Installed package [acme/Thermometer]"],
    ),
    (
        "kicad",
        "acme/usb-c-sink",
        "v1.0.0",
        &["acme/usb-c-sink@1.0.0", "kicad-footprints:Resistor_SMD"],
    ),
];

/// Where the pages say that the registry is.
const ADDRESS: &str = "https://packages.example.org";

#[test]
fn every_page_leads_from_nothing_to_a_package_that_is_used() {
    let arguments = vec!["--dev-issuer".to_owned()];
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    let (url, token) = (registry.url(), registry.admin_token());
    for (page, repository, tag, told) in PAGES {
        let shell = Shell::new();
        // The stock client of F Prime, where the page calls it.
        let fppm = root().join("target/tools-fppm/bin/fppm");
        std::os::unix::fs::symlink(fppm, shell.path().join("bin/fppm")).unwrap();
        let script = blocks(&format!("docs/ecosystems/{page}.md")).join("\n");
        assert!(script.contains("packhouse publish"), "{page} publishes: {script}");
        let (repository, tagged) = (escape(repository), escape(&format!("refs/tags/{tag}")));
        let issuer = format!("{url}/_dev/token?repository={repository}&ref={tagged}");
        let environment = [
            ("PACKHOUSE_REGISTRY", url.as_str()),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", &issuer),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "anything"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REF_TYPE", "tag"),
            ("GITHUB_REF_NAME", tag),
            ("TOKEN", &token),
        ];
        let said = shell.run(&script.replace(ADDRESS, &url), &environment);
        for part in *told {
            assert!(said.contains(part), "{page}: {part:?} is missing:\n{said}");
        }
    }
}

#[test]
fn every_ecosystem_has_a_page_in_one_shape() {
    let index = std::fs::read_to_string(root().join("docs/ecosystems/README.md")).unwrap();
    let pages = PAGES.iter().map(|(page, ..)| format!("{page}.md"));
    let mut there: Vec<_> = std::fs::read_dir(root().join("docs/ecosystems"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    there.sort();
    assert_eq!(there, pages.collect::<Vec<_>>());
    for name in there {
        assert!(index.contains(&format!("]({name})")), "{name} is in the list");
        let text = std::fs::read_to_string(root().join("docs/ecosystems").join(&name)).unwrap();
        for heading in
            ["## What works unmodified, and what needs a token", "## From nothing to published"]
        {
            assert!(text.contains(&format!("\n{heading}\n")), "{name} lacks `{heading}`");
        }
    }
}

/// What the pages say of a private registry and of writes, asked as their clients ask.
#[test]
fn what_needs_a_token_is_refused_without_one_and_taken_with_it() {
    let options = |private: bool| Options {
        arguments: private.then(|| "--private".to_owned()).into_iter().collect(),
        ..Options::default()
    };
    let (public, private) = (TestRegistry::with(options(false)), TestRegistry::with(options(true)));
    let ask = |url: &str, arguments: &[&str]| -> u16 {
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(arguments)
            .arg(url)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).parse().unwrap()
    };
    let reads = [
        "/apl/v1/packages",
        "/attune/index.json",
        "/compose/v1/packages",
        "/compose/v1/processes",
        "/fppm/registry.yaml",
        "/v1/packages/all",
    ];
    let token = private.admin_token();
    let (bearer, basic) = (format!("authorization: Bearer {token}"), format!("anybody:{token}"));
    for path in reads {
        assert_eq!(ask(&format!("{}{path}", public.url()), &[]), 200, "{path} for anybody");
        let url = format!("{}{path}", private.url());
        assert_eq!(ask(&url, &[]), 401, "{path} without a token");
        assert_eq!(ask(&url, &["-H", &bearer]), 200, "{path} as Bearer");
        assert_eq!(ask(&url, &["-u", &basic]), 200, "{path} as a password");
    }
    for (method, path) in [
        ("POST", "/apl/v1/packages"),
        ("POST", "/compose/v1/packages"),
        ("POST", "/compose/v1/packages/audit"),
        ("PUT", "/compose/v1/packages/1"),
        ("DELETE", "/compose/v1/packages/1"),
        ("POST", "/fppm/listings"),
    ] {
        let url = format!("{}{path}", public.url());
        assert_eq!(ask(&url, &["-X", method, "-d", "{}"]), 401, "{method} {path}");
    }
    // Only reads, and so without a token.
    let url = format!("{}/apl/v1/packages/dependencies", public.url());
    assert_eq!(ask(&url, &["-d", "{\"packages\": []}"]), 200);
}
