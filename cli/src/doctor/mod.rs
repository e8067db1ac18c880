//! `posthorn doctor`: reads a deployed stack, and says what is wrong with it. It changes nothing.
//!
//! Each file is a check: it reads something from AWS or the API, and pure functions make findings of it. All checks run at
//! the same time.

mod alarms;
mod concurrency;
mod end_to_end;
mod finding;
mod lambda_limits;
mod queues;
mod quotas;
mod read;
mod stack;
mod tables;
mod workers;

use anyhow::Result;
use clap::Args;
use posthorn_cli::aws;

use crate::exit::Bad;
use crate::settings::Settings;
use finding::{Finding, Level};
use stack::Stack;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn doctor --stack posthorn")]
pub(crate) struct Doctor {
    /// The CloudFormation stack
    #[arg(long, value_name = "NAME")]
    stack: String,
    /// Send a test event to this endpoint of yours, and wait for the attempt
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// AWS's address, if it is another, such as an emulator's
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

impl Doctor {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let findings = Box::pin(self.examine(settings)).await;
        let output = settings.output();
        findings.iter().try_for_each(|finding| finding.print(output))?;
        match findings.iter().filter(|finding| finding.level == Level::Fix).count() {
            0 => Ok(()),
            number => Err(Bad(things_to_fix(number)).into()),
        }
    }

    async fn examine(&self, settings: &Settings) -> Vec<Finding> {
        let config = aws::config(self.endpoint_url.clone()).await;
        let endpoint = self.endpoint.as_deref();
        let stack = match Stack::read(&self.stack, &config).await {
            Ok(stack) => stack,
            Err(unread) => {
                let mut findings = vec![unread];
                findings.extend(end_to_end::check(settings, None, endpoint).await);
                return findings;
            }
        };
        let (lambda, quotas, workers, queues, alarms, tables, end_to_end) = tokio::join!(
            lambda_limits::check(&config, &stack),
            quotas::check(&config, &stack),
            workers::check(&config, &stack),
            queues::check(&config, &stack),
            alarms::check(&config, &stack),
            tables::check(&config, &stack),
            end_to_end::check(settings, stack.output("ApiUrl"), endpoint),
        );
        [stack.judge(), lambda, quotas, workers, queues, alarms, tables, end_to_end].concat()
    }
}

fn things_to_fix(number: usize) -> String {
    if number == 1 { "1 thing to fix".to_owned() } else { format!("{number} things to fix") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_things_to_fix_is_told() {
        assert_eq!([1, 2].map(things_to_fix), ["1 thing to fix", "2 things to fix"]);
    }
}
