//! AWS clients, built in code: the SDK's own loading of settings costs a cold start tens of milliseconds.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::{ReconnectMode, RetryConfig};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_types::SdkConfig;
use rustls::ClientConfig;

use crate::{Settings, SettingsError, aws_http};

/// How long AWS may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long AWS has. The time that a worker reserves for a last call has to be longer than a call may take.
const PATIENCE: Patience = Patience { a_try: Duration::from_secs(3), a_call: Duration::from_secs(8) };
/// How long an idle connection is kept. AWS closes them soon after.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The timeouts of a call.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For one try. The SDK makes up to three.
    a_try: Duration,
    /// In total: the tries, the waits between them, and the wait for the call's turn.
    a_call: Duration,
}

/// Makes AWS clients, which share their connections.
pub(crate) struct Aws {
    http: SharedHttpClient,
    patience: Patience,
}

impl Aws {
    /// Uses the certificate authorities that `tls` trusts.
    pub(crate) fn new(tls: ClientConfig) -> Self {
        Self::with(tls, PATIENCE)
    }

    fn with(mut tls: ClientConfig, patience: Patience) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(aws_http::MAX_CALLS);
        let client = client.build().expect("the settings do not conflict");
        Self { http: aws_http::client(client, patience.a_try), patience }
    }

    /// Returns a DynamoDB client. `AWS_ENDPOINT_URL_DYNAMODB` (or `AWS_ENDPOINT_URL`) replaces AWS's address.
    pub(crate) fn dynamodb(&self, settings: &Settings) -> Result<aws_sdk_dynamodb::Client, SettingsError> {
        Ok(aws_sdk_dynamodb::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_DYNAMODB")?))
    }

    /// Returns an SQS client. `AWS_ENDPOINT_URL_SQS` (or `AWS_ENDPOINT_URL`) replaces AWS's address.
    pub(crate) fn sqs(&self, settings: &Settings) -> Result<aws_sdk_sqs::Client, SettingsError> {
        Ok(aws_sdk_sqs::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_SQS")?))
    }

    /// Returns a KMS client. `AWS_ENDPOINT_URL_KMS` (or `AWS_ENDPOINT_URL`) replaces AWS's address.
    pub(crate) fn kms(&self, settings: &Settings) -> Result<aws_sdk_kms::Client, SettingsError> {
        Ok(aws_sdk_kms::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_KMS")?))
    }

    fn config(&self, settings: &Settings, endpoint: &str) -> Result<SdkConfig, SettingsError> {
        let endpoint = settings.find(endpoint).or_else(|| settings.find("AWS_ENDPOINT_URL"));
        let timeouts = TimeoutConfig::builder().operation_timeout(self.patience.a_call);
        // The SDK cannot close this client's connections, and would log an error each time that it wants to.
        let retries = RetryConfig::standard().with_reconnect_mode(ReconnectMode::ReuseAllConnections);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.text("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials(settings)?))
            .http_client(self.http.clone())
            .retry_config(retries)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SystemTimeSource::new())
            .timeout_config(timeouts.build());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Ok(config.build())
    }
}

/// Returns the credentials in the environment. Those from Lambda are valid as long as the process lives.
fn credentials(settings: &Settings) -> Result<Credentials, SettingsError> {
    Ok(Credentials::new(
        settings.text("AWS_ACCESS_KEY_ID")?,
        settings.text("AWS_SECRET_ACCESS_KEY")?,
        settings.find("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::{Arc, Mutex};

    use aws_sdk_dynamodb::error::SdkError;
    use rustls::ServerConfig;
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::tls;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\
        content-length: 17\r\nconnection: close\r\n\r\n{\"TableNames\":[]}";

    /// A fake DynamoDB with TLS and no tables. Returns its port, and its certificate as PEM.
    async fn dynamodb() -> (u16, String) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(vec![own.cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (acceptor, listener) =
            (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust the certificate hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 8192]).await.unwrap();
                stream.write_all(ANSWER).await.unwrap();
            }
        });
        (port, own.cert.pem())
    }

    /// Returns a client for this URL. It also trusts the certificates in the file `trusted`.
    fn client(endpoint: &str, trusted: Option<&str>, patience: Patience) -> aws_sdk_dynamodb::Client {
        let variables = [
            ("AWS_REGION", Some("us-east-1")),
            ("AWS_ACCESS_KEY_ID", Some("a")),
            ("AWS_SECRET_ACCESS_KEY", Some("b")),
            ("AWS_ENDPOINT_URL_DYNAMODB", Some(endpoint)),
            ("SSL_CERT_FILE", trusted),
        ];
        let variables =
            variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let settings = variables.collect();
        Aws::with(tls::client_config(&settings).unwrap(), patience).dynamodb(&settings).unwrap()
    }

    async fn tables(port: u16, trusted: Option<&str>) -> Result<usize, String> {
        let answer =
            client(&format!("https://localhost:{port}"), trusted, PATIENCE).list_tables().send().await;
        answer.map(|answer| answer.table_names().len()).map_err(|error| format!("{error:?}"))
    }

    #[tokio::test]
    async fn aws_is_spoken_to_with_tls_and_has_to_be_who_it_says_it_is() {
        let (port, certificate) = dynamodb().await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(certificate.as_bytes()).unwrap();
        assert_eq!(tables(port, Some(file.path().to_str().unwrap())).await, Ok(0));
        let refused = tables(port, None).await.unwrap_err();
        assert!(refused.contains("UnknownIssuer"), "{refused}");
    }

    /// A fake DynamoDB without TLS. It answers each request after a wait.
    struct Slow {
        url: String,
        seen: Arc<Mutex<Seen>>,
    }

    #[derive(Default)]
    struct Seen {
        connections: usize,
        /// The number of calls under way, and its maximum so far.
        calls: (usize, usize),
    }

    impl Slow {
        async fn start(wait: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let seen = Arc::new(Mutex::new(Seen::default()));
            let ledger = Arc::clone(&seen);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    ledger.lock().unwrap().connections += 1;
                    tokio::spawn(answer_after(wait, stream, Arc::clone(&ledger)));
                }
            });
            Self { url, seen }
        }
    }

    async fn answer_after(wait: Duration, mut stream: TcpStream, seen: Arc<Mutex<Seen>>) {
        let mut request = [0; 8192];
        while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
            // A request with a Content-Length arrives in one piece.
            let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
            assert!(request.contains("\r\ncontent-length: 2\r\n") && !request.contains("transfer-encoding"));
            {
                let calls = &mut seen.lock().unwrap().calls;
                calls.0 += 1;
                calls.1 = calls.1.max(calls.0);
            }
            tokio::time::sleep(wait).await;
            seen.lock().unwrap().calls.0 -= 1;
            let answer = String::from_utf8(ANSWER.to_vec()).unwrap().replace("connection: close\r\n", "");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    async fn make_calls(number: usize, client: &aws_sdk_dynamodb::Client) {
        let calls = (0..number).map(|_| client.list_tables().send());
        for answered in futures::future::join_all(calls).await {
            answered.unwrap();
        }
    }

    /// A sweep deleted a thousand rows at once, each over its own connection. On a seventh of a core, the handshakes
    /// took longer than the connect timeout, and the sweep failed.
    #[tokio::test]
    async fn of_a_storm_of_calls_64_are_under_way_at_a_time_over_connections_that_they_share() {
        let slow = Slow::start(Duration::from_millis(20)).await;
        make_calls(500, &client(&slow.url, None, PATIENCE)).await;
        let seen = slow.seen.lock().unwrap();
        assert!(seen.calls.1 <= aws_http::MAX_CALLS, "{}", seen.calls.1);
        // A call may find no free connection because that of the call before is still being returned.
        assert!(seen.connections <= 2 * aws_http::MAX_CALLS, "{}", seen.connections);
    }

    /// The time of a try used to begin when the SDK made it. In a storm of calls it was over before the call's turn
    /// came, and the SDK's retries made the storm worse.
    #[tokio::test]
    async fn waiting_for_its_turn_costs_a_call_none_of_its_tries() {
        let slow = Slow::start(Duration::from_millis(100)).await;
        let patience = Patience { a_try: Duration::from_secs(1), ..PATIENCE };
        make_calls(20 * aws_http::MAX_CALLS, &client(&slow.url, None, patience)).await;
    }

    #[tokio::test]
    async fn a_call_that_gets_no_answer_is_over_when_its_time_is_up() {
        let slow = Slow::start(Duration::from_hours(1)).await;
        let (a_try, a_call) = (Duration::from_millis(300), Duration::from_millis(800));
        let client = client(&slow.url, None, Patience { a_try, a_call });
        let began = std::time::Instant::now();
        let error = client.list_tables().send().await.unwrap_err();
        assert!(matches!(error, SdkError::TimeoutError(_) | SdkError::DispatchFailure(_)), "{error:?}");
        assert!(began.elapsed() >= a_try, "{:?}", began.elapsed());
    }

    /// What was logged while this is alive.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// For each call that AWS could not make, the SDK logged an error besides: that it could not close the connection.
    #[tokio::test]
    async fn the_sdk_logs_no_errors_of_its_own_about_calls_that_fail() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 8192]).await.unwrap();
                let refusal = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(refusal).await.unwrap();
            }
        });
        let logged = Logged::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        tracing::error!("before the call");
        client(&url, None, PATIENCE).list_tables().send().await.unwrap_err();
        let logged = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
        assert_eq!(logged.matches("ERROR").count(), 1, "{logged}");
    }
}
