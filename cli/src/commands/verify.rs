//! `packhouse verify`: is this what the registry released?

use packhouse_client::ClientError;
use packhouse_client::fetch::{Wanted, resolve};
use packhouse_client::walk::{Choice, walk};
use packhouse_core::archive;
use packhouse_core::digest::Digest;
use packhouse_core::limits::Limits;
use serde_json::json;

use crate::args::{Global, Verify};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown};

pub(crate) fn run(args: &Verify, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let (Some(path), Some(package)) = (&args.path, &args.package) else {
        return super::project::verify(&args.place, args.offline, global, ui);
    };
    let limits = Limits::default();
    let (identifier, version) = super::exact(package)?;
    let metadata = fs_err::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            let message = format!("there is no `{}`", shown(path));
            anyhow::Error::from(Stop::new(Exit::NotFound, message, "name an archive or a folder"))
        }
        _ => e.into(),
    })?;
    let client = context::reader(global)?;
    let chosen = resolve(&client, &Wanted { identifier, version: Some(version) })?;
    let place = shown(path);
    let wrong = |what: &str, found: &str, expected: &str| {
        Stop::new(
            Exit::Integrity,
            format!(
                "`{place}` is not `{}`: its {what} is {found}, the registry released {expected}",
                chosen.title()
            ),
            "fetch it again with `packhouse fetch`",
        )
    };
    let kind = if metadata.is_dir() {
        let all = Choice { include: vec!["*".to_owned()], exclude: Vec::new() };
        let walked = walk(path, &all, &limits)?;
        if let Some(odd) = walked.oddities.first() {
            let message = format!(
                "`{place}` is not `{}`: `{}` is no file of a package",
                chosen.title(),
                odd.path
            );
            return Err(Stop::new(
                Exit::Integrity,
                message,
                "fetch it again with `packhouse fetch`",
            )
            .into());
        }
        let found = walked.tree.digest();
        if found != chosen.tree_digest {
            return Err(
                wrong("content", &found.to_string(), &chosen.tree_digest.to_string()).into()
            );
        }
        "folder"
    } else {
        if metadata.len() > limits.archive_bytes {
            return Err(
                wrong("size", &metadata.len().to_string(), &chosen.bytes.to_string()).into()
            );
        }
        let bytes = fs_err::read(path)?;
        let found = Digest::of(&bytes);
        if found != chosen.digest {
            return Err(wrong("SHA-256", &found.to_string(), &chosen.digest.to_string()).into());
        }
        let contents = archive::read(&bytes, &limits, |_, _| {}).map_err(ClientError::from)?;
        contents.verify_tree_digest(chosen.tree_digest).map_err(ClientError::from)?;
        "archive"
    };
    for warning in &chosen.warnings {
        ui.warn(warning);
    }
    ui.done("Verified", &format!("`{place}` is `{}`, every byte", chosen.title()));
    if ui.json {
        ui.print_json(&json!({
            "schema": 1,
            "path": place,
            "kind": kind,
            "identifier": chosen.identifier,
            "version": chosen.version.text(),
            "digest": chosen.digest,
            "tree_digest": chosen.tree_digest,
            "warnings": chosen.warnings,
        }))?;
    }
    Ok(Exit::Ok)
}
