//! `GET /api/attention`: lists the webhook endpoints that are disabled, paused, held or failing: an account's, or for a platform
//! key that names no account, those of all accounts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use posthorn_api::bodies::AttentionBody;
use posthorn_api::{
    Access, AttentionListing, LogPageBuilder, MAX_LOOKED_AT, Problem, Request, Response, attention_listing,
    ok, sized,
};
use posthorn_domain::{Endpoint, EndpointId, EndpointPlace, Scope, Tenant};
use posthorn_runtime::{HttpFunction, Runtime, SettingsError, http_function};
use posthorn_storage::{EndpointStore, InTrouble, StorageError, Whose};

/// Number of tenants whose endpoints are read at the same time.
const AT_ONCE: usize = 8;

struct App {
    access: Access,
    endpoints: EndpointStore,
}

pub(crate) fn function(runtime: &Runtime) -> Result<HttpFunction, SettingsError> {
    let app = App { access: runtime.access()?, endpoints: runtime.endpoints()? };
    Ok(http_function(app, list_attention))
}

async fn list_attention(app: Arc<App>, request: Request) -> Result<Response, Problem> {
    let principal = app.access.principal(&request, &[Scope::EndpointsRead]).await?;
    if principal.is_platform() && principal.account.is_none() {
        let listing: AttentionListing<EndpointPlace> = attention_listing(&request)?;
        let whose = Whose::Everybody(request.livemode()?);
        return page(&app, whose, listing, EndpointPlace::clone, |place| place).await;
    }
    let tenant = principal.tenant(&request)?;
    let listing: AttentionListing<EndpointId> = attention_listing(&request)?;
    let place = |id| EndpointPlace { tenant: tenant.clone(), id };
    page(&app, Whose::Tenant(&tenant), listing, |place| place.id, place).await
}

/// Returns a page. `id` is what the list's cursor names of a place, and `place` the place of a cursor.
async fn page<Id: Clone + serde::Serialize>(
    app: &App,
    whose: Whose<'_>,
    listing: AttentionListing<Id>,
    id: impl Fn(&EndpointPlace) -> Id,
    place: impl Fn(Id) -> EndpointPlace,
) -> Result<Response, Problem> {
    let before = listing.window.after().cloned().map(place);
    let limit = listing.window.limit();
    let mut found = app.endpoints.in_trouble(whose, listing.state, before.as_ref(), limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let mut endpoints = endpoints(app, &found).await?;
    let mut page: LogPageBuilder<Id, AttentionBody> = LogPageBuilder::new(listing.window, MAX_LOOKED_AT);
    for InTrouble { place, trouble } in found {
        // One that is missing was deleted, and one that is well recovered, a moment ago.
        let endpoint = endpoints.remove(&place).filter(|endpoint| endpoint.trouble().is_some());
        if let Some(endpoint) = endpoint {
            page.offer(id(&place), || {
                sized(AttentionBody::new(trouble, place.tenant.account.clone(), endpoint))
            });
        }
        page.pass(id(&place));
    }
    if has_more {
        page.end();
    }
    Ok(ok(&page.finish()?))
}

/// Reads the endpoints that were found.
async fn endpoints(app: &App, found: &[InTrouble]) -> Result<HashMap<EndpointPlace, Endpoint>, StorageError> {
    let mut asked: BTreeMap<&Tenant, Vec<EndpointId>> = BTreeMap::new();
    for InTrouble { place, .. } in found {
        asked.entry(&place.tenant).or_default().push(place.id);
    }
    let reads = asked.into_iter().map(|(tenant, ids)| async move {
        let endpoints = app.endpoints.get_all(tenant, &ids).await?.into_iter();
        let placed =
            endpoints.map(|endpoint| (EndpointPlace { tenant: tenant.clone(), id: endpoint.id }, endpoint));
        Ok::<_, StorageError>(placed.collect::<Vec<_>>())
    });
    let read: Vec<_> = stream::iter(reads.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}
