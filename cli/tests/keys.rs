//! The command, run as its users run it, on embedded tables.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::PathBuf;
use std::process::Output;

use posthorn_domain::{Mode, Reach, Scope, Scopes, Tenant};
use posthorn_local::{Stores, StoresOptions};
use posthorn_local_aws::clients;
use posthorn_storage::{Grants, TokenHash};
use tokio::process::Command;

async fn stores() -> Stores {
    let template = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    Stores::start(&StoresOptions { template, ..StoresOptions::default() }).await.unwrap()
}

async fn posthorn(stores: &Stores, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
    command.args(["keys", "--endpoint-url", &stores.dynamodb]).args(arguments).env_clear();
    command.output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_listed_and_revoked() {
    let stores = stores().await;
    let made = posthorn(
        &stores,
        &[
            "create",
            "--account",
            "acct_1",
            "--test",
            "--name",
            "CI",
            "--scopes",
            "events:publish,events:read",
        ],
    )
    .await;
    assert!(made.status.success(), "{}", text(&made.stderr));
    let key = text(&made.stdout).trim().to_owned();
    assert!(key.starts_with("sk_test_") && key.len() == 51, "{key}");

    let keys = Grants::new(clients::dynamodb(&stores.dynamodb), "EndpointsTable".to_owned());
    let grant = keys.find(TokenHash::of(&key)).await.unwrap().unwrap();
    assert_eq!(grant.reach, Reach::Tenant(Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Test }));
    assert_eq!(grant.scopes, Scopes::from(&[Scope::EventsRead, Scope::EventsPublish][..]));

    let id = grant.id.to_string();
    let listed = text(&posthorn(&stores, &["list", "--account", "acct_1"]).await.stdout);
    for part in [id.as_str(), "CI", "events:read, events:publish", "never", "valid"] {
        assert!(listed.contains(part), "{part} is not in {listed}");
    }
    assert!(!listed.contains(&key[8..]), "the key is shown once");
    assert!(!text(&posthorn(&stores, &["list", "--account", "acct_2"]).await.stdout).contains(&id));

    let refused = posthorn(&stores, &["revoke", "--account", "acct_2", &id]).await;
    assert!(!refused.status.success() && text(&refused.stderr).contains("has no key"));
    assert!(posthorn(&stores, &["revoke", "--account", "acct_1", &id]).await.status.success());
    let listed = text(&posthorn(&stores, &["list", "--account", "acct_1"]).await.stdout);
    assert!(listed.contains("revoked"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_makes_no_sense_is_refused() {
    let stores = stores().await;
    let refused = async |arguments: &[&str], reason: &str| {
        let output = posthorn(&stores, &[&["create", "--account", "acct_1"], arguments].concat()).await;
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(reason), "{error}");
    };
    refused(&[], "--live or --test").await;
    refused(&["--live", "--scopes", "everything"], "must be \"endpoints:read\"").await;
    refused(&["--live", "--expires", "2020-01-01T00:00:00Z"], "must be in the future").await;
    refused(&["--live", "--expires", "soon"], "must be a time in RFC 3339").await;
}
