//! What Posthorn itself writes to an endpoint's row: its health, its hold and its probes, and that it is disabled. None of it
//! overwrites what anybody else has written meanwhile.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use posthorn_domain::{
    DisabledReason, Endpoint, EndpointId, EndpointStatus, Health, Hold, Probes, RecoveryId, Tenant,
    Timestamp, Trouble, TroubleState,
};

use super::row::{FormerStateItem, HoldAttributes, ProbesItem, sort_key};
use super::{EndpointStore, Transaction, key, meta, number};
use crate::error::StorageError;
use crate::items::millis;
use crate::transaction::{retrying, transact, update_alone};
use crate::written::Written;

impl EndpointStore {
    /// Writes an endpoint's health, unless anybody has written the endpoint since `before` was read. Costs one write of
    /// its row, or a transaction if the endpoint begins or ceases to need attention, and does not move the version.
    pub async fn set_health(
        &self,
        tenant: &Tenant,
        before: &Endpoint,
        health: Health,
    ) -> Result<Written, StorageError> {
        let expression = "SET health = :health, health_since = :since, health_warned = :warned, \
                          failed_days = :days, failed_last = :last ADD version :one";
        let update = unless_written_since(before, expression)
            .expression_attribute_values(":health", AttributeValue::S(health.state.as_str().to_owned()))
            .expression_attribute_values(":since", millis(health.since))
            .expression_attribute_values(":warned", AttributeValue::Bool(health.warned))
            .expression_attribute_values(":days", AttributeValue::N(health.failed_on.days.to_string()))
            .expression_attribute_values(":last", AttributeValue::N(health.failed_on.last.to_string()));
        let trouble = Endpoint { health, ..before.clone() }.trouble();
        let attention = self.attention(tenant, before.id, before.trouble(), trouble);
        self.note(tenant, before.id, update, attention).await
    }

    /// Disables an endpoint, unless anybody has written the endpoint since `before` was read.
    pub async fn disable(
        &self,
        tenant: &Tenant,
        before: &Endpoint,
        reason: DisabledReason,
        now: Timestamp,
    ) -> Result<Written, StorageError> {
        let disabled = AttributeValue::S(EndpointStatus::Disabled.as_str().to_owned());
        let expression = "SET #status = :disabled, disabled_reason = :reason, known_since = :known, \
                          former_states = :states REMOVE held_since, drain, probes ADD version :one";
        let mut states = before.former_states.clone();
        states.add(before.state_until(now));
        let items = serde_dynamo::to_attribute_value(FormerStateItem::all(&states));
        let known_since = states.known_since().as_millis().to_string();
        let update = unless_written_since(before, expression)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":disabled", disabled)
            .expression_attribute_values(":known", AttributeValue::N(known_since))
            .expression_attribute_values(":states", items.expect("texts and numbers are attributes"))
            .expression_attribute_values(":reason", AttributeValue::S(reason.as_str().to_owned()));
        let trouble = Trouble { state: TroubleState::Disabled, since: now };
        let attention = self.attention(tenant, before.id, before.trouble(), Some(trouble));
        self.update_row(tenant, before.id, update, attention).await
    }

    /// Writes an endpoint's hold, unless anybody has written the endpoint since `before` was read.
    pub async fn set_hold(
        &self,
        tenant: &Tenant,
        before: &Endpoint,
        hold: Hold,
    ) -> Result<Written, StorageError> {
        let (expression, values) = HoldAttributes::of(Some(hold)).update();
        let mut update = unless_written_since(before, &expression);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let trouble = Endpoint { hold: Some(hold), ..before.clone() }.trouble();
        let attention = self.attention(tenant, before.id, before.trouble(), trouble);
        self.update_row(tenant, before.id, update, attention).await
    }

    /// Writes the probes of an endpoint that is down, unless their number is no longer `made`. Does not move the version.
    pub async fn set_probes(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        made: u32,
        probes: Probes,
    ) -> Result<Written, StorageError> {
        let update = Update::builder()
            .update_expression("SET probes = :probes ADD version :one")
            .condition_expression("probes.made = :made")
            .expression_attribute_values(":probes", ProbesItem::of(probes).attribute())
            .expression_attribute_values(":made", number(u64::from(made)));
        self.note(tenant, id, update, None).await
    }

    /// Removes an endpoint's hold, unless another recovery than `drain` is draining it, or none.
    pub async fn end_hold(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        drain: RecoveryId,
    ) -> Result<Written, StorageError> {
        let (expression, _) = HoldAttributes::of(None).update();
        let update = Update::builder()
            .update_expression(expression)
            .condition_expression("drain = :drain")
            .expression_attribute_values(":drain", AttributeValue::S(drain.to_string()));
        self.update_row(tenant, id, update, None).await
    }

    /// Updates an endpoint's row and moves the version, unless the update's condition fails. The update adds `:one` to the
    /// row's version.
    async fn update_row(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        update: UpdateBuilder,
        attention: Option<TransactWriteItem>,
    ) -> Result<Written, StorageError> {
        let update = TransactWriteItem::builder().update(self.of_row(tenant, id, update)).build();
        let attempt = || async {
            let moved = meta::move_version(id, 0, None);
            match self.write(tenant, update.clone(), moved, attention.clone()).await? {
                Transaction::RowMoved => Ok(Written::Before),
                other => other.done().map(|()| Written::Now),
            }
        };
        retrying(attempt).await
    }

    /// Updates an endpoint's row alone, or in a transaction with the row about its attention, unless the update's condition
    /// fails. The update adds `:one` to the row's version.
    async fn note(
        &self,
        tenant: &Tenant,
        id: EndpointId,
        update: UpdateBuilder,
        attention: Option<TransactWriteItem>,
    ) -> Result<Written, StorageError> {
        let update = self.of_row(tenant, id, update);
        let attempt = || async {
            let Some(attention) = attention.clone() else {
                let alone = update_alone(&self.client, update.clone());
                return Written::read("UpdateItem", alone.send().await);
            };
            let update = TransactWriteItem::builder().update(update.clone()).build();
            match transact(&self.client, vec![update, attention]).await?.first() {
                None => Ok(Written::Now),
                Some(_) => Ok(Written::Before),
            }
        };
        retrying(attempt).await
    }

    fn of_row(&self, tenant: &Tenant, id: EndpointId, update: UpdateBuilder) -> Update {
        update
            .table_name(&self.table)
            .set_key(Some(key(tenant, &sort_key(id))))
            .expression_attribute_values(":one", number(1))
            .build()
            .expect("table, key and expression are set")
    }
}

/// Begins an update of the endpoint's row, unless anybody has written the endpoint since it was read.
fn unless_written_since(before: &Endpoint, expression: &str) -> UpdateBuilder {
    Update::builder()
        .update_expression(expression)
        .condition_expression("version = :revision")
        .expression_attribute_values(":revision", number(before.revision))
}
