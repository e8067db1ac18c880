//! Clients of AWS, built by hand: the SDK's own loading of settings costs a cold start tens of milliseconds.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_types::SdkConfig;
use rustls::ClientConfig;

use crate::{Settings, SettingsError, aws_http};

/// How long AWS may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long AWS may take for one try of a call. The SDK makes up to three.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is kept that nothing is sent over. AWS closes them soon after.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// What all clients of AWS share: their connections.
pub(crate) struct Aws(SharedHttpClient);

impl Aws {
    /// Clients that trust whom `tls` trusts.
    pub(crate) fn new(mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT);
        let client = client.build().expect("the settings agree with each other");
        Self(aws_http::client(client))
    }

    /// A client of DynamoDB. `AWS_ENDPOINT_URL_DYNAMODB` (or `AWS_ENDPOINT_URL`) points it elsewhere than to AWS.
    pub(crate) fn dynamodb(&self, settings: &Settings) -> Result<aws_sdk_dynamodb::Client, SettingsError> {
        Ok(aws_sdk_dynamodb::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_DYNAMODB")?))
    }

    /// A client of SQS. `AWS_ENDPOINT_URL_SQS` (or `AWS_ENDPOINT_URL`) points it elsewhere than to AWS.
    pub(crate) fn sqs(&self, settings: &Settings) -> Result<aws_sdk_sqs::Client, SettingsError> {
        Ok(aws_sdk_sqs::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_SQS")?))
    }

    /// A client of KMS. `AWS_ENDPOINT_URL_KMS` (or `AWS_ENDPOINT_URL`) points it elsewhere than to AWS.
    pub(crate) fn kms(&self, settings: &Settings) -> Result<aws_sdk_kms::Client, SettingsError> {
        Ok(aws_sdk_kms::Client::new(&self.config(settings, "AWS_ENDPOINT_URL_KMS")?))
    }

    fn config(&self, settings: &Settings, endpoint: &str) -> Result<SdkConfig, SettingsError> {
        let endpoint = settings.find(endpoint).or_else(|| settings.find("AWS_ENDPOINT_URL"));
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(settings.text("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials(settings)?))
            .http_client(self.0.clone())
            .retry_config(RetryConfig::standard())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SystemTimeSource::new())
            .timeout_config(timeouts.build());
        config.set_endpoint_url(endpoint.map(str::to_owned));
        Ok(config.build())
    }
}

/// What Lambda puts into a function's environment. It is valid for as long as the process lives.
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
    use std::sync::Arc;

    use rustls::ServerConfig;
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::tls;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n\
        content-length: 17\r\nconnection: close\r\n\r\n{\"TableNames\":[]}";

    /// A DynamoDB with TLS that has no tables. Answers its port, and its certificate as PEM.
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
                // A client that trusts somebody else hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 8192]).await.unwrap();
                stream.write_all(ANSWER).await.unwrap();
            }
        });
        (port, own.cert.pem())
    }

    async fn tables(port: u16, trusted: &[(&str, &str)]) -> Result<usize, String> {
        let endpoint = format!("https://localhost:{port}");
        let variables = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
        ];
        let variables =
            variables.iter().chain(trusted).map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let settings = variables.collect();
        let client = Aws::new(tls::client_config(&settings).unwrap()).dynamodb(&settings).unwrap();
        let answer = client.list_tables().send().await;
        answer.map(|answer| answer.table_names().len()).map_err(|error| format!("{error:?}"))
    }

    #[tokio::test]
    async fn aws_is_spoken_to_with_tls_and_has_to_be_who_it_says_it_is() {
        let (port, certificate) = dynamodb().await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(certificate.as_bytes()).unwrap();
        assert_eq!(tables(port, &[("SSL_CERT_FILE", file.path().to_str().unwrap())]).await, Ok(0));
        let refused = tables(port, &[]).await.unwrap_err();
        assert!(refused.contains("UnknownIssuer"), "{refused}");
    }
}
