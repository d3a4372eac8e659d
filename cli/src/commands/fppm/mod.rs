//! `packhouse fppm`: packages of F Prime, in the files of its stock client.

mod clones;
mod import;
mod install;
mod registries;
mod remove;

use std::path::PathBuf;

use packhouse_client::fppm::Workspace;
use packhouse_client::fppm::location::Reader;
use packhouse_client::http::Options;
use packhouse_core::fppm::Shortname;
use packhouse_core::secret::Secret;

use crate::args::{Fppm, FppmVerb, Global, ProjectYaml};
use crate::context::{self, Registry};
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, var};

pub(crate) fn run(args: &Fppm, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    match &args.verb {
        FppmVerb::Registries(args) => registries::run(args, global, ui),
        FppmVerb::Import(args) => import::run(args, global, ui),
        FppmVerb::Install(args) => install::run(args, global, ui),
        FppmVerb::Remove(args) => remove::run(args, ui),
    }
}

fn open(place: &ProjectYaml) -> anyhow::Result<Workspace> {
    Ok(Workspace::open(&place.project_yaml_path)?)
}

fn shortname(text: &str) -> anyhow::Result<Shortname> {
    text.parse().map_err(|e| {
        let hint =
            "F Prime's packages are named `Namespace/Package`, upper and lower case as they are";
        Stop::usage(format!("{e}"), hint).into()
    })
}

/// The registry that flag or environment names, and its token: only there it goes.
struct Trusted(Option<(Registry, Secret)>);

impl Trusted {
    fn find(global: &Global) -> anyhow::Result<Self> {
        let registry = context::registry_of(global, None)?;
        let token = if registry.is_some() { context::given_token(global)? } else { None };
        Ok(Self(registry.zip(token)))
    }

    fn reader(&self) -> Reader<'_> {
        let ca_file = var("SSL_CERT_FILE").map(PathBuf::from);
        Reader {
            options: Options { ca_file, ..Options::default() },
            trusted: self.0.as_ref().map(|(registry, token)| (&registry.url, token)),
        }
    }
}
