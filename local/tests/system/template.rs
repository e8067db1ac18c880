//! What the template promises that no emulator would miss: bounds, limits and names that matter on AWS alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use posthorn_delivery::COPIES_LATER;
use posthorn_local_aws::template::{FunctionSpec, Template};
use serde_yaml_ng::Value as Yaml;

use crate::rights::{queue_rights, read_template, resources, role_of, statements, texts};

/// How many functions a new AWS account runs at a time.
const NEW_ACCOUNT: usize = 10;

fn template_text() -> String {
    std::fs::read_to_string(crate::harness::template()).unwrap()
}

/// The template with these parameters, and the others' defaults.
fn template_with(given: &[(&str, &str)]) -> Template {
    Template::parse(&template_text(), "http://127.0.0.1:9324", given).unwrap()
}

/// The properties of each function, by its logical id.
fn functions(template: &Yaml) -> BTreeMap<&str, &Yaml> {
    resources(template, "AWS::Serverless::Function").into_iter().collect()
}

/// The functions that each function may send messages to, by their logical ids.
fn message_paths(template: &Yaml) -> BTreeMap<String, BTreeSet<String>> {
    let specs = template_with(&[]).functions;
    let fed_by = |queue: &String| {
        let fed = specs.iter().filter(|spec| spec.queues.iter().any(|source| &source.queue == queue));
        fed.map(|spec| spec.logical_id.clone()).collect::<Vec<_>>()
    };
    let paths = functions(template).into_iter().map(|(id, function)| {
        let rights = queue_rights(role_of(template, function));
        let queues = rights.iter().filter(|(action, _)| action == "sqs:SendMessage").map(|(_, queue)| queue);
        (id.to_owned(), queues.flat_map(fed_by).collect())
    });
    paths.collect()
}

/// Whether a message of this function may lead to a message for itself.
fn may_be_its_own_ancestor(function: &str, paths: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let mut reached: BTreeSet<&String> = paths[function].iter().collect();
    let mut next: Vec<_> = reached.iter().copied().collect();
    while let Some(at) = next.pop() {
        next.extend(paths[at].iter().filter(|further| reached.insert(*further)));
    }
    reached.iter().any(|at| *at == function)
}

#[test]
fn a_copy_of_a_late_retry_comes_after_the_longest_attempt() {
    let longest = read_template()["Parameters"]["DeliveryTimeoutSeconds"]["MaxValue"].as_u64().unwrap();
    assert_eq!(COPIES_LATER, Duration::from_secs(longest + 5));
}

#[test]
fn exactly_the_functions_whose_messages_may_come_back_to_them_are_allowed_to_recurse() {
    let template = read_template();
    let paths = message_paths(&template);
    let in_circles: BTreeSet<_> = paths
        .keys()
        .filter(|function| may_be_its_own_ancestor(function, &paths))
        .map(String::as_str)
        .collect();
    assert_eq!(
        in_circles,
        BTreeSet::from(["DeliverFunction", "FanOutFunction"]),
        "the paths of messages are known"
    );
    for (id, function) in functions(&template) {
        let allowed = function["RecursiveLoop"].as_str();
        assert_eq!(allowed, in_circles.contains(id).then_some("Allow"), "{id}");
    }

    // Lambda drops the calls of the others at the 17th link, which an alarm tells. What ends our own chains is counted.
    let alarms: BTreeMap<_, _> = resources(&template, "AWS::CloudWatch::Alarm").into_iter().collect();
    let metrics = alarms["RecursionDroppedAlarm"]["Metrics"].as_sequence().unwrap();
    let watched =
        metrics.iter().filter_map(|metric| metric["MetricStat"]["Metric"]["Dimensions"][0].get("Value"));
    let watched: BTreeSet<_> = watched.flat_map(texts).collect();
    // A chain begins with a call by a schedule, so that such a call is never dropped.
    let is_scheduled = |id: &str| !functions(&template)[id]["Events"]["EveryMinute"].is_null();
    let may_be_dropped = |id: &str| !in_circles.contains(id) && !is_scheduled(id);
    let senders = paths.iter().filter(|(id, to)| !to.is_empty() && may_be_dropped(id));
    assert_eq!(watched, senders.map(|(id, _)| id.clone()).collect());
    assert_eq!(alarms["ChainsStoppedAlarm"]["MetricName"].as_str(), Some("ChainsStopped"));
}

#[test]
fn each_queue_has_a_policy_and_each_policy_names_one_queue() {
    let template = read_template();
    let mut queues: BTreeSet<_> =
        resources(&template, "AWS::SQS::Queue").into_iter().map(|(id, _)| id.to_owned()).collect();
    for (id, policy) in resources(&template, "AWS::SQS::QueuePolicy") {
        let [queue] = &texts(&policy["Queues"])[..] else { panic!("{id} names one queue") };
        assert!(queues.remove(queue), "{queue} has one policy");
        let statements = statements(&policy["PolicyDocument"]);
        for statement in &statements {
            assert_eq!(texts(&statement["Resource"]), [format!("{queue}.Arn")], "{id}");
        }
        let refuses = |statement: &Yaml| {
            statement["Effect"].as_str() == Some("Deny")
                && statement["Condition"]["Bool"]["aws:SecureTransport"].as_str() == Some("false")
        };
        assert!(refuses(statements[0]), "{queue} refuses what comes unencrypted");
        let allowed: Vec<_> = statements.iter().filter(|statement| !refuses(statement)).collect();
        let expected = if queue == "EventsQueue" { vec!["sqs:SendMessage"] } else { Vec::new() };
        let actions: Vec<_> = allowed.iter().flat_map(|statement| texts(&statement["Action"])).collect();
        assert_eq!(actions, expected, "{queue}: what other accounts may do");
        for statement in allowed {
            assert_eq!(texts(&statement["Principal"]["AWS"]), ["PublisherArns"]);
        }
    }
    assert!(queues.is_empty(), "{queues:?} have no policy");
}

#[test]
fn no_queue_has_a_name_as_an_update_would_replace_it_with_the_messages_in_it() {
    for (id, queue) in resources(&read_template(), "AWS::SQS::Queue") {
        assert!(queue.get("QueueName").is_none(), "{id}");
    }
}

/// Each function with the queues that feed it.
fn fed_functions(template: &Template) -> Vec<&FunctionSpec> {
    template.functions.iter().filter(|spec| !spec.queues.is_empty()).collect()
}

#[test]
fn a_message_stays_hidden_while_its_function_may_work_and_can_be_received_for_a_day() {
    let template = template_with(&[]);
    for spec in fed_functions(&template) {
        for source in &spec.queues {
            let queue = template.queues.iter().find(|queue| queue.name == source.queue).unwrap();
            assert!(queue.visibility_timeout >= 6 * spec.timeout, "{}: six times, AWS says", queue.name);
            let receipts = queue.redrive.as_ref().unwrap().max_receive_count;
            let lasts = queue.visibility_timeout * receipts;
            assert!(lasts >= Duration::from_hours(24), "{}: throttling uses its receipts up", queue.name);
        }
    }
}

#[test]
fn each_mapping_has_a_limit_that_fits_a_new_account_and_says_which_messages_failed() {
    let template = template_with(&[]);
    let mappings: Vec<_> = fed_functions(&template).into_iter().flat_map(|spec| &spec.queues).collect();
    assert_eq!(mappings.len(), 3);
    let limits = mappings.iter().map(|mapping| mapping.max_concurrency.expect("it has a limit"));
    assert!(limits.sum::<usize>() < NEW_ACCOUNT * 8 / 10, "something is left for the API, below the alarm");
    assert!(mappings.iter().all(|mapping| mapping.partial_failures));
    let account = &read_template()["Parameters"]["AccountConcurrency"]["Default"];
    assert_eq!(account.as_u64(), Some(NEW_ACCOUNT as u64));
}

#[test]
fn all_functions_are_one_build_and_each_starts_another_part_of_it() {
    let template = read_template();
    assert_eq!(template["Globals"]["Function"]["CodeUri"].as_str(), Some("functions"));
    let mut handlers = BTreeSet::new();
    for (id, function) in functions(&template) {
        assert!(handlers.insert(function["Handler"].as_str().unwrap()), "{id} has a handler of its own");
        for shared in ["CodeUri", "Runtime", "Architectures", "Layers"] {
            assert!(function.get(shared).is_none(), "{id}: {shared} belongs in Globals");
        }
        let metadata = &template["Resources"][id]["Metadata"];
        assert_eq!(metadata["BuildMethod"].as_str(), Some("rust-cargolambda"), "{id}");
    }
}

#[test]
fn each_role_takes_the_permissions_boundary() {
    let template = read_template();
    let roles = resources(&template, "AWS::IAM::Role");
    assert_eq!(roles.len(), functions(&template).len(), "SAM makes none of its own");
    for (id, role) in roles {
        let boundary = ["HasPermissionsBoundary", "PermissionsBoundaryArn", "AWS::NoValue"];
        assert_eq!(texts(&role["PermissionsBoundary"]), boundary, "{id}");
    }
}

#[test]
fn tables_outlive_the_stack_and_a_failed_first_deployment_leaves_none() {
    let template = read_template();
    for (id, table) in resources(&template, "AWS::DynamoDB::Table") {
        let resource = &template["Resources"][id];
        assert_eq!(resource["DeletionPolicy"].as_str(), Some("RetainExceptOnCreate"), "{id}");
        assert_eq!(resource["UpdateReplacePolicy"].as_str(), Some("Retain"), "{id}");
        assert_eq!(texts(&table["DeletionProtectionEnabled"]), ["DeletionProtection"], "{id}");
    }
    let protection = &template["Parameters"]["DeletionProtection"]["Default"];
    assert_eq!(protection.as_str(), Some("false"), "a protected table cannot be rolled back");
}

#[test]
fn a_table_that_is_given_is_used_by_all_functions_and_not_created() {
    let names = [("EndpointsTableName", "a"), ("EventsTableName", "b"), ("DueTableName", "c")];
    let template = template_with(&names);
    assert_eq!(template.tables, []);
    for spec in &template.functions {
        let tables =
            ["ENDPOINTS_TABLE", "EVENTS_TABLE", "DUE_TABLE"].map(|name| spec.environment[name].as_str());
        assert_eq!(tables, ["a", "b", "c"], "{}", spec.name);
    }
    // Nothing else names a table of the stack's own without asking whether there is one.
    let text = template_text();
    for (table, _) in names {
        let table = table.trim_end_matches("Name");
        let uses = text.lines().filter(|line| line.contains(&format!("!Ref {table}")));
        let blind: Vec<_> = uses.filter(|line| !line.contains(&format!("!Ref {table}Name"))).collect();
        assert!(blind.is_empty(), "{blind:?} do not ask whether there is a {table}");
        assert!(!text.contains(&format!("${{{table}}}")), "{table}");
    }
}

/// The names that a template refers to, below this value.
fn referred(value: &Yaml, names: &mut BTreeSet<String>) {
    match value {
        Yaml::String(text) => {
            names.insert(text.clone());
            let parts = text.split("${").skip(1).filter_map(|part| part.split_once('}'));
            names.extend(parts.map(|(name, _)| name.to_owned()));
        }
        Yaml::Sequence(values) => values.iter().for_each(|value| referred(value, names)),
        Yaml::Mapping(fields) => fields.iter().for_each(|(_, value)| referred(value, names)),
        Yaml::Tagged(tagged) => referred(&tagged.value, names),
        _ => {}
    }
}

/// A parameter's default, as the documentation writes it.
fn written(default: &Yaml) -> String {
    match default {
        Yaml::String(text) if text.is_empty() => "none".to_owned(),
        Yaml::String(text) => format!("`{text}`"),
        Yaml::Number(number) => number.to_string(),
        other => panic!("a parameter's default is {other:?}"),
    }
}

#[test]
fn every_parameter_is_described_grouped_used_and_documented_with_its_default() {
    let template = read_template();
    let mut used = BTreeSet::new();
    for section in ["Conditions", "Globals", "Resources", "Outputs"] {
        referred(&template[section], &mut used);
    }
    let groups = &template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"];
    let groups = groups.as_sequence().unwrap().iter();
    let mut grouped: Vec<_> = groups.flat_map(|group| texts(&group["Parameters"])).collect();
    let guide = crate::harness::template().with_file_name("docs/OPERATING.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, guide) = guide.split_once("## What the parameters do").unwrap();
    let (guide, _) = guide.split_once("\n## ").unwrap();
    let mut documented: BTreeMap<_, _> = guide.lines().filter_map(parameter_row).collect();
    for (name, parameter) in template["Parameters"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        assert!(used.contains(name), "{name} changes nothing");
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        let place = grouped.iter().position(|grouped| grouped == name);
        grouped.remove(place.unwrap_or_else(|| panic!("{name} is in a group")));
        let default = documented.remove(name).unwrap_or_else(|| panic!("{name} is not in docs/OPERATING.md"));
        assert_eq!(default, written(&parameter["Default"]), "{name}");
    }
    assert_eq!((grouped, documented), (Vec::new(), BTreeMap::new()), "no such parameter");
}

/// The name and the default in a row of the documentation's tables of parameters.
fn parameter_row(line: &str) -> Option<(&str, &str)> {
    let cells: Vec<_> = line.strip_prefix("| `")?.split('|').map(str::trim).collect();
    let [name, default, _, _] = cells[..] else { panic!("{line} should have three cells") };
    Some((name.trim_end_matches('`'), default))
}
