//! An embedded DynamoDB, from the crate dynoxide.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use dynoxide::Database;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use dynoxide::errors::DynoxideError;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::warn;

/// Time between two searches for rows whose time to live has passed. AWS may take a few days to delete them.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The tables of one DynamoDB.
#[derive(Clone)]
pub struct Tables(Database);

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// Its key, in the format of both CloudFormation and DynamoDB.
    pub key_schema: Value,
    /// The types of the key's attributes, in the same format.
    pub attribute_definitions: Value,
    /// The attribute with the time after which a row may be deleted, in seconds since the Unix epoch.
    pub ttl_attribute: Option<String>,
}

impl Tables {
    /// Creates tables in memory. They are lost when the process ends.
    pub fn in_memory() -> Result<Self> {
        Ok(Self(Database::memory().map_err(explain)?))
    }

    /// Opens the tables in this directory's file `dynamodb.sqlite`.
    pub fn open(directory: &Path) -> Result<Self> {
        let file = directory.join("dynamodb.sqlite");
        let path =
            file.to_str().with_context(|| format!("the path {} is not valid UTF-8", file.display()))?;
        let database = Database::new(path).map_err(explain);
        Ok(Self(database.with_context(|| format!("cannot open {}", file.display()))?))
    }

    /// Creates a table. An existing table is not changed.
    pub fn create(&self, table: &TableSpec) -> Result<()> {
        let request: CreateTableRequest = serde_json::from_value(json!({
            "TableName": table.name,
            "KeySchema": table.key_schema,
            "AttributeDefinitions": table.attribute_definitions,
            "BillingMode": "PAY_PER_REQUEST",
        }))
        .with_context(|| format!("cannot create the table {}", table.name))?;
        match self.0.create_table(request) {
            Err(DynoxideError::ResourceInUseException(_)) => return Ok(()),
            created => created.map_err(explain)?,
        };
        if let Some(attribute_name) = table.ttl_attribute.clone() {
            let time_to_live_specification = TimeToLiveSpecification { attribute_name, enabled: true };
            let table_name = table.name.clone();
            let request = UpdateTimeToLiveRequest { table_name, time_to_live_specification };
            self.0.update_time_to_live(request).map_err(explain)?;
        }
        Ok(())
    }

    /// Serves DynamoDB's protocol until `shutdown` resolves. If rows expire, also deletes those whose time to live has
    /// passed by the system's clock.
    pub async fn serve(
        self,
        listener: TcpListener,
        rows_expire: bool,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let sweeper = rows_expire.then(|| tokio::spawn(sweep(self.0.clone())));
        let served = dynoxide::server::serve_with_shutdown(listener, self.0, shutdown).await;
        if let Some(sweeper) = sweeper {
            sweeper.abort();
        }
        served.map_err(|reason| anyhow!("DynamoDB: {reason}"))
    }
}

async fn sweep(database: Database) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            warn!(error = %explain(error), "expired rows could not be deleted");
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for use with map_err")]
fn explain(error: DynoxideError) -> anyhow::Error {
    anyhow!("DynamoDB: {error}")
}
