//! `packhouse pack`: the reproducible archive of a package.

use std::path::{Path, PathBuf};

use packhouse_client::plan::Ready;
use packhouse_core::escape::printable;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use serde_json::json;

use crate::args::{Global, Pack};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown, size};

pub(crate) fn run(args: &Pack, _: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let limits = Limits::default();
    let mut source = context::open(&args.path, &args.files, &limits)?;
    let mut setting = context::cheap_setting(&context::job(), &source, args.tag.as_deref(), ui);
    context::apply_version(&mut source, args.version.as_deref(), &mut setting, ui)?;
    if let Some(inside) = args.output.as_deref().and_then(|output| within(output, &source.folder)) {
        source.tree.remove(&inside); // an earlier archive is no part of the next
    }
    if let Some(odd) = source.oddities.first() {
        let more = source.oddities.len() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        ui.warn(&format!("left out: `{}`{more}; `packhouse audit` tells why", odd.path));
    }
    if args.list {
        return list(&source.tree, ui);
    }
    let ready = source.pack(&setting)?;
    let bytes = ready.archive.bytes.len() as u64;
    if bytes > limits.archive_bytes {
        ui.warn(&format!(
            "{} is more than registries take by default ({})",
            size(bytes),
            size(limits.archive_bytes)
        ));
    }
    let output = args.output.clone().unwrap_or_else(|| default_name(&ready));
    if output == Path::new("-") {
        if ui.json {
            return Err(Stop::usage(
                "stdout cannot be the archive and JSON at once",
                "give `-o FILE`",
            )
            .into());
        }
        use std::io::Write as _;
        std::io::stdout().lock().write_all(&ready.archive.bytes)?;
        return Ok(Exit::Ok);
    }
    write(&output, &ready.archive.bytes)?;
    let (title, files) = (ready.title(), source.tree.len());
    ui.done("Packed", &format!("{title}: {files} files, {}", size(bytes)));
    if ui.json {
        ui.print_json(&json!({
            "schema": 1,
            "identifier": ready.identifier,
            "version": ready.version.text(),
            "path": shown(&output),
            "digest": ready.archive.digest,
            "tree_digest": ready.archive.tree_digest,
            "bytes": bytes,
            "files": files,
        }))?;
    } else {
        ui.print(&format!("{}  {}\n", ready.archive.digest, shown(&output)))?;
    }
    Ok(Exit::Ok)
}

/// The path of `output` in `folder`, where it lies there.
fn within(output: &Path, folder: &Path) -> Option<String> {
    let output = fs_err::canonicalize(output).ok()?;
    let inside = output.strip_prefix(fs_err::canonicalize(folder).ok()?).ok()?.to_owned();
    let parts: Option<Vec<_>> = inside.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

fn default_name(ready: &Ready) -> PathBuf {
    format!("{}-{}.zip", ready.identifier.file_stem(), ready.version.key()).into()
}

/// Writes a file whole or not at all: beside its place first, then one rename. What is no regular
/// file (a pipe, `/dev/null`) is written to and stays what it is.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs_err::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Ok(fs_err::write(path, bytes)?);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Stop::usage(
            format!("there is no folder `{}`", shown(folder)),
            "make it first",
        )
        .into());
    }
    let wrong = |e: std::io::Error| {
        Stop::usage(format!("`{}` cannot be written: {e}", shown(path)), "choose another place")
    };
    Ok(replace(path, folder, bytes).map_err(wrong)?)
}

fn replace(path: &Path, folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = tempfile::Builder::new().prefix(".packhouse-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        // A temporary file is its owner's alone; an archive is as readable as any new file.
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
    }
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn list(tree: &Tree, ui: &Ui) -> anyhow::Result<Exit> {
    let mut files: Vec<_> = tree.iter().collect();
    files.sort_by_key(|(path, file)| (std::cmp::Reverse(file.bytes.len()), *path));
    if ui.json {
        let files: Vec<_> = files
            .iter()
            .map(|(path, file)| json!({"path": path, "bytes": file.bytes.len(), "executable": file.executable}))
            .collect();
        ui.print_json(&json!({"schema": 1, "files": files, "bytes": tree.bytes()}))?;
        return Ok(Exit::Ok);
    }
    let lines: String = files
        .iter()
        .map(|(path, file)| {
            format!("{:>10}  {}\n", size(file.bytes.len() as u64), printable(path.as_str()))
        })
        .collect();
    ui.print(&lines)?;
    ui.done("Total", &format!("{} files, {}", tree.len(), size(tree.bytes())));
    Ok(Exit::Ok)
}
