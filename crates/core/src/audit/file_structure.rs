//! `file-structure`: a circuit has the files and settings that people of its community expect. Folders
//! are there when they hold a file that is packed. What `ato.yaml` lacks of a target `usage` is said by
//! `usage-import`.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, circuit};

/// The check that people of the community run by hand.
const CHECK: &str = "PCB.requires_drc_check";

pub(super) struct FileStructure;

impl Rule for FileStructure {
    fn id(&self) -> &'static str {
        "file-structure"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The package is not laid out as circuits are"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let name = circuit::own(m).and_then(|own| own.rsplit('/').next().map(str::to_owned));
        let folder = facts.strict.and_then(|strict| strict.folder_name.as_ref());
        if let (Some(name), Some(folder)) = (&name, folder)
            && name != folder
        {
            let draft =
                self.finding(format!("lies in the folder {}, not {}", quote(folder), quote(name)));
            found.push(
                draft
                    .file(&m.path)
                    .about("folder")
                    .help(format!("rename the folder to {}", quote(name))),
            );
        }
        let files = name.map(|name| format!("{name}.ato")).into_iter();
        for file in files.chain(["README.md", "usage.ato"].map(str::to_owned)) {
            if facts.tree.get(&file).is_none() {
                let draft = self.finding(format!("there is no file {}", quote(&file)));
                found.push(draft.about(file).help("add it at the root of the package"));
            }
        }
        for folder in ["layouts", "parts"] {
            if !facts.tree.iter().any(|(path, _)| circuit::below(folder, path.as_str())) {
                let draft =
                    self.finding(format!("there is no folder {} with a file in it", quote(folder)));
                found.push(
                    draft.about(folder).help("add it at the root of the package: is it ignored?"),
                );
            }
        }
        for target in circuit::targets(m) {
            let Some(build) = circuit::build(m, target) else { continue };
            let hides =
                build.get("hide_designators").and_then(|value| value.as_bool()) == Some(true);
            let excluded = build.get("exclude_checks").and_then(|value| value.as_array());
            let excludes = excluded.is_some_and(|list| list.iter().any(|check| check == CHECK));
            let wrong = [
                (hides, "does not hide designators", "set `hide_designators: true`".to_owned()),
                (
                    excludes,
                    "does not exclude the design rule check",
                    format!("set `exclude_checks: [{CHECK}]`"),
                ),
            ];
            for (_, message, help) in wrong.into_iter().filter(|(right, ..)| !right) {
                let draft = self.finding(format!("the target {} {message}", quote(target)));
                found.push(circuit::at_target(draft, m, target).help(help));
            }
        }
    }
}
