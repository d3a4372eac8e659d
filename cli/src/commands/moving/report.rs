//! What an import of a git repository tells: what became of each version, and what was left out.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::digest::Digest;
use packhouse_core::escape::{excerpt, printable};
use packhouse_forge::rebuild::Skipped;
use serde::Serialize;

use crate::exit::Exit;
use crate::ui::Ui;

/// What became of a version that was rebuilt.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// It is in the registry now.
    Imported,
    /// It was there, with this content.
    AlreadyThere,
    /// It would be imported.
    WouldImport,
    /// The registry does not take it.
    Refused,
    /// The import ended here: the registry did not answer, or took none of this caller.
    Failed,
}

/// A version that was rebuilt.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) identifier: String,
    pub(crate) version: String,
    pub(crate) status: Status,
    pub(crate) commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    pub(crate) path: String,
    pub(crate) digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Serialize)]
struct Counts {
    packages: usize,
    imported: usize,
    already_there: usize,
    would_import: usize,
    refused: usize,
    failed: usize,
    skipped: usize,
}

/// What `--report` writes.
#[derive(Serialize)]
pub(crate) struct Report {
    schema: u32,
    source: String,
    dry_run: bool,
    counts: Counts,
    versions: Vec<Row>,
    skipped: Vec<Skipped>,
}

impl Report {
    pub(crate) fn new(
        source: String,
        dry_run: bool,
        versions: Vec<Row>,
        skipped: Vec<Skipped>,
    ) -> Self {
        let of = |status: Status| versions.iter().filter(|row| row.status == status).count();
        let packages: BTreeSet<_> = versions.iter().map(|row| &row.identifier).collect();
        let counts = Counts {
            packages: packages.len(),
            imported: of(Status::Imported),
            already_there: of(Status::AlreadyThere),
            would_import: of(Status::WouldImport),
            refused: of(Status::Refused),
            failed: of(Status::Failed),
            skipped: skipped.len(),
        };
        Self { schema: 1, source, dry_run, counts, versions, skipped }
    }

    /// How an import ends that came to its end.
    pub(crate) fn exit(&self) -> Exit {
        if self.counts.refused > 0 {
            Exit::Conflict
        } else if self.skipped.iter().any(|skipped| skipped.code == "unreadable") {
            Exit::Usage
        } else {
            Exit::Ok
        }
    }

    /// What was left out, what was refused, the counts; then one line a package, or all of it as JSON.
    pub(crate) fn tell(&self, ui: &Ui) -> anyhow::Result<()> {
        for skipped in &self.skipped {
            let name = skipped.identifier.as_deref().or(skipped.path.as_deref());
            let name = name.filter(|name| !name.is_empty()).or(skipped.tag.as_deref());
            let name = name.unwrap_or("the repository");
            let version = skipped.version.as_ref().map(|v| format!("@{v}")).unwrap_or_default();
            let (code, reason) = (skipped.code, &skipped.reason);
            ui.warn(&format!("`{name}{version}` is left out ({code}): {reason}"));
        }
        for row in self.versions.iter().filter(|row| row.status == Status::Refused) {
            let reason = printable(row.reason.as_deref().unwrap_or_default());
            ui.error(&format!("`{}@{}` was refused: {reason}", row.identifier, row.version));
        }
        let verb = if self.dry_run { "Planned" } else { "Imported" };
        let counts = &self.counts;
        ui.done(
            verb,
            &format!(
                "{} packages from {}: {} versions imported, {} to import, {} there already, {} refused, {} left out",
                counts.packages,
                self.source,
                counts.imported,
                counts.would_import,
                counts.already_there,
                counts.refused,
                counts.skipped,
            ),
        );
        if ui.json {
            return ui.print_json(self);
        }
        let mut lines = BTreeMap::<&str, Vec<&str>>::new();
        let stands = |row: &&Row| !matches!(row.status, Status::Refused | Status::Failed);
        for row in self.versions.iter().filter(stands) {
            lines.entry(&row.identifier).or_default().push(&row.version);
        }
        let line = |(package, versions): (&&str, &Vec<&str>)| {
            format!("{package}  {}\n", excerpt(&versions.join(" "), 400))
        };
        ui.print(&lines.iter().map(line).collect::<String>())
    }
}
