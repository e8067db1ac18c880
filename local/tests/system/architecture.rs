//! What must never be: who may depend on whom, and that functions, template and samples agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};
use posthorn_functions::names;
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
    check("posthorn-api", &["posthorn-domain", "posthorn-storage"]);
    check("posthorn-delivery", &["posthorn-domain", "posthorn-storage", "posthorn-api"]);
    check("posthorn-local-aws", &[]);
    let below = ["posthorn-domain", "posthorn-storage", "posthorn-delivery", "posthorn-api"];
    check("posthorn-runtime", &below);
    check("posthorn-functions", &[&below[..], &["posthorn-runtime"]].concat());
    check(
        "posthorn-local",
        &[&below[..], &["posthorn-runtime", "posthorn-functions", "posthorn-local-aws"]].concat(),
    );
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
    let aws = [
        "posthorn-storage",
        "posthorn-runtime",
        "posthorn-cli",
        "posthorn-lab",
        "posthorn-local",
        "posthorn-local-aws",
    ];
    check("aws-sdk-dynamodb", &aws);
    check("aws-sdk-sqs", &aws);
    check("aws-sdk-kms", &["posthorn-storage", "posthorn-runtime"]);
    check("ring", &["posthorn-storage", "posthorn-api", "posthorn-delivery", "posthorn-cli"]);
    check("reqwest", &["posthorn-runtime", "posthorn-cli", "posthorn-lab", "posthorn-local"]);
    check("hyper", &["posthorn-delivery"]);
    check("dynoxide-rs", &["posthorn-local-aws"]);
    for io in ["tokio", "reqwest", "http", "lambda_http", "lambda_runtime", "tracing", "getrandom"] {
        assert!(!dependencies["posthorn-domain"].contains(io), "the domain must not depend on {io}");
    }
}

#[test]
fn binary_template_and_samples_name_the_same_functions() {
    let template = Template::load(&template(), "http://127.0.0.1:9324", &[]).unwrap();
    let in_template: BTreeSet<String> = template.functions.iter().map(|spec| spec.name.clone()).collect();
    assert_eq!(in_template, names().map(str::to_owned).collect());
    for spec in &template.functions {
        let pascal: String = spec.name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        assert_eq!(spec.logical_id, format!("{pascal}Function"));
        let callers = spec.routes.len() + spec.queues.len() + spec.schedules.len();
        assert!(callers > 0, "nothing calls {}", spec.name);
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{}.json", spec.name));
        assert!(sample.exists(), "{} is missing", sample.display());
    }
}

/// The features with which each crate is built into these packages on Lambda.
fn features(packages: &[&str]) -> BTreeSet<String> {
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix=none", "--edges=normal", "--target=x86_64-unknown-linux-gnu"])
        .args(["--format={p} {f}"])
        .args(packages)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let features = String::from_utf8(cargo.stdout).unwrap();
    let features = features.lines().filter_map(|line| {
        let mut words = line.trim_end_matches("(*)").trim().rsplitn(2, ' ');
        let (features, package) = (words.next()?, words.next()?);
        let name = package.split(' ').next()?.to_owned();
        Some(features.split(',').map(move |feature| format!("{name}/{feature}")).collect::<Vec<_>>())
    });
    features.flatten().collect()
}

#[test]
fn what_is_built_for_lambda_has_no_feature_that_only_other_programs_ask_for() {
    let (functions, all) = (features(&["--package=posthorn-functions"]), features(&["--workspace"]));
    let for_others: BTreeSet<_> = all.difference(&functions).map(String::as_str).collect();
    for feature in ["aws-smithy-runtime-api/test-util", "hyper/server", "tokio/process"] {
        assert!(for_others.contains(feature), "{feature} should be among what only the laptop asks for");
    }
    for feature in ["tokio/rt", "hyper/client", "hyper/http2"] {
        assert!(functions.contains(feature), "{feature} should be among what the functions ask for");
    }
    // With a manifest of its own in `CodeUri`, SAM builds that package alone, and Cargo unifies no features with others.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/Cargo.toml");
    assert!(manifest.exists());
    assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join("../CargoLambda.toml").exists());
}

#[test]
fn the_release_profile_names_what_cargo_lambda_would_choose_otherwise() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let (_, profile) = manifest.split_once("\n[profile.release]\n").unwrap();
    let profile = profile.split("\n[").next().unwrap();
    let value = |key: &str| {
        let mut lines = profile.lines().filter_map(|line| line.split_once(" = "));
        lines.find_map(|(name, value)| (name == key).then_some(value))
    };
    assert_eq!(value("panic"), Some("\"unwind\""));
    for key in ["lto", "codegen-units", "strip"] {
        assert!(value(key).is_some(), "[profile.release] should name {key}");
    }
}
