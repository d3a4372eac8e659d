//! `secret-files`: no file ships whose name says that it holds credentials. What stands in files is
//! `secrets`; empty files and templates are fine.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct SecretFiles;

impl Rule for SecretFiles {
    fn id(&self) -> &'static str {
        "secret-files"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A file is one that holds credentials"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, _) in facts.tree.iter().filter(|(_, file)| !file.bytes.is_empty()) {
            if let Some(what) = what(path.as_str(), path.file_name()) {
                let name = quote(path.file_name());
                let draft =
                    self.finding(format!("{name} is made for {what}")).file(path).about("name");
                found.push(draft.help(format!(
                    "add {name} to `.gitignore`, and revoke what it holds if it was pushed"
                )));
            }
        }
    }
}

/// What a file of this path is made for, if that must not ship.
fn what(path: &str, name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    if lower == ".env" || (lower.starts_with(".env.") && !is_template(&lower)) {
        return Some("settings with secrets");
    }
    let in_folder = |folder: &str| path.starts_with(folder) || path.contains(&format!("/{folder}"));
    match lower.as_str() {
        "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" => return Some("a private SSH key"),
        ".netrc" | "_netrc" | ".git-credentials" | ".pgpass" | ".htpasswd" => {
            return Some("passwords");
        }
        ".pypirc" | ".dockercfg" | ".vault-token" => return Some("a token"),
        "credentials" if in_folder(".aws/") => return Some("AWS credentials"),
        "config.json" if in_folder(".docker/") => return Some("a token"),
        _ => {}
    }
    let (_, extension) = lower.rsplit_once('.')?;
    match extension {
        "p12" | "pfx" | "jks" | "keystore" | "ppk" => Some("private keys"),
        "kdbx" => Some("passwords"),
        _ => None,
    }
}

fn is_template(name: &str) -> bool {
    name.split('.')
        .any(|part| matches!(part, "example" | "sample" | "template" | "dist" | "defaults"))
}
