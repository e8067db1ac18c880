//! Dead letters and the way back, by the command as its users run it and by SQS's own redrive.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::post;
use http::StatusCode;
use posthorn_domain::{Clock as _, EventId, EventMessage, Partition, Timestamp};
use posthorn_local::{Arrival, Functions, FunctionsOptions, Receiver, Stores, StoresOptions};
use posthorn_local_aws::clients;
use posthorn_local_aws::sqs::QueueClock;
use posthorn_local_aws::template::queue_url;
use posthorn_runtime::SystemClock;
use serde_json::json;
use serde_yaml_ng::Value as Yaml;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{interval, timeout};

/// How long a test waits for what should happen soon.
const PATIENCE: Duration = Duration::from_mins(1);

fn template() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml")
}

/// Tables and queues, on which functions may run.
struct System {
    stores: Stores,
    sqs: aws_sdk_sqs::Client,
}

impl System {
    async fn start(visibility_timeout: Duration) -> Self {
        // No letter dies young: it is looked up on its way back, as all that is older than half a minute.
        let an_hour_ago = || SystemClock.now().minus(Duration::from_hours(1)).as_millis();
        let options = StoresOptions {
            template: template(),
            visibility_timeout: Some(visibility_timeout),
            clock: Some(QueueClock::new(an_hour_ago)),
            ..StoresOptions::default()
        };
        let stores = Stores::start(&options).await.unwrap();
        Self { sqs: clients::sqs(&stores.sqs), stores }
    }

    /// The functions, which run until they are dropped; the variables are set instead of the template's.
    async fn functions(&self, environment: &[(&str, &str)]) -> Functions {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = FunctionsOptions {
            template: template(),
            http_port: 0,
            dynamodb: self.stores.dynamodb.clone(),
            sqs: self.stores.sqs.clone(),
            account_concurrency: None,
            requires_keys: false,
            environment: environment.collect(),
        };
        Functions::start(&options).await.unwrap()
    }

    fn url(&self, queue: &str) -> String {
        queue_url(&self.stores.sqs, queue)
    }

    async fn send(&self, queue: &str, body: &str) -> String {
        let sent = self.sqs.send_message().queue_url(self.url(queue)).message_body(body);
        sent.send().await.unwrap().message_id.unwrap()
    }

    /// What can be received from a queue now, ten messages at most.
    async fn receive(&self, queue: &str) -> Vec<Message> {
        let receive = self.sqs.receive_message().queue_url(self.url(queue)).max_number_of_messages(10);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
        receive.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
    }

    /// How many messages a queue has: waiting, delayed or in flight.
    async fn depth(&self, queue: &str) -> u64 {
        let ask = self.sqs.get_queue_attributes().queue_url(self.url(queue));
        let attributes =
            ask.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
        let numbers = attributes.iter().filter(|(name, _)| name.as_str().starts_with("ApproximateNumber"));
        numbers.map(|(_, number)| number.parse::<u64>().unwrap()).sum()
    }

    async fn until_depth(&self, queue: &str, depth: u64) {
        let reached = async {
            let mut look = interval(Duration::from_millis(20));
            while self.depth(queue).await != depth {
                look.tick().await;
            }
        };
        timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("{queue} should come to have {depth} messages"));
    }

    async fn until_idle(&self) {
        for queue in ["EventsQueue", "FirstAttemptsQueue", "DeliveriesQueue", "EventsQueue"] {
            self.until_depth(queue, 0).await;
        }
    }

    /// Runs `posthorn events redrive` or its like, with what it needs to find the queues.
    async fn redrive(&self, noun: &str, arguments: &[&str]) -> Output {
        let [from, to] = match noun {
            "events" => ["EventsDeadLetterQueue", "EventsQueue"],
            _ => ["DeliveriesDeadLetterQueue", "DeliveriesQueue"],
        };
        let (from, to) = (self.url(from), self.url(to));
        let queues = ["--dead-letter-queue-url", &from, "--queue-url", &to];
        let address = ["--endpoint-url", &self.stores.sqs];
        posthorn(&[&[noun, "redrive"], &queues[..], &address, arguments].concat(), &[]).await
    }
}

async fn posthorn(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    timeout(PATIENCE, command.output()).await.expect("the command should come to its end").unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the command printed, where it has to have done all that it was asked for.
fn success(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// What the command printed, where it has to have failed.
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stdout) + &text(&output.stderr)
}

fn event(number: usize) -> String {
    let event = json!({ "type": "order.paid", "data": { "object": { "id": number.to_string() } } });
    json!({ "account": "local", "livemode": true, "event": event }).to_string()
}

/// What has arrived until now. A slow machine may be sent things twice, as messages do not stay hidden for long here.
async fn arrived(receiver: &mut Receiver) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    while !receiver.is_idle() {
        arrivals.push(next(receiver).await);
    }
    arrivals
}

/// The endpoints that something arrived at.
fn paths(arrivals: &[Arrival]) -> Vec<&str> {
    let paths: BTreeSet<&str> = arrivals.iter().map(|arrival| arrival.path.as_str()).collect();
    paths.into_iter().collect()
}

async fn next(receiver: &mut Receiver) -> Arrival {
    timeout(PATIENCE, receiver.next()).await.expect("a webhook should arrive")
}

/// Fan-out has sent an event to one endpoint and failed at another, has put that on record, and could not queue the
/// retry: so its message, which has no id for the event, is a dead letter.
struct DeadEvent {
    system: System,
    receiver: Receiver,
    /// What the endpoint `/good` has got.
    delivered: Arrival,
}

impl DeadEvent {
    async fn happen() -> Self {
        let system = System::start(Duration::from_secs(1)).await;
        let status = Arc::new(AtomicU16::new(200));
        let shown = Arc::clone(&status);
        let answer = move |path: &str, _: &str| match path {
            "/good" => StatusCode::OK,
            _ => StatusCode::from_u16(shown.load(Ordering::SeqCst)).unwrap(),
        };
        let mut receiver = Receiver::start(0, answer).await.unwrap();
        system.register(&receiver.url).await;
        // Endpoints that have answered well are sent to by fan-out itself.
        let functions = system.functions(&[]).await;
        system.send("EventsQueue", &event(1)).await;
        system.until_idle().await;
        assert_eq!(paths(&arrived(&mut receiver).await), ["/bad", "/good"]);
        drop(functions);

        status.store(500, Ordering::SeqCst);
        let nowhere = system.url("Nowhere");
        let settings = [("DELIVERIES_QUEUE_URL", nowhere.as_str()), ("EVENT_SHARDS", "16")];
        let functions = system.functions(&settings).await;
        system.send("EventsQueue", &event(2)).await;
        system.until_depth("EventsDeadLetterQueue", 1).await;
        drop(functions);
        let mut attempts = arrived(&mut receiver).await;
        assert_eq!(paths(&attempts), ["/bad", "/good"]);
        attempts.retain(|attempt| attempt.path == "/good");
        let delivered = attempts.remove(0);
        status.store(200, Ordering::SeqCst);
        Self { system, receiver, delivered }
    }
}

impl System {
    /// Registers the endpoints `/good` and `/bad` for all events.
    async fn register(&self, receiver: &str) {
        let functions = self.functions(&[]).await;
        for path in ["good", "bad"] {
            let endpoint = json!({ "url": format!("{receiver}/{path}"), "enabled_events": ["*"] });
            let request = reqwest::Client::new().post(format!("{}/api/webhook-endpoints", functions.http));
            let request = request.header("content-type", "application/json").body(endpoint.to_string());
            assert_eq!(request.send().await.unwrap().status(), 201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_event_keeps_its_id_and_goes_only_to_the_endpoint_that_missed_it() {
    let DeadEvent { system, mut receiver, delivered } = DeadEvent::happen().await;
    let shards = ["--event-shards", "16"];
    let shown = success(&system.redrive("events", &[&shards[..], &["--dry-run"]].concat()).await);
    for part in [delivered.event_id(), "order.paid of local", "1 h 0 min"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let told = success(&system.redrive("events", &shards).await);
    assert!(told.contains("events: 1 moved, 0 left, 0 failed"), "{told}");

    let _functions = system.functions(&[]).await;
    system.until_idle().await;
    let retried = arrived(&mut receiver).await;
    assert_eq!(paths(&retried), ["/bad"], "the other endpoint has had it");
    assert_eq!(retried[0].event_id(), delivered.event_id());
    assert_eq!(retried[0].body, delivered.body, "every attempt sends the same bytes");
    assert_eq!(system.depth("EventsDeadLetterQueue").await, 0);
}

/// Why there is a command: AWS's own redrive gives messages new ids, and events without an id have theirs from them.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_sqs_itself_moves_back_is_another_event_to_every_endpoint() {
    let DeadEvent { system, mut receiver, delivered } = DeadEvent::happen().await;
    let [source, destination] = ["EventsDeadLetterQueue", "EventsQueue"]
        .map(|queue| format!("arn:aws:sqs:us-east-1:000000000000:{queue}"));
    let redrive = system.sqs.start_message_move_task().source_arn(source).destination_arn(destination);
    redrive.send().await.unwrap();
    let _functions = system.functions(&[]).await;
    system.until_idle().await;
    let arrivals = arrived(&mut receiver).await;
    assert_eq!(paths(&arrivals), ["/bad", "/good"], "one of which has had it before");
    assert!(arrivals.iter().all(|arrival| arrival.event_id() != delivered.event_id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_understood_stays_is_explained_and_is_there_for_others_at_once() {
    let system = System::start(Duration::from_secs(30)).await;
    let nonsense = system.send("EventsDeadLetterQueue", "nonsense").await;
    let strange = EventId::new(Timestamp::from_millis(1), Partition::of(&"a".parse().unwrap()), 1);
    let strange = event(0).replace("\"type\"", &format!("\"id\":\"{strange}\",\"type\""));
    system.send("EventsDeadLetterQueue", &strange).await;
    let large = event(0).replace("\"data\":{", &format!("\"data\":{{\"x\":\"{}\",", "x".repeat(256 * 1024)));
    system.send("EventsDeadLetterQueue", &large).await;
    for number in 0..12 {
        system.send("EventsDeadLetterQueue", &event(number)).await;
    }
    let reasons = ["not valid JSON", "is not an id for an event of this type", "larger than 262144 bytes"];

    let shown = success(&system.redrive("events", &["--dry-run"]).await);
    assert!(shown.contains("events: 12 can be moved, 3 can't") && shown.contains(&nonsense), "{shown}");
    assert_eq!(system.depth("EventsDeadLetterQueue").await, 15);
    assert_eq!(system.depth("EventsQueue").await, 0);

    // The oldest five, of which three stay.
    let told = failure(&system.redrive("events", &["--max", "5"]).await);
    assert!(told.contains("events: 2 moved, 3 left, 0 failed") && told.contains("--max"), "{told}");
    let told = failure(&system.redrive("events", &[]).await);
    for part in [&reasons[..], &["events: 10 moved, 3 left, 0 failed", "purge-queue"]].concat() {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert_eq!(system.receive("EventsDeadLetterQueue").await.len(), 3, "nobody has to wait for them");
    assert_eq!(system.depth("EventsQueue").await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_back_with_its_group_and_its_attributes() {
    let system = System::start(Duration::from_secs(30)).await;
    let note = MessageAttributeValue::builder().data_type("String").string_value("red").build().unwrap();
    let delivery = r#"{"account":"local","livemode":true,"event_id":"evt_01M86FYZ80BGTMB1B07EHFFC4T","endpoint_id":"wh_01KARZ3NDEKTSV4RRFFQ69G5FA","attempt":3}"#;
    let recovery =
        r#"{"account":"local","livemode":true,"recovery_id":"rec_01JDB5G8Z7M4X3W2V1T0S9R8Q7","slice":3}"#;
    for (noun, dead, home, body) in [
        ("events", "EventsDeadLetterQueue", "EventsQueue", event(1).as_str()),
        ("deliveries", "DeliveriesDeadLetterQueue", "DeliveriesQueue", delivery),
        ("deliveries", "DeliveriesDeadLetterQueue", "DeliveriesQueue", recovery),
    ] {
        let trace = aws_sdk_sqs::types::MessageSystemAttributeValue::builder().data_type("String");
        let trace = trace.string_value("Root=1-5e3d83c1-e6a0db584850d61342823d4c").build().unwrap();
        let send = system.sqs.send_message().queue_url(system.url(dead)).message_body(body);
        let send = send.message_group_id("wh_1").message_attributes("colour", note.clone());
        let send = send.message_system_attributes(
            aws_sdk_sqs::types::MessageSystemAttributeNameForSends::AwsTraceHeader,
            trace.clone(),
        );
        send.send().await.unwrap();
        success(&system.redrive(noun, &[]).await);

        let back = system.receive(home).await.remove(0);
        let system_attributes = back.attributes().unwrap();
        assert_eq!(system_attributes[&MessageSystemAttributeName::MessageGroupId], "wh_1");
        let trace_header = &system_attributes[&MessageSystemAttributeName::AwsTraceHeader];
        assert_eq!(Some(trace_header.as_str()), trace.string_value());
        assert_eq!(back.message_attributes().unwrap()["colour"], note);
        match noun {
            "events" => assert!(EventMessage::parse(back.body().unwrap()).unwrap().id.is_some()),
            _ => assert_eq!(back.body(), Some(body)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_no_single_call_could_carry_go_back_all_the_same() {
    let system = System::start(Duration::from_secs(30)).await;
    let large = event(0).replace("\"data\":{", &format!("\"data\":{{\"x\":\"{}\",", "x".repeat(250 * 1024)));
    for _ in 0..9 {
        system.send("EventsDeadLetterQueue", &large).await;
    }
    let told = success(&system.redrive("events", &[]).await);
    assert!(told.contains("events: 9 moved, 0 left, 0 failed"), "{told}");
    assert_eq!(system.depth("EventsQueue").await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_dies_again_meanwhile_does_not_keep_the_command_going() {
    let system = System::start(Duration::ZERO).await;
    system.send("EventsDeadLetterQueue", &event(1)).await;
    let killer = async {
        loop {
            let receive = system.sqs.receive_message().queue_url(system.url("EventsQueue"));
            receive.wait_time_seconds(20).send().await.unwrap();
        }
    };
    let told = tokio::select! {
        output = system.redrive("events", &[]) => failure(&output),
        () = killer => unreachable!("it goes on for ever"),
    };
    assert!(
        told.contains("events: 1 moved, 1 left, 0 failed") && told.contains("became a dead letter again"),
        "{told}"
    );
    assert_eq!(system.depth("EventsDeadLetterQueue").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_stays_with_the_reason() {
    let system = System::start(Duration::from_secs(30)).await;
    system.send("EventsDeadLetterQueue", &event(1)).await;
    let (from, to) = (system.url("EventsDeadLetterQueue"), system.url("Nowhere"));
    let queues = ["--dead-letter-queue-url", &from, "--queue-url", &to, "--endpoint-url", &system.stores.sqs];
    let told = failure(&posthorn(&[&["events", "redrive"], &queues[..]].concat(), &[]).await);
    assert!(told.contains("events: 0 moved, 0 left, 1 failed"), "{told}");
    assert!(told.contains("can't be sent") && told.contains("does not exist"), "{told}");
    assert_eq!(system.receive("EventsDeadLetterQueue").await.len(), 1);
}

/// A CloudFormation that knows one stack, `posthorn`: that of the template, with the URLs of these queues.
async fn cloudformation(system: &System) -> String {
    let template: Yaml = serde_yaml_ng::from_str(&std::fs::read_to_string(template()).unwrap()).unwrap();
    let outputs: BTreeMap<String, Yaml> = serde_yaml_ng::from_value(template["Outputs"].clone()).unwrap();
    let output = |(name, output): (String, Yaml)| {
        let Yaml::Tagged(value) = &output["Value"] else { return None };
        let resource = value.value.as_str().filter(|_| value.tag == "Ref")?;
        let url = system.url(resource);
        Some(format!("<member><OutputKey>{name}</OutputKey><OutputValue>{url}</OutputValue></member>"))
    };
    let outputs: String = outputs.into_iter().filter_map(output).collect();
    let stack = format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>posthorn</StackName>\
         <CreationTime>2026-11-24T10:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>\
         <Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    );
    let answer = move |body: String| async move {
        let parameters: Vec<&str> = body.split('&').collect();
        assert!(parameters.contains(&"Action=DescribeStacks"), "{body}");
        if parameters.contains(&"StackName=posthorn") {
            return stack.into_response();
        }
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
                     <Message>Stack with id elsewhere does not exist</Message></Error></ErrorResponse>";
        (StatusCode::BAD_REQUEST, error).into_response()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback_service(post(answer))).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_says_where_its_queues_are() {
    let system = System::start(Duration::from_secs(30)).await;
    let cloudformation = cloudformation(&system).await;
    let environment = [
        ("AWS_ENDPOINT_URL_CLOUDFORMATION", cloudformation.as_str()),
        ("AWS_ENDPOINT_URL_SQS", &system.stores.sqs),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    system.send("EventsDeadLetterQueue", &event(1)).await;
    system.send("DeliveriesDeadLetterQueue", "nonsense").await;
    let redrive =
        async |noun: &str, stack: &str| posthorn(&[noun, "redrive", "--stack", stack], &environment).await;
    assert!(success(&redrive("events", "posthorn").await).contains("events: 1 moved"));
    assert!(failure(&redrive("deliveries", "posthorn").await).contains("deliveries: 0 moved, 1 left"));
    let refused = failure(&redrive("events", "elsewhere").await);
    assert!(refused.contains("cannot read the stack elsewhere"), "{refused}");
    assert!(refused.contains("Stack with id elsewhere does not exist"), "{refused}");
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused() {
    let refused = async |arguments: &[&str], reason: &str| {
        let output = posthorn(&[&["events", "redrive"], arguments].concat(), &[]).await;
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(reason), "{error}");
    };
    let url = "http://127.0.0.1:9/000000000000/Queue";
    refused(&[], "--stack").await;
    refused(&["--queue-url", url], "--dead-letter-queue-url").await;
    refused(&["--stack", "posthorn", "--queue-url", url, "--dead-letter-queue-url", url], "cannot be used")
        .await;
    refused(&["--stack", "posthorn", "--max", "0"], "--max").await;
    let same = ["--queue-url", url, "--dead-letter-queue-url", url, "--endpoint-url", "http://127.0.0.1:9"];
    refused(&same, "are the same queue").await;
}
