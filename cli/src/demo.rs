//! `packhouse demo`.

use std::process::ExitCode;

pub(crate) fn run(_args: crate::args::Demo) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the demo is not part of this build yet")
}
