//! The operations of the API that commands call. A test compares them with the API's description.

/// An operation of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// Its name in the API's description.
    pub(crate) id: &'static str,
    pub(crate) method: &'static str,
    /// Its path. Each part in braces is given with the call.
    pub(crate) path: &'static str,
    pub(crate) reach: Reach,
}

/// What a request says about the data that it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The account and the mode.
    Tenant,
    /// The account.
    Account,
    /// Neither: the path names the account.
    Platform,
}

macro_rules! operations {
    ($($name:ident = $id:literal, $method:literal $path:literal, $reach:ident;)*) => {
        $(pub(crate) const $name: Operation =
            Operation { id: $id, method: $method, path: $path, reach: Reach::$reach };)*
        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[Operation] = &[$($name),*];
    };
}

operations! {
    CREATE_ENDPOINT = "createEndpoint", "POST" "/api/webhook-endpoints", Tenant;
    LIST_ENDPOINTS = "listEndpoints", "GET" "/api/webhook-endpoints", Tenant;
    GET_ENDPOINT = "getEndpoint", "GET" "/api/webhook-endpoints/{id}", Tenant;
    UPDATE_ENDPOINT = "updateEndpoint", "PUT" "/api/webhook-endpoints/{id}", Tenant;
    DELETE_ENDPOINT = "deleteEndpoint", "DELETE" "/api/webhook-endpoints/{id}", Tenant;
    GET_SECRET = "getSecret", "GET" "/api/webhook-endpoints/{id}/secret", Tenant;
    ROTATE_SECRET = "rotateSecret", "POST" "/api/webhook-endpoints/{id}/secret/rotate", Tenant;
    TEST_ENDPOINT = "testEndpoint", "POST" "/api/webhook-endpoints/{id}/test", Tenant;
    PAUSE_ENDPOINT = "pauseEndpoint", "POST" "/api/webhook-endpoints/{id}/pause", Tenant;
    RESUME_ENDPOINT = "resumeEndpoint", "POST" "/api/webhook-endpoints/{id}/resume", Tenant;
    RECOVER_ENDPOINT = "recoverEndpoint", "POST" "/api/webhook-endpoints/{id}/recover", Tenant;
    GET_RECOVERY = "getRecovery", "GET" "/api/webhook-endpoints/{id}/recover/{task_id}", Tenant;
    LIST_ATTENTION = "listAttention", "GET" "/api/attention", Tenant;
    PUBLISH_EVENT = "publishEvent", "POST" "/api/events", Tenant;
    PUBLISH_EVENT_BATCH = "publishEventBatch", "POST" "/api/events/batch", Tenant;
    LIST_EVENTS = "listEvents", "GET" "/api/events", Tenant;
    GET_EVENT = "getEvent", "GET" "/api/events/{id}", Tenant;
    EXPLAIN_EVENT = "explainEvent", "GET" "/api/events/{id}/explain", Tenant;
    READ_FEED = "readFeed", "GET" "/api/feed", Tenant;
    LIST_ATTEMPTS = "listAttempts", "GET" "/api/webhook-attempts", Tenant;
    RETRY_ATTEMPT = "retryAttempt", "POST" "/api/webhook-attempts/{id}/retry", Tenant;
    RETRY_DELIVERY = "retryDelivery", "POST" "/api/webhook-attempts/retry", Tenant;
    LIST_EVENT_TYPES = "listEventTypes", "GET" "/api/event-types", Tenant;
    CREATE_SESSION = "createSession", "POST" "/api/sessions", Tenant;
    CREATE_KEY = "createKey", "POST" "/api/keys", Tenant;
    END_SESSIONS = "endSessions", "DELETE" "/api/sessions", Account;
    LIST_KEYS = "listKeys", "GET" "/api/keys", Account;
    DELETE_KEY = "deleteKey", "DELETE" "/api/keys/{id}", Account;
    LIST_AUDIT = "listAudit", "GET" "/api/audit", Account;
    LIST_ACCOUNTS = "listAccounts", "GET" "/api/accounts", Platform;
    PUT_ACCOUNT = "putAccount", "PUT" "/api/accounts/{id}", Platform;
    GET_ACCOUNT = "getAccount", "GET" "/api/accounts/{id}", Platform;
    DELETE_ACCOUNT = "deleteAccount", "DELETE" "/api/accounts/{id}", Platform;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Operations that no command calls: a browser exchanges codes, and tools read the description.
    const UNCALLED: [&str; 2] = ["exchangeSession", "getOpenapi"];

    fn document() -> Value {
        serde_json::from_str(include_str!("../../../functions/src/openapi/openapi.json")).unwrap()
    }

    /// Returns the names of the parameters that every call of an operation may have.
    fn parameters<'d>(document: &'d Value, path: &str, operation: &'d Value) -> BTreeSet<&'d str> {
        let lists = [&document["paths"][path]["parameters"], &operation["parameters"]];
        let all = lists.into_iter().filter_map(Value::as_array).flatten();
        let resolved = all.map(|parameter| match parameter["$ref"].as_str() {
            Some(at) => document.pointer(at.trim_start_matches('#')).unwrap(),
            None => parameter,
        });
        resolved.map(|parameter| parameter["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_operations_are_those_of_the_apis_description() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, of_path) in document["paths"].as_object().unwrap() {
            for (method, operation) in of_path.as_object().unwrap() {
                let Some(id) = operation["operationId"].as_str() else { continue };
                let parameters = parameters(&document, path, operation);
                let reach = match (parameters.contains("livemode"), parameters.contains("Posthorn-Account")) {
                    (true, _) => Reach::Tenant,
                    (false, true) => Reach::Account,
                    (false, false) => Reach::Platform,
                };
                described.insert((id.to_owned(), format!("{} {path} {reach:?}", method.to_uppercase())));
            }
        }
        let called = ALL.iter().map(|Operation { id, method, path, reach }| {
            ((*id).to_owned(), format!("{method} {path} {reach:?}"))
        });
        described.retain(|(id, _)| !UNCALLED.contains(&id.as_str()));
        assert_eq!(called.collect::<BTreeSet<_>>(), described);
    }
}
