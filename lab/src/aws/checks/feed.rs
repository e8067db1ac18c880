//! The feed of events.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use tokio::time::timeout;

use super::Checked;
use crate::aws::api::text;
use crate::aws::lab::{Lab, new_object};

/// Follows the feed, as a consumer whose cursor Posthorn keeps, while events are published.
pub(crate) async fn follows(lab: &Lab) -> Checked {
    let endpoint = lab.endpoint("feed").await?;
    let path = format!("/api/feed?types={}&consumer=posthorn-lab", endpoint.event_type);
    let mut cursor = text(&lab.api.get(&path).await?, "next_cursor")?.to_owned();
    let mut missing = BTreeSet::new();
    for _ in 0..5 {
        missing.insert(lab.publish(&endpoint, &new_object()).await?);
    }
    let follow = async {
        while !missing.is_empty() {
            let page = lab.api.get(&format!("{path}&wait=20&cursor={cursor}")).await?;
            for event in page["list"].as_array().context("the feed has a list")? {
                missing.remove(text(event, "id")?);
            }
            text(&page, "next_cursor")?.clone_into(&mut cursor);
        }
        Result::<()>::Ok(())
    };
    timeout(lab.patience, follow).await.context("events are missing in the feed")??;
    Ok(None)
}
