//! `packhouse attune`: packs and indices of Attune, in the spelling of its own command.

mod index;
mod install;
mod look;
mod output;

use std::path::Path;

pub(crate) use install::now;

use packhouse_client::attune::sign::{PublicKey, SigningKey};
use packhouse_core::attune::Flaw;
use packhouse_core::attune::config;

use crate::args::{Attune, AttuneVerb, Global, Indexed};
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown};

pub(crate) fn run(args: &Attune, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    match &args.verb {
        AttuneVerb::Install(args) => install::install(args, ui),
        AttuneVerb::Uninstall(args) => install::uninstall(args, ui),
        AttuneVerb::Test(args) => install::test(args, ui),
        AttuneVerb::List(args) => look::list(args, ui),
        AttuneVerb::Show(args) => look::show(args, ui),
        AttuneVerb::Search(args) => look::search(args, global, ui),
        AttuneVerb::Registries(args) => look::registries(args, ui),
        AttuneVerb::Checksum(args) => index::checksum(args, ui),
        AttuneVerb::IndexEntry(args) => index::entry(args, ui),
        AttuneVerb::IndexUpdate(args) => index::update(args, ui),
        AttuneVerb::IndexMerge(args) => index::merge(args, ui),
        AttuneVerb::IndexValidate(args) => index::validate(args, ui),
    }
}

/// The indices that are asked, in their order: those of the command line, then the configured ones.
fn indices(args: &Indexed) -> anyhow::Result<Vec<config::Source>> {
    let key = args.index_key.as_deref().map(key_text).transpose()?;
    let mut sources: Vec<_> = args
        .index
        .iter()
        .map(|url| config::Source { key: key.clone(), ..config::Source::at(url) })
        .collect();
    let default = Path::new("attune.yaml");
    let file = args.config.as_deref().or(default.exists().then_some(default));
    if let Some(file) = file {
        let bytes = fs_err::read(file)?;
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let path = name.and_then(|name| name.parse().ok()).unwrap_or("attune.yaml".parse()?);
        sources.extend(config::read(&path, &bytes).map_err(|flaw| {
            Stop::usage(format!("`{}`: {flaw}", shown(file)), "mend the configuration")
        })?);
    }
    Ok(sources)
}

/// The text of a public key, given itself or as a file.
fn key_text(text: &str) -> anyhow::Result<String> {
    let path = Path::new(text);
    if path.is_file() { Ok(fs_err::read_to_string(path)?) } else { Ok(text.to_owned()) }
}

fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    Ok(PublicKey::parse(&key_text(text)?)?)
}

/// Writes the signature of `bytes`, which stand in `file`, beside it.
fn sign(key: &Path, file: &Path, bytes: &[u8], ui: &Ui) -> anyhow::Result<String> {
    let key = SigningKey::read(key)?;
    let mut beside = file.as_os_str().to_owned();
    beside.push(".sig");
    packhouse_client::replace::durably(Path::new(&beside), key.sign(bytes).as_bytes())?;
    ui.done("Signed", &format!("{} with the key {}", shown(file), key.public()));
    Ok(key.public())
}

/// Flaws as the end of a command.
fn flawed(what: &str, flaws: &[Flaw]) -> anyhow::Error {
    let lines: String = flaws
        .iter()
        .take(20)
        .map(|flaw| format!("\n  - {}", packhouse_core::escape::excerpt(&flaw.to_string(), 400)))
        .collect();
    let more = flaws.len().saturating_sub(20);
    let more = if more > 0 { format!("\n  - and {more} more") } else { String::new() };
    Stop::new(Exit::Findings, format!("{what}{lines}{more}"), "mend these places").into()
}
