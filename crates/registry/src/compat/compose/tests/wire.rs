//! Bodies, codes and messages, as clients know them.

use serde_json::{Value, json};

use super::{app, get, local, outline, post, says, send};
use crate::auth::{ApiToken, token_record};
use crate::ports::Action;

#[tokio::test]
async fn a_repository_is_registered_by_what_is_found_in_it() {
    let app = local();
    assert_eq!(get(&app, "/packages").await, json!([]));
    let body = json!({ "kind": "repo_url", "url": "https://git.example/good", "ref": "v1" });
    let (status, package) = post(&app, "/packages", &body).await;
    assert_eq!(status, 200, "{package}");
    let id = package["database_id"].as_u64().unwrap();
    let keys: Vec<&String> = package.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["database_id", "package_type", "name", "processes", "steps", "audit"]);
    let first = &package["processes"][0];
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["module", "name", "compute_type", "inputs", "outputs", "database_id"]);
    assert_eq!(first["module"], "pbg_cells.deep.grow");
    assert_eq!(first["inputs"], "{\"mass\":\"float\"}");
    assert_eq!(package["steps"][0]["name"], "Divide");
    assert_eq!(get(&app, &format!("/packages/{id}")).await, package);
    let listed = get(&app, "/packages").await;
    assert_eq!(listed[0]["num_processes"], 1);
    assert!(listed[0]["created_at"].is_string() && listed[0]["id"] == id, "{listed}");
    let detail = format!("Package 'pbg-cells' already registered (id={id})");
    says(&app, "/packages", body, 409, &detail).await;
    says(
        &app,
        "/packages",
        outline("PBG_Cells", "m"),
        409,
        &detail.replace("pbg-cells", "PBG_Cells"),
    )
    .await;
}

#[tokio::test]
async fn each_refusal_has_the_words_that_clients_know() {
    let app = local();
    for (body, status, detail) in [
        (json!({ "kind": "repo_url" }), 400, "url required when kind='repo_url'"),
        (json!({ "kind": "repo_url", "url": "" }), 400, "url required when kind='repo_url'"),
        (json!({ "kind": "local_path" }), 400, "path required when kind='local_path'"),
        (json!({ "kind": "local_path", "path": "/no" }), 404, "Path not found: /no"),
        (json!({ "kind": "outline" }), 400, "outline required when kind='outline'"),
        (
            json!({ "kind": "x" }),
            400,
            "Unknown kind: x. Use 'repo_url', 'local_path', or 'outline'.",
        ),
        (
            json!({ "kind": "repo_url", "url": "https://git.example/bad" }),
            400,
            "Audit FAILED for https://git.example/bad: ['bigraph-schema dep']",
        ),
        (json!({ "kind": "repo_url", "url": "file:///etc" }), 400, "`file:///etc` is not fetched"),
    ] {
        says(&app, "/packages", body, status, detail).await;
    }
    says(&app, "/packages/audit", json!({ "target": "/no" }), 404, "Path not found: /no").await;
    assert_eq!(
        send(&app, "GET", "/packages/99", "", "").await,
        (404, json!({ "detail": "Package 99 not found" }))
    );
    let (status, body) = send(&app, "GET", "/packages/abc", "", "").await;
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("int_parsing")), "{body}");
    let (status, body) = post(&app, "/packages", &json!({})).await;
    assert_eq!(
        (status, body),
        (
            422,
            json!({ "detail": [{ "type": "missing", "loc": ["body", "kind"],
            "msg": "Field required", "input": {} }] })
        )
    );
    let (status, body) = send(&app, "PATCH", "/packages/1", "", "").await;
    assert_eq!((status, body), (405, json!({ "detail": "Method Not Allowed" })));
}

#[tokio::test]
async fn failed_checks_are_honoured_unless_no_audit_was_asked_for() {
    let app = local();
    let bad = json!({ "kind": "repo_url", "url": "https://git.example/bad", "audit": false });
    let (status, package) = post(&app, "/packages", &bad).await;
    assert_eq!((status, &package["name"]), (200, &json!("pbg-bad")), "{package}");
    let (status, result) = post(
        &app,
        "/packages/audit",
        &json!({ "target": "https://git.example/bad", "run_install": true }),
    )
    .await;
    assert_eq!(status, 200, "{result}");
    let checks = result["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["status"] == "FAIL"));
    let install = checks.iter().find(|check| check["name"] == "pip install -e .").unwrap();
    assert_eq!(install["status"], "WARN");
    assert!(install["detail"].as_str().unwrap().starts_with("skipped"), "{install}");
    assert_eq!(result["target"], "https://git.example/bad");
    assert!(
        result["summary"].as_str().unwrap().starts_with("=== Audit: https://git.example/bad ===")
    );
}

#[tokio::test]
async fn a_path_is_read_on_loopback_only() {
    let far = app("https://packages.example.org", false, false);
    let token = ApiToken::random().unwrap();
    let record =
        token_record(&token, "t", "", vec![Action::Publish, Action::List], 1, far.clock.now());
    far.ledger.put_token(&record).await.unwrap();
    let token = token.secret();
    let body = json!({ "kind": "local_path", "path": "/srv/cells" }).to_string();
    let (status, answer) = send(&far, "POST", "/packages", token.reveal(), &body).await;
    assert_eq!(status, 403, "{answer}");
    let (status, answer) = send(&far, "POST", "/packages", "", &body).await;
    assert_eq!(status, 401, "{answer}");
    let (status, answer) = post(&local(), "/packages", &serde_json::from_str(&body).unwrap()).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_registration_is_changed_and_taken_out_by_its_owner() {
    let app = app("https://packages.example.org", false, false);
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let token = ApiToken::random().unwrap();
        let actions = vec![Action::List];
        let record = token_record(&token, "t", "python:pbg-", actions, 1, app.clock.now());
        app.ledger.put_token(&record).await.unwrap();
        tokens.push(token.secret().reveal().to_owned());
    }
    let first = outline("pbg-a", "a").to_string();
    let (status, package) = send(&app, "POST", "/packages", &tokens[0], &first).await;
    assert_eq!(status, 200, "{package}");
    let path = format!("/packages/{}", package["database_id"]);
    let changed = outline("pbg-a", "b").to_string();
    for method in ["PUT", "DELETE"] {
        let (status, answer) = send(&app, method, &path, &tokens[1], &changed).await;
        assert_eq!(status, 403, "{answer}");
    }
    let other = outline("pbg-b", "b").to_string();
    assert_eq!(send(&app, "PUT", &path, &tokens[0], &other).await.0, 400);
    let (status, answer) = send(&app, "PUT", &path, &tokens[0], &changed).await;
    assert_eq!((status, &answer["processes"][0]["module"]), (200, &json!("b")), "{answer}");
    assert_eq!(send(&app, "DELETE", &path, &tokens[0], "").await.0, 200);
    assert_eq!(send(&app, "GET", &path, "", "").await.0, 404);
    let (status, package) = send(&app, "POST", "/packages", &tokens[1], &first).await;
    assert_eq!(status, 200, "the name is free again: {package}");
    let (status, answer) =
        send(&app, "POST", "/packages", &tokens[1], &outline("cells", "c").to_string()).await;
    assert_eq!(status, 403, "the token is for `python:pbg-` only: {answer}");
}

#[tokio::test]
async fn of_racing_registrations_one_is_done_and_the_others_are_409() {
    let app = local();
    let body = outline("pbg-race", "r");
    let all = futures_util::future::join_all((0..8).map(|_| post(&app, "/packages", &body))).await;
    let mut statuses: Vec<u16> = all.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn a_source_is_core_db_or_both() {
    let app = local();
    assert_eq!(post(&app, "/packages", &outline("pbg-a", "a")).await.0, 200);
    let core = get(&app, "/processes?source=core").await;
    let db = get(&app, "/processes?source=db").await;
    let union = get(&app, "/processes").await;
    assert!(
        core.as_array().unwrap().iter().any(|c| c["name"] == "Composite" && c["database_id"] == 0)
    );
    assert_eq!(db.as_array().unwrap().len(), 1);
    assert_ne!(db[0]["database_id"], 0);
    assert_eq!(union.as_array().unwrap().len(), core.as_array().unwrap().len() + 1);
    let steps = get(&app, "/steps?source=core").await;
    assert!(steps.as_array().unwrap().iter().any(|c| c["module"] == "process_bigraph.emitter"));
    let (status, body) = send(&app, "GET", "/steps?source=databse", "", "").await;
    assert_eq!(status, 422);
    assert_eq!(body["detail"][0]["msg"], "Input should be 'core', 'db' or 'union'");
}

#[tokio::test]
async fn an_audit_answers_each_check_by_its_name() {
    let body = json!({ "target": "https://git.example/good", "ref": "v1" });
    let (status, result) = post(&local(), "/packages/audit", &body).await;
    assert_eq!(status, 200, "{result}");
    let keys: Vec<&String> = result.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["target", "checks", "fixes", "summary"]);
    let check = |name: &str, status: &str, detail: &str| json!({ "name": name, "status": status, "detail": detail });
    assert_eq!(
        result["checks"],
        json!([
            check("pyproject.toml", "PASS", ""),
            check("bigraph-schema dep", "PASS", ""),
            check("process-bigraph dep", "PASS", ""),
            check("requires-python", "PASS", "declared: >=3.11"),
            check("published on PyPI", "WARN", "PyPI check failed: no package index was asked"),
            check("Process/Step subclasses", "PASS", "found 2: Grow (Process), Divide (Step)"),
            check("license-file-missing", "WARN", "no licence file at the root of the package"),
        ])
    );
    let summary = result["summary"].as_str().unwrap();
    let line = format!("{:<35} {:<5}  — declared: >=3.11", "requires-python", "PASS");
    assert!(summary.lines().any(|found| found == line), "{summary}");
    assert!(
        summary
            .contains("\n\n=== Summary ===\nPASS: 5, WARN: 2, FAIL: 0\n\nRecommended fixes:\n  - ")
    );
    assert!(!summary.ends_with('\n'));
}

#[tokio::test]
async fn requests_that_are_none_are_422_with_type_place_and_input() {
    let app = local();
    let (status, body) = post(&app, "/packages/audit", &json!({ "ref": null })).await;
    assert_eq!(status, 422);
    assert_eq!(
        body,
        json!({ "detail": [{ "type": "missing", "loc": ["body", "target"], "msg": "Field required",
            "input": { "ref": null } }] })
    );
    let bad = json!({ "kind": "outline", "outline": { "package_type": "npm", "name": "x", "compute": [
        { "module": "m", "name": "n", "compute_type": "step", "inputs": {}, "outputs": "{}" }] } });
    let (status, body) = post(&app, "/packages", &bad).await;
    assert_eq!(status, 422);
    assert_eq!(
        body["detail"],
        json!([
            { "type": "enum", "loc": ["body", "outline", "package_type"],
              "msg": "Input should be 'pypi' or 'conda'", "input": "npm",
              "ctx": { "expected": "'pypi' or 'conda'" } },
            { "type": "string_type", "loc": ["body", "outline", "compute", 0, "inputs"],
              "msg": "Input should be a valid string", "input": {} },
        ])
    );
    let (status, body) = send(&app, "POST", "/packages", "", "{\"kind\":").await;
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("json_invalid")), "{body}");
    let (status, body) = send(&app, "GET", "/packages/1.5", "", "").await;
    assert_eq!(status, 422);
    assert_eq!(
        body["detail"],
        json!([{ "type": "int_parsing", "loc": ["path", "package_id"], "input": "1.5",
            "msg": "Input should be a valid integer, unable to parse string as an integer" }])
    );
    for id in ["-1", "99999999999999999999"] {
        let found = send(&app, "GET", &format!("/packages/{id}"), "", "").await;
        assert_eq!(found, (404, json!({ "detail": format!("Package {id} not found") })));
    }
}

#[tokio::test]
async fn what_was_checked_stands_beside_what_was_registered() {
    let app = local();
    for (mut body, asked, failed) in [
        (json!({ "kind": "repo_url", "url": "https://git.example/good" }), true, json!([])),
        (
            json!({ "kind": "repo_url", "url": "https://git.example/bad", "audit": false }),
            false,
            json!(["bigraph-schema dep"]),
        ),
        (outline("pbg-a", "a"), true, Value::Null),
        (outline("pbg-b", "b"), false, Value::Null),
    ] {
        body["audit"] = json!(asked);
        let (status, package) = post(&app, "/packages", &body).await;
        assert_eq!(status, 200, "{package}");
        assert_eq!(package["audit"], json!({ "asked": asked, "failed": failed }));
        let path = format!("/packages/{}", package["database_id"]);
        assert_eq!(get(&app, &path).await, package, "it is remembered");
    }
}
