//! `editor-junk`: what editors, desktops and design tools leave behind does not ship. Shared editor
//! settings (`.vscode`, `.editorconfig`) are nobody's junk.

use super::{Draft, Facts, Rule, Severity};

pub(super) struct EditorJunk;

impl Rule for EditorJunk {
    fn id(&self) -> &'static str {
        "editor-junk"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A file was left behind by an editor or a desktop"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, _) in facts.tree.iter() {
            let folder = path.folder().split('/').find_map(junk_folder);
            if let Some(maker) = folder.or_else(|| junk_file(path.file_name())) {
                let draft = self
                    .finding(format!("this was left behind by {maker}"))
                    .file(path)
                    .about("name");
                found.push(draft.help("remove it, and add it to `.gitignore`"));
            }
        }
    }
}

fn junk_folder(name: &str) -> Option<&'static str> {
    match name {
        ".idea" => Some("a JetBrains editor"),
        ".vs" => Some("Visual Studio"),
        "__MACOSX" | ".Spotlight-V100" | ".Trashes" => Some("macOS"),
        _ if name.ends_with("-backups") => Some("KiCad"),
        _ => None,
    }
}

fn junk_file(name: &str) -> Option<&'static str> {
    let ends = |endings: &[&str]| endings.iter().any(|end| name.ends_with(end));
    match name {
        ".DS_Store" => Some("macOS"),
        "Thumbs.db" | "ehthumbs.db" | "desktop.ini" | "Desktop.ini" => Some("Windows"),
        "fp-info-cache" => Some("KiCad"),
        _ if name.starts_with("._") => Some("macOS"),
        _ if name.starts_with('.') && ends(&[".swp", ".swo", ".swn"]) => Some("Vim"),
        _ if name.starts_with("_autosave-") || ends(&[".lck", ".kicad_prl", ".kicad_sch-bak"]) => {
            Some("KiCad")
        }
        _ if name.starts_with(".#") || (name.starts_with('#') && ends(&["#"])) => Some("Emacs"),
        _ if name.len() > 1 && ends(&["~"]) => Some("an editor's backup"),
        _ if ends(&[".orig", ".rej"]) => Some("a merge or a patch"),
        _ => None,
    }
}
