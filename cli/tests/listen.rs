//! `posthorn listen`, run as its users run it, beside the laptop system.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use http::StatusCode;
use posthorn_local::{Arrival, Receiver};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use support::{PATIENCE, System};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the command prints, line by line. Once nobody reads it, the command has to wait.
type Output = Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>;

fn lines(output: impl AsyncRead + Send + Unpin + 'static) -> Output {
    let output: Box<dyn AsyncRead + Send + Unpin> = Box::new(output);
    BufReader::new(output).lines()
}

/// The running command.
struct Listening {
    child: Child,
    out: Output,
    said: Output,
}

impl Listening {
    async fn start(http: &str, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
        command.args(["listen", "--api-url", http]).args(options).env_clear();
        command.env("POSTHORN_LISTEN_SECRET", SECRET).kill_on_drop(true);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let mut listening = Self { child, out, said };
        listening.says("Ready. Events are signed with POSTHORN_LISTEN_SECRET").await;
        listening
    }

    /// Waits until it says this, and returns the line.
    async fn says(&mut self, text: &str) -> String {
        loop {
            let line =
                timeout(PATIENCE, self.said.next_line()).await.unwrap_or_else(|_| panic!("it says {text:?}"));
            let line = line.unwrap().unwrap_or_else(|| panic!("it ends without saying {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    async fn prints(&mut self) -> String {
        timeout(PATIENCE, self.out.next_line()).await.expect("it prints a line").unwrap().unwrap()
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }
}

async fn next(receiver: &mut Receiver) -> Arrival {
    timeout(PATIENCE, receiver.next()).await.expect("an event is forwarded")
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_forwards_each_event_as_it_would_be_delivered() {
    let system = System::start(Duration::ZERO).await;
    let mut endpoint = Receiver::start(0, |_, _| StatusCode::NO_CONTENT).await.unwrap();
    let mut program = Receiver::start(0, |_, _| StatusCode::ACCEPTED).await.unwrap();
    system.post("/api/webhook-endpoints", &json!({ "url": endpoint.url, "enabled_events": ["*"] })).await;
    let target = program.url.strip_prefix("http://").unwrap().to_owned() + "/hooks";
    let with_password = format!("http://me:sesame@{target}?token=sesame");
    let options = ["--forward-to", &with_password, "-H", "X-Tenant: 7", "--events", "order.*"];
    let mut listening = Listening::start(&system.http, &options).await;
    system.post("/api/events", &json!({ "type": "parcel.lost", "data": {} })).await;
    let [id] = <[String; 1]>::try_from(system.publish(1).await).unwrap();
    let forwarded = next(&mut program).await;
    assert_eq!((forwarded.path.as_str(), forwarded.event_id()), ("/hooks", id.as_str()));
    forwarded.verify(SECRET).unwrap();
    assert_eq!(forwarded.headers["x-tenant"], "7");
    let delivered = loop {
        let delivered = next(&mut endpoint).await;
        if delivered.event_id() == id {
            break delivered;
        }
    };
    assert_eq!(forwarded.body, delivered.body);
    for name in ["content-type", "user-agent"] {
        assert_eq!(forwarded.headers[name], delivered.headers[name]);
    }
    let lines = [listening.prints().await, listening.prints().await];
    assert!(lines[0].ends_with(&format!("--> order.paid [{id}]")), "{lines:?}");
    assert!(lines[1].ends_with(&format!("<-- 202 POST http://{target} [{id}]")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_prints_events_as_lines_of_json_and_says_why_a_program_did_not_answer() {
    let system = System::start(Duration::ZERO).await;
    let options = ["--forward-to", "127.0.0.1:1", "--format", "json"];
    let mut listening = Listening::start(&system.http, &options).await;
    let ids = system.publish(1).await;
    let line: Value = serde_json::from_str(&listening.prints().await).unwrap();
    assert_eq!(line["event"]["id"], ids[0].as_str());
    assert!(line["response"]["error"].as_str().unwrap().contains("refused"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_ends_where_it_cannot_go_on_and_says_why() {
    let system = System::start(Duration::ZERO).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
    command.args(["listen", "--api-url", &system.http, "--api-key", "sk_test_unknown"]).env_clear();
    let ended =
        timeout(PATIENCE, command.env("POSTHORN_LISTEN_SECRET", SECRET).output()).await.unwrap().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && said.contains("401"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_secret_is_made_once_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let ask = async |secret: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
        command.args(["listen", "--print-secret"]).env_clear().env("HOME", home.path());
        let answer =
            command.envs(secret.map(|secret| ("POSTHORN_LISTEN_SECRET", secret))).output().await.unwrap();
        (answer.status.success(), String::from_utf8([answer.stdout, answer.stderr].concat()).unwrap())
    };
    let [(_, first), (_, second)] = [ask(None).await, ask(None).await];
    assert!(first.starts_with("whsec_") && first == second, "{first} {second}");
    assert_eq!(ask(Some(SECRET)).await, (true, format!("{SECRET}\n")));
    for wrong in ["", "whsec_", "sesame"] {
        let (is_good, said) = ask(Some(wrong)).await;
        assert!(!is_good && said.contains("POSTHORN_LISTEN_SECRET must be whsec_"), "{wrong}: {said}");
    }
}

/// Passes connections on, until they are cut.
struct Relay {
    port: u16,
    target: String,
    running: JoinSet<()>,
}

impl Relay {
    async fn start(http: &str) -> Self {
        let target = http.strip_prefix("http://").unwrap().to_owned();
        let mut relay = Self { port: 0, target, running: JoinSet::new() };
        relay.open().await;
        relay
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let target = self.target.clone();
        self.running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let target = target.clone();
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
    }

    /// Cuts all connections, and takes no more.
    async fn cut(&mut self) {
        self.running.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_skips_no_event_though_connections_are_cut_the_process_stops_and_records_are_late() {
    let system = System::start(Duration::from_millis(300)).await;
    let mut program = Receiver::start(0, |_, _| StatusCode::OK).await.unwrap();
    let mut relay = Relay::start(&system.http).await;
    let options = ["--forward-to", &program.url];
    let mut listening = Listening::start(&format!("http://127.0.0.1:{}", relay.port), &options).await;
    // Nobody reads the two thousand lines, and the command must not wait for a reader.
    let mut out = std::mem::replace(&mut listening.out, lines(tokio::io::empty()));
    tokio::spawn(async move { while let Ok(Some(_)) = out.next_line().await {} });
    let (mut published, mut forwarded) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..20 {
        published.extend(system.publish(100).await);
        match round {
            4 | 12 => relay.cut().await,
            6 | 14 => {
                listening.says("cannot be reached").await;
                relay.open().await;
                gather(&mut program, &mut forwarded, &published).await;
            }
            9 | 17 => {
                listening.signal("-STOP").await;
                let last = system.publish(1).await;
                system.until_recorded(&last[0]).await;
                published.extend(last);
                listening.signal("-CONT").await;
            }
            _ => {}
        }
    }
    gather(&mut program, &mut forwarded, &published).await;
    assert_eq!(forwarded, published);
    listening.says("Caught up on").await;
}

/// Takes what is forwarded until it is all that was published. Nothing comes twice.
async fn gather(program: &mut Receiver, forwarded: &mut BTreeSet<String>, published: &BTreeSet<String>) {
    while forwarded.len() < published.len() {
        let arrival = next(program).await;
        arrival.verify(SECRET).unwrap();
        assert!(forwarded.insert(arrival.event_id().to_owned()), "{} came twice", arrival.event_id());
    }
}
