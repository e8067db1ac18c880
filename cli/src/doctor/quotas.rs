//! The quotas that bind first, besides Lambda's concurrency.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;

use super::finding::Finding;
use super::lambda_limits::LambdaLimits;
use super::read::Subject;
use super::stack::{Stack, deploy_with};

const CHECK: &str = "quotas";
/// Used shares of a quota from which there is little left.
const FULL_PERCENT: i64 = 80;
/// Write units a second of a DynamoDB partition. Each shard of an account's events of one type has its own.
const PARTITION_WRITES: i64 = 1_000;
const GIGABYTE: i64 = 1 << 30;

/// DynamoDB's limits on writing, in units a second.
#[derive(Debug, Clone, Copy)]
struct WriteLimits {
    account: Option<i64>,
    table: i64,
}

/// Compares DynamoDB's limits with the stack's parameters.
pub(super) async fn check(config: &SdkConfig, stack: &Stack) -> Vec<Finding> {
    let mut findings: Vec<Finding> = judge_rates(stack).into_iter().collect();
    match read_limits(config).await {
        Ok(limits) => findings.push(judge_writes(limits, stack)),
        Err(unread) => findings.push(unread),
    }
    findings
}

async fn read_limits(config: &SdkConfig) -> Result<WriteLimits, Finding> {
    let name = "DynamoDB's limits of the AWS account";
    let subject = Subject { check: CHECK, name, action: "dynamodb:DescribeLimits" };
    let limits = subject.read(Client::new(config).describe_limits().send()).await?;
    let table =
        limits.table_max_write_capacity_units.ok_or_else(|| subject.unread("DynamoDB returned none"))?;
    Ok(WriteLimits { account: limits.account_max_write_capacity_units, table })
}

/// Judges how much code Lambda stores.
pub(super) fn judge_code(limits: &LambdaLimits) -> Finding {
    let LambdaLimits { code, stored, .. } = *limits;
    let found = format!(
        "Lambda stores {} GB of code, of {} GB that the AWS account may store in this region.",
        gigabytes(stored),
        gigabytes(code)
    );
    if stored.saturating_mul(100) <= code.saturating_mul(FULL_PERCENT) {
        return Finding::ok(CHECK, found);
    }
    let twice = code.saturating_mul(2) / GIGABYTE;
    let to_do = format!(
        "When none is left, `sam deploy` fails. Delete functions and versions that you no longer need, or request more: \
         `aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-2ACBD22F \
         --desired-value {twice}`."
    );
    Finding::note(CHECK, found, to_do)
}

/// Formats a number of bytes in GB, with a decimal.
fn gigabytes(bytes: i64) -> String {
    let tenths = bytes.max(0).saturating_mul(10) / GIGABYTE;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Says which rates the parameters allow; `None` if the stack has not got the parameters.
fn judge_rates(stack: &Stack) -> Option<Finding> {
    let (rate, shards) = (stack.number("ThrottleRate")?, stack.number("EventShards")?);
    let of_a_type = shards.saturating_mul(PARTITION_WRITES);
    let found = format!(
        "The API accepts {rate} requests a second (ThrottleRate), and DynamoDB {of_a_type} events of 1 KB a second of one \
         type of one account (EventShards={shards})."
    );
    Some(Finding::ok(CHECK, found))
}

fn judge_writes(limits: WriteLimits, stack: &Stack) -> Finding {
    let WriteLimits { account, table } = limits;
    let of_account = account.map_or_else(String::new, |account| {
        format!(" (the AWS account may provision {account} for all tables that are not on demand)")
    });
    let found = format!("DynamoDB allows {table} write units a second for a table{of_account}.");
    let above = ["EventsMaxWriteUnits", "EventsWarmWriteUnits"].into_iter().find_map(|parameter| {
        let units = stack.number(parameter).filter(|units| *units > table)?;
        Some((parameter, units))
    });
    match above {
        None => Finding::ok(CHECK, found),
        Some((parameter, units)) => {
            let found = format!("{found} {parameter} is {units}.");
            let lower = deploy_with(&format!("{parameter}={table}"));
            Finding::note(
                CHECK,
                found,
                format!("Ask AWS to raise the table's quota, or lower the parameter: {lower}"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::super::stack::testing::stack;
    use super::*;

    #[test]
    fn code_storage_is_full_before_a_deployment_fails() {
        let judge = |stored| {
            judge_code(&LambdaLimits { concurrency: 10, unreserved: 10, code: 75 * GIGABYTE, stored })
        };
        let ok = judge(GIGABYTE / 2);
        let found = "Lambda stores 0.5 GB of code, of 75.0 GB that the AWS account may store in this region.";
        assert_eq!(ok, Finding::ok("quotas", found));
        assert_eq!((judge(60 * GIGABYTE).level, judge(61 * GIGABYTE).level), (Level::Ok, Level::Note));
    }

    #[test]
    fn the_rates_are_those_of_the_parameters() {
        let rates = judge_rates(&stack(&[], &[("ThrottleRate", "500"), ("EventShards", "4")])).unwrap();
        assert!(
            rates.found.contains("500 requests a second") && rates.found.contains("4000 events"),
            "{rates:?}"
        );
        assert_eq!(judge_rates(&stack(&[], &[("ThrottleRate", "500")])), None);
    }

    #[test]
    fn a_parameter_above_the_tables_limit_is_named() {
        let judge = |units| {
            let stack = stack(&[], &[("EventsMaxWriteUnits", "0"), ("EventsWarmWriteUnits", units)]);
            judge_writes(WriteLimits { account: Some(80_000), table: 40_000 }, &stack)
        };
        assert_eq!(judge("40000").level, Level::Ok);
        let note = judge("50000");
        assert!(note.found.ends_with("EventsWarmWriteUnits is 50000."), "{note:?}");
        assert!(note.to_do.unwrap().contains("EventsWarmWriteUnits=40000"));
    }
}
