//! Forwards events to a program on this machine, each signed as a delivery is. It follows the feed, so nothing is lost while
//! the connection is, or while the machine sleeps.

mod connection;
mod secret;

use std::num::NonZeroUsize;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use lru::LruCache;
use posthorn_domain::{Clock as _, EventId, Timestamp};
use posthorn_runtime::SystemClock;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::time::{Instant, sleep};

use self::connection::Connection;
use self::secret::signing_secret;
use crate::api::Api;
use crate::api::failure::Failure;
use crate::api::operations::READ_FEED;
use crate::input::{self, Moment};
use crate::output::{Output, compact, note, print, print_styled};
use crate::settings::{Settings, without_secrets};

/// How many events are remembered, so that one that comes again is not forwarded again.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");
/// How many seconds the API may wait for an event.
const WAIT: &str = "20";
/// The wait after an empty response that came at once: as many readers wait as may.
const NO_PLACE: Duration = Duration::from_secs(5);
/// The longest that the program may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Args)]
#[command(
    after_help = "Example:\n  posthorn listen --forward-to localhost:3000/webhooks --events 'invoice.*'"
)]
pub(crate) struct Listen {
    /// Where to POST each event, such as localhost:3000/webhooks. Without it, events are only printed
    #[arg(long, value_name = "URL", value_parser = target)]
    forward_to: Option<Url>,
    /// Only events of these types: names, and prefixes such as invoice.*, separated by commas
    #[arg(long, value_name = "TYPE,…")]
    events: Option<String>,
    /// A header to add to each request, such as "X-Tenant: 7"
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = input::header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Begin in the past: a time, or how long ago, such as 30m, 1h or 2d
    #[arg(long, value_name = "TIME", value_parser = input::moment)]
    since: Option<Moment>,
    /// Print the signing secret, and end. It is made once, and kept in your configuration folder. POSTHORN_LISTEN_SECRET sets another
    #[arg(long)]
    print_secret: bool,
    /// How to print events
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Do not check the certificate of the program
    #[arg(long)]
    skip_verify: bool,
    /// The secret to sign with. By default, one that is made once and kept in the configuration folder
    #[arg(long, value_name = "SECRET", env = "POSTHORN_LISTEN_SECRET", hide_env_values = true, hide = true)]
    secret: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for the event, and one for its response
    Text,
    /// A line of JSON for each event, with its response
    Json,
}

/// A page of the feed.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    list: Vec<&'a RawValue>,
    has_more: bool,
    next_cursor: String,
}

/// What is printed of an event.
#[derive(Deserialize)]
struct Named {
    id: EventId,
    #[serde(rename = "type")]
    event_type: String,
}

impl Listen {
    /// Forwards events until the process ends.
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let is_given = self.secret.is_some();
        let secret = signing_secret(self.secret)?.reveal();
        if self.print_secret {
            return print(&secret);
        }
        // It is not in the output of those who keep it elsewhere.
        let signed = if is_given {
            "Events are signed with POSTHORN_LISTEN_SECRET".to_owned()
        } else {
            format!("The signing secret is {secret}")
        };
        let mut listener = Listener {
            api: settings.api()?,
            signer: Webhook::new(&secret).context("the signing secret is invalid")?,
            client: reqwest::Client::builder()
                .timeout(ANSWER)
                .redirect(reqwest::redirect::Policy::none())
                .tls_danger_accept_invalid_certs(self.skip_verify)
                .no_proxy()
                .build()?,
            target: self.forward_to,
            headers: self.headers.into_iter().collect(),
            types: self.events,
            format: if settings.output() == Output::Json { Format::Json } else { self.format },
            seen: LruCache::new(REMEMBERED),
        };
        let since = self.since.map(|since| since.seen_from(SystemClock.now()));
        listener.follow(&signed, since).await
    }
}

struct Listener {
    api: Api,
    signer: Webhook,
    client: reqwest::Client,
    target: Option<Url>,
    headers: HeaderMap,
    types: Option<String>,
    format: Format,
    seen: LruCache<EventId, ()>,
}

impl Listener {
    async fn follow(&mut self, signed: &str, since: Option<Timestamp>) -> Result<()> {
        let begin = since.map(|at| ("since", at.to_string()));
        let mut place: Vec<_> = begin.into_iter().collect();
        let (mut is_ready, mut connection) = (false, Connection::new());
        loop {
            let (asked, waits) = (Instant::now(), is_ready);
            connection.ask();
            let text = match self.ask(&place, waits).await {
                Ok(text) => text,
                Err(Failure::Passing { said, wait, .. }) if is_ready => {
                    connection.fail(&said, wait).await;
                    continue;
                }
                Err(lasting) => return Err(lasting.into()),
            };
            connection.answer();
            if !is_ready {
                note(&format!("Ready. {signed}"));
                is_ready = true;
            }
            let page: Page<'_> =
                serde_json::from_str(&text).context("the API's answer is no page of the feed")?;
            for event in &page.list {
                if self.forward(event.get()).await? {
                    connection.count();
                }
            }
            if page.list.is_empty() && !page.has_more {
                connection.catch_up();
                if waits && asked.elapsed() < Duration::from_secs(1) {
                    sleep(NO_PLACE).await;
                }
            }
            place = vec![("cursor", page.next_cursor)];
        }
    }

    /// Asks for the events at this place. Waits for some, if it is to wait.
    async fn ask(&self, place: &[(&'static str, String)], waits: bool) -> Result<String, Failure> {
        let mut call = self.api.call(READ_FEED).query("types", self.types.as_deref());
        for (name, value) in place {
            call = call.query(name, Some(value));
        }
        call.query("wait", waits.then_some(WAIT)).send_once().await
    }

    /// Forwards an event, unless it came before. Returns whether it did not.
    async fn forward(&mut self, body: &str) -> Result<bool> {
        let Named { id, event_type } =
            serde_json::from_str(body).context("the API sent an event without id or type")?;
        if self.seen.put(id, ()).is_some() {
            return Ok(false);
        }
        if self.format == Format::Text {
            line("-->", Style::new(), &format!("{event_type} [{id}]"))?;
        }
        let Some(target) = self.target.clone() else {
            self.print_json(body, &Value::Null)?;
            return Ok(true);
        };
        let began = Instant::now();
        let answer = self.post(&target, id, body).await?;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let response = match &answer {
            Ok(status) => json!({ "response_status": status.as_u16(), "duration_ms": took }),
            Err(reason) => json!({ "error": reason }),
        };
        self.print_json(body, &response)?;
        if self.format == Format::Text {
            let is_good = answer.as_ref().is_ok_and(reqwest::StatusCode::is_success);
            let color = if is_good { AnsiColor::Green } else { AnsiColor::Red };
            let answer = answer.map_or_else(|reason| reason, |status| status.as_u16().to_string());
            line("<--", color.on_default(), &format!("{answer} POST {} [{id}]", without_secrets(target)))?;
        }
        Ok(true)
    }

    /// POSTs an event as a delivery would. Returns the status, or why there is none.
    async fn post(
        &self,
        target: &Url,
        id: EventId,
        body: &str,
    ) -> Result<Result<reqwest::StatusCode, String>> {
        let (id, at) = (id.to_string(), SystemClock.now().as_seconds());
        let signature = self.signer.sign(&id, at, body.as_bytes()).context("the event cannot be signed")?;
        let request = self
            .client
            .post(target.clone())
            .header("content-type", "application/json")
            .header("user-agent", concat!("Posthorn/", env!("CARGO_PKG_VERSION")))
            .headers(self.headers.clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature)
            .body(body.to_owned());
        Ok(request
            .send()
            .await
            .map(|answer| answer.status())
            .map_err(|error| format!("{:#}", anyhow!(error.without_url()))))
    }

    fn print_json(&self, body: &str, response: &Value) -> Result<()> {
        if self.format == Format::Json {
            print(&format!(r#"{{"event":{},"response":{response}}}"#, compact(body)))?;
        }
        Ok(())
    }
}

fn line(arrow: &str, style: Style, text: &str) -> Result<()> {
    let (at, dimmed) = (SystemClock.now(), Style::new().dimmed());
    print_styled(&format!("{dimmed}{at}{dimmed:#}  {style}{arrow} {text}{style:#}"))
}

/// Reads an address as people write it: 3000, localhost:3000/webhooks, https://…
fn target(text: &str) -> Result<Url> {
    let is_port = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let text = match (is_port, text.contains("://")) {
        (true, _) => format!("http://localhost:{text}"),
        (false, true) => text.to_owned(),
        (false, false) => format!("http://{text}"),
    };
    let url: Url = text.parse().context("must be an address such as localhost:3000/webhooks")?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("must be an address of http or https");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_as_people_write_it() {
        for (written, meant) in [
            ("3000", "http://localhost:3000/"),
            ("localhost:3000/webhooks", "http://localhost:3000/webhooks"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("https://shop.test/hooks?a=b", "https://shop.test/hooks?a=b"),
        ] {
            assert_eq!(target(written).unwrap().as_str(), meant);
        }
        for wrong in ["", "ftp://a.test", "http://"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
