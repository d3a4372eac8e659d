//! `model-missing`: each 3D model that a board names is a file of the package. Boards are the
//! `*.kicad_pcb` below the folder of layouts; without one in the manifest, all of them. Variables other
//! than `${KIPRJMOD}` stand for folders that differ between machines: a note names them. What a board
//! takes from an installed dependency cannot be seen here, and is a note, too.

use std::collections::HashSet;

use super::finding::{count, quote};
use super::{Draft, Facts, Rule, Severity, circuit, kicad};

/// The largest board that is read, in bytes.
const MAX_BYTES: usize = 32 << 20;

pub(super) struct ModelMissing;

impl Rule for ModelMissing {
    fn id(&self) -> &'static str {
        "model-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A board names a 3D model that is not there"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let layouts = circuit::folder(facts.manifest, "layout").unwrap_or_default();
        let is_board = |path: &str| path.ends_with(".kicad_pcb") && circuit::below(&layouts, path);
        for (path, file) in facts.tree.iter().filter(|(path, _)| is_board(path.as_str())) {
            if file.bytes.len() > MAX_BYTES {
                let message = format!(
                    "is larger than {}, so its models were not looked at",
                    count(MAX_BYTES, "byte")
                );
                found.push(self.finding(message).severity(Severity::Note).file(path));
                continue;
            }
            let mut said = HashSet::new();
            for (model, at) in kicad::models(&file.bytes) {
                let wrong = match judge(facts, path.folder(), &model) {
                    Ok(()) => continue,
                    Err(wrong) => wrong,
                };
                let (severity, message, help) = match wrong {
                    Wrong::Missing(file) => (
                        Severity::Error,
                        format!("the model {} is not there", quote(file)),
                        "add the file: is it ignored?",
                    ),
                    Wrong::Outside => {
                        let message =
                            format!("the model {} lies outside of the package", quote(&model));
                        (
                            Severity::Error,
                            message,
                            "copy it into the package, and name it from `${KIPRJMOD}`",
                        )
                    }
                    Wrong::Variable(name) => {
                        let message = format!(
                            "models stand below the variable {}, which differs between machines",
                            quote(name)
                        );
                        (
                            Severity::Note,
                            message,
                            "look at them yourself, or copy them into the package",
                        )
                    }
                    Wrong::Installed => {
                        let message =
                            "models stand in an installed dependency, which is not looked at"
                                .to_owned();
                        (Severity::Note, message, "let `ato sync` install it, and build")
                    }
                };
                // A board names one model for each part that has it.
                if said.insert(message.clone()) {
                    found.push(
                        self.finding(message).severity(severity).file(path).at(at).help(help),
                    );
                }
            }
        }
    }
}

enum Wrong {
    Missing(String),
    Outside,
    Variable(String),
    Installed,
}

/// Whether the model of a board in `folder` is there.
fn judge(facts: &Facts, folder: &str, model: &str) -> Result<(), Wrong> {
    // KiCad keeps such files inside of the board.
    if model.starts_with("kicad-embed://") {
        return Ok(());
    }
    let own = ["${KIPRJMOD}", "$(KIPRJMOD)"].iter().find_map(|own| model.strip_prefix(own));
    let relative = own.map_or(model, |rest| rest.trim_start_matches(['/', '\\']));
    if let Some(name) = variable(relative) {
        return Err(Wrong::Variable(name.to_owned()));
    }
    let path = circuit::resolve(folder, relative).ok_or(Wrong::Outside)?;
    if facts.tree.get(&path).is_some() {
        Ok(())
    } else if path.starts_with(".ato/modules/") {
        Err(Wrong::Installed)
    } else {
        Err(Wrong::Missing(path))
    }
}

/// The variable in a path: `${NAME}`, `$(NAME)`, or KiCad's old `:NAME:` in front.
fn variable(path: &str) -> Option<&str> {
    let between = |open: &str, close: char| path.split_once(open)?.1.split(close).next();
    let old = || path.strip_prefix(':')?.split_once(':').map(|(name, _)| name);
    between("${", '}').or_else(|| between("$(", ')')).or_else(old)
}
