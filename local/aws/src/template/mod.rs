//! Reads the parts of `template.yaml` that a laptop needs: the functions with their routes, queues and settings, the
//! tables, and the queues. AWS uses the same file, so the two cannot drift apart.

mod intrinsics;
mod parameters;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::dynamodb::TableSpec;
use crate::sqs::{QueueSpec, Redrive};
use intrinsics::{Resolver, yaml_to_json};

pub use intrinsics::{AWS_ACCOUNT, REGION, queue_url};

/// The resources that a template defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The functions.
    pub functions: Vec<FunctionSpec>,
    /// The tables.
    pub tables: Vec<TableSpec>,
    /// The queues.
    pub queues: Vec<QueueSpec>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The name of its resource, such as `FanOutFunction`.
    pub logical_id: String,
    /// Its name, which is the `Handler` in the template, such as `fan-out`.
    pub name: String,
    /// Maximum time of an invocation.
    pub timeout: Duration,
    /// Its memory, in MB.
    pub memory_mb: u32,
    /// The variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The routes that it serves.
    pub routes: Vec<Route>,
    /// The queues whose messages it gets.
    pub queues: Vec<QueueSource>,
    /// The intervals at which schedules call it.
    pub schedules: Vec<Duration>,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Its method, such as `GET`. `ANY` is every method.
    pub method: String,
    /// Its path, with parameters in braces, or [`Route::DEFAULT`].
    pub path: String,
}

impl Route {
    /// The path of the route for requests that match no other route.
    pub const DEFAULT: &str = "$default";
}

/// An event source mapping, which passes messages from a queue to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// The queue's name.
    pub queue: String,
    /// Maximum number of messages in one invocation.
    pub batch_size: usize,
    /// Maximum time to wait for a batch to fill.
    pub batching_window: Duration,
    /// Maximum number of concurrent invocations; `None` means the account's limit.
    pub max_concurrency: Option<usize>,
    /// Whether the function reports which messages of a batch failed. Otherwise they fail together.
    pub partial_failures: bool,
}

impl Template {
    /// Reads a template. `sqs` is the address of the embedded SQS, such as `http://127.0.0.1:9324`. Parameters that are
    /// not in `given` have their defaults.
    pub fn load(file: &Path, sqs: &str, given: &[(&str, &str)]) -> Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text, sqs, given).with_context(|| format!("cannot use {}", file.display()))
    }

    /// Reads a template's text. Parameters that are not in `given` have their defaults.
    pub fn parse(text: &str, sqs: &str, given: &[(&str, &str)]) -> Result<Self> {
        let document = yaml_to_json(serde_yaml_ng::from_str(text).context("it is not YAML")?)?;
        let section = |name: &str| document.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let parameters = parameters::values(&section("Parameters"), given)?;
        let (conditions, all) = (section("Conditions"), section("Resources"));
        let resolver = Resolver { parameters: &parameters, conditions: &conditions, resources: &all, sqs };
        let resources = existing(&all, &resolver)?;
        let resolver = Resolver { resources: &resources, ..resolver };
        let globals = resolver.resolve(&section("Globals").remove("Function").unwrap_or_default())?;
        let mut template = Self { functions: Vec::new(), tables: Vec::new(), queues: Vec::new() };
        for (logical_id, resource) in &resources {
            let resource = resolver.resolve(resource).with_context(|| logical_id.clone())?;
            template.add(logical_id, &resource, &globals).with_context(|| logical_id.clone())?;
        }
        Ok(template)
    }

    fn add(&mut self, logical_id: &str, resource: &Value, globals: &Value) -> Result<()> {
        match resource["Type"].as_str() {
            Some("AWS::Serverless::Function") => {
                self.functions.push(function(logical_id, resource, globals)?);
            }
            Some("AWS::DynamoDB::Table") => self.tables.push(table(logical_id, resource)?),
            Some("AWS::SQS::Queue") => self.queues.push(queue(logical_id, resource)?),
            _ => {}
        }
        Ok(())
    }
}

/// Returns the resources without a condition, and those whose condition is true.
fn existing(resources: &Map<String, Value>, resolver: &Resolver<'_>) -> Result<Map<String, Value>> {
    let mut existing = Map::new();
    for (logical_id, resource) in resources {
        let condition = resource.get("Condition").and_then(Value::as_str);
        let exists = condition.map_or(Ok(true), |name| resolver.holds(name));
        if exists.with_context(|| logical_id.clone())? {
            existing.insert(logical_id.clone(), resource.clone());
        }
    }
    Ok(existing)
}

fn function(logical_id: &str, resource: &Value, globals: &Value) -> Result<FunctionSpec> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        handler: String,
        timeout: u64,
        memory_size: u32,
        #[serde(default)]
        events: BTreeMap<String, Value>,
    }

    let properties = merge(globals, &resource["Properties"]);
    let Properties { handler, timeout, memory_size, events } = deserialize(&properties)?;
    let mut function = FunctionSpec {
        logical_id: logical_id.to_owned(),
        name: handler,
        timeout: Duration::from_secs(timeout),
        memory_mb: memory_size,
        environment: environment(&properties["Environment"]["Variables"])?,
        routes: Vec::new(),
        queues: Vec::new(),
        schedules: Vec::new(),
    };
    for (name, event) in &events {
        match event["Type"].as_str() {
            Some("HttpApi") => {
                function.routes.push(route(&event["Properties"]).with_context(|| name.clone())?);
            }
            Some("SQS") => {
                function.queues.push(queue_source(&event["Properties"]).with_context(|| name.clone())?);
            }
            Some("Schedule" | "ScheduleV2") => {
                function.schedules.push(schedule(&event["Properties"]).with_context(|| name.clone())?);
            }
            _ => {}
        }
    }
    Ok(function)
}

fn environment(variables: &Value) -> Result<BTreeMap<String, String>> {
    let variables: Map<String, Value> = deserialize(variables)?;
    let texts = variables.into_iter().map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        Value::Number(_) | Value::Bool(_) => Ok((name, value.to_string())),
        other => anyhow::bail!("the variable {name} is {other}, which cannot be resolved on a laptop"),
    });
    texts.collect()
}

fn route(properties: &Value) -> Result<Route> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        method: String,
        path: String,
    }

    if properties["Method"].is_null() && properties["Path"].is_null() {
        return Ok(Route { method: "ANY".to_owned(), path: Route::DEFAULT.to_owned() });
    }
    let Properties { method, path } = deserialize(properties)?;
    Ok(Route { method: method.to_uppercase(), path })
}

fn queue_source(properties: &Value) -> Result<QueueSource> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        queue: String,
        #[serde(default = "default_batch_size")]
        batch_size: usize,
        #[serde(default)]
        maximum_batching_window_in_seconds: u64,
        #[serde(default)]
        scaling_config: ScalingConfig,
        #[serde(default)]
        function_response_types: Vec<String>,
    }

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ScalingConfig {
        maximum_concurrency: Option<usize>,
    }

    let properties: Properties = deserialize(properties)?;
    Ok(QueueSource {
        queue: name_of(&properties.queue),
        batch_size: properties.batch_size,
        batching_window: Duration::from_secs(properties.maximum_batching_window_in_seconds),
        max_concurrency: properties.scaling_config.maximum_concurrency,
        partial_failures: properties
            .function_response_types
            .iter()
            .any(|kind| kind == "ReportBatchItemFailures"),
    })
}

fn schedule(properties: &Value) -> Result<Duration> {
    let expression = properties["Schedule"]
        .as_str()
        .or_else(|| properties["ScheduleExpression"].as_str())
        .context("it has no schedule expression")?;
    let unknown =
        || format!("the schedule {expression} is not supported. Use a rate, such as rate(5 minutes)");
    let rate =
        expression.strip_prefix("rate(").and_then(|rate| rate.strip_suffix(')')).with_context(unknown)?;
    let (number, unit) = rate.split_once(' ').with_context(unknown)?;
    let seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => anyhow::bail!(unknown()),
    };
    Ok(Duration::from_secs(seconds * number.parse::<u64>().with_context(unknown)?))
}

/// AWS's default.
fn default_batch_size() -> usize {
    10
}

fn table(logical_id: &str, resource: &Value) -> Result<TableSpec> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        key_schema: Value,
        attribute_definitions: Value,
        time_to_live_specification: Option<TimeToLive>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct TimeToLive {
        attribute_name: String,
        enabled: bool,
    }

    let properties: Properties = deserialize(&resource["Properties"])?;
    let ttl = properties.time_to_live_specification.filter(|ttl| ttl.enabled);
    Ok(TableSpec {
        name: logical_id.to_owned(),
        key_schema: properties.key_schema,
        attribute_definitions: properties.attribute_definitions,
        ttl_attribute: ttl.map(|ttl| ttl.attribute_name),
    })
}

fn queue(logical_id: &str, resource: &Value) -> Result<QueueSpec> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        visibility_timeout: Option<u64>,
        delay_seconds: Option<u64>,
        message_retention_period: Option<u64>,
        receive_message_wait_time_seconds: Option<u64>,
        maximum_message_size: Option<u32>,
        redrive_policy: Option<RedrivePolicy>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RedrivePolicy {
        dead_letter_target_arn: String,
        max_receive_count: u32,
    }

    let properties: Properties = deserialize(&resource["Properties"])?;
    let seconds = |set: Option<u64>, default| set.map_or(default, Duration::from_secs);
    let default = QueueSpec::default();
    Ok(QueueSpec {
        name: logical_id.to_owned(),
        visibility_timeout: seconds(properties.visibility_timeout, default.visibility_timeout),
        delay: seconds(properties.delay_seconds, default.delay),
        retention: seconds(properties.message_retention_period, default.retention),
        receive_wait: seconds(properties.receive_message_wait_time_seconds, default.receive_wait),
        maximum_message_size: properties.maximum_message_size.unwrap_or(default.maximum_message_size),
        redrive: properties.redrive_policy.map(|policy| Redrive {
            dead_letter_queue: name_of(&policy.dead_letter_target_arn),
            max_receive_count: policy.max_receive_count,
        }),
    })
}

/// The name of the queue in an ARN.
fn name_of(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or_default().to_owned()
}

/// Merges a function's properties with those that all functions share. The function's own take precedence; objects in
/// both are merged.
fn merge(globals: &Value, properties: &Value) -> Value {
    match (globals, properties) {
        (Value::Object(globals), Value::Object(properties)) => {
            let mut merged = globals.clone();
            for (name, value) in properties {
                let value = globals.get(name).map_or_else(|| value.clone(), |global| merge(global, value));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (globals, Value::Null) => globals.clone(),
        (_, properties) => properties.clone(),
    }
}

/// Converts an object to a struct. A missing object counts as empty.
fn deserialize<T: DeserializeOwned>(value: &Value) -> Result<T> {
    match value {
        Value::Null => Ok(serde_json::from_value(json!({}))?),
        value => Ok(T::deserialize(value)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Parameters:
  Days: {Type: Number, Default: 30}
  Subnets: {Type: CommaDelimitedList, Default: ""}
  RowsName: {Type: String, Default: ""}
Conditions:
  InVpc: !Not [!Equals [!Join ["", !Ref Subnets], ""]]
  CreatesRows: !Equals [!Ref RowsName, ""]
  IsKept: !And [!Condition CreatesRows, !Or [!Equals [!Ref Days, "30"], !Condition InVpc]]
Globals:
  Function:
    Timeout: 10
    MemorySize: 128
    VpcConfig: !If [InVpc, {SubnetIds: !Ref Subnets}, !Ref AWS::NoValue]
    Environment: {Variables: {LEVEL: info, URL: !Sub "https://sqs.${AWS::Region}.${AWS::URLSuffix}"}}
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 180
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadJobs.Arn, maxReceiveCount: 5}
  DeadJobs: {Type: AWS::SQS::Queue}
  Rows:
    Type: AWS::DynamoDB::Table
    Condition: CreatesRows
    Properties:
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: work
      Timeout: 30
      Environment: {Variables: {DAYS: !Ref Days, QUEUE: !Ref Jobs, TABLE: !If [CreatesRows, !Ref Rows, !Ref RowsName]}}
      Events:
        Route: {Type: HttpApi, Properties: {Method: put, Path: "/work/{id}"}}
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn, BatchSize: 7, ScalingConfig: {MaximumConcurrency: 3}}}
        Rest: {Type: HttpApi, Properties: {ApiId: !Ref Api}}
        Clock: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}}
  Api: {Type: AWS::Serverless::HttpApi}
  Board: {Type: AWS::CloudWatch::Dashboard, Properties: {DashboardBody: !Sub ["${Shown} ${AWS::Region}", {Shown: !Ref Days}]}}
  Subnet: {Type: AWS::EC2::Subnet, Condition: InVpc, Properties: {VpcId: !Ref Elsewhere}}
"#;

    #[test]
    fn a_template_tells_functions_tables_and_queues() {
        let template = Template::parse(TEMPLATE, "http://sqs", &[]).unwrap();
        let [function] = template.functions.as_slice() else { panic!("one function is there") };
        assert_eq!((function.logical_id.as_str(), function.name.as_str()), ("WorkFunction", "work"));
        assert_eq!((function.timeout, function.memory_mb), (Duration::from_secs(30), 128));
        let environment: Vec<_> =
            function.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            environment,
            [
                ("DAYS", "30"),
                ("LEVEL", "info"),
                ("QUEUE", "http://sqs/000000000000/Jobs"),
                ("TABLE", "Rows"),
                ("URL", "https://sqs.us-east-1.amazonaws.com"),
            ]
        );
        let route = |method: &str, path: &str| Route { method: method.into(), path: path.into() };
        assert_eq!(function.routes, [route("ANY", "$default"), route("PUT", "/work/{id}")]);
        let [source] = function.queues.as_slice() else { panic!("one queue is there") };
        assert_eq!((source.queue.as_str(), source.batch_size, source.max_concurrency), ("Jobs", 7, Some(3)));
        assert!(!source.partial_failures);
        assert_eq!(function.schedules, [Duration::from_mins(1)]);
        assert_eq!(template.tables[0].ttl_attribute.as_deref(), Some("expires_at"));
        let [_, jobs] = template.queues.as_slice() else { panic!("two queues are there") };
        assert_eq!(jobs.visibility_timeout, Duration::from_mins(3));
        let redrive = Redrive { dead_letter_queue: "DeadJobs".into(), max_receive_count: 5 };
        assert_eq!(jobs.redrive.as_ref(), Some(&redrive));
    }

    #[test]
    fn a_table_that_is_given_is_used_and_not_created() {
        let template = Template::parse(TEMPLATE, "http://sqs", &[("RowsName", "restored")]).unwrap();
        assert_eq!(template.tables, []);
        assert_eq!(template.functions[0].environment["TABLE"], "restored");
    }

    /// Calls `work` with the template and these parameters, and returns its result.
    fn with_parameters<T>(given: &[(&str, &str)], work: impl FnOnce(&Value, &Resolver<'_>) -> T) -> T {
        let document = yaml_to_json(serde_yaml_ng::from_str(TEMPLATE).unwrap()).unwrap();
        let section = |name: &str| document[name].as_object().unwrap().clone();
        let parameters = &parameters::values(&section("Parameters"), given).unwrap();
        let (conditions, resources) = (&section("Conditions"), &section("Resources"));
        work(&document, &Resolver { parameters, conditions, resources, sqs: "http://sqs" })
    }

    #[test]
    fn conditions_hold_as_cloudformation_would_have_it() {
        let check = |given: &[(&str, &str)], expected: [bool; 3]| {
            let holds = with_parameters(given, |_, resolver| {
                ["InVpc", "CreatesRows", "IsKept"].map(|name| resolver.holds(name).unwrap())
            });
            assert_eq!(holds, expected, "{given:?}");
        };
        check(&[], [false, true, true]);
        check(&[("Days", "31")], [false, true, false]);
        check(&[("Subnets", "a,b"), ("Days", "31")], [true, true, true]);
        check(&[("RowsName", "restored")], [false, false, false]);
    }

    #[test]
    fn what_has_no_value_is_not_there() {
        let vpc = |given: &[(&str, &str)]| {
            with_parameters(given, |document, resolver| {
                resolver.resolve(&document["Globals"]["Function"]).unwrap().get("VpcConfig").cloned()
            })
        };
        assert_eq!(vpc(&[]), None);
        assert_eq!(vpc(&[("Subnets", "a,b")]), Some(json!({ "SubnetIds": ["a", "b"] })));
    }

    #[test]
    fn what_is_wrong_with_a_template_is_said() {
        let check = |from: &str, to: &str, reason: &str| {
            let error = Template::parse(&TEMPLATE.replace(from, to), "http://sqs", &[]).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains(reason), "{text}");
        };
        check("Resources:", "  x: [", "it is not YAML: ");
        check(
            "!Ref Days, QUEUE",
            "!Ref Dayz, QUEUE",
            "WorkFunction: it refers to Dayz, which the template does not define",
        );
        check("!Ref Days, QUEUE", "!If [A, b, c], QUEUE", "WorkFunction: there is no condition A");
        check(
            "!Ref Days, QUEUE",
            "!Split [a, b], QUEUE",
            "WorkFunction: the variable DAYS is {\"Fn::Split\"",
        );
        check(
            "CreatesRows: !Equals",
            "CreatesRows: !Contains",
            "the condition CreatesRows: {\"Fn::Contains\"",
        );
        check("Number, Default: 30", "Number, Default: x", "the parameter Days: it must be a number, not x");
        check("Number, Default: 30", "Number", "the parameter Days has neither a value nor a default");
        check("Method: put, ", "", "Route: missing field `Method`");
        check(
            "rate(1 minute)",
            "cron(0 9 * * ? *)",
            "Clock: the schedule cron(0 9 * * ? *) is not supported",
        );
        check("Handler: work", "", "WorkFunction: missing field `Handler`");
    }
}
