//! Lambda's limits of the AWS account in this region.

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;

use super::finding::Finding;
use super::read::Subject;
use super::stack::Stack;
use super::{concurrency, quotas};

/// Lambda's limits, and what is used of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct LambdaLimits {
    /// How many functions may run at the same time.
    pub(super) concurrency: i64,
    /// The part of it that is not reserved for single functions.
    pub(super) unreserved: i64,
    /// How many bytes of code may be stored.
    pub(super) code: i64,
    /// How many bytes of code are stored.
    pub(super) stored: i64,
}

/// Compares the limits with what the stack uses.
pub(super) async fn check(config: &SdkConfig, stack: &Stack) -> Vec<Finding> {
    match read(config).await {
        Ok(limits) => {
            let mut findings = concurrency::judge(&limits, concurrency::Parameters::of(stack));
            findings.push(quotas::judge_code(&limits));
            findings
        }
        Err(unread) => vec![unread],
    }
}

async fn read(config: &SdkConfig) -> Result<LambdaLimits, Finding> {
    let name = "Lambda's limits of the AWS account";
    let subject = Subject { check: concurrency::CHECK, name, action: "lambda:GetAccountSettings" };
    let settings = subject.read(Client::new(config).get_account_settings().send()).await?;
    let limit = settings.account_limit.ok_or_else(|| subject.unread("Lambda returned none"))?;
    let concurrency = i64::from(limit.concurrent_executions);
    Ok(LambdaLimits {
        concurrency,
        unreserved: limit.unreserved_concurrent_executions.map_or(concurrency, i64::from),
        code: limit.total_code_size,
        stored: settings.account_usage.map_or(0, |usage| usage.total_code_size),
    })
}
