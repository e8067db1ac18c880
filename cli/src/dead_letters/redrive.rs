//! Moves dead letters back to their queue, with their original ids.

use std::collections::HashSet;

use anyhow::{Result, bail, ensure};
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use clap::Args;
use posthorn_cli::aws;
use posthorn_cli::aws::stack::StackOutputs;
use posthorn_domain::EventShards;

use super::contents::Contents;
use super::queue::{DeadLetter, DeadLetterQueue};
use super::report::Report;
use super::resend::{RedriveMessage, resend};
use crate::output::{note, unless_closed};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  posthorn events redrive --stack posthorn --dry-run\n  posthorn deliveries redrive --stack posthorn"
)]
pub(crate) struct Redrive {
    /// The CloudFormation stack. Its outputs name the queues
    #[arg(long, value_name = "NAME", required_unless_present = "queue_url")]
    stack: Option<String>,
    /// The dead-letter queue to take messages from, if you give no stack
    #[arg(long, value_name = "URL", conflicts_with = "stack", requires = "queue_url")]
    dead_letter_queue_url: Option<String>,
    /// The queue to move messages to, if you give no stack
    #[arg(long, value_name = "URL", conflicts_with = "stack", requires = "dead_letter_queue_url")]
    queue_url: Option<String>,
    /// The stack's parameter EventShards, if you give no stack. It decides the ids of events that have none
    #[arg(long, value_name = "NUMBER", conflicts_with = "stack", default_value = "1")]
    event_shards: EventShards,
    /// AWS's address, if it is another. SQS on a laptop: http://127.0.0.1:9324
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Stop after this many messages
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    max: u32,
    /// Only show the messages. While it runs, no other program can receive them
    #[arg(long)]
    dry_run: bool,
}

impl Redrive {
    pub(crate) async fn run(self, contents: Contents) -> Result<()> {
        let config = aws::config(self.endpoint_url.clone()).await;
        let Source { from, to, shards } = self.source(contents, &config).await?;
        ensure!(from != to, "--dead-letter-queue-url and --queue-url are the same queue");
        let client = Client::new(&config);
        let queue = DeadLetterQueue::new(client.clone(), from.clone());
        let to = (!self.dry_run).then_some(to);
        let mut walk =
            Walk { contents, shards, client, queue, to, sent: HashSet::new(), report: Report::default() };
        let walked = walk.run(self.max as usize).await;
        let Walk { queue, report, .. } = walk;
        queue.release(report.receipts()).await;
        unless_closed(report.print(contents.noun(), self.dry_run))?;
        walked?;
        let stuck = report.stuck();
        if self.dry_run || stuck == 0 {
            return Ok(());
        }
        if report.has_left_some() {
            note(&format!(
                "The messages left would become dead letters again. Once you need none of the messages in that queue, \
                 delete them: aws sqs purge-queue --queue-url {from}"
            ));
        }
        bail!("{stuck} dead letters could not be moved. The table gives the reasons");
    }

    async fn source(&self, contents: Contents, config: &SdkConfig) -> Result<Source> {
        if let (Some(from), Some(to)) = (&self.dead_letter_queue_url, &self.queue_url) {
            return Ok(Source { from: from.clone(), to: to.clone(), shards: self.event_shards });
        }
        let stack = StackOutputs::read(self.stack.as_deref().unwrap_or_default(), config).await?;
        let [from, to] = contents.outputs();
        Ok(Source { from: stack.get(from)?, to: stack.get(to)?, shards: stack.event_shards()? })
    }
}

/// The queues of a redrive.
struct Source {
    /// The URL of the dead-letter queue.
    from: String,
    /// The URL of the queue to move messages to.
    to: String,
    shards: EventShards,
}

/// One pass through a dead-letter queue.
struct Walk {
    contents: Contents,
    shards: EventShards,
    client: Client,
    queue: DeadLetterQueue,
    /// Where messages go; `None` leaves all in place.
    to: Option<String>,
    /// The ids of the new messages: one that comes back has failed again.
    sent: HashSet<String>,
    report: Report,
}

impl Walk {
    async fn run(&mut self, max: usize) -> Result<()> {
        let mut looked_at = 0;
        while looked_at < max {
            let letters = self.queue.next(max - looked_at).await?;
            if letters.is_empty() {
                return Ok(());
            }
            looked_at += letters.len();
            let messages = letters.into_iter().filter_map(|letter| self.prepare(letter)).collect();
            self.send(messages).await;
        }
        note(&format!("Stopped after {max} messages, the limit of --max. There may be more."));
        Ok(())
    }

    /// Prepares a message for sending, or reports why it stays.
    fn prepare(&mut self, letter: DeadLetter) -> Option<RedriveMessage> {
        if self.sent.contains(&letter.id) {
            self.report.leave(&letter, "was moved by this command, and became a dead letter again");
            return None;
        }
        match self.contents.read(&letter, self.shards) {
            Ok(understood) if self.to.is_some() => Some(RedriveMessage { letter, body: understood.body }),
            Ok(understood) => {
                self.report.show(&letter, understood.about);
                None
            }
            Err(reason) => {
                self.report.leave(&letter, &reason);
                None
            }
        }
    }

    /// Sends messages, then deletes them here. If the program ends in between, a message is in both queues; the
    /// functions recognise the copy by the ids in its body.
    async fn send(&mut self, messages: Vec<RedriveMessage>) {
        let Some(to) = self.to.as_ref().filter(|_| !messages.is_empty()) else { return };
        let mut sent = Vec::new();
        for (message, outcome) in resend(&self.client, to, messages).await {
            match outcome {
                Ok(id) => {
                    self.sent.insert(id);
                    sent.push(message.letter);
                }
                Err(reason) => self.report.fail(&message.letter, &format!("can't be sent: {reason}")),
            }
        }
        if sent.is_empty() {
            return;
        }
        let kept = self.queue.delete(&sent).await;
        self.report.move_some(sent.len() - kept.len());
        for (letter, reason) in kept {
            let reason =
                format!("was moved, but its dead letter can't be deleted, which is harmless: {reason}");
            self.report.fail(letter, &reason);
        }
    }
}
