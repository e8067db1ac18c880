//! The tables, with the credentials of whoever runs the command.

use aws_config::BehaviorVersion;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use posthorn_storage::ApiKeys;

/// The API keys in a table. On this machine's loopback, no credentials and no region are needed.
pub(crate) async fn api_keys(table: String, endpoint_url: Option<String>) -> ApiKeys {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http);
    if let Some(url) = endpoint_url {
        if url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:") {
            loader = loader.test_credentials().region("us-east-1");
        }
        loader = loader.endpoint_url(url);
    }
    ApiKeys::new(aws_sdk_dynamodb::Client::new(&loader.load().await), table)
}
