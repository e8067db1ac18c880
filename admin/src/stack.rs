//! What a deployed stack says of itself.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;

/// The outputs of a CloudFormation stack.
pub(crate) struct StackOutputs {
    stack: String,
    values: HashMap<String, String>,
}

impl StackOutputs {
    /// Reads them. Errors if there is no such stack in the region of `config`, or it can't be read.
    pub(crate) async fn read(stack: String, config: &SdkConfig) -> Result<Self> {
        let described = Client::new(config).describe_stacks().stack_name(&stack).send().await;
        let described = described.with_context(|| format!("the stack {stack} can't be read"))?;
        let outputs = described.stacks.unwrap_or_default().into_iter().filter_map(|stack| stack.outputs);
        let values = outputs.flatten().filter_map(|output| output.output_key.zip(output.output_value));
        Ok(Self { stack, values: values.collect() })
    }

    /// Returns the value of an output. Errors if the stack has none of that name.
    pub(crate) fn get(&self, name: &str) -> Result<String> {
        self.values.get(name).cloned().with_context(|| {
            let stack = &self.stack;
            format!("the stack {stack} has no output {name}. Is it Posthorn's? If it is an older one, deploy it again")
        })
    }
}
