//! AWS, with the credentials of whoever runs the command.

pub mod stack;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// Returns the configuration of AWS clients. An address on this machine's loopback needs no credentials and no region.
pub async fn config(endpoint_url: Option<String>) -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http);
    if let Some(url) = endpoint_url {
        if url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:") {
            loader = loader.test_credentials().region("us-east-1");
        }
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}
