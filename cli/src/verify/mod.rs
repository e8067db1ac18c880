//! `posthorn verify`

mod check;
mod diagnosis;
mod request;

use std::io::IsTerminal as _;

use anyhow::Result;
use clap::Args;
use posthorn_domain::Clock as _;
use posthorn_runtime::SystemClock;

use self::check::Report;
use self::request::Request;
use crate::exit::{Bad, Usage};
use crate::input::{self, Moment};
use crate::output::{Output, note, print, print_table, table};
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn verify --secret-file secret.txt -f request.txt")]
pub(crate) struct Verify {
    /// The file that has the endpoint's secret, - for standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// The endpoint's secret. Other programs on this machine can read options: prefer the environment, or a file
    #[arg(long, value_name = "SECRET", env = "POSTHORN_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// The file that has the request, - for standard input: the headers, an empty line, and the body
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    file: String,
    /// When the request arrived: a time, or how long ago, such as 30m, 6h or 2d. By default, now
    #[arg(long, value_name = "TIME", value_parser = input::moment, conflicts_with = "ignore_time")]
    at: Option<Moment>,
    /// Accept any timestamp
    #[arg(long)]
    ignore_time: bool,
}

impl Verify {
    pub(crate) fn run(self, settings: &Settings) -> Result<()> {
        let secret = self.secret()?;
        if self.file == "-" && std::io::stdin().is_terminal() {
            note("Paste the request, and end it with Ctrl-D. Or use --file FILE.");
        }
        let request = Request::parse(&input::read_bytes(&self.file)?)?;
        let now = SystemClock.now();
        let arrived = self.at.map_or(now, |at| at.seen_from(now));
        let report = Report::of(&request, &secret, (!self.ignore_time).then_some(arrived));
        print_report(&report, settings.output())?;
        if !report.valid {
            return Err(Bad(format!("the webhook is invalid: {}", report.wrong().join(", "))).into());
        }
        Ok(())
    }

    /// Returns the secret. A file comes first: the environment may have a secret for other uses.
    fn secret(&self) -> Result<String> {
        match (&self.secret_file, &self.secret) {
            (Some(secret), _) => {
                if secret == "-" && self.file == "-" {
                    let both =
                        "the standard input cannot have both the secret and the request: use --file FILE";
                    return Err(Usage(both.to_owned()).into());
                }
                input::read_secret(secret)
            }
            (None, Some(secret)) => Ok(secret.trim().to_owned()),
            (None, None) => {
                let missing = "there is no secret: use --secret-file FILE, or set POSTHORN_WEBHOOK_SECRET";
                Err(Usage(format!("{missing}. {}", check::WHERE_SECRETS_ARE)).into())
            }
        }
    }
}

/// Prints a line for each check, or in JSON the whole report.
fn print_report(report: &Report, output: Output) -> Result<()> {
    if output == Output::Json {
        return print(&serde_json::to_string(report)?);
    }
    let mut table = table();
    for check in &report.checks {
        table.add_row([if check.ok { "ok" } else { "wrong" }, check.part, check.detail.as_str()]);
    }
    print_table(&table)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        verify: Verify,
    }

    fn secret(options: &[&str]) -> Result<String> {
        Line::try_parse_from([&["verify"][..], options].concat())?.verify.secret()
    }

    #[test]
    fn the_secret_comes_from_an_option_or_a_file() {
        assert_eq!(secret(&["--secret", " whsec_1\n"]).unwrap(), "whsec_1");
        let missing = secret(&["--secret", "whsec_1", "--secret-file", "/none"]).unwrap_err();
        assert_eq!(missing.to_string(), "cannot read /none");
    }

    #[test]
    fn standard_input_has_the_secret_or_the_request() {
        let both = secret(&["--secret-file", "-"]).unwrap_err();
        assert!(both.is::<Usage>() && both.to_string().contains("use --file FILE"), "{both}");
    }

    #[test]
    fn a_time_to_compare_with_cannot_be_ignored() {
        assert!(secret(&["--secret", "whsec_1", "--at", "1h", "--ignore-time"]).is_err());
    }
}
