//! `packhouse init`: a manifest to begin with, and a README where there is none. Nothing that is
//! there is changed.

use std::io::Write as _;
use std::path::Path;

use packhouse_core::apl::ProjectId;
use packhouse_core::escape::printable;
use packhouse_core::formats;
use packhouse_core::identifier::Identifier;
use packhouse_core::version::Version;
use packhouse_forge::git::Checkout;
use serde_json::json;

use crate::args::Init;
use crate::exit::{Exit, Stop};
use crate::suggest::nearest;
use crate::ui::{Ui, shown};

pub(crate) fn run(args: &Init, ui: &Ui) -> anyhow::Result<Exit> {
    let ids = || formats::FORMATS.iter().map(|format| format.id());
    let Some(format) = formats::by_id(&args.format) else {
        let hint = match nearest(&args.format, ids()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("formats are {}", ids().collect::<Vec<_>>().join(", ")),
        };
        return Err(
            Stop::usage(format!("`{}` is not a format", printable(&args.format)), hint).into()
        );
    };
    for known in formats::FORMATS {
        let path = args.path.join(known.file());
        if path.exists() {
            return Err(Stop::usage(
                format!("`{}` is there already", shown(&path)),
                "`packhouse audit` tells what it still needs",
            )
            .into());
        }
    }
    Version::parse(format.order(), &args.version)
        .map_err(|e| Stop::usage(e.to_string(), "give another `--version`"))?;
    let (identifier, repository) = name(args)?;
    let text = manifest(format.id(), &identifier, repository.as_deref(), args)?;
    fs_err::create_dir_all(&args.path)?;
    let mut written = vec![create(&args.path, format.file(), &text)?];
    let readme = ["README.md", "README", "README.rst", "README.txt", "readme.md"];
    if !readme.iter().any(|name| args.path.join(name).exists()) {
        let summary = args.summary.as_deref().unwrap_or("What it is, in one sentence.");
        let text = format!("# {}\n\n{summary}\n", identifier.name());
        written.push(create(&args.path, "README.md", &text)?);
    }
    for file in &written {
        ui.done("Wrote", file);
    }
    if ui.json {
        ui.print_json(&json!({"schema": 1, "identifier": identifier, "written": written}))?;
    } else if !ui.quiet {
        ui.hint("next: `packhouse audit`");
    }
    Ok(Exit::Ok)
}

/// The identifier, and where the source lives: as given, else from the checkout and the folder.
fn name(args: &Init) -> anyhow::Result<(Identifier, Option<String>)> {
    let near = args.path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let near = if near.as_os_str().is_empty() { Path::new(".") } else { near };
    let checkout = Checkout::find(near).ok().flatten();
    let remote = checkout.as_ref().and_then(|c| c.repository().ok().flatten());
    let repository = remote.as_ref().map(|repository| format!("https://github.com/{repository}"));
    if let Some(text) = &args.identifier {
        let identifier: Identifier =
            text.parse().map_err(|e| Stop::usage(format!("{e}"), "give another `--identifier`"))?;
        let guess = format!("https://github.com/{}/{}", identifier.owner(), identifier.name());
        return Ok((identifier, Some(repository.unwrap_or(guess))));
    }
    let absolute = std::path::absolute(&args.path)?;
    let folder =
        absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |text: &str| {
        let kept =
            text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
        kept.collect::<String>().trim_matches('-').to_owned()
    };
    let Some(owner) = remote.as_deref().and_then(|remote| remote.split('/').next()) else {
        return Err(Stop::usage(
            "who owns the package is not known: the folder is in no checkout with a remote",
            format!("give `--identifier OWNER/{}`", plain(&folder)),
        )
        .into());
    };
    // A checkout's own folder may be called anything; its repository has a name.
    let root = args.path.is_dir()
        && checkout.is_some_and(|checkout| checkout.prefix().is_ok_and(|p| p.is_empty()));
    let name = remote.as_deref().and_then(|remote| remote.split('/').nth(1)).filter(|_| root);
    let identifier = Identifier::new(owner, &plain(name.unwrap_or(&folder)))
        .map_err(|e| Stop::usage(e.to_string(), "give `--identifier owner/name`"))?;
    Ok((identifier, repository))
}

fn manifest(
    format: &str,
    identifier: &Identifier,
    repository: Option<&str>,
    args: &Init,
) -> anyhow::Result<String> {
    let quoted = |text: &str| serde_json::to_string(text); // also a string in YAML and in TOML
    let repository = repository.unwrap_or("https://github.com/OWNER/NAME");
    let summary = args.summary.as_deref().unwrap_or("What it is, in one sentence.");
    let license = args.license.as_deref().unwrap_or("MIT");
    let version = &args.version;
    Ok(match format {
        "packhouse" => format!(
            "package:\n  identifier: {identifier}\n  version: {}\n  repository: {repository}\n  license: {}\n  summary: {}\n\n\
             # What it needs from the registry, for example `- acme/base@^1.2`.\ndependencies: []\n",
            quoted(version)?,
            quoted(license)?,
            quoted(summary)?,
        ),
        "ato" => format!(
            "requires-atopile: \">=0.9.0\"\n\npackage:\n  identifier: {identifier}\n  version: {}\n  repository: {repository}\n  \
             license: {}\n  summary: {}\n\npaths:\n  src: ./\n  layout: ./layouts\n\nbuilds:\n  default:\n    entry: {}.ato:App\n\ndependencies: []\n",
            quoted(version)?,
            quoted(license)?,
            quoted(summary)?,
            identifier.name().replace('-', "_"),
        ),
        "pyproject" => format!(
            "[project]\nname = {}\nversion = {}\ndescription = {}\nlicense = {}\nreadme = \"README.md\"\nrequires-python = \">=3.11\"\n\
             dependencies = []\n\n[project.urls]\nRepository = {}\n",
            quoted(identifier.name())?,
            quoted(version)?,
            quoted(summary)?,
            quoted(license)?,
            quoted(repository)?,
        ),
        "apl" => apl(identifier, version, summary, license, repository),
        "attune" => format!(
            "ref: {}\nlabel: {}\ndescription: {}\nversion: {}\n",
            identifier.name().replace('-', "_"),
            quoted(identifier.name())?,
            quoted(summary)?,
            quoted(version)?,
        ),
        "kicad" => format!(
            "name: {identifier}\nversion: {}\ndescription: {}\nlicense: {}\nrequires-kicad-tools: \">=0.10\"\n\n\
             # What it needs from the registry, for example `- acme/base@^1.2`.\ndependencies: []\n\n\
             # Sheets that it offers, for example `- {{name: sink, entry: sheets/sink.kicad_sch}}`.\nblocks: []\n\
             # Files that it brings, for example `- parts.pretty/usb-c.kicad_mod` and `- parts.kicad_sym`.\nfootprints: []\nsymbols: []\n",
            quoted(version)?,
            quoted(summary)?,
            quoted(license)?,
        ),
        other => {
            return Err(Stop::usage(
                format!("`init` cannot write a manifest for `{other}`"),
                "write `packhouse.yaml` with `--format packhouse`, or copy one of the examples",
            )
            .into());
        }
    })
}

/// `apl-project.json`; where the identifier's name is no `group-name`, the owner stands for the group.
fn apl(
    identifier: &Identifier,
    version: &str,
    summary: &str,
    license: &str,
    repository: &str,
) -> String {
    let word = |text: &str| text.replace('-', "_");
    let (group, name) = match identifier.rest().parse::<ProjectId>() {
        Ok(project) => (project.group().to_owned(), project.name().to_owned()),
        Err(_) => (word(identifier.owner()), word(identifier.name())),
    };
    let config = serde_json::json!({
        "group": group,
        "name": name,
        "version": version,
        "description": summary,
        "license": license,
        "repository": repository,
        "dependencies": [],
    });
    format!("{config:#}\n")
}

/// Writes a file that is not there.
fn create(folder: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(&path)?;
    file.write_all(text.as_bytes())?;
    Ok(shown(&path))
}
