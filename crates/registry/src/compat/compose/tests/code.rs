//! A registry that is set to answer as the first program's code, point by point.

use serde_json::{Value, json};

use super::{app, get, outline, post};
use crate::app::App;

fn as_code() -> App {
    app("http://localhost:8080", true, true)
}

fn shown(package: &Value) -> Vec<String> {
    let classes =
        ["processes", "steps"].into_iter().flat_map(|kind| package[kind].as_array().unwrap());
    classes
        .map(|class| {
            assert_eq!((&class["inputs"], &class["outputs"]), (&json!("{}"), &json!("{}")));
            let text = |key: &str| class[key].as_str().unwrap();
            format!("{} {}.{}", text("compute_type"), text("module"), text("name"))
        })
        .collect()
}

#[tokio::test]
async fn packages_are_read_by_a_regular_expression() {
    let body = json!({ "kind": "local_path", "path": "/srv/flat" });
    let (status, package) = post(&as_code(), "/packages", &body).await;
    assert_eq!(status, 200, "{package}");
    let keys: Vec<&String> = package.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["database_id", "package_type", "name", "processes", "steps"]);
    assert_eq!((&package["name"], &package["package_type"]), (&json!("pbg-cells"), &json!("pypi")));
    // Packages in between are dropped, tests are read, comments count, what stands twice is kept
    // twice, `multiprocessing` is as good as any, `src/` and indirect classes are not found.
    assert_eq!(
        shown(&package),
        [
            "process pbg_cells.grow.Grow",
            "process tests.t.Work",
            "process tests.t.Work",
            "step pbg_cells.__init__.Top",
            "step pbg_cells.grow.Divide",
            "step pbg_cells.more.Gone",
        ]
    );
    let exact = app("http://localhost:8080", true, false);
    let (_, package) = post(&exact, "/packages", &body).await;
    assert_eq!(
        package["processes"][0]["module"], "inner",
        "by default, what is in `src/` is the package"
    );
}

#[tokio::test]
async fn an_audit_counts_what_the_expression_finds_and_no_more() {
    let target = json!({ "target": "/srv/flat" });
    let (_, result) = post(&as_code(), "/packages/audit", &target).await;
    let checks = result["checks"].as_array().unwrap();
    let last = checks.last().unwrap();
    assert_eq!(
        last["name"], "Process/Step subclasses",
        "no check stands behind the first program's"
    );
    let found =
        "found 6: Top (Step), Grow (Process), Divide (Step), Gone (Step), Work (Process), ...";
    assert_eq!(last["detail"], found);
}

#[tokio::test]
async fn a_repository_without_a_name_is_called_repo() {
    let body = json!({ "kind": "repo_url", "url": "https://git.example/flat" });
    let (status, package) = post(&as_code(), "/packages", &body).await;
    assert_eq!((status, &package["name"]), (200, &json!("repo")), "{package}");
    let (status, answer) =
        post(&app("http://localhost:8080", true, false), "/packages", &body).await;
    assert_eq!(status, 400, "by default it has no outline: {answer}");
}

#[tokio::test]
async fn lists_are_core_first_whatever_is_asked_for() {
    let app = as_code();
    for (name, module) in [("pbg-a", "a"), ("pbg-b", "a"), ("pbg-c", "process_bigraph.composite")] {
        let mut body = outline(name, module);
        if name == "pbg-c" {
            body["outline"]["compute"][0]["name"] = json!("Composite");
        }
        assert_eq!(post(&app, "/packages", &body).await.0, 200);
    }
    let core = get(&app, "/processes").await;
    for asked in ["core", "databse", ""] {
        let path = format!("/processes?source={asked}");
        assert_eq!(core, get(&app, &path).await, "the default, and what is unknown, is `core`");
    }
    let rows = core.as_array().unwrap();
    let keys: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(keys.contains(&"Composite") && keys.contains(&"process_bigraph.composite.Composite"));
    let composite = rows.iter().find(|row| row["name"] == "Composite").unwrap();
    assert!(composite["inputs"].as_str().unwrap().contains("global_time_precision"));
    assert_eq!(composite["inputs"], composite["outputs"], "its configuration, twice");
    assert!(rows.iter().all(|row| row["database_id"] == 0));

    let db = get(&app, "/processes?source=db").await;
    let db = db.as_array().unwrap();
    assert_eq!(db.len(), 2, "of two packages with one pair of name and module the first is shown");
    let union = get(&app, "/processes?source=union").await;
    let union = union.as_array().unwrap();
    assert_eq!(union.len(), rows.len() + 1, "what is in core is not listed again");
    assert_eq!(&union[..rows.len()], &rows[..]);
    assert_eq!(union.last().unwrap()["module"], "a");
    assert!(get(&app, "/packages").await[0]["created_at"].is_null());
}
