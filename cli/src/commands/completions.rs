//! `packhouse completions` and `packhouse man`, both made from the arguments themselves.

use clap::CommandFactory as _;
use clap_mangen::Man as Page;

use crate::args::{Cli, Completions, Man};
use crate::exit::Exit;
use crate::ui::{Ui, shown};

pub(crate) fn completions(args: &Completions, ui: &Ui) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "packhouse", &mut text);
    ui.print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}

pub(crate) fn man(args: &Man, ui: &Ui) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &args.into else {
        let mut page = Vec::new();
        Page::new(command).render(&mut page)?;
        ui.print(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Ok);
    };
    fs_err::create_dir_all(folder)?;
    let mut pages = vec![("packhouse".to_owned(), command)];
    let mut written = 0;
    while let Some((name, command)) = pages.pop() {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            pages.push((format!("{name}-{}", verb.get_name()), verb.clone()));
        }
        let mut page = Vec::new();
        Page::new(command.name(name.clone())).render(&mut page)?;
        fs_err::write(folder.join(format!("{name}.1")), page)?;
        written += 1;
    }
    ui.done("Wrote", &format!("{written} pages to {}", shown(folder)));
    Ok(Exit::Ok)
}
