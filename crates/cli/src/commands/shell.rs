//! `completions` and `man`, generated from the definitions of the commands.

use crate::arguments::{Arguments, Completions, Man};
use crate::exit::{Failure, Outcome, STATUSES};
use crate::message::PROGRAM;
use crate::output::print;
use clap::{Command, CommandFactory as _};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// The footer of a page.
const SOURCE: &str = concat!("strongroom ", env!("CARGO_PKG_VERSION"));

pub(super) fn completions(arguments: &Completions) -> Outcome {
    let mut script = Vec::new();
    // Buffered in memory, because the generator panics on a closed pipe.
    clap_complete::generate(arguments.shell, &mut Arguments::command(), PROGRAM, &mut script);
    print(script)
}

pub(super) fn man(arguments: &Man) -> Outcome {
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Makes the names of subcommands complete, as in "strongroom put".
    command.build();
    match &arguments.directory {
        None => print(page(&command, PROGRAM).map_err(|error| Failure::output(&error))?),
        Some(directory) => write_pages(&command, directory),
    }
}

fn write_pages(command: &Command, directory: &Path) -> Outcome {
    let failed = |path: &Path, error: &io::Error| {
        let path = path.display();
        Failure::bad_input(format_args!("cannot write {path}: {error}; choose a writable directory"))
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
    for command in std::iter::once(command).chain(command.get_subcommands()) {
        let name = match command.get_name() {
            PROGRAM => PROGRAM.to_owned(),
            subcommand => format!("{PROGRAM}-{subcommand}"),
        };
        let path = directory.join(format!("{name}.1"));
        page(command, &name)
            .and_then(|page| std::fs::write(&path, page))
            .map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let help = command.get_after_long_help().or(command.get_after_help());
    let mut extra = help.map(ToString::to_string).unwrap_or_default();
    if command.get_name() != PROGRAM {
        extra = format!("{extra}\n\n{STATUSES}");
    }
    let man = clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).source(SOURCE);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend_from_slice(sections(&extra).as_bytes());
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

/// Formats the text after a command's help as sections of a manual page: an unindented line is a heading, the others
/// stay unchanged.
fn sections(text: &str) -> String {
    let mut page = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        // Writing to memory does not fail.
        let _ = if let Some(line) = line.strip_prefix("  ") {
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            // At the start of a line, these two would be a request to the formatter.
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            writeln!(page, "{guard}{line}")
        } else {
            let heading = line.trim_end_matches(':').to_uppercase();
            let close = if page.is_empty() { "" } else { ".fi\n" };
            writeln!(page, "{close}.SH \"{heading}\"\n.nf")
        };
    }
    if !page.is_empty() {
        page.push_str(".fi\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_becomes_sections() {
        assert_eq!(
            sections("Examples:\n  a \\x -b\n  .c\n\nExit status:\n  0  done"),
            ".SH \"EXAMPLES\"\n.nf\na \\ex \\-b\n\\&.c\n.fi\n.SH \"EXIT STATUS\"\n.nf\n0  done\n.fi\n"
        );
    }
}
