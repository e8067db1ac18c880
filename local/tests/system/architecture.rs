//! What must never be: who may depend on whom, and that functions, template and samples agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};
use posthorn_local_aws::template::Template;

use crate::harness::template;

/// What each crate depends on directly, tests and build scripts apart.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let packages = metadata.packages.into_iter().map(|package| {
        let normal = package.dependencies.into_iter().filter(|needed| needed.kind == DependencyKind::Normal);
        (package.name.to_string(), normal.map(|needed| needed.name).collect())
    });
    packages.collect()
}

fn function_folders() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn crates_depend_downwards_only() {
    let dependencies = dependencies();
    let check = |name: &str, allowed: &[&str]| {
        let ours = |needed: &&String| dependencies.contains_key(needed.as_str());
        for needed in dependencies[name].iter().filter(ours) {
            assert!(allowed.contains(&needed.as_str()), "{name} must not depend on {needed}");
        }
    };
    check("posthorn-domain", &[]);
    check("posthorn-storage", &["posthorn-domain"]);
    check("posthorn-delivery", &["posthorn-domain", "posthorn-storage"]);
    check("posthorn-api", &["posthorn-domain", "posthorn-storage"]);
    check("posthorn-local-aws", &[]);
    let below = ["posthorn-domain", "posthorn-storage", "posthorn-delivery", "posthorn-api"];
    check("posthorn-runtime", &below);
    for function in function_folders() {
        check(&function, &[&below[..], &["posthorn-runtime"]].concat());
    }
}

#[test]
fn only_those_crates_reach_outside_that_are_meant_to() {
    let dependencies = dependencies();
    let check = |needed: &str, allowed: &[&str]| {
        for (name, all) in &dependencies {
            let may = allowed.contains(&name.as_str());
            assert!(may || !all.contains(needed), "{name} must not depend on {needed}");
        }
    };
    let aws =
        ["posthorn-storage", "posthorn-runtime", "posthorn-admin", "posthorn-local", "posthorn-local-aws"];
    check("aws-sdk-dynamodb", &aws);
    check("aws-sdk-sqs", &aws);
    check("aws-sdk-kms", &["posthorn-storage", "posthorn-runtime"]);
    check("ring", &["posthorn-storage"]);
    check("reqwest", &["posthorn-delivery", "posthorn-runtime", "posthorn-local"]);
    check("dynoxide-rs", &["posthorn-local-aws"]);
    for io in ["tokio", "reqwest", "http", "lambda_http", "lambda_runtime", "tracing", "getrandom"] {
        assert!(!dependencies["posthorn-domain"].contains(io), "the domain must not depend on {io}");
    }
}

#[test]
fn folders_template_and_samples_name_the_same_functions() {
    let template = Template::load(&template(), "http://127.0.0.1:9324").unwrap();
    let in_template: BTreeSet<String> = template.functions.iter().map(|spec| spec.name.clone()).collect();
    assert_eq!(in_template, function_folders());
    for spec in &template.functions {
        let pascal: String = spec.name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        assert_eq!(spec.logical_id, format!("{pascal}Function"));
        let callers = spec.routes.len() + spec.queues.len() + spec.schedules.len();
        assert!(callers > 0, "nothing calls {}", spec.name);
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{}.json", spec.name));
        assert!(sample.exists(), "{} is missing", sample.display());
    }
}
