//! Messages and rows of earlier releases. Whatever is in a queue or a table when a release is deployed was written by
//! the one before, so it has to be understood.
//!
//! Each file in `recorded/` is of one release, from a real run. This writes the one of the version in `Cargo.toml`:
//! `cargo test -p posthorn-local --test system -- --ignored record_what_this_release_writes`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http::StatusCode;
use posthorn_domain::{
    AccountId, DeliveryStatus, EndpointEdit, EventId, Fields, GrantId, NewEndpoint, Timestamp, WorkMessage,
};
use posthorn_local::{DEVELOPMENT_ACCOUNT, Receiver};
use posthorn_storage::StorageError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::harness::{local_tenant, text};
use crate::kms::Kms;
use crate::time_machine::TimeMachine;

const MINUTE: Duration = Duration::from_mins(1);
const TABLES: [&str; 3] = ["EndpointsTable", "EventsTable", "DueTable"];
/// An API key, and one that is revoked.
const KEYS: [&str; 2] = ["sk_live_recorded", "sk_live_revoked"];
/// Where fan-out's messages for deliver go while a release is recorded: nobody reads it, so each can be looked at.
const HELD_BACK: &str = "DeliveriesDeadLetterQueue";
/// One endpoint more than fit into a chunk.
const PARCEL_ENDPOINTS: usize = 51;

/// What a release has written, at one moment.
#[derive(Serialize, Deserialize)]
struct Recorded {
    /// The moment, in milliseconds.
    at: i64,
    /// Where the endpoints were.
    receiver: String,
    /// What KMS knows of the data keys.
    data_keys: Value,
    /// The events, and how many endpoints each is for.
    events: BTreeMap<EventId, usize>,
    /// What was asked then, and answered.
    answers: Vec<Asked>,
    /// What was on the queues.
    messages: Vec<Queued>,
    /// The rows of each table.
    tables: BTreeMap<String, Vec<Value>>,
}

/// A request to a function of the API, and its answer.
#[derive(Clone, Serialize, Deserialize)]
struct Asked {
    function: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    path: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    status: u16,
    answer: Value,
}

/// A message, and the queue that it is on.
#[derive(Serialize, Deserialize)]
struct Queued {
    queue: String,
    body: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/system/recorded")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_releases_have_written_is_understood() {
    let mut releases = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let file = file.unwrap().path();
        understand(&std::fs::read_to_string(&file).unwrap()).await;
        releases += 1;
    }
    assert!(releases > 0, "nothing is recorded");
}

async fn understand(file: &str) {
    let (mut receiver, _) = receiver(200).await;
    let recorded: Recorded = serde_json::from_str(file).unwrap();
    let recorded: Recorded = serde_json::from_str(&file.replace(&recorded.receiver, &receiver.url)).unwrap();
    let kms = Kms::start().await;
    kms.learn(&recorded.data_keys);
    let machine = machine(&kms, "DeliveriesQueue").await;
    load(&machine, &recorded.tables).await;
    machine.sleep(Timestamp::from_millis(recorded.at).since(machine.now()));

    for asked in &recorded.answers {
        let now = ask(&machine, asked.clone()).await;
        assert_eq!(now.status, asked.status, "{}: {}", asked.function, now.answer);
        assert_says(&now.answer, &asked.answer, &asked.function);
    }
    let [opens, revoked] = KEYS;
    assert_eq!(machine.list_as(opens, "list-events", &[]).await.0, 200);
    assert_eq!(machine.list_as(revoked, "list-events", &[]).await.0, 401);

    // What is on the queues is done, and what is due.
    for Queued { queue, body } in &recorded.messages {
        machine.send(queue, body.clone()).await;
    }
    machine.pass(2 * MINUTE).await;
    let recovery = recorded.answers.iter().find(|asked| asked.function == "get-recovery").unwrap();
    let recovery = ask(&machine, recovery.clone()).await.answer;
    assert_eq!(recovery["status"], "completed", "{recovery}");
    machine.pass(Duration::from_hours(3)).await;
    machine.stores.until_idle().await;
    let due = machine.due_rows().await;
    assert!(
        due.iter().all(|row| row.contains_key("expires_at")),
        "rows that don't expire are deleted: {due:?}"
    );
    for (event, endpoints) in &recorded.events {
        let record = machine.log.get_whole(&local_tenant(), *event).await.unwrap().unwrap();
        let succeeded =
            record.deliveries.iter().filter(|delivery| delivery.status == DeliveryStatus::Succeeded);
        assert_eq!(succeeded.count(), *endpoints, "{event}: {:?}", record.deliveries);
    }
    let (mut arrived, mut headers) = (BTreeSet::new(), BTreeSet::new());
    while !receiver.is_idle() {
        let arrival = receiver.next().await;
        headers.extend(arrival.headers.get("x-recorded").map(|value| value.to_str().unwrap().to_owned()));
        arrived.insert(arrival.event_id().parse::<EventId>().unwrap());
    }
    let missing: Vec<_> = recorded.events.keys().filter(|event| !arrived.contains(event)).collect();
    assert!(missing.is_empty(), "{missing:?} should have been sent again, or for the first time");
    assert_eq!(headers.into_iter().collect::<Vec<_>>(), ["open", "sealed"]);

    // What is new is sealed with the data key that there is.
    machine.register(&format!("{}/new", receiver.url), &["order.*"]).await;
    let rows = rows(&machine, "EndpointsTable").await;
    let is_data_key = |row: &&Value| row["pk"]["S"].as_str().unwrap().starts_with("datakey#");
    assert_eq!(rows.iter().filter(is_data_key).count(), 1, "there is no other data key");
}

/// What is said in other words since: the end of the place, what stood there, what stands there now. An endpoint that has
/// acknowledged nothing was called healthy.
const RENAMED: [(&str, &str, &str); 1] = [(".health.status", "healthy", "unproven")];

/// Checks that an answer says everything that it said before; it may say more.
fn assert_says(now: &Value, before: &Value, place: &str) {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            for (name, before) in before {
                let place = format!("{place}.{name}");
                assert_says(now.get(name).unwrap_or_else(|| panic!("{place} is gone")), before, &place);
            }
        }
        (Value::Array(now), Value::Array(before)) => {
            assert_eq!(now.len(), before.len(), "{place}");
            for (number, (now, before)) in now.iter().zip(before).enumerate() {
                assert_says(now, before, &format!("{place}.{number}"));
            }
        }
        _ => {
            let renamed = RENAMED
                .iter()
                .any(|(end, before_it, now_it)| place.ends_with(end) && before == before_it && now == now_it);
            assert!(now == before || renamed, "{place}: {now} instead of {before}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it writes the file that the other test reads"]
async fn record_what_this_release_writes() {
    let recorded = record().await;
    let file = folder().join(format!("{}.json", env!("CARGO_PKG_VERSION")));
    std::fs::create_dir_all(folder()).unwrap();
    std::fs::write(file, serde_json::to_string_pretty(&recorded).unwrap() + "\n").unwrap();
}

async fn record() -> Recorded {
    let kms = Kms::start().await;
    let (receiver, answer) = receiver(200).await;
    let machine = machine(&kms, HELD_BACK).await;
    machine.sweep().await;
    let [sealed, open] = endpoints(&machine, &receiver.url).await;
    let mut events = BTreeMap::new();
    let mut asked = Vec::new();

    // One that is acknowledged, under an idempotency key: the second time, it is not published again.
    let draft = json!({
        "type": "order.paid",
        "data": { "object": { "object": "order", "id": "ord_1", "note": "paid ".repeat(40) } },
        "metadata": { "shop": "7" },
        "request": { "idempotency_key": "recorded" },
    });
    for _ in 0..2 {
        asked.push(ask(&machine, Asked::new("publish-event", &[], Some(draft.clone()))).await);
    }
    asked.remove(0);
    hand_on(&machine).await;
    let acknowledged = text(&asked[0].answer, "id").to_owned();
    events.insert(acknowledged.parse().unwrap(), 2);
    // One that nobody wants any more: its endpoint says that it is gone.
    machine.publish("gone.for.good").await;
    hand_on(&machine).await;

    // Some that fail, and a recovery of them that has done its first slice.
    answer.store(500, Ordering::SeqCst);
    let since = machine.now();
    for _ in 0..12 {
        events.insert(machine.publish("order.paid").await, 2);
    }
    hand_on(&machine).await;
    machine.sleep(MINUTE);
    let path = [("id", open.as_str())];
    let (status, recovery) = machine.call("recover-endpoint", &path, Some(json!({ "since": since }))).await;
    assert_eq!(status, 202, "{recovery}");
    machine.work().await;
    machine.sleep(Duration::from_secs(10));
    let mut messages = take(&machine, "DeliveriesQueue").await;
    let is_recovery = |body: &str| matches!(WorkMessage::parse(body), Ok(WorkMessage::Recovery(_)));
    assert!(messages.iter().any(|message| is_recovery(&message.body)));

    // One for many endpoints: of its two chunks, one has been worked through, and has failed.
    let parcel = machine.publish("parcel.sent").await;
    events.insert(parcel, PARCEL_ENDPOINTS);
    machine.work().await;
    let [first, second] = <[Queued; 2]>::try_from(take(&machine, HELD_BACK).await).ok().unwrap();
    messages.push(Queued { queue: "DeliveriesQueue".to_owned(), ..first });
    machine.send("DeliveriesQueue", second.body).await;
    machine.work().await;

    // What has just been asked for: an event, as the API and as a producer puts it, a test, and an event once more.
    let new = json!({ "type": "order.paid", "data": { "n": 1.50 } });
    let (_, new) = machine.call("publish-event", &[], Some(new)).await;
    events.insert(text(&new, "id").parse().unwrap(), 2);
    machine.publish("order.paid").await;
    machine.call("test-endpoint", &[("id", &sealed)], Some(json!({ "type": "order.paid" }))).await;
    let again = json!({ "event_id": acknowledged, "webhook_endpoint_id": open });
    machine.call("retry-attempt", &[], Some(again)).await;
    messages.extend(take(&machine, "EventsQueue").await);
    messages.extend(take(&machine, "DeliveriesQueue").await);

    let mut tables = BTreeMap::new();
    for table in TABLES {
        tables.insert(table.to_owned(), rows(&machine, table).await);
    }
    let recovery = [("id", open.as_str()), ("task_id", text(&recovery, "id"))];
    asked.extend(ask_all(&machine, [&sealed, &open], &recovery, &[&acknowledged, &parcel.to_string()]).await);
    Recorded {
        at: machine.now().as_millis(),
        receiver: receiver.url.clone(),
        data_keys: kms.data_keys(),
        events,
        answers: asked,
        messages,
        tables,
    }
}

/// All that the API says of what was recorded.
async fn ask_all(
    machine: &TimeMachine,
    endpoints: [&str; 2],
    recovery: &[(&str, &str)],
    events: &[&str],
) -> Vec<Asked> {
    let mut all = vec![
        Asked::new("get-recovery", recovery, None),
        Asked::new("list-endpoints", &[], None),
        Asked::new("list-attention", &[], None),
        Asked::new("list-events", &[], None).with(&[("type", "order.*"), ("pageSize", "50")]),
    ];
    for id in endpoints {
        all.push(Asked::new("get-endpoint", &[("id", id)], None));
        all.push(Asked::new("get-secret", &[("id", id)], None));
        all.push(Asked::new("list-attempts", &[], None).with(&[("webhook_endpoint_id", id)]));
    }
    all.extend(events.iter().map(|id| Asked::new("get-event", &[("id", id)], None)));
    let mut answered = Vec::new();
    for asked in all {
        let asked = ask(machine, asked).await;
        assert_eq!(asked.status, 200, "{}: {}", asked.function, asked.answer);
        answered.push(asked);
    }
    answered
}

impl Asked {
    fn new(function: &str, path: &[(&str, &str)], body: Option<Value>) -> Self {
        let (function, path) = (function.to_owned(), owned(path));
        Self { function, path, query: BTreeMap::new(), body, status: 0, answer: Value::Null }
    }

    fn with(self, query: &[(&str, &str)]) -> Self {
        Self { query: owned(query), ..self }
    }
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn ask(machine: &TimeMachine, asked: Asked) -> Asked {
    fn pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
    let (status, answer) = if asked.query.is_empty() {
        machine.call(&asked.function, &pairs(&asked.path), asked.body.clone()).await
    } else {
        machine.list(&asked.function, &pairs(&asked.query)).await
    };
    Asked { status, answer, ..asked }
}

/// Functions that seal what is secret, and try again after an hour. Fan-out's messages go to that queue.
async fn machine(kms: &Kms, from_fan_out: &str) -> TimeMachine {
    let settings = [("RETRY_SCHEDULE", "1h, 1h"), ("RECOVERIES_PER_SECOND", "1")];
    // Rows are to last as long as this is tested.
    let settings = [&kms.environment()[..], &settings[..], &[("EVENT_RETENTION_DAYS", "3650")][..]].concat();
    let machine = TimeMachine::start_with(&settings, |stores, function| {
        let url = posthorn_local_aws::template::queue_url(&stores.stores.sqs, from_fan_out);
        if function == "fan-out" { vec![("DELIVERIES_QUEUE_URL".to_owned(), url)] } else { Vec::new() }
    });
    machine.await
}

/// A receiver that answers as it is told to, but for `/gone`.
async fn receiver(status: u16) -> (Receiver, Arc<AtomicU16>) {
    let answer = Arc::new(AtomicU16::new(status));
    let shown = Arc::clone(&answer);
    let answering = move |path: &str, _: &str| match path {
        "/gone" => StatusCode::GONE,
        _ => StatusCode::from_u16(shown.load(Ordering::SeqCst)).unwrap(),
    };
    (Receiver::start(0, answering).await.unwrap(), answer)
}

/// API keys, and endpoints of every kind. Returns the ids of two that want orders: one whose row is sealed and that has
/// an old secret, and one whose row is not.
async fn endpoints(machine: &TimeMachine, receiver: &str) -> [String; 2] {
    let keys = machine.stores.runtime("create-endpoint").grants().unwrap();
    let account: AccountId = DEVELOPMENT_ACCOUNT.parse().unwrap();
    let list = async || keys.list(Some(&account)).await.unwrap().into_iter().map(|(_, grant)| grant.id);
    let before: BTreeSet<_> = list().await.collect();
    machine.stores.add_key(KEYS[1], DEVELOPMENT_ACCOUNT).await;
    for id in list().await.filter(|id| !before.contains(id)) {
        let GrantId::Key(id) = id else { panic!("{id}") };
        assert!(keys.revoke(Some(&account), id, machine.now()).await.unwrap());
    }
    machine.stores.add_key(KEYS[0], DEVELOPMENT_ACCOUNT).await;

    let sealed = json!({
        "url": format!("{receiver}/sealed"), "enabled_events": ["order.*", "customer.created"],
        "description": "Orders", "headers": { "X-Recorded": "sealed" }, "metadata": { "shop": "7" },
    });
    let (_, sealed) = machine.call("create-endpoint", &[], Some(sealed)).await;
    let sealed = text(&sealed, "id").to_owned();
    machine.call("rotate-secret", &[("id", &sealed)], None).await;

    let open = json!({
        "url": format!("{receiver}/former"), "enabled_events": ["customer.*", "order.*"],
        "headers": { "X-Recorded": "open" },
    });
    let open = NewEndpoint::read(&mut Fields::parse(&open.to_string()).unwrap()).unwrap();
    let open = open.register(&local_tenant(), machine.now(), machine.random.as_ref());
    let without_key = machine.stores.runtime("create-endpoint").endpoints().unwrap();
    without_key.create(&local_tenant(), &open, 1_000).await.unwrap();
    let edit = json!({ "url": format!("{receiver}/open"), "enabled_events": ["order.*"] }).to_string();
    let edit = EndpointEdit::read(&mut Fields::parse(&edit).unwrap()).unwrap();
    let apply = |endpoint| Ok::<_, StorageError>(edit.apply(endpoint, None, machine.now()));
    without_key.update(&local_tenant(), open.id, apply).await.unwrap().unwrap();

    machine.register(&format!("{receiver}/gone"), &["gone.*"]).await;
    for number in 0..PARCEL_ENDPOINTS {
        machine.register(&format!("{receiver}/parcel/{number}"), &["parcel.*"]).await;
    }
    [sealed, open.id.to_string()]
}

/// Has the functions work, and what fan-out has queued be delivered.
async fn hand_on(machine: &TimeMachine) {
    machine.work().await;
    for message in take(machine, HELD_BACK).await {
        machine.send("DeliveriesQueue", message.body).await;
    }
    machine.work().await;
}

async fn take(machine: &TimeMachine, queue: &str) -> Vec<Queued> {
    let bodies = machine.take(queue).await.into_iter();
    bodies.map(|body| Queued { queue: queue.to_owned(), body }).collect()
}

/// The rows of a table, as DynamoDB writes them.
async fn rows(machine: &TimeMachine, table: &str) -> Vec<Value> {
    let client = reqwest::Client::new();
    let mut page = dynamodb(&client, machine, "Scan", &json!({ "TableName": table })).await;
    assert!(page.get("LastEvaluatedKey").is_none(), "there is more in {table}");
    page["Items"].as_array_mut().map(std::mem::take).unwrap()
}

async fn load(machine: &TimeMachine, tables: &BTreeMap<String, Vec<Value>>) {
    let client = reqwest::Client::new();
    for (table, rows) in tables {
        for row in rows {
            dynamodb(&client, machine, "PutItem", &json!({ "TableName": table, "Item": row })).await;
        }
    }
}

/// Calls DynamoDB in its own words, in which the rows are recorded.
async fn dynamodb(client: &reqwest::Client, machine: &TimeMachine, operation: &str, call: &Value) -> Value {
    let request = client
        .post(&machine.stores.stores.dynamodb)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
        .header("x-amz-date", "20261124T100000Z")
        .body(call.to_string());
    let answer = request.send().await.unwrap();
    let (status, answer) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{operation}: {answer}");
    serde_json::from_str(&answer).unwrap()
}
