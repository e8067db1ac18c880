//! The stack: whether it is deployed, and has what this version needs.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Stack as Described, StackResourceSummary, StackStatus};

use super::finding::{Finding, Level};
use super::read::Subject;

const CHECK: &str = "stack";
/// The outputs of this version's template that no condition leaves out.
const NEEDED: [&str; 17] = [
    "ApiUrl",
    "EventsQueueUrl",
    "EventsQueueArn",
    "EventsDeadLetterQueueUrl",
    "EventsDeadLetterQueueArn",
    "FirstAttemptsQueueUrl",
    "FirstAttemptsQueueArn",
    "DeliveriesQueueUrl",
    "DeliveriesQueueArn",
    "DeliveriesDeadLetterQueueUrl",
    "DeliveriesDeadLetterQueueArn",
    "EndpointsTableName",
    "EventsTableName",
    "DueTableName",
    "FunctionsLogGroupName",
    "AccessLogGroupName",
    "DashboardName",
];

/// A stack, as CloudFormation describes it.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) name: String,
    status: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    /// Errors with the finding that they cannot be listed.
    resources: Result<Vec<Resource>, Finding>,
}

/// Something that the stack created.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// Its name in the template.
    pub(super) logical_id: String,
    /// Its type, such as `AWS::CloudWatch::Alarm`.
    pub(super) kind: String,
    /// Its name or id in AWS.
    pub(super) physical_id: String,
}

impl Stack {
    /// Reads a stack. Errors with the finding that it cannot be read. No other check of AWS works without the stack, so
    /// that finding is to be fixed.
    pub(super) async fn read(name: &str, config: &SdkConfig) -> Result<Self, Finding> {
        let client = Client::new(config);
        let region = config.region().map_or("no region", AsRef::as_ref);
        let subject = format!("The stack {name} in {region}");
        let subject = Subject { check: CHECK, name: &subject, action: "cloudformation:DescribeStacks" };
        let call = client.describe_stacks().stack_name(name).send();
        let (described, resources) = tokio::join!(subject.read(call), list_resources(&client, name));
        let stack = described.and_then(|described| {
            let first = described.stacks.unwrap_or_default().into_iter().next();
            first.ok_or_else(|| subject.unread("CloudFormation returned no stack"))
        });
        Ok(Self::of(name, &stack.map_err(unread)?, resources))
    }

    fn of(name: &str, stack: &Described, resources: Result<Vec<Resource>, Finding>) -> Self {
        let outputs = stack.outputs().iter();
        let outputs =
            outputs.filter_map(|output| Some((output.output_key.clone()?, output.output_value.clone()?)));
        let parameters = stack.parameters().iter();
        let parameters = parameters.filter_map(|parameter| {
            Some((parameter.parameter_key.clone()?, parameter.parameter_value.clone()?))
        });
        let status = stack.stack_status().map_or("without a status", StackStatus::as_str).to_owned();
        let (name, outputs, parameters) = (name.to_owned(), outputs.collect(), parameters.collect());
        Self { name, status, outputs, parameters, resources }
    }

    /// Returns the value of an output.
    pub(super) fn output(&self, name: &str) -> Option<&str> {
        self.outputs.get(name).map(String::as_str)
    }

    /// Returns the value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Returns the value of a parameter that is a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.parameter(name)?.parse().ok()
    }

    /// Returns the resources, or none if they cannot be listed.
    pub(super) fn resources(&self) -> &[Resource] {
        self.resources.as_deref().unwrap_or_default()
    }

    /// Returns the name or id in AWS of what the template calls `logical_id`.
    pub(super) fn physical_id(&self, logical_id: &str) -> Option<&str> {
        let resource = self.resources().iter().find(|resource| resource.logical_id == logical_id)?;
        Some(&resource.physical_id)
    }

    /// Judges the stack as a whole.
    pub(super) fn judge(&self) -> Vec<Finding> {
        let mut findings = vec![judge_status(&self.name, &self.status), self.judge_outputs()];
        findings.extend(self.resources.as_ref().err().cloned());
        findings
    }

    fn judge_outputs(&self) -> Finding {
        let missing: Vec<&str> = NEEDED.into_iter().filter(|name| self.output(name).is_none()).collect();
        if missing.is_empty() {
            return Finding::ok(CHECK, format!("{} has the outputs that this version needs.", self.name));
        }
        let found = format!("{} has no output {}: it is of another version.", self.name, missing.join(", "));
        let to_do = "Deploy this version's template.yaml: `sam build && sam deploy`.";
        Finding::fix(CHECK, found, to_do)
    }
}

/// Returns what to do to set parameters of the stack.
pub(super) fn deploy_with(parameters: &str) -> String {
    format!("Set {parameters} in samconfig.toml, and run `sam deploy`.")
}

fn unread(finding: Finding) -> Finding {
    let to_do = "Check the name, the region (AWS_REGION) and the account (AWS_PROFILE). Your AWS credentials need \
                 cloudformation:DescribeStacks. Without the stack, nothing in AWS was checked.";
    Finding { level: Level::Fix, to_do: Some(to_do.to_owned()), ..finding }
}

async fn list_resources(client: &Client, stack: &str) -> Result<Vec<Resource>, Finding> {
    let name = "The list of the stack's resources";
    let subject = Subject { check: CHECK, name, action: "cloudformation:ListStackResources" };
    let pages = client.list_stack_resources().stack_name(stack).into_paginator().items().send();
    let listed = subject.read(pages.try_collect()).await?;
    let resource = |summary: StackResourceSummary| {
        let StackResourceSummary { logical_resource_id, resource_type, physical_resource_id, .. } = summary;
        let (logical_id, kind, physical_id) = (logical_resource_id?, resource_type?, physical_resource_id?);
        Some(Resource { logical_id, kind, physical_id })
    };
    Ok(listed.into_iter().filter_map(resource).collect())
}

fn judge_status(name: &str, status: &str) -> Finding {
    let found = format!("{name} is {status}.");
    let why = format!("`aws cloudformation describe-stack-events --stack-name {name}` says why.");
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Finding::ok(CHECK, found),
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            let found = format!("{found} The last deployment failed, and the version before it runs.");
            Finding::note(CHECK, found, why)
        }
        "ROLLBACK_COMPLETE" => {
            let found = format!("{found} The first deployment failed, and nothing runs.");
            let to_do = format!("{why} Then run `sam delete --stack-name {name}`, and deploy it again.");
            Finding::fix(CHECK, found, to_do)
        }
        changing if changing.ends_with("_IN_PROGRESS") => {
            Finding::note(CHECK, found, "Run this command again when the change has ended.")
        }
        _ => Finding::fix(CHECK, found, format!("{why} Then deploy it again.")),
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// The template that this version is deployed with.
    const TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"));

    /// Returns a section of the template, such as `Outputs`.
    pub(in crate::doctor) fn section(name: &str) -> serde_yaml_ng::Mapping {
        let template: serde_yaml_ng::Value = serde_yaml_ng::from_str(TEMPLATE).unwrap();
        template[name].as_mapping().unwrap().clone()
    }

    /// Returns a stack with these outputs and parameters, and without resources.
    pub(in crate::doctor) fn stack(outputs: &[(&str, &str)], parameters: &[(&str, &str)]) -> Stack {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Stack {
            name: "posthorn".to_owned(),
            status: "UPDATE_COMPLETE".to_owned(),
            outputs: map(outputs),
            parameters: map(parameters),
            resources: Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types::{Output, Parameter};

    use super::testing::{section, stack};
    use super::*;

    #[test]
    fn a_status_says_whether_the_stack_runs() {
        let level = |status: &str| judge_status("posthorn", status).level;
        let check = |expected, statuses: &[&str]| {
            for status in statuses {
                assert_eq!(level(status), expected, "{status}");
            }
        };
        check(Level::Ok, &["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"]);
        check(Level::Note, &["UPDATE_ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"]);
        check(
            Level::Fix,
            &["ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "without a status"],
        );
    }

    #[test]
    fn the_needed_outputs_are_those_that_the_template_always_has() {
        let outputs = section("Outputs");
        let always = outputs.iter().filter(|(_, output)| output.get("Condition").is_none());
        let always: Vec<&str> = always.filter_map(|(name, _)| name.as_str()).collect();
        assert_eq!(always, NEEDED);
    }

    #[test]
    fn missing_outputs_are_named() {
        let all = NEEDED.map(|name| (name, "x"));
        assert_eq!(stack(&all, &[]).judge_outputs().level, Level::Ok);
        let fix = stack(&all[2..], &[]).judge_outputs();
        assert_eq!(fix.found, "posthorn has no output ApiUrl, EventsQueueUrl: it is of another version.");
    }

    #[test]
    fn a_list_of_resources_that_cannot_be_read_is_a_finding_and_no_resources() {
        let unread = Finding::note("stack", "The list can't be read.", "Allow it.");
        let stack = Stack { resources: Err(unread.clone()), ..stack(&[], &[]) };
        assert!(stack.judge().contains(&unread) && stack.resources().is_empty());
    }

    #[test]
    fn outputs_and_parameters_are_found_by_name() {
        let described = Described::builder()
            .stack_status(StackStatus::CreateComplete)
            .outputs(Output::builder().output_key("ApiUrl").output_value("https://a.test").build())
            .parameters(Parameter::builder().parameter_key("EventShards").parameter_value("4").build())
            .build();
        let stack = Stack::of("posthorn", &described, Ok(Vec::new()));
        assert_eq!((stack.output("ApiUrl"), stack.output("B")), (Some("https://a.test"), None));
        assert_eq!((stack.number("EventShards"), stack.number("B")), (Some(4), None));
        assert_eq!(
            judge_status(&stack.name, &stack.status),
            Finding::ok("stack", "posthorn is CREATE_COMPLETE.")
        );
    }
}
