//! Writes new rows, several in one call. `PutItem` takes one row, and `BatchWriteItem` knows no conditions. A batch of PartiQL's
//! `INSERT` statements does: each statement fails alone if its row exists. It costs the same write units as a `PutItem` for
//! each row.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementRequest};
use futures::future::join_all;

use super::row::BODY;
use crate::batcher::Bulk;
use crate::codec;
use crate::error::StorageError;
use crate::written::Written;

/// The size in bytes of the payload from which on a row is written by a call of its own, so that a batch stays far below
/// the size that DynamoDB takes, 16 MB for `BatchWriteItem`.
const LARGE: usize = 64 * 1024;

/// The rows of a table, as they are written for the first time.
#[derive(Debug, Clone)]
pub(super) struct NewRows {
    pub(super) client: Client,
    pub(super) table: String,
}

/// A row's attributes by their names.
type Row = HashMap<String, AttributeValue>;

impl Bulk for NewRows {
    type Entry = Row;
    type Answer = Written;

    /// The most statements that DynamoDB takes in a batch.
    const MAX_BATCH: usize = 25;

    /// Writes rows, unless they exist. A row that is large or alone has a call of its own. So has a row whose statement is
    /// refused: the SDK then repeats what AWS refuses for now, and the error is exact.
    async fn send(&self, rows: Vec<Row>) -> Vec<Result<Written, StorageError>> {
        let small: Vec<_> = rows.iter().filter(|row| is_small(row)).cloned().collect();
        let inserted = if small.len() > 1 { self.insert(small).await } else { Ok(Vec::new()) };
        let mut inserted = match inserted {
            Ok(inserted) => inserted.into_iter(),
            // One row may be the cause. Written one by one, only that one is refused.
            Err(StorageError::Refused { .. }) => Vec::new().into_iter(),
            Err(error) => return rows.iter().map(|_| Err(error.copied())).collect(),
        };
        let written = rows.into_iter().map(|row| {
            let inserted = if is_small(&row) { inserted.next().flatten() } else { None };
            async move {
                match inserted {
                    Some(written) => Ok(written),
                    None => self.put(row).await,
                }
            }
        });
        join_all(written).await
    }
}

fn is_small(row: &Row) -> bool {
    row.get(BODY).is_none_or(|body| codec::size(body) < LARGE)
}

impl NewRows {
    /// Writes rows in one call. Returns the results in their order: `None` for a statement that is refused.
    async fn insert(&self, rows: Vec<Row>) -> Result<Vec<Option<Written>>, StorageError> {
        let statements = rows.into_iter().map(|row| self.statement(row)).collect();
        let answer = self.client.batch_execute_statement().set_statements(Some(statements)).send().await;
        let answer = answer.map_err(StorageError::from_call("BatchExecuteStatement"))?;
        let results = answer.responses.unwrap_or_default().into_iter();
        let written = results.map(|result| match result.error {
            None => Some(Written::Now),
            Some(error) if error.code == Some(Code::DuplicateItem) => Some(Written::Before),
            Some(_) => None,
        });
        Ok(written.collect())
    }

    fn statement(&self, row: Row) -> BatchStatementRequest {
        let (names, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let fields: Vec<_> = names.iter().map(|name| format!("'{name}': ?")).collect();
        let statement = format!("INSERT INTO \"{}\" VALUE {{{}}}", self.table, fields.join(", "));
        let request = BatchStatementRequest::builder().statement(statement).set_parameters(Some(values));
        request.build().expect("the statement is set")
    }

    async fn put(&self, row: Row) -> Result<Written, StorageError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(row));
        Written::read("PutItem", put.condition_expression("attribute_not_exists(pk)").send().await)
    }
}
