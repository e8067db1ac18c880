//! The queues: how many messages wait, for how long, and which became dead letters.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use posthorn_domain::{Clock as _, Timestamp};
use posthorn_runtime::SystemClock;

use super::finding::{Finding, Level};
use super::read::Subject;
use super::stack::Stack;

const CHECK: &str = "queues";
/// How far back to look for the oldest message.
const LOOK_BACK: Duration = Duration::from_mins(15);
/// The resolution of SQS's metrics, in seconds.
const PERIOD: i32 = 60;
/// From this number of messages in flight, SQS soon gives out no more: its limit is 120,000.
const MANY_IN_FLIGHT: u64 = 100_000;

/// A queue that a function reads.
#[derive(Debug)]
struct Queue {
    /// Its name in the template. With `Url`, the name of the output that has its address.
    name: &'static str,
    /// SQS's metric of its oldest message.
    age: &'static str,
    /// From this age on, messages are late. Its alarm rings then.
    late: Duration,
    /// What to do when they are.
    to_do: &'static str,
}

const QUEUES: [Queue; 3] = [
    Queue {
        name: "EventsQueue",
        age: "ApproximateAgeOfOldestMessage",
        late: Duration::from_mins(5),
        to_do: "If fan-out always runs at FanOutConcurrency, raise it. Otherwise, its log names the failing calls.",
    },
    Queue {
        name: "FirstAttemptsQueue",
        age: "ApproximateAgeOfOldestMessage",
        late: Duration::from_mins(5),
        to_do: "If deliver always runs at FirstAttemptsConcurrency, raise it. Otherwise, its log names the failing calls.",
    },
    Queue {
        name: "DeliveriesQueue",
        // The backlog of an endpoint that hangs may be older, but delays no others: this metric leaves it out.
        age: "ApproximateAgeOfOldestMessageInQuietGroups",
        late: Duration::from_mins(30),
        to_do: "If deliver always runs at DeliverConcurrency, raise it. Otherwise, its log names the failing calls.",
    },
];

/// The dead-letter queues, and the command that redrives each.
const DEAD_LETTER_QUEUES: [(&str, &str); 2] =
    [("EventsDeadLetterQueue", "events"), ("DeliveriesDeadLetterQueue", "deliveries")];

/// The messages in a queue. SQS's counts are approximate.
#[derive(Debug, Clone, Copy)]
struct Depth {
    waiting: u64,
    in_flight: u64,
    delayed: u64,
}

/// Checks all queues.
pub(super) async fn check(config: &SdkConfig, stack: &Stack) -> Vec<Finding> {
    let client = aws_sdk_sqs::Client::new(config);
    let mut findings = Vec::new();
    let ages = read_ages(config, stack).await.unwrap_or_else(|unread| {
        findings.push(unread);
        [None; 3]
    });
    for (queue, age) in QUEUES.iter().zip(ages) {
        let Some(url) = url_of(stack, queue.name) else { continue };
        let depth = read_depth(&client, queue.name, url).await;
        findings.push(depth.map_or_else(|unread| unread, |depth| judge_queue(queue, depth, age)));
    }
    for (name, noun) in DEAD_LETTER_QUEUES {
        let Some(url) = url_of(stack, name) else { continue };
        let depth = read_depth(&client, name, url).await;
        let judge = |depth| judge_dead_letters(name, noun, depth, &stack.name);
        findings.push(depth.map_or_else(|unread| unread, judge));
    }
    findings
}

fn url_of<'a>(stack: &'a Stack, queue: &str) -> Option<&'a str> {
    stack.output(&format!("{queue}Url"))
}

async fn read_depth(client: &aws_sdk_sqs::Client, name: &str, url: &str) -> Result<Depth, Finding> {
    let subject = Subject { check: CHECK, name, action: "sqs:GetQueueAttributes" };
    let call = client.get_queue_attributes().queue_url(url);
    let call = call.attribute_names(Attribute::ApproximateNumberOfMessages);
    let call = call.attribute_names(Attribute::ApproximateNumberOfMessagesNotVisible);
    let call = call.attribute_names(Attribute::ApproximateNumberOfMessagesDelayed);
    let attributes = subject.read(call.send()).await?.attributes.unwrap_or_default();
    let count = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or(0);
    Ok(Depth {
        waiting: count(Attribute::ApproximateNumberOfMessages),
        in_flight: count(Attribute::ApproximateNumberOfMessagesNotVisible),
        delayed: count(Attribute::ApproximateNumberOfMessagesDelayed),
    })
}

/// Returns the greatest age of each queue's oldest message in the last minutes; `None` if SQS reported none.
async fn read_ages(config: &SdkConfig, stack: &Stack) -> Result<[Option<Duration>; 3], Finding> {
    let name = "The age of the queues' oldest messages";
    let subject = Subject { check: CHECK, name, action: "cloudwatch:GetMetricData" };
    let urls = QUEUES.iter().map(|queue| (queue.age, url_of(stack, queue.name))).enumerate();
    let queries = urls.filter_map(|(number, (metric, url))| Some(query(number, metric, queue_name(url?))));
    let queries: Vec<MetricDataQuery> = queries.collect();
    if queries.is_empty() {
        return Ok([None; 3]);
    }
    let now = SystemClock.now();
    let time = |at: Timestamp| DateTime::from_millis(at.as_millis());
    let call =
        aws_sdk_cloudwatch::Client::new(config).get_metric_data().set_metric_data_queries(Some(queries));
    let call = call.start_time(time(now.minus(LOOK_BACK))).end_time(time(now)).send();
    let results = subject.read(call).await?.metric_data_results.unwrap_or_default();
    Ok([0, 1, 2].map(|number| oldest(&results, number)))
}

fn query(number: usize, metric: &str, queue: &str) -> MetricDataQuery {
    let dimension = Dimension::builder().name("QueueName").value(queue).build();
    let metric = Metric::builder().namespace("AWS/SQS").metric_name(metric).dimensions(dimension).build();
    let stat = MetricStat::builder().metric(metric).period(PERIOD).stat("Maximum").build();
    MetricDataQuery::builder().id(query_id(number)).metric_stat(stat).build()
}

/// CloudWatch wants an id that begins with a small letter.
fn query_id(number: usize) -> String {
    format!("q{number}")
}

/// Returns the queue's name in AWS: the last part of its address.
fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// Returns the greatest age that CloudWatch returned for a query. Its values are seconds.
fn oldest(results: &[MetricDataResult], number: usize) -> Option<Duration> {
    let id = query_id(number);
    let of_queue = results.iter().filter(|result| result.id() == Some(id.as_str()));
    let seconds = of_queue.flat_map(|result| result.values().iter().copied());
    seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok()).max()
}

fn judge_queue(queue: &Queue, depth: Depth, age: Option<Duration>) -> Finding {
    let Depth { waiting, in_flight, delayed } = depth;
    let name = queue.name;
    let counts = format!("{name}: {waiting} waiting, {in_flight} in flight, {delayed} delayed.");
    let found = match age {
        Some(age) => format!("{counts} In the last 15 minutes, the oldest waited for up to {}.", span(age)),
        None => counts,
    };
    if age.is_some_and(|age| age > queue.late) {
        // With nothing waiting, it has caught up.
        let level = if waiting > 0 { Level::Fix } else { Level::Note };
        return Finding { level, ..Finding::fix(CHECK, found, queue.to_do) };
    }
    if in_flight > MANY_IN_FLIGHT {
        let to_do = "SQS gives out no more at 120000. Lower the concurrency of the queue's function.";
        return Finding::note(CHECK, found, to_do);
    }
    Finding::ok(CHECK, found)
}

/// A dead letter that somebody reads just now is in flight.
fn judge_dead_letters(name: &str, noun: &str, depth: Depth, stack: &str) -> Finding {
    let Depth { waiting, in_flight, delayed } = depth;
    let number = waiting + in_flight + delayed;
    if number == 0 {
        return Finding::ok(CHECK, format!("{name} is empty."));
    }
    let command = format!("posthorn {noun} redrive --stack {stack}");
    let found = format!("{name} has {number} messages. Each expires 14 days after it was first sent.");
    let to_do =
        format!("List them with `{command} --dry-run`, fix the cause, then move them back with `{command}`.");
    Finding::fix(CHECK, found, to_do)
}

/// Formats a duration in the unit that suits it.
fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stack::testing::section;
    use super::*;

    const EMPTY: Depth = Depth { waiting: 0, in_flight: 0, delayed: 0 };

    fn judge(waiting: u64, seconds: u64) -> Finding {
        judge_queue(&QUEUES[0], Depth { waiting, ..EMPTY }, Some(Duration::from_secs(seconds)))
    }

    #[test]
    fn a_queue_is_late_when_its_alarm_would_ring() {
        assert_eq!((judge(5, 300).level, judge(5, 301).level), (Level::Ok, Level::Fix));
        let fix = judge(5, 301);
        let found = "EventsQueue: 5 waiting, 0 in flight, 0 delayed. In the last 15 minutes, the oldest waited for up to \
                     5 min.";
        assert_eq!(fix.found, found);
        assert!(fix.to_do.unwrap().contains("FanOutConcurrency"));
    }

    #[test]
    fn a_queue_that_was_late_and_is_empty_again_is_worth_a_note() {
        assert_eq!(judge(0, 301).level, Level::Note);
    }

    #[test]
    fn a_queue_without_an_age_is_judged_by_its_depth() {
        let judge = |in_flight| judge_queue(&QUEUES[2], Depth { in_flight, ..EMPTY }, None);
        let ok = Finding::ok("queues", "DeliveriesQueue: 0 waiting, 3 in flight, 0 delayed.");
        assert_eq!(judge(3), ok);
        assert_eq!(judge(110_000).level, Level::Note);
    }

    #[test]
    fn dead_letters_are_to_be_redriven() {
        let judge = |depth| judge_dead_letters("EventsDeadLetterQueue", "events", depth, "hooks");
        assert_eq!(judge(EMPTY), Finding::ok("queues", "EventsDeadLetterQueue is empty."));
        let fix = judge(Depth { waiting: 2, in_flight: 1, ..EMPTY });
        assert!(fix.level == Level::Fix && fix.found.contains("has 3 messages"), "{fix:?}");
        assert!(fix.to_do.unwrap().ends_with("move them back with `posthorn events redrive --stack hooks`."));
    }

    #[test]
    fn the_oldest_message_is_found_among_all_values_of_its_queue() {
        let result = |id: &str, values: &[f64]| {
            MetricDataResult::builder().id(id).set_values(Some(values.to_vec())).build()
        };
        let results = [
            result("q0", &[7_000.0]),
            result("q1", &[4.0, f64::NAN]),
            result("q1", &[-1.0, 90.0]),
            result("q2", &[]),
        ];
        let ages = [0, 1, 2].map(|number| oldest(&results, number).map(|age| age.as_secs()));
        assert_eq!(ages, [Some(7_000), Some(90), None]);
    }

    #[test]
    fn a_queues_name_is_the_end_of_its_address() {
        assert_eq!(
            queue_name("https://sqs.eu-west-1.amazonaws.com/1/posthorn-EventsQueue-A"),
            "posthorn-EventsQueue-A"
        );
    }

    #[test]
    fn a_duration_is_in_the_unit_that_suits_it() {
        let spans = [119, 120, 7_199, 7_200].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["119 s", "2 min", "119 min", "2 h"]);
    }

    #[test]
    fn the_queues_are_those_of_the_template_and_late_as_their_alarms_say() {
        let (outputs, resources) = (section("Outputs"), section("Resources"));
        let has_url = |name: &str| outputs.contains_key(format!("{name}Url"));
        assert!(DEAD_LETTER_QUEUES.iter().all(|(name, _)| has_url(name)));
        for Queue { name, age, late, .. } in &QUEUES {
            let alarm = &resources[name.replace("Queue", "AgeAlarm")]["Properties"];
            assert!(has_url(name));
            assert_eq!(alarm["Threshold"].as_u64(), Some(late.as_secs()), "{name}");
            assert_eq!(alarm["MetricName"].as_str(), Some(*age), "{name}");
        }
    }
}
