//! The tables: whether a mistake can be undone, and whether old rows are deleted.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    ContinuousBackupsDescription, PointInTimeRecoveryStatus, TimeToLiveDescription, TimeToLiveStatus,
};

use super::finding::{Finding, Level};
use super::read::Subject;
use super::stack::{Stack, deploy_with};

const CHECK: &str = "tables";

/// A table of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Role {
    /// The output with its name. The parameter of the same name chooses a table that the stack did not create.
    output: &'static str,
    /// The attribute with the time at which DynamoDB deletes a row.
    expiry: &'static str,
}

const ENDPOINTS: Role = Role { output: "EndpointsTableName", expiry: "ttl" };
const EVENTS: Role = Role { output: "EventsTableName", expiry: "expires_at" };
const DUE: Role = Role { output: "DueTableName", expiry: "expires_at" };

/// A table, as DynamoDB describes it.
#[derive(Debug)]
struct Table {
    role: Role,
    name: String,
    /// Whether the stack created it. Another table has its settings from elsewhere.
    is_own: bool,
    is_protected: bool,
    /// Write units a second that it accepts without warming up.
    warm_writes: Option<i64>,
    is_restorable: Result<bool, Finding>,
    /// The attribute by which its rows expire, if they do.
    expiry: Result<Option<String>, Finding>,
}

/// Checks the three tables.
pub(super) async fn check(config: &SdkConfig, stack: &Stack) -> Vec<Finding> {
    let client = Client::new(config);
    let (endpoints, events, due) = tokio::join!(
        read(&client, stack, ENDPOINTS),
        read(&client, stack, EVENTS),
        read(&client, stack, DUE)
    );
    let mut tables = Vec::new();
    let mut findings = Vec::new();
    for table in [endpoints, events, due].into_iter().flatten() {
        match table {
            Ok(table) => tables.push(table),
            Err(unread) => findings.push(unread),
        }
    }
    findings.extend(judge(&tables));
    findings
}

/// Reads a table; `None` if the stack has no such output.
async fn read(client: &Client, stack: &Stack, role: Role) -> Option<Result<Table, Finding>> {
    let name = stack.output(role.output)?;
    let is_own = stack.parameter(role.output).is_none_or(str::is_empty);
    Some(Box::pin(describe(client, role, name, is_own)).await)
}

async fn describe(client: &Client, role: Role, name: &str, is_own: bool) -> Result<Table, Finding> {
    let subject = format!("The table {name}");
    let subject = |action| Subject { check: CHECK, name: &subject, action };
    let call = client.describe_table().table_name(name).send();
    let subject_table = subject("dynamodb:DescribeTable");
    let table = subject_table
        .read(call)
        .await?
        .table
        .ok_or_else(|| subject_table.unread("DynamoDB returned none"))?;
    let (backups, expiry) = tokio::join!(
        subject("dynamodb:DescribeContinuousBackups")
            .read(client.describe_continuous_backups().table_name(name).send()),
        subject("dynamodb:DescribeTimeToLive").read(client.describe_time_to_live().table_name(name).send())
    );
    Ok(Table {
        role,
        name: name.to_owned(),
        is_own,
        is_protected: table.deletion_protection_enabled.unwrap_or(false),
        warm_writes: table.warm_throughput.and_then(|warm| warm.write_units_per_second),
        is_restorable: backups.map(|backups| is_restorable(backups.continuous_backups_description)),
        expiry: expiry.map(|expiry| expiry_attribute(expiry.time_to_live_description)),
    })
}

fn is_restorable(backups: Option<ContinuousBackupsDescription>) -> bool {
    let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description);
    recovery.and_then(|recovery| recovery.point_in_time_recovery_status)
        == Some(PointInTimeRecoveryStatus::Enabled)
}

/// Returns the attribute by which rows expire; `None` if they do not.
fn expiry_attribute(expiry: Option<TimeToLiveDescription>) -> Option<String> {
    let TimeToLiveDescription { time_to_live_status, attribute_name, .. } = expiry?;
    let is_on = matches!(time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling));
    attribute_name.filter(|_| is_on)
}

fn judge(tables: &[Table]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = judge_protection(tables);
    findings.extend(tables.iter().filter_map(judge_backups));
    findings.extend(tables.iter().filter_map(judge_expiry));
    if findings.is_empty() && !tables.is_empty() {
        let found = "The tables are protected from deletion, can be restored, and delete old rows.";
        findings.push(Finding::ok(CHECK, found));
    }
    findings.extend(tables.iter().filter_map(judge_warmth));
    findings
}

/// One parameter protects all tables that the stack created.
fn judge_protection(tables: &[Table]) -> Vec<Finding> {
    let (own, others): (Vec<&Table>, Vec<&Table>) =
        tables.iter().filter(|table| !table.is_protected).partition(|table| table.is_own);
    let mut findings = Vec::new();
    if !own.is_empty() {
        let names = own.iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = format!("Nothing protects {names} from deletion.");
        findings.push(Finding::note(CHECK, found, deploy_with("DeletionProtection=true")));
    }
    findings.extend(others.into_iter().map(|Table { name, .. }| {
        let to_do = format!(
            "Protect it: `aws dynamodb update-table --table-name {name} --deletion-protection-enabled`."
        );
        Finding::note(CHECK, format!("Nothing protects {name} from deletion."), to_do)
    }));
    findings
}

/// Endpoints and keys are irreplaceable. Events and retries expire after days, and their backups are a matter of cost.
fn judge_backups(table: &Table) -> Option<Finding> {
    let Table { role, name, is_own, .. } = table;
    match &table.is_restorable {
        Err(unread) => return Some(unread.clone()),
        Ok(true) => return None,
        Ok(false) => {}
    }
    let to_do = if *role == EVENTS && *is_own {
        format!("To be able to restore it: {}", deploy_with("EventsBackups=true"))
    } else {
        format!(
            "Switch point-in-time recovery on: `aws dynamodb update-continuous-backups --table-name {name} \
             --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true`."
        )
    };
    let level = if *role == ENDPOINTS { Level::Fix } else { Level::Note };
    Some(Finding { level, ..Finding::note(CHECK, format!("{name} can't be restored."), to_do) })
}

/// A restored table has no expiry until somebody switches it on.
fn judge_expiry(table: &Table) -> Option<Finding> {
    let Table { role: Role { expiry: expected, .. }, name, .. } = table;
    let found = match &table.expiry {
        Err(unread) => return Some(unread.clone()),
        Ok(Some(attribute)) if attribute == expected => return None,
        Ok(Some(other)) => {
            format!("Rows of {name} expire by {other}, and not by {expected}: old ones are never deleted.")
        }
        Ok(None) => format!("Old rows of {name} are never deleted."),
    };
    let to_do = format!(
        "Enable expiry: `aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification \
         Enabled=true,AttributeName={expected}`."
    );
    Some(Finding::fix(CHECK, found, to_do))
}

/// The events table is the one that load reaches first.
fn judge_warmth(table: &Table) -> Option<Finding> {
    let writes = table.warm_writes.filter(|_| table.role == EVENTS)?;
    let found = format!(
        "{} accepts {writes} write units a second at once, and more when it has warmed up (EventsWarmWriteUnits).",
        table.name
    );
    Some(Finding::ok(CHECK, found))
}

#[cfg(test)]
mod tests {
    use super::super::stack::testing::section;
    use super::*;

    fn table(role: Role) -> Table {
        Table {
            role,
            name: role.output.replace("TableName", "-1"),
            is_own: true,
            is_protected: true,
            warm_writes: None,
            is_restorable: Ok(true),
            expiry: Ok(Some(role.expiry.to_owned())),
        }
    }

    #[test]
    fn tables_as_they_should_be_are_one_line() {
        let events = Table { warm_writes: Some(4_000), ..table(EVENTS) };
        let findings = judge(&[table(ENDPOINTS), events, table(DUE)]);
        let [tables, warmth] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((tables.level, warmth.level), (Level::Ok, Level::Ok));
        assert!(warmth.found.starts_with("Events-1 accepts 4000 write units a second"), "{warmth:?}");
        assert!(judge(&[]).is_empty());
    }

    #[test]
    fn one_parameter_protects_the_stacks_tables_and_a_command_each_other() {
        let open = |role, is_own| Table { is_own, is_protected: false, ..table(role) };
        let findings = judge_protection(&[open(ENDPOINTS, false), open(EVENTS, true), open(DUE, true)]);
        let [own, other] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!(own.found, "Nothing protects Events-1, Due-1 from deletion.");
        assert_eq!(own.to_do.as_ref().unwrap(), &deploy_with("DeletionProtection=true"));
        assert!(
            other.to_do.as_ref().unwrap().contains("--table-name Endpoints-1 --deletion-protection-enabled")
        );
    }

    #[test]
    fn endpoints_must_be_restorable_and_events_may_be() {
        let judge = |role, is_own| {
            let finding = judge_backups(&Table { is_own, is_restorable: Ok(false), ..table(role) }).unwrap();
            (finding.level, finding.to_do.unwrap().contains("EventsBackups=true"))
        };
        assert_eq!(judge(ENDPOINTS, true), (Level::Fix, false));
        assert_eq!(judge(EVENTS, true), (Level::Note, true));
        assert_eq!(judge(EVENTS, false), (Level::Note, false));
        assert_eq!(judge(DUE, true), (Level::Note, false));
    }

    #[test]
    fn rows_must_expire_by_the_right_attribute() {
        let judge = |attribute: Option<&str>| {
            let expiry = Ok(attribute.map(str::to_owned));
            judge_expiry(&Table { expiry, ..table(ENDPOINTS) }).map(|fix| (fix.level, fix.to_do.unwrap()))
        };
        assert_eq!(judge(Some("ttl")), None);
        for wrong in [None, Some("expires_at")] {
            let (level, to_do) = judge(wrong).unwrap();
            assert!(level == Level::Fix && to_do.contains("AttributeName=ttl"), "{to_do}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let unread = Finding::note("tables", "The table can't be read.", "Allow it.");
        let table = Table { is_restorable: Err(unread.clone()), expiry: Err(unread.clone()), ..table(DUE) };
        assert_eq!(judge(&[table]), [unread.clone(), unread]);
    }

    #[test]
    fn expiry_counts_only_while_it_is_on() {
        let expiry = |status| {
            let expiry = TimeToLiveDescription::builder().attribute_name("ttl").time_to_live_status(status);
            expiry_attribute(Some(expiry.build()))
        };
        assert_eq!(expiry(TimeToLiveStatus::Enabled).as_deref(), Some("ttl"));
        assert_eq!((expiry(TimeToLiveStatus::Disabled), expiry_attribute(None)), (None, None));
        assert!(!is_restorable(None));
    }

    #[test]
    fn the_tables_are_those_of_the_template() {
        let (resources, parameters) = (section("Resources"), section("Parameters"));
        for Role { output, expiry } in [ENDPOINTS, EVENTS, DUE] {
            let table = &resources[output.trim_end_matches("Name")]["Properties"];
            let attribute = table["TimeToLiveSpecification"]["AttributeName"].as_str();
            assert!(parameters.contains_key(output) && attribute == Some(expiry), "{output}");
        }
    }
}
