//! Whatever is thrown at a path of an ecosystem is refused in that path's own shape, and changes nothing.

use packhouse_tests::binary::root;
use packhouse_tests::{Options, TestRegistry, http};
use serde_json::{Value, json};

/// Every route, its methods, and an address of it.
const ROUTES: &[(&str, &[&str], &str)] = &[
    ("/apl/api/v1", &["GET"], "/apl/api/v1"),
    ("/apl/api/v1/packages", &["GET", "POST"], "/apl/api/v1/packages"),
    ("/apl/api/v1/packages/dependencies", &["POST"], "/apl/api/v1/packages/dependencies"),
    ("/apl/api/v1/packages/{id}", &["GET"], "/apl/api/v1/packages/{}"),
    ("/apl/v1", &["GET"], "/apl/v1"),
    ("/apl/v1/packages", &["GET", "POST"], "/apl/v1/packages"),
    ("/apl/v1/packages/dependencies", &["POST"], "/apl/v1/packages/dependencies"),
    ("/apl/v1/packages/{id}", &["GET"], "/apl/v1/packages/{}"),
    ("/attune/api/v1/packs/install", &["POST"], "/attune/api/v1/packs/install"),
    ("/attune/index.json", &["GET"], "/attune/index.json"),
    ("/attune/listings/{ref}", &["PUT", "DELETE"], "/attune/listings/{}"),
    ("/compose/v1/packages", &["GET", "POST"], "/compose/v1/packages"),
    ("/compose/v1/packages/audit", &["POST"], "/compose/v1/packages/audit"),
    ("/compose/v1/packages/{id}", &["GET", "PUT", "DELETE"], "/compose/v1/packages/{}"),
    ("/compose/v1/processes", &["GET"], "/compose/v1/processes"),
    ("/compose/v1/steps", &["GET"], "/compose/v1/steps"),
    ("/fppm/git/{owner}/{repository}/{*path}", &["GET"], "/fppm/git/{}/{}.git/info/{}"),
    ("/fppm/listings", &["POST"], "/fppm/listings"),
    ("/fppm/registry.yaml", &["GET"], "/fppm/registry.yaml"),
    ("/fppm/{owner}/registry.yaml", &["GET"], "/fppm/{}/registry.yaml"),
];

/// Texts that no part of a path may be.
const PARTS: &[&str] = &[
    "%FF%FE",
    "%00",
    "..%2F..%2Fetc%2Fpasswd",
    "%2e%2e",
    "-1",
    "99999999999999999999999",
    "a%0D%0AX-Injected:%201",
    "%E2%80%AEgnp.exe",
    "'%22%3E%3Cscript%3E",
    "%7B%7B7*7%7D%7D",
];

/// Queries that are wrong, and the paths that read them.
const QUERIES: &[(&str, &str)] = &[
    ("/apl/v1/packages", "page=0"),
    ("/apl/v1/packages", "page=99999999999999999999999"),
    ("/apl/v1/packages", "per_page=-1"),
    ("/apl/v1/packages", "name=("),
    ("/apl/v1/packages", "name=%5C1(a)"),
    ("/apl/v1/packages", "name=(%3F%3Dx)"),
    ("/apl/v1/packages", "name=((((((a{99}){99}){99}){99}){99}){99})"),
    ("/apl/v1/packages", "page=1&page=2"),
    ("/compose/v1/processes", "source=databse"),
    ("/compose/v1/steps", "source=%00"),
];

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str| open.repeat(100_000).into_bytes();
    let form = |body: &str| body.replace('\n', "\r\n").into_bytes();
    vec![
        ("application/json", Vec::new()),
        ("application/json", b"null".to_vec()),
        ("application/json", b"[]".to_vec()),
        ("application/json", b"7".to_vec()),
        ("application/json", b"{".to_vec()),
        ("application/json", b"{}".to_vec()),
        ("application/json", b"\"text\"".to_vec()),
        (
            "application/json",
            b"{\"packages\": 7, \"kind\": 7, \"source\": 7, \"target\": 7}".to_vec(),
        ),
        (
            "application/json",
            b"{\"kind\": \"repo_url\", \"url\": \"ext::sh -c id\", \"packages\": {}}".to_vec(),
        ),
        (
            "application/json",
            b"{\"kind\": \"outline\", \"outline\": {\"compute\": [{}]}, \"packages\": null}"
                .to_vec(),
        ),
        ("application/json", b"{\"kind\": \"local_path\", \"path\": \"\\u0000\"}".to_vec()),
        ("application/json", b"\xFF\xFE\x00{\x00}".to_vec()),
        ("application/json", deep("[")),
        ("application/json", deep("{\"a\":")),
        ("application/json", vec![b' '; 5 << 20]),
        ("application/zip", b"PK\x05\x06".to_vec()),
        ("application/zip", [&b"PK\x03\x04"[..], &[0xFF; 300]].concat()),
        ("application/zip", vec![0; 5 << 20]),
        ("multipart/form-data", b"--x--".to_vec()),
        ("multipart/form-data; boundary=x", b"--x\r\n".to_vec()),
        (
            "multipart/form-data; boundary=x",
            form(
                "--x\nContent-Disposition: form-data; name=\"f\"; filename=\"p.zip\"\n\nno zip\n--x--\n",
            ),
        ),
        ("text/yaml", b"a: &a [*a]".to_vec()),
    ]
}

/// Whether an answer is an error as clients of `path` read it.
fn is_in_shape(path: &str, body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    if path.starts_with("/fppm") {
        let (first, rest) = text.split_once('\n').unwrap_or_default();
        return first.starts_with("error: \"")
            && first.ends_with('"')
            && rest.starts_with("status: 4");
    }
    let Ok(Value::Object(json)) = serde_json::from_str(text) else { return false };
    let readable =
        |key: &str| json.get(key).is_some_and(|v| v.as_str().is_some_and(|t| t.len() > 5));
    match path {
        _ if path.starts_with("/apl") => json.len() == 1 && readable("error"),
        _ if path.starts_with("/attune") => readable("error") && json["code"].is_string(),
        // What the program itself calls a validation error is a list of places.
        _ => json.len() == 1 && (readable("detail") || json["detail"][0]["loc"].is_array()),
    }
}

#[test]
fn the_table_has_every_route_of_an_ecosystem() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("crates/registry/src/compat")).unwrap().flatten() {
        for file in std::fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            if file.path().is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(file.path()).unwrap();
            for rest in text.split(".route(").skip(1) {
                let prefix = rest.trim_start().starts_with("prefix");
                let quoted = rest.split('"').nth(1).unwrap_or_default();
                let template = if prefix { "{prefix}" } else { quoted };
                for own in ["/apl/v1", "/apl/api/v1"] {
                    found.push(
                        template.replace("{prefix}", own).replace("{{", "{").replace("}}", "}"),
                    );
                }
            }
        }
    }
    found.sort();
    found.dedup();
    let table: Vec<_> = ROUTES.iter().map(|(template, ..)| (*template).to_owned()).collect();
    assert_eq!(found, table);
}

#[test]
fn what_is_thrown_at_a_path_is_refused_in_its_own_shape_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let packs = dir.path().join("packs");
    let arguments = vec!["--attune-packs-dir".to_owned(), packs.to_str().unwrap().to_owned()];
    let options = Options { arguments, ..Options::default() };
    let registry = TestRegistry::with(options);
    let operator = format!("Bearer {}", registry.admin_token());
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let (status, answer) =
            http::send(method, &format!("{}{path}", registry.url()), headers, body);
        asked += 1;
        if !(400..500).contains(&status) || !is_in_shape(path, &answer) {
            let start: Vec<u8> = body.iter().copied().take(60).collect();
            let (start, answer) =
                (String::from_utf8_lossy(&start), String::from_utf8_lossy(&answer));
            let told: String = answer.chars().take(200).collect();
            wrong.push(format!("{method} {path} {start:?}: {status} {told}"));
        }
        status
    };
    let bodies = bodies();
    for (_, methods, address) in ROUTES {
        let path = address.replace("{}", "1");
        for method in methods.iter().filter(|method| **method != "GET") {
            for (kind, body) in &bodies {
                // What reads no body, or not all of it, answers before that is sent: the client may not hear it.
                let most = match path.as_str() {
                    _ if *method == "DELETE" => 10 << 10,
                    path if path.starts_with("/attune") => 1 << 20,
                    _ => usize::MAX,
                };
                if body.len() > most {
                    continue;
                }
                let operator = [("authorization", operator.as_str()), ("content-type", kind)];
                ask(method, &path, &operator, body);
            }
            // Without a token nothing of the body is looked at, but where a POST only reads.
            let status = ask(method, &path, &[("content-type", "application/json")], b"{");
            let reads = path.ends_with("/dependencies");
            assert_eq!(status, if reads { 400 } else { 401 }, "{method} {path}");
            for refused in ["Bearer pkh_nothing", "Bearer ", "Basic !!!", "Digest x", "Basic eDp5"]
            {
                let status = ask(method, &path, &[("authorization", refused)], b"{}");
                assert!(reads || status == 401, "{method} {path} {refused}: {status}");
            }
        }
        for method in ["DELETE", "PATCH", "PUT", "POST", "GET"] {
            if !methods.contains(&method) {
                ask(method, &path, &[("authorization", &operator)], b"");
            }
        }
        for part in PARTS.iter().filter(|_| address.contains("{}")) {
            let path = address.replace("{}", part);
            for method in methods.iter() {
                let body = json!({"kind": "outline", "outline": {"package_type": "pypi", "name": "x", "compute": []}});
                ask(method, &path, &[("authorization", &operator)], body.to_string().as_bytes());
            }
        }
    }
    for (path, query) in QUERIES {
        ask("GET", &format!("{path}?{query}"), &[], b"");
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    let log = registry.log();
    assert!(!log.contains("panicked"), "{log}");
    // Nothing is left behind: no package, no listing, no pack, no clone.
    for (view, what) in [
        ("/apl/v1/packages", "\"total\":0"),
        ("/compose/v1/packages", "[]"),
        ("/fppm/registry.yaml", "namespaces: []"),
        ("/attune/index.json", "\"packs\": []"),
    ] {
        let (status, body) = registry.fetch(view);
        let text = String::from_utf8_lossy(&body);
        assert!(status == 200 && text.contains(what), "{view}: {text}");
    }
    let clones = std::fs::read_dir(registry.data().join("sources")).into_iter().flatten().count();
    let packs = std::fs::read_dir(&packs).into_iter().flatten().flatten();
    let packs: Vec<_> = packs.filter(|e| e.file_name() != ".packhouse").collect();
    assert_eq!((clones, packs.len()), (0, 0), "{packs:?}");
}

#[test]
fn a_package_of_apl_that_is_too_large_to_be_posted_is_told_how_it_is_published() {
    let registry = TestRegistry::start();
    let operator = format!("Bearer {}", registry.admin_token());
    let headers = [("authorization", operator.as_str()), ("content-type", "application/zip")];
    for prefix in ["/apl/v1", "/apl/api/v1"] {
        let url = format!("{}{prefix}/packages", registry.url());
        for more in [1, 3 << 20] {
            let (status, body) = http::send("POST", &url, &headers, &vec![0; (4 << 20) + more]);
            let answer: Value = serde_json::from_slice(&body).unwrap();
            let told = answer["error"].as_str().unwrap();
            assert_eq!(status, 413, "{told}");
            assert!(
                told.contains("4194304 bytes") && told.contains("`packhouse publish`"),
                "{told}"
            );
        }
    }
}
