//! Names of other ecosystems: the first package has one, the second is told.

use std::path::Path;

use packhouse_tests::TestRegistry;

fn project(folder: &Path) {
    let manifest = "[project]\nname = \"pbg-cells\"\nversion = \"1.0.0\"\ndescription = \"Cells\"\nlicense = \"MIT\"\nauthors = [{name = \"Ada\"}]\n";
    std::fs::write(folder.join("pyproject.toml"), manifest).unwrap();
    std::fs::write(folder.join("README.md"), "# Cells\n").unwrap();
}

#[test]
fn a_second_owner_s_package_is_published_and_told_that_the_name_is_held() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    project(dir.path());
    let first = registry.ci("acme/cells").tag("v1.0.0").publish(dir.path()).ok();
    assert!(!format!("{first}").contains("is held by"), "{first}");
    let second = registry.ci("other/cells").tag("v1.0.0").publish(dir.path()).ok();
    let told = "the name `pbg-cells` is held by `acme/pbg-cells`: this package is found as `other/pbg-cells` only";
    assert!(format!("{second}").contains(told), "{second}");
    assert_eq!(registry.get("/index/acme/pbg-cells.json")["native"]["name"], "pbg-cells");
    assert!(registry.get("/index/other/pbg-cells.json")["native"].is_null());
}
