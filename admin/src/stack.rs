//! What a deployed stack says of itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::Stack;

/// The outputs of a CloudFormation stack.
#[derive(Debug)]
pub struct StackOutputs {
    stack: String,
    values: BTreeMap<String, String>,
}

impl StackOutputs {
    /// Reads them. Errors if there is no such stack in the region of `config`, or it can't be read.
    pub async fn read(name: &str, config: &SdkConfig) -> Result<Self> {
        let described = Client::new(config).describe_stacks().stack_name(name).send().await;
        let described = described.with_context(|| format!("the stack {name} can't be read"))?;
        let stack = described.stacks().first().with_context(|| format!("there is no stack {name}"))?;
        Ok(Self::of(name, stack))
    }

    fn of(name: &str, stack: &Stack) -> Self {
        let outputs = stack.outputs().iter();
        let values =
            outputs.filter_map(|output| Some((output.output_key.clone()?, output.output_value.clone()?)));
        Self { stack: name.to_owned(), values: values.collect() }
    }

    /// Returns the value of an output. Errors if the stack has none of that name, which says what to do.
    pub fn get(&self, name: &str) -> Result<String> {
        self.values.get(name).cloned().with_context(|| {
            let stack = &self.stack;
            format!("the stack {stack} has no output {name}: deploy it with this version's template.yaml")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use aws_sdk_cloudformation::types::{Output, StackStatus};

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
}
