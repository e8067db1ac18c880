//! The outputs and parameters of a deployed stack.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::Stack;
use posthorn_domain::EventShards;

/// The parameter with the number of shards.
const EVENT_SHARDS: &str = "EventShards";

/// The outputs of a CloudFormation stack, and the number of shards that it spreads events over.
#[derive(Debug)]
pub struct StackOutputs {
    stack: String,
    values: BTreeMap<String, String>,
    event_shards: Option<String>,
}

impl StackOutputs {
    /// Reads a stack. Errors if it does not exist in the region of `config`, or can't be read.
    pub async fn read(name: &str, config: &SdkConfig) -> Result<Self> {
        let described = Client::new(config).describe_stacks().stack_name(name).send().await;
        let described = described.with_context(|| format!("cannot read the stack {name}"))?;
        let stack = described.stacks().first().with_context(|| format!("there is no stack {name}"))?;
        Ok(Self::of(name, stack))
    }

    fn of(name: &str, stack: &Stack) -> Self {
        let outputs = stack.outputs().iter();
        let values =
            outputs.filter_map(|output| Some((output.output_key.clone()?, output.output_value.clone()?)));
        let mut parameters = stack.parameters().iter();
        let event_shards = parameters.find(|parameter| parameter.parameter_key() == Some(EVENT_SHARDS));
        let event_shards = event_shards.and_then(|parameter| parameter.parameter_value.clone());
        Self { stack: name.to_owned(), values: values.collect(), event_shards }
    }

    /// Returns the value of an output. Errors if the stack has no such output, and says what to do.
    pub fn get(&self, name: &str) -> Result<String> {
        self.values.get(name).cloned().with_context(|| {
            let stack = &self.stack;
            format!("the stack {stack} has no output {name}: deploy it with this version's template.yaml")
        })
    }

    /// Returns the number of shards for an account's events of one type. A stack without the parameter is of an earlier
    /// version, and has one shard. Errors if the value is invalid.
    pub fn event_shards(&self) -> Result<EventShards> {
        let Some(value) = &self.event_shards else { return Ok(EventShards::ONE) };
        let invalid = |reason| anyhow!("the parameter {EVENT_SHARDS} of the stack {} {reason}", self.stack);
        value.parse().map_err(invalid)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use aws_sdk_cloudformation::types::{Output, Parameter, StackStatus};

    use super::*;

    fn stack(outputs: &[(&str, Option<&str>)]) -> Stack {
        let outputs = outputs.iter().map(|(name, value)| {
            Output::builder().output_key(*name).set_output_value(value.map(str::to_owned)).build()
        });
        let stack = Stack::builder().stack_name("posthorn").stack_status(StackStatus::CreateComplete);
        stack.set_outputs(Some(outputs.collect())).build()
    }

    #[test]
    fn outputs_are_found_by_name() {
        let outputs = StackOutputs::of("posthorn", &stack(&[("A", Some("1")), ("B", Some("2"))]));
        assert_eq!(["A", "B"].map(|name| outputs.get(name).unwrap()), ["1", "2"]);
    }

    #[test]
    fn a_missing_output_is_named_with_what_to_do() {
        let outputs = StackOutputs::of("posthorn", &stack(&[("A", None)]));
        let expected = "the stack posthorn has no output A: deploy it with this version's template.yaml";
        assert_eq!(outputs.get("A").unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_stack_says_how_many_shards_it_has_unless_it_is_of_a_version_without() {
        let shards = |value: Option<&str>| {
            let parameter = Parameter::builder().parameter_key("EventShards");
            let parameter = value.map(|value| parameter.parameter_value(value).build());
            let parameters = parameter.map(|parameter| vec![parameter]);
            let stack = Stack::builder().stack_name("posthorn").stack_status(StackStatus::CreateComplete);
            let stack = stack.set_parameters(parameters).build();
            StackOutputs::of("posthorn", &stack).event_shards().map_err(|error| error.to_string())
        };
        assert_eq!(shards(None), Ok(EventShards::ONE));
        assert_eq!(shards(Some("8")), Ok("8".parse().unwrap()));
        let error = "the parameter EventShards of the stack posthorn must be 1, 2, 4, 8 or 16";
        assert_eq!(shards(Some("5")), Err(error.to_owned()));
    }
}
