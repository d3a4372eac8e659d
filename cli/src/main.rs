//! `packhouse`: audit, pack, publish and fetch packages; run a registry.
//!
//! This file starts and ends the program. [`args`] is what can be asked, `commands` does it, [`ui`]
//! talks to people on stderr, results go to stdout, and [`exit`] is the one table of exit codes.

mod args;
mod commands;
mod context;
mod demo;
mod exit;
mod github;
mod serve;
mod server;
mod suggest;
mod teach;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::ui::Ui;

fn main() -> ExitCode {
    report_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return args::complain(&error),
    };
    let ui = Ui::new(&cli.global);
    let run = std::panic::AssertUnwindSafe(|| run(cli, &ui));
    match std::panic::catch_unwind(run) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => exit::report(&error, &ui),
        Err(_) => Exit::Bug.into(), // told by the hook already
    }
}

fn run(cli: Cli, ui: &Ui) -> anyhow::Result<ExitCode> {
    let global = &cli.global;
    let exit = match cli.command {
        Command::Init(args) => commands::init::run(&args, ui),
        Command::Audit(args) => commands::audit::run(&args, global, ui),
        Command::Pack(args) => commands::pack::run(&args, global, ui),
        Command::Publish(args) => commands::publish::run(&args, global, ui),
        Command::Add(args) => commands::project::add(&args, global, ui),
        Command::Remove(args) => commands::project::remove(&args, global, ui),
        Command::Sync(args) => commands::project::sync(&args, global, ui),
        Command::Update(args) => commands::project::update(&args, global, ui),
        Command::List(args) => commands::project::list(&args, ui),
        Command::Tree(args) => commands::project::tree(&args, ui),
        Command::Why(args) => commands::project::why(&args, ui),
        Command::Outdated(args) => commands::project::outdated(&args, global, ui),
        Command::Cache(args) => commands::cache::run(&args, ui),
        Command::Fetch(args) => commands::fetch::run(&args, global, ui),
        Command::Verify(args) => commands::verify::run(&args, global, ui),
        Command::Info(args) => commands::info::run(&args, global, ui),
        Command::Search(args) => commands::search::run(&args, global, ui),
        Command::Fppm(args) => commands::fppm::run(&args, global, ui),
        Command::Attune(args) => commands::attune::run(&args, global, ui),
        Command::Yank(args) => commands::mark::yank(&args, global, ui),
        Command::Deprecate(args) => commands::mark::deprecate(&args, global, ui),
        Command::Action(args) => commands::action::run(&args, global, ui),
        Command::Compose(args) => commands::compose::run(&args, global, ui),
        Command::Policy(args) => commands::policy::run(&args, global, ui),
        Command::Admin(args) => commands::admin::run(&args, global, ui),
        Command::Doctor(args) => commands::doctor::run(&args, global, ui),
        Command::Explain(args) => commands::explain::run(&args, ui),
        Command::Completions(args) => commands::completions::completions(&args, ui),
        Command::Man(args) => commands::completions::man(&args, ui),
        Command::Apl(args) => return commands::apl::run(&args, global, ui),
        Command::Serve(args) => return serve::run(&args.config()?),
        Command::Demo(args) => return demo::run(&args, ui),
    };
    exit.map(Exit::into)
}

/// A panic is a defect of this program: it says so and asks for a report.
///
/// A server goes on after the panic of a request; there the text is lines in the log.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        use std::io::Write as _;
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        let mut err = std::io::stderr().lock();
        let _ = writeln!(
            err,
            "bug: {}{place}\nhint: this is a defect of packhouse {}; please report it with this text at {}/issues",
            packhouse_core::escape::excerpt(message, 500),
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_REPOSITORY"),
        );
    }));
}
