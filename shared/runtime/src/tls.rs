//! The certificate authorities that TLS trusts.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::{Settings, SettingsError};

/// The variable that names a file of more root certificates; other programs use it, too.
const CERTIFICATES: &str = "SSL_CERT_FILE";

/// Returns the TLS configuration for clients. It trusts Mozilla's root certificates, which are compiled in, and those
/// in the PEM file that `SSL_CERT_FILE` names. Reading the system's 150 certificates instead would take longer than
/// everything else at a function's start.
pub(crate) fn client_config(settings: &Settings) -> Result<ClientConfig, SettingsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = settings.find(CERTIFICATES) {
        let unusable = |error: &dyn std::fmt::Display| SettingsError::Invalid {
            name: CERTIFICATES.to_owned(),
            reason: format!("names {file}, which cannot be read as PEM certificates: {error}"),
        };
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(&error))? {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring supports the default versions");
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_that_cannot_be_read_is_named() {
        let settings = |file: &str| Settings::from_iter([(CERTIFICATES.to_owned(), file.to_owned())]);
        assert!(client_config(&Settings::default()).is_ok());
        let error = client_config(&settings("/nowhere/ca.pem")).unwrap_err().to_string();
        assert!(error.starts_with("the environment variable SSL_CERT_FILE names /nowhere/ca.pem"), "{error}");
    }
}
