//! What the functions are told by their environment.

use std::collections::BTreeSet;
use std::sync::Arc;

use posthorn_functions::set_up;
use posthorn_local_aws::template::{FunctionSpec, Template};
use posthorn_runtime::{Runtime, Settings, SystemClock, SystemRandom};

use crate::harness::{TestStores, template};

/// What may be missing or empty, and then is not there: a KMS key, networks that are not public, the address of the console and
/// the pages that may embed it.
const OPTIONAL: [&str; 4] = ["SECRETS_KEY_ARN", "ALLOWED_NETWORKS", "CONSOLE_URL", "CONSOLE_EMBEDDERS"];

/// The variables that only some functions have.
fn of_its_own(spec: &FunctionSpec, all: &[FunctionSpec]) -> BTreeSet<String> {
    let is_common = |name: &&String| all.iter().all(|other| other.environment.contains_key(*name));
    spec.environment.keys().filter(|name| !is_common(name)).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_does_not_start_without_a_setting_that_the_template_gives_it() {
    let stores = TestStores::start().await;
    let functions = Template::load(&template(), &stores.stores.sqs, &[]).unwrap().functions;
    let mut checked = 0;
    for spec in &functions {
        for name in of_its_own(spec, &functions).iter().filter(|name| !OPTIONAL.contains(&name.as_str())) {
            let mut environment = stores.environment(&spec.name);
            environment.remove(name);
            let settings = Settings::from_iter(environment);
            let runtime = Runtime::new(settings, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap();
            let started = set_up(&spec.name, &runtime).map_err(|error| error.to_string());
            let is_worker = spec.routes.is_empty();
            let started = started.and_then(|_| match is_worker.then(|| runtime.metrics()) {
                Some(Err(error)) => Err(error.to_string()),
                _ => Ok(()),
            });
            let refusal = format!("the environment variable {name} is not set");
            assert_eq!(started, Err(refusal), "{} without {name}", spec.name);
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}
