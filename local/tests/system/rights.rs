//! What each function may do on AWS, held against what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::response::Response;
use http::{StatusCode, Uri};
use posthorn_domain::{EndpointId, EventDraft, EventId, EventMessage, Health, HealthState, Partition};
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use posthorn_local::{DEVELOPMENT_KEY, Receiver};
use posthorn_local_aws::clients;
use posthorn_storage::{Minute, Written};
use serde_json::{Value as Json, json};
use serde_yaml_ng::Value as Yaml;

use crate::harness::{local_tenant, template, text};
use crate::kms::Kms;
use crate::time_machine::{Backend, TimeMachine};

const HOUR: Duration = Duration::from_hours(1);

/// What the template calls the key.
const KEY: &str = "SecretsKeyArn";

/// An action of IAM, and the table, queue or key that it is for.
type Right = (String, String);

/// The rights that each function has used.
type Used = Arc<Mutex<BTreeMap<String, BTreeSet<Right>>>>;

/// Stands between the functions and a service, and notes which function makes which calls: each has an address of its
/// own here, which ends in its name.
struct Recorder {
    /// The rights that a call needs, by its operation and its body.
    rights: fn(&str, &Json) -> Vec<Right>,
    used: Used,
}

impl Gate for Recorder {
    async fn answer(&self, mut call: Call, service: &Service) -> Response {
        let function = call.uri.path().trim_matches('/').to_owned();
        let asked: Json = serde_json::from_slice(&call.body).unwrap();
        let rights = (self.rights)(call.operation().1, &asked);
        self.used.lock().unwrap().entry(function).or_default().extend(rights);
        call.uri = Uri::from_static("/");
        passed_on(service.call(call).await)
    }
}

/// What the rows of a partition are called here, if rights on them are given apart from the rest of their table.
fn rows_of(pk: &str) -> Option<&'static str> {
    if pk.ends_with("#consumers") {
        return Some("cursors of consumers");
    }
    match pk.split('#').next()? {
        "key" => Some("keys of tokens"),
        "component" => Some("keys of components"),
        "keys" => Some("lists of keys"),
        "code" => Some("codes of sessions"),
        "sessions" => Some("lists of sessions"),
        "accounts" => Some("accounts"),
        "deletions" => Some("list of deletions"),
        "audit" => Some("audit log"),
        "attention" => Some(ATTENTION),
        "feed" => Some("places of readers that wait"),
        _ => None,
    }
}

/// The rows that functions write in transactions only, whatever they are about.
const TOGETHER: &str = "rows written together";
const ATTENTION: &str = "list of attention";

fn rights_of_kms(operation: &str, _call: &Json) -> Vec<Right> {
    vec![(format!("kms:{operation}"), KEY.to_owned())]
}

fn rights_of_sqs(operation: &str, call: &Json) -> Vec<Right> {
    let action = operation.trim_end_matches("Batch");
    vec![(format!("sqs:{action}"), text(call, "QueueUrl").rsplit('/').next().unwrap().to_owned())]
}

fn rights_of_dynamodb(operation: &str, call: &Json) -> Vec<Right> {
    let right = |action: &str, call: &Json| {
        let of_part = |part: &str| call[part]["pk"]["S"].as_str();
        let queried = call["ExpressionAttributeValues"][":pk"]["S"].as_str().filter(|_| action == "Query");
        let pk = ["Key", "Item"].into_iter().find_map(of_part).or(queried).unwrap_or_default();
        let resource = rows_of(pk).filter(|rows| *rows != ATTENTION || action != "Query");
        (format!("dynamodb:{action}"), resource.unwrap_or_else(|| text(call, "TableName")).to_owned())
    };
    if let Some(items) = call["TransactItems"].as_array() {
        let parts = items.iter().flat_map(|item| item.as_object().unwrap());
        let together = |(action, rows): Right| {
            let is_apart = rows != ATTENTION && !rows.ends_with("Table");
            (action, if is_apart { TOGETHER.to_owned() } else { rows })
        };
        return parts.map(|(kind, part)| together(right(&format!("{kind}Item"), part))).collect();
    }
    if let Some(statements) = call["Statements"].as_array() {
        let insert = |statement: &Json| {
            let table = text(statement, "Statement").strip_prefix("INSERT INTO \"").unwrap();
            ("dynamodb:PartiQLInsert".to_owned(), table.split_once('"').unwrap().0.to_owned())
        };
        return statements.iter().map(insert).collect();
    }
    if let Some(tables) = call["RequestItems"].as_object() {
        return tables.keys().map(|table| (format!("dynamodb:{operation}"), table.clone())).collect();
    }
    vec![right(operation, call)]
}

/// The template, with its tags.
pub(crate) fn read_template() -> Yaml {
    serde_yaml_ng::from_str(&std::fs::read_to_string(template()).unwrap()).unwrap()
}

/// What a policy's statement, or a list of them, says under a name: one text or several, without their tags.
pub(crate) fn texts(value: &Yaml) -> Vec<String> {
    match value {
        Yaml::String(text) => vec![text.clone()],
        Yaml::Sequence(values) => values.iter().flat_map(texts).collect(),
        Yaml::Tagged(tagged) => texts(&tagged.value),
        other => panic!("neither text nor list: {other:?}"),
    }
}

/// The resources of a type, by their logical ids.
pub(crate) fn resources<'y>(template: &'y Yaml, kind: &str) -> Vec<(&'y str, &'y Yaml)> {
    let all = template["Resources"].as_mapping().unwrap().iter();
    let of_kind = all.filter(|(_, resource)| resource["Type"].as_str() == Some(kind));
    of_kind.map(|(id, resource)| (id.as_str().unwrap(), &resource["Properties"])).collect()
}

/// The statements of a policy, among them those that a condition may take out.
pub(crate) fn statements(document: &Yaml) -> Vec<&Yaml> {
    let statements = document["Statement"].as_sequence().unwrap().iter();
    let statements = statements.map(|statement| match statement {
        Yaml::Tagged(choice) => &choice.value[1],
        statement => statement,
    });
    statements.collect()
}

/// The properties of a function's role.
pub(crate) fn role_of<'y>(template: &'y Yaml, function: &Yaml) -> &'y Yaml {
    let role = texts(&function["Role"]).remove(0);
    &template["Resources"][role.trim_end_matches(".Arn")]["Properties"]
}

/// What a role may do with which queues.
pub(crate) fn queue_rights(role: &Yaml) -> BTreeSet<Right> {
    let policies = role["Policies"].as_sequence().map_or(&[][..], Vec::as_slice);
    policies.iter().flat_map(|policy| statements(&policy["PolicyDocument"])).flat_map(rights).collect()
}

/// The rights that a statement grants on tables and queues of the stack, or on some rows of a table, and on the key.
fn rights(statement: &Yaml) -> Vec<Right> {
    let is_ours = |text: &String| text == KEY || text.ends_with(".Arn");
    let leading = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    let resources: Vec<_> = if leading.is_null() {
        texts(&statement["Resource"]).into_iter().filter(is_ours).collect()
    } else {
        let rows = |pk: &String| match pk.as_str() {
            "*#live" | "*#test" => "EndpointsTable",
            pk => rows_of(pk).unwrap_or_else(|| panic!("{pk}")),
        };
        texts(leading).iter().map(|pk| rows(pk).to_owned()).collect()
    };
    let actions = texts(&statement["Action"]).into_iter();
    let rights = actions.flat_map(|action| {
        resources.iter().map(move |arn| (action.clone(), arn.trim_end_matches(".Arn").to_owned()))
    });
    rights.collect()
}

/// What the template lets each function do, beyond what Lambda, SQS and DynamoDB do in its name.
fn granted() -> BTreeMap<String, BTreeSet<Right>> {
    let template = read_template();
    let managed: BTreeMap<_, _> = resources(&template, "AWS::IAM::ManagedPolicy").into_iter().collect();
    let in_its_name = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
    let mut granted = BTreeMap::new();
    for (_, function) in resources(&template, "AWS::Serverless::Function") {
        let role = role_of(&template, function);
        let mut all = queue_rights(role);
        all.retain(|(action, _)| !in_its_name.contains(&action.as_str()));
        let names = texts(&role["ManagedPolicyArns"]).into_iter();
        for name in
            names.filter(|name| !["EveryFunctionPolicy", "UseTablesKeyPolicy"].contains(&name.as_str()))
        {
            let Some(policy) = managed.get(name.as_str()) else { continue };
            let of_policy = statements(&policy["PolicyDocument"]).into_iter().flat_map(rights);
            all.extend(of_policy.map(|(action, resource)| match name.as_str() {
                "NoteAttentionPolicy" | "ClearAttentionPolicy" => (action, ATTENTION.to_owned()),
                "PutTogetherPolicy" | "UpdateTogetherPolicy" | "DeleteTogetherPolicy" => {
                    (action, TOGETHER.to_owned())
                }
                _ => (action, resource),
            }));
        }
        granted.insert(function["Handler"].as_str().unwrap().to_owned(), all);
    }
    granted
}

#[test]
fn the_template_grants_nothing_to_everybody_and_nothing_on_everything() {
    let template = read_template();
    let roles = resources(&template, "AWS::IAM::Role");
    let inline =
        roles.iter().flat_map(|(_, role)| role["Policies"].as_sequence().cloned().unwrap_or_default());
    let managed =
        resources(&template, "AWS::IAM::ManagedPolicy").into_iter().map(|(_, policy)| policy.clone());
    let mut on_everything = Vec::new();
    for policy in inline.chain(managed) {
        for statement in statements(&policy["PolicyDocument"]) {
            assert_eq!(statement["Effect"].as_str(), Some("Allow"));
            let actions = texts(&statement["Action"]);
            assert!(actions.iter().all(|action| !action.contains('*')), "{actions:?}");
            if texts(&statement["Resource"]).iter().any(|arn| arn.contains('*')) {
                on_everything.extend(actions);
            }
        }
    }
    // AWS knows no other way to let Lambda put a function into a VPC, which the stack does where it is asked to.
    assert!(on_everything.iter().all(|action| action.starts_with("ec2:")), "{on_everything:?}");
    let functions = resources(&template, "AWS::Serverless::Function");
    let roles: BTreeSet<_> =
        functions.iter().map(|(_, function)| texts(&function["Role"]).remove(0)).collect();
    assert_eq!(roles.len(), functions.len(), "each function has a role of its own");
    for (_, queue) in resources(&template, "AWS::SQS::Queue") {
        assert_eq!(queue["SqsManagedSseEnabled"].as_bool(), Some(true));
    }
    let [(_, api)] = resources(&template, "AWS::Serverless::HttpApi")[..] else { panic!("one API") };
    assert!(api["CorsConfiguration"].is_null(), "no browser calls the API");
    assert!(!api["DefaultRouteSettings"]["ThrottlingRateLimit"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_has_the_rights_that_it_uses_and_no_other() {
    let answer = |path: &str, _: &str| match path {
        "/good" => StatusCode::OK,
        "/gone" => StatusCode::GONE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let receiver = Receiver::start(0, answer).await.unwrap();
    let (backend, kms, used) = (Backend::start().await, Kms::start().await, Used::default());
    let recorder = async |service: &str, rights: fn(&str, &Json) -> Vec<Right>| {
        Proxy::start(service, Recorder { rights, used: Arc::clone(&used) }).await.unwrap()
    };
    let recorders = [
        ("DYNAMODB", recorder(&backend.stores.stores.dynamodb, rights_of_dynamodb).await),
        ("SQS", recorder(&backend.stores.stores.sqs, rights_of_sqs).await),
        ("KMS", recorder(&kms.url, rights_of_kms).await),
    ];
    let mut machine = TimeMachine::start_on(backend, &[("RETRY_SCHEDULE", "1h, 10s")], |_, function| {
        let key = ("SECRETS_KEY_ARN".to_owned(), Kms::KEY.to_owned());
        let addresses = recorders.iter().map(|(service, proxy)| {
            (format!("AWS_ENDPOINT_URL_{service}"), format!("{}/{function}", proxy.url))
        });
        addresses.chain([key]).collect()
    })
    .await;
    use_every_route(&machine, &receiver.url).await;
    Box::pin(use_every_worker(&mut machine, &receiver.url)).await;

    // Done once a day, or once in ninety, by the function that happens to be first; or if a component is calling.
    let of_keys = |action: &str, rows: &str| (format!("dynamodb:{action}"), rows.to_owned());
    let seldom = [
        of_keys("UpdateItem", "keys of tokens"),
        of_keys("Query", "keys of tokens"),
        of_keys("UpdateItem", "keys of components"),
        of_keys("GetItem", "keys of components"),
        of_keys("Query", "keys of components"),
        ("kms:GenerateDataKeyWithoutPlaintext".to_owned(), KEY.to_owned()),
    ];
    let (used, granted) = (used.lock().unwrap().clone(), granted());
    let mut wrong = Vec::new();
    for (function, granted) in &granted {
        let used = used.get(function).cloned().unwrap_or_default();
        wrong.extend(used.difference(granted).map(|right| format!("{function} lacks {right:?}")));
        let unused = granted.difference(&used).filter(|right| !seldom.contains(right));
        wrong.extend(unused.map(|right| format!("{function} never uses {right:?}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for function in used.keys() {
        assert!(granted.contains_key(function), "{function}");
    }
}

/// Calls the function of each route in all its ways.
async fn use_every_route(machine: &TimeMachine, receiver: &str) {
    let call = async |function: &str, path: &[(&str, &str)], body: Option<Json>| {
        let (status, answer) = machine.call(function, path, body).await;
        assert!((200..300).contains(&status), "{function}: {answer}");
        answer
    };
    let new = json!({ "url": format!("{receiver}/bad"), "enabled_events": ["order.*"] });
    let endpoint = call("create-endpoint", &[], Some(new)).await;
    let id = [("id", text(&endpoint, "id"))];
    call("list-endpoints", &[], None).await;
    call("update-endpoint", &id, Some(json!({ "description": "Orders" }))).await;
    call("get-secret", &id, None).await;
    call("rotate-secret", &id, None).await;
    call("test-endpoint", &id, Some(json!({ "type": "parcel.lost" }))).await;
    call("list-event-types", &[], None).await;
    use_the_platforms_routes(machine).await;
    // It listens, waits for an event, and keeps a cursor.
    let feed = async |query: &[(&str, &str)]| machine.list("read-feed", query).await.1;
    feed(&[("consumer", "billing"), ("wait", "1")]).await;
    let begun = feed(&[("consumer", "billing")]).await;
    let event = json!({ "type": "order.paid", "data": {}, "request": { "idempotency_key": "1" } });
    call("publish-event", &[], Some(event.clone())).await;
    forget_that_it_was_sent(machine, "1").await;
    call("publish-event", &[], Some(event)).await;
    machine.pass(Duration::from_secs(5)).await;
    call("get-endpoint", &id, None).await;
    // PaymentKit's SDK gets an endpoint's attempts in a list, too.
    let headers = json!({ "authorization": format!("Bearer {DEVELOPMENT_KEY}"), "x-component-sig": "0x" });
    let (status, list) = machine.request("list-endpoints", &json!({ "headers": headers })).await;
    assert_eq!(
        (status, &list["list"][0]["attempts"][0]["object"]),
        (200, &json!("webhook_attempt")),
        "{list}"
    );
    let events = call("list-events", &[], None).await;
    let event_id = [("id", text(&events["list"][0], "id"))];
    call("get-event", &event_id, None).await;
    call("explain-event", &event_id, None).await;
    let page = feed(&[("consumer", "billing"), ("cursor", text(&begun, "next_cursor"))]).await;
    assert!(!page["list"].as_array().unwrap().is_empty(), "{page}");
    let (_, attempts) = machine.list("list-attempts", &[("webhook_endpoint_id", id[0].1)]).await;
    call("retry-attempt", &[("id", text(&attempts["list"][0], "id"))], None).await;
    let since = json!({ "since": "2026-01-01T00:00:00Z", "scope": "missing" });
    let recovery = call("recover-endpoint", &id, Some(since)).await;
    call("get-recovery", &[id[0], ("task_id", text(&recovery, "id"))], None).await;
    call("pause-endpoint", &id, None).await;
    call("update-endpoint", &id, Some(json!({ "status": "enabled" }))).await;
    call("pause-endpoint", &id, None).await;
    call("resume-endpoint", &id, None).await;
    let failing = machine.endpoints.get(&local_tenant(), id[0].1.parse().unwrap()).await.unwrap().unwrap();
    machine.set_health(&[failing], HealthState::Failing).await;
    call("pause-endpoint", &id, None).await;
    call("list-attention", &[], None).await;
    call("resume-endpoint", &id, None).await;
    call("update-endpoint", &id, Some(json!({ "status": "disabled" }))).await;
    call("update-endpoint", &id, Some(json!({ "status": "enabled" }))).await;
    call("pause-endpoint", &id, None).await;
    machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(5)).await;
    call("delete-endpoint", &id, None).await;
    let disabled = json!({ "url": receiver, "enabled_events": ["order.*"], "status": "disabled" });
    call("create-endpoint", &[], Some(disabled)).await;
}

/// Creates, reads and deletes accounts, by the platform's key.
async fn use_the_platforms_routes(machine: &TimeMachine) {
    let account = "acct_gone";
    let call = async |function: &str, id: &str, query: &str, body: Option<Json>| {
        let (status, answer) = machine.call_as_platform(function, id, query, Some(account), body).await;
        assert!((200..300).contains(&status), "{function}: {answer}");
        answer
    };
    call("put-account", account, "", Some(json!({ "name": "Ada" }))).await;
    call("get-account", account, "", None).await;
    call("list-accounts", "", "", None).await;
    let key = call("create-key", "", "livemode=true", Some(json!({}))).await;
    call("delete-key", text(&key, "id"), "", None).await;
    call("list-keys", "", "", None).await;
    let endpoint = json!({ "url": "https://example.com/", "enabled_events": ["*"], "status": "paused" });
    call("create-endpoint", "", "livemode=true", Some(endpoint)).await;
    let event = json!({ "type": "order.paid", "data": {} });
    call("publish-event", "", "livemode=true", Some(event)).await;
    call("read-feed", "", "livemode=true", None).await;
    let code = async || {
        let session = call("create-session", "", "livemode=true", Some(json!({}))).await;
        json!({ "code": text(&session, "url").rsplit_once('=').unwrap().1 })
    };
    call("exchange-session", "", "", Some(code().await)).await;
    call("end-sessions", "", "", None).await;
    call("exchange-session", "", "", Some(code().await)).await;
    code().await;
    call("list-audit", "", "", None).await;
    call("delete-account", account, "confirm=acct_gone", None).await;
    machine.erase_accounts().await;
}

/// What a publisher's request leaves that ended between claiming its key and sending its event.
async fn forget_that_it_was_sent(machine: &TimeMachine, key: &str) {
    let pk = AttributeValue::S(format!("idem#{}#{key}", local_tenant()));
    let update = clients::dynamodb(&machine.stores.stores.dynamodb).update_item().table_name("EventsTable");
    let update = update.key("pk", pk).key("sk", AttributeValue::S("idem".to_owned()));
    let update = update.update_expression("SET sent = :no");
    update.expression_attribute_values(":no", AttributeValue::Bool(false)).send().await.unwrap();
}

/// A retry that 0.1.0 has put off: its row does not expire, so whoever sends it deletes it.
async fn put_off_as_0_1_0(machine: &TimeMachine) {
    let minute = Minute::of(machine.now().plus(HOUR)).0;
    let put = clients::dynamodb(&machine.stores.stores.dynamodb).put_item().table_name("DueTable");
    let texts = [
        ("pk", format!("due#{minute}#0")),
        ("sk", format!("{}000#evt", minute * 60)),
        ("body", "nonsense".to_owned()),
        ("group", "wh".to_owned()),
    ];
    let row = texts.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    put.set_item(Some(row.collect())).send().await.unwrap();
}

/// Lets events go all ways there are: to many endpoints, to failing ones, to ones that are gone, twice.
async fn use_every_worker(machine: &mut TimeMachine, receiver: &str) {
    many_endpoints_with_little_time(machine, receiver).await;
    let machine = &*machine;
    for queue in ["EventsQueue", "FirstAttemptsQueue", "DeliveriesQueue"] {
        machine.send(queue, "nonsense".to_owned()).await;
    }
    let register = async |path: &str| machine.register(&format!("{receiver}{path}"), &["order.*"]).await;
    let (good, bad, gone) = (register("/good").await, register("/bad").await, register("/gone").await);
    machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(5)).await;
    // These are known to fan-out as healthy, and fail when it sends to them itself.
    let gone_soon = register("/gone").await;
    machine.prove(&[bad.clone(), gone_soon.clone()]).await;
    // Deliver finds this one gone.
    let gone_slowly = register("/gone").await;
    machine.set_health(std::slice::from_ref(&gone_slowly), HealthState::Slow).await;
    for endpoint in [&good, &bad, &gone, &gone_soon, &gone_slowly] {
        publish_to(machine, endpoint.id).await;
    }
    // Deliver finds that this one works again, and fan-out that another one does.
    let (works_slowly, works) = (register("/good").await, register("/good").await);
    machine.set_health(std::slice::from_ref(&works_slowly), HealthState::Failing).await;
    machine.prove(std::slice::from_ref(&works)).await;
    machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(5)).await;
    let works = machine.endpoint(&works).await;
    let failing = Health::new(HealthState::Failing, works.created_at);
    let noted = machine.endpoints.set_health(&local_tenant(), &works, failing).await.unwrap();
    assert_eq!(noted, Written::Now);
    machine.pass(2 * HOUR).await;
    machine.publish("order.paid").await;
    machine.pass(Duration::from_secs(5)).await;
    // Nobody subscribes to it.
    let event = json!({ "type": "ping", "data": {} });
    let (status, _) = machine.call("publish-event", &[], Some(json!({ "events": vec![event; 100] }))).await;
    assert_eq!(status, 202);
    for number in 0..50 {
        register(&format!("/bad/{number}")).await;
    }
    machine.pass(Duration::from_secs(5)).await;
    machine.publish("order.paid").await;
    put_off_as_0_1_0(machine).await;
    machine.pass(2 * HOUR).await;
    // An event with many deliveries keeps them in rows of their own, which are read one by one.
    let id = good.id.to_string();
    machine.call("get-endpoint", &[("id", &id)], None).await;
    machine.list("list-events", &[]).await;
    machine.list("list-attempts", &[("webhook_endpoint_id", &id)]).await;
    let dry_run = json!({ "since": "2026-01-01T00:00:00Z", "dry_run": true });
    machine.call("recover-endpoint", &[("id", &bad.id.to_string())], Some(dry_run)).await;
}

/// Has deliver give a chunk back, and then queue each of its first attempts singly.
async fn many_endpoints_with_little_time(machine: &mut TimeMachine, receiver: &str) {
    for number in 0..51 {
        machine.register(&format!("{receiver}/good/{number}"), &["parcel.*"]).await;
    }
    machine.time_left = Duration::from_secs(12);
    machine.publish("parcel.lost").await;
    machine.work().await;
    machine.time_left = Duration::from_mins(1);
    machine.pass(Duration::from_mins(1)).await;
}

/// Publishes an event for one endpoint, as a producer does that sends it twice.
async fn publish_to(machine: &TimeMachine, endpoint_id: EndpointId) {
    let draft = EventDraft::test(&"order.paid".parse().unwrap());
    let id = EventId::new(machine.now(), Partition::of(&draft.event_type), machine.random.bits());
    let message = EventMessage {
        tenant: local_tenant(),
        endpoint_id: Some(endpoint_id),
        claimed: false,
        id: Some(id),
        draft,
    };
    for _ in 0..2 {
        machine.send("EventsQueue", message.to_json()).await;
        machine.work().await;
    }
}
