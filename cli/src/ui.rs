//! Talking to people: on stderr, in colour only where a terminal wants it. Results go to stdout
//! through [`Ui::print`] and [`Ui::print_json`] and nowhere else.

use std::io::{IsTerminal as _, Write};
use std::sync::Mutex;

use anstyle::{AnsiColor, Style};
use packhouse_core::escape::{printable, workflow_data, workflow_property};
pub(crate) use packhouse_core::report::size;
use packhouse_core::secret::Secret;

use crate::args::{Color, Global};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const DONE: Style = AnsiColor::Green.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// How this run talks.
pub(crate) struct Ui {
    /// Results are JSON.
    pub(crate) json: bool,
    /// Steps are told in more detail.
    pub(crate) verbose: bool,
    /// Only errors and warnings are told.
    pub(crate) quiet: bool,
    /// Whether stderr takes colours.
    pub(crate) color: bool,
    /// Whether stdout takes colours.
    pub(crate) color_out: bool,
    /// Whether stderr is a terminal that can move its cursor.
    pub(crate) bars: bool,
    /// Whether this is a GitHub Actions job.
    pub(crate) in_actions: bool,
    lock: Mutex<()>,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        let in_actions = var("GITHUB_ACTIONS").as_deref() == Some("true");
        let dumb = var("TERM").as_deref() == Some("dumb");
        let wants = |terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            // https://no-color.org and https://bixense.com/clicolors, in that order.
            Color::Auto if var("NO_COLOR").is_some() => false,
            Color::Auto if var("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
            Color::Auto => terminal && !dumb && var("CLICOLOR").as_deref() != Some("0"),
        };
        let terminal = std::io::stderr().is_terminal();
        Self {
            json: global.json,
            verbose: global.verbose,
            quiet: global.quiet,
            color: wants(terminal),
            color_out: wants(std::io::stdout().is_terminal()),
            bars: terminal && !dumb && !in_actions && var("CI").is_none() && !global.quiet,
            in_actions,
            lock: Mutex::new(()),
        }
    }

    fn say(&self, style: Style, label: &str, text: &str) {
        let _lock = self.lock.lock();
        let mut err = std::io::stderr().lock();
        // Nobody left to tell: not a reason to fail.
        let _ = if self.color {
            writeln!(err, "{style}{label}{style:#} {text}")
        } else {
            writeln!(err, "{label} {text}")
        };
    }

    /// An error. Texts are printable already, or come from this program.
    pub(crate) fn error(&self, text: &str) {
        self.say(ERROR, "error:", text);
    }

    /// Something that should be mended.
    pub(crate) fn warn(&self, text: &str) {
        self.say(WARNING, "warning:", text);
    }

    /// What would be right.
    pub(crate) fn hint(&self, text: &str) {
        self.say(HINT, "hint:", text);
    }

    /// Something good to know.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(HINT, "note:", text);
        }
    }

    /// One fact about an error.
    pub(crate) fn detail(&self, label: &str, text: &str) {
        self.say(DIM, &format!("  {label}:"), text);
    }

    /// Something is done: `Packed acme/sensor@1.0.0`.
    pub(crate) fn done(&self, verb: &str, text: &str) {
        if !self.quiet {
            self.say(DONE, verb, text);
        }
    }

    /// A step, for those who want to see them.
    pub(crate) fn step(&self, text: &str) {
        if self.verbose && !self.quiet {
            self.say(DIM, "  ..", text);
        }
    }

    /// Text for people that is rendered already, such as a report.
    pub(crate) fn text(&self, text: &str) {
        let _lock = self.lock.lock();
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// Makes a GitHub runner hide `token` in all that follows, whoever prints it.
    pub(crate) fn mask(&self, token: &Secret) {
        if self.in_actions {
            self.text(&format!("::add-mask::{}\n", token.reveal()));
        }
    }

    /// An error as an annotation of the run.
    pub(crate) fn annotate_error(&self, code: Option<&str>, message: &str, hint: Option<&str>) {
        if self.in_actions {
            let title = code.map(|code| format!("packhouse: {code}"));
            let title = workflow_property(title.as_deref().unwrap_or("packhouse"));
            let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            self.text(&format!(
                "::error title={title}::{}\n",
                workflow_data(&format!("{message}{hint}"))
            ));
        }
    }

    /// A result on stdout, rendered already.
    pub(crate) fn print(&self, text: &str) -> anyhow::Result<()> {
        print(text)
    }

    /// A result on stdout as one JSON document.
    pub(crate) fn print_json(&self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        print_json(value)
    }

    /// `text` in bold where stdout takes it.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.out(Style::new().bold(), text)
    }

    /// `text` dimmed where stdout takes it.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.out(DIM, text)
    }

    fn out(&self, style: Style, text: &str) -> String {
        if self.color_out { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout cannot be written")
}

/// One JSON document on stdout, for what happens before there is a [`Ui`].
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// An environment variable that is set and not empty.
pub(crate) fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A path as people see it.
pub(crate) fn shown(path: &std::path::Path) -> String {
    printable(&path.to_string_lossy())
}
