//! What a stack says about itself.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::Stack;

/// The outputs of a stack.
#[derive(Debug)]
pub(crate) struct Outputs {
    stack: String,
    values: BTreeMap<String, String>,
}

impl Outputs {
    /// Asks CloudFormation.
    pub(crate) async fn of_stack(client: &Client, name: &str) -> Result<Self> {
        let answer = client.describe_stacks().stack_name(name).send().await;
        let answer = answer.with_context(|| format!("CloudFormation does not describe the stack {name}"))?;
        let stack = answer.stacks().first().with_context(|| format!("there is no stack {name}"))?;
        Ok(Self::read(name, stack))
    }

    fn read(name: &str, stack: &Stack) -> Self {
        let outputs = stack.outputs().iter();
        let values =
            outputs.filter_map(|output| Some((output.output_key.clone()?, output.output_value.clone()?)));
        Self { stack: name.to_owned(), values: values.collect() }
    }

    /// Returns the output with this name. Errors if the stack has none, which says what to do.
    pub(crate) fn get(&self, name: &str) -> Result<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.with_context(|| {
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
        let outputs = Outputs::read("posthorn", &stack(&[("A", Some("1")), ("B", Some("2"))]));
        assert_eq!((outputs.get("A").unwrap(), outputs.get("B").unwrap()), ("1", "2"));
    }

    #[test]
    fn a_missing_output_is_named_with_what_to_do() {
        let outputs = Outputs::read("posthorn", &stack(&[("A", None)]));
        let expected = "the stack posthorn has no output A: deploy it with this version's template.yaml";
        assert_eq!(outputs.get("A").unwrap_err().to_string(), expected);
    }
}
