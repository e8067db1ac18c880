//! Writes docs/CLI.md, from the help of the commands.

use std::fmt::Write as _;

use clap::builder::PossibleValue;
use clap::{Arg, Command};

/// What the page says before the commands.
const INTRODUCTION: &str = "\
# The command line

`posthorn` does at a terminal what the [API](API.md) and the [console](CONSOLE.md) do, and brings events to your own machine. This
page is made from the commands' own help.

```sh
cargo run -q -p posthorn-cli -- trigger invoice.paid   # in this repository
posthorn trigger invoice.paid                          # with the program of a release
```

On a laptop the commands find the system that `cargo run` started, and need no key. For one on AWS, log in once:

```sh
posthorn login --api-url https://….execute-api.eu-central-1.amazonaws.com
```

`login` asks for the API key, tries it, and saves both in a file that only you can read: `posthorn/profiles.toml` in your
configuration folder (on Linux and macOS `$XDG_CONFIG_HOME` or `~/.config`, on Windows `%APPDATA%`). With `--profile NAME` you can keep
several. No secret has to be an option: a key can come from the profile, from `POSTHORN_API_KEY`, or from a file.

For programs, `--json` prints each value in one line, as the API returns it. Lists print the first 50 entries; `--limit NUMBER` and `--all`
change that. Connections to the API are encrypted. Certificates are checked against the authorities of the system; on Linux, the file
that `SSL_CERT_FILE` names replaces these.
";

/// Returns the page.
pub(crate) fn page(mut posthorn: Command) -> String {
    posthorn.build();
    let mut page = INTRODUCTION.to_owned();
    let _ = write!(page, "\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for line in crate::exit::CODES.lines().skip(1) {
        let (code, meaning) = line.trim().split_once("  ").unwrap_or((line, ""));
        let _ = writeln!(page, "| {code} | {meaning} |");
    }
    let _ = write!(page, "\n## Options of every command\n");
    options(&mut page, posthorn.get_arguments().filter(|option| option.is_global_set()));
    for command in visible(&posthorn) {
        section(&mut page, command, "posthorn", 2);
    }
    page
}

/// Writes what a command does, and what its own commands do.
fn section(page: &mut String, command: &Command, parent: &str, depth: usize) {
    let name = format!("{parent} {}", command.get_name());
    let _ = write!(page, "\n{} {name}\n\n", "#".repeat(depth));
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(page, "{}.", about.trim_end_matches('.'));
    let mut subcommands = visible(command).peekable();
    if subcommands.peek().is_none() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace("[OPTIONS]", "[options]");
        let _ = write!(page, "\n```text\n{usage}\n```\n");
        options(page, command.get_arguments().filter(|option| !option.is_global_set()));
        if let Some(examples) = command.get_after_help() {
            let _ = writeln!(page, "\n{}", example(&examples.to_string()));
        }
    } else {
        let own = || command.get_arguments().filter(|option| option.is_global_set() && !is_of_all(option));
        if let Some(heading) = own().find_map(Arg::get_help_heading) {
            let _ = writeln!(page, "\n{heading}:");
        }
        options(page, own());
    }
    for command in subcommands {
        section(page, command, &name, depth + 1);
    }
}

/// The options of every command have a heading of their own.
fn is_of_all(option: &Arg) -> bool {
    option.get_help_heading() == Some(crate::settings::HEADING)
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set())
}

/// Writes a table of options.
fn options<'a>(page: &mut String, options: impl Iterator<Item = &'a Arg>) {
    let shown = options.filter(|option| !option.is_hide_set());
    let mut shown =
        shown.filter(|option| !["help", "version"].contains(&option.get_id().as_str())).peekable();
    if shown.peek().is_none() {
        return;
    }
    let _ = writeln!(page, "\n| option | meaning |\n|---|---|");
    for option in shown {
        let help = option.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(page, "| {} | {help}{} |", written(option), further(option));
    }
}

/// Returns an option as it is written.
fn written(option: &Arg) -> String {
    let short = option.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let takes = option.get_action().takes_values();
    let value = option.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let value = value.unwrap_or_else(|| option.get_id().to_string().to_uppercase());
    match option.get_long() {
        Some(long) if takes => format!("{short}`--{long} {value}`"),
        Some(long) => format!("{short}`--{long}`"),
        None => format!("`{value}`"),
    }
}

/// Returns the values, the default and the variable of an option.
fn further(option: &Arg) -> String {
    let mut further = String::new();
    let values = option.get_possible_values();
    if option.get_action().takes_values() && !values.is_empty() {
        let values: Vec<_> = values.iter().map(named).collect();
        let _ = write!(further, ": {}", values.join("; "));
    }
    let default: Vec<_> = option.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    if option.get_action().takes_values() && !default.is_empty() && default != [""] {
        let _ = write!(further, ". Default: {}", default.join(", "));
    }
    if let Some(variable) = option.get_env().and_then(|variable| variable.to_str()) {
        let _ = write!(further, ". Environment: `{variable}`");
    }
    further
}

/// Returns a value, and what it means.
fn named(value: &PossibleValue) -> String {
    let meaning = value.get_help().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("`{}`{meaning}", value.get_name())
}

/// Returns the examples of a command's help as a block of commands.
fn example(help: &str) -> String {
    let commands: Vec<_> = help.lines().skip(1).map(str::trim_start).collect();
    format!("```sh\n{}\n```", commands.join("\n"))
}
