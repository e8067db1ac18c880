//! What the commands print: each file in `transcripts/` has commands, each after a dollar sign, and what they print. All are run
//! against the laptop system, as people run them. `UPDATE_TRANSCRIPTS=1` writes the files anew.
//!
//! Ids, keys, times and ports differ from run to run. They are written `wh_…`, `TIME` and the like; in a command, `wh_…` is the
//! last such id that was printed.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use posthorn_local::Receiver;
use posthorn_local::proxy::{Call, Gate, Proxy, Service, passed_on};
use regex::Regex;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use support::System;

/// How long to wait until a command that only reads prints what it should: deliveries take their time.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to let deliveries be made before such a command, when the files are written anew.
const SETTLING: Duration = Duration::from_secs(4);

/// Commands that are shown elsewhere, and where.
const ELSEWHERE: &[(&str, &str)] = &[
    ("posthorn listen", "it does not end: tests/listen.rs"),
    ("posthorn tail", "it does not end: tests/tail.rs"),
    ("posthorn doctor", "it checks a stack on AWS: the deployment test, and its own tests"),
    ("posthorn events redrive", "it moves what the tests of tests/redrive.rs make fail"),
    ("posthorn deliveries redrive", "it moves what the tests of tests/redrive.rs make fail"),
];

/// Operations that no transcript calls, and why.
const UNCALLED: &[(&str, &str)] = &[
    ("exchangeSession", "none: a browser begins a session with its one-time code"),
    ("getOpenapi", "none: a tool reads the description at its address"),
    ("readFeed", "`posthorn listen` (tests/listen.rs)"),
];
/// Commands that call an operation, too, but have no transcript.
const CALLED_ELSEWHERE: &[(&str, &str)] = &[
    ("listAttempts", "posthorn tail"),
    ("listAttempts", "posthorn doctor"),
    ("testEndpoint", "posthorn doctor"),
];

/// Notes which requests were made.
#[derive(Default)]
struct Recorder(Mutex<BTreeSet<(String, String)>>);

impl Gate for Recorder {
    async fn answer(&self, call: Call, service: &Service) -> Response {
        self.0.lock().unwrap().insert((call.method.to_string(), call.uri.path().to_owned()));
        passed_on(service.call(call).await)
    }
}

/// What is behind the commands.
struct Stage {
    system: System,
    api: Proxy<Recorder>,
    hooks: Receiver,
    down: Receiver,
    home: tempfile::TempDir,
    hidden: Vec<(Regex, &'static str)>,
    known: BTreeMap<String, String>,
    called: BTreeMap<String, BTreeSet<String>>,
}

impl Stage {
    async fn set() -> Self {
        let system = System::start(Duration::ZERO).await;
        let api = Proxy::start(&system.http, Recorder::default()).await.unwrap();
        let hidden = [
            (r"\b(wh|evt|att|key|rec|ses)_[0-9A-Za-z_-]{12,}", "${1}_…"),
            (r"\b(sk_test|sk_live|sk_platform|whsec)_[0-9A-Za-z+/=_-]{20,}", "${1}_…"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
            (r"\b20\d\d-\d\d-\d\d\b", "DATE"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
            (r"cli-[0-9a-f]{32}", "cli-…"),
            (r"#code=\S+", "#code=…"),
            (r"(duration_ms|dns_ms|connect_ms|first_byte_ms)(\W+)\d+", "${1}${2}…"),
            (r"\b[0-9a-f]{16}\b", "REQUEST"),
            (r"(?m)((succeeded|failed) +\S+ +\S+ +)\d+", "${1}…"),
            // The width of a column follows from what is hidden.
            (" {2,}", "  "),
        ];
        let hidden =
            hidden.map(|(pattern, written)| (Regex::new(pattern).unwrap(), written)).into_iter().collect();
        Self {
            system,
            api,
            hooks: Receiver::start(0, |_, _| StatusCode::NO_CONTENT).await.unwrap(),
            down: Receiver::start(0, |_, _| StatusCode::SERVICE_UNAVAILABLE).await.unwrap(),
            home: tempfile::tempdir().unwrap(),
            hidden,
            known: BTreeMap::new(),
            called: BTreeMap::new(),
        }
    }

    /// Runs a command as a shell does. Returns what it prints, and its exit code if that is not 0.
    async fn run(&mut self, command: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_posthorn")).parent().unwrap();
        let path = format!("{}:{}", program.display(), "/usr/local/bin:/usr/bin:/bin");
        let ended = Command::new("sh")
            .args(["-c", &self.with_ids(command)])
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("POSTHORN_API_URL", &self.api.url)
            .env("API", &self.api.url)
            .env("DYNAMODB", &self.system.dynamodb)
            .env("HOOKS", &self.hooks.url)
            .env("DOWN", &self.down.url)
            .kill_on_drop(true)
            .output();
        let ended =
            timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{command} does not end")).unwrap();
        let mut printed = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        match ended.status.code() {
            Some(0) => {}
            code => writeln!(printed, "(exit code {})", code.unwrap_or(-1)).unwrap(),
        }
        let requests = std::mem::take(&mut *self.api.gate.0.lock().unwrap());
        for request in requests {
            let command = name(command);
            self.called.entry(operation(&request)).or_default().insert(command);
        }
        self.remember(&printed);
        self.hide(&printed)
    }

    /// Puts the last ids in the place of those that are cut short.
    fn with_ids(&self, command: &str) -> String {
        let known = self.known.iter();
        known.fold(command.to_owned(), |command, (short, id)| command.replace(short.as_str(), id))
    }

    fn remember(&mut self, printed: &str) {
        for (pattern, _) in &self.hidden[..2] {
            for found in pattern.captures_iter(printed) {
                self.known.insert(format!("{}_…", &found[1]), found[0].to_owned());
            }
        }
    }

    /// Returns the text without what differs from run to run.
    fn hide(&self, printed: &str) -> String {
        let home = self.home.path().display().to_string();
        self.hidden.iter().fold(printed.replace(&home, "~"), |text, (pattern, written)| {
            pattern.replace_all(&text, *written).into_owned()
        })
    }

    /// Runs a command until it prints what is expected, if it may be run more than once.
    async fn run_until(&mut self, command: &str, expected: &str) -> String {
        let begun = Instant::now();
        loop {
            let printed = self.run(command).await;
            if printed == expected || !only_reads(command) || begun.elapsed() > PATIENCE {
                return printed;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

fn only_reads(command: &str) -> bool {
    let words: Vec<_> = command.split_whitespace().collect();
    words.iter().any(|word| ["list", "get", "explain", "attention", "recovery", "audit"].contains(word))
}

/// Returns the command's name: the words before the first option or argument.
fn name(command: &str) -> String {
    let words = command.split_whitespace().skip_while(|word| *word != "posthorn");
    let mut words = words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let longer = format!("{name} {word}");
        if !COMMANDS.iter().any(|command| command.starts_with(&longer)) {
            break;
        }
        name = longer;
    }
    name
}

/// The commands that docs/CLI.md describes.
static COMMANDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let page = fs::read_to_string(root().join("docs/CLI.md")).unwrap();
    let sections: Vec<_> = page.split("\n#").skip(1).collect();
    let with_usage = sections.iter().filter(|section| section.contains("```text\nposthorn"));
    let heading = |section: &&&str| section.lines().next().unwrap().trim_start_matches('#').trim().to_owned();
    with_usage.map(|section| heading(&section)).collect()
});

/// The API's description.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../functions/src/openapi/openapi.json")).unwrap());

/// Returns the operation of the API's description that a request calls.
fn operation((method, path): &(String, String)) -> String {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |known: &str| {
        let (known, path): (Vec<_>, Vec<_>) = (known.split('/').collect(), path.split('/').collect());
        let parts = known.iter().zip(&path);
        known.len() == path.len()
            && parts.clone().all(|(known, part)| known.starts_with('{') || known == part)
    };
    // What is written out goes before what stands in braces.
    let mut fitting: Vec<_> = paths.keys().filter(|known| fits(known)).collect();
    fitting.sort_by_key(|known| known.matches('{').count());
    let operation = &DOCUMENT["paths"][fitting[0]][method.to_lowercase()]["operationId"];
    operation.as_str().unwrap_or_else(|| panic!("no operation is {method} {path}")).to_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the commands of a transcript, and what each prints.
fn steps(text: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => {
                printed.push_str(line);
                printed.push('\n');
            }
            (None, None) => panic!("a transcript begins with a command, not with {line}"),
        }
    }
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_prints_what_its_transcript_says_and_each_operation_has_a_command() {
    #[allow(clippy::disallowed_methods, reason = "no function reads it")]
    let updates = std::env::var_os("UPDATE_TRANSCRIPTS").is_some();
    let mut stage = Stage::set().await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect::<BTreeSet<_>>();
    let (mut faults, mut shown) = (Vec::new(), BTreeSet::new());
    for file in files {
        let mut written = String::new();
        for (command, expected) in steps(&fs::read_to_string(&file).unwrap()) {
            if updates && only_reads(&command) {
                sleep(SETTLING).await;
            }
            let printed =
                if updates { stage.run(&command).await } else { stage.run_until(&command, &expected).await };
            if printed != expected {
                faults.push(format!("{}\n$ {command}\n{printed}instead of\n{expected}", file.display()));
            }
            shown.insert(name(&command));
            write!(written, "$ {command}\n{printed}").unwrap();
        }
        if updates {
            fs::write(&file, written).unwrap();
        }
    }
    assert!(updates || faults.is_empty(), "\n{}", faults.join("\n"));
    shown.extend(ELSEWHERE.iter().map(|(command, _)| (*command).to_owned()));
    assert_eq!(COMMANDS.iter().filter(|command| !shown.contains(*command)).collect::<Vec<_>>(), [""; 0]);
    check_parity(&stage.called, updates);
}

/// Compares operations.md, the table of the operations and the commands that call each.
fn check_parity(called: &BTreeMap<String, BTreeSet<String>>, updates: bool) {
    let mut called = called.clone();
    for (operation, command) in CALLED_ELSEWHERE {
        called.entry((*operation).to_owned()).or_default().insert((*command).to_owned());
    }
    let mut table = String::from("| operation | commands |\n|---|---|\n");
    for (path, of_path) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in of_path.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let reason = UNCALLED.iter().find(|(uncalled, _)| *uncalled == id).map(|(_, reason)| *reason);
            let commands = match (called.get(id), reason) {
                (Some(commands), _) => {
                    commands.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                }
                (None, Some(reason)) => reason.to_owned(),
                (None, None) => panic!("no transcript calls {id}"),
            };
            writeln!(table, "| `{} {path}` | {commands} |", method.to_uppercase()).unwrap();
        }
    }
    let file = root().join("cli/tests/operations.md");
    if updates {
        fs::write(&file, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), table);
}
