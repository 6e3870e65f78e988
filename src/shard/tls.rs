//! What the relay's TLS connections are set up with: certificate, key, tickets.

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use std::sync::Arc;
use thiserror::Error;

/// Why a certificate and key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("the certificate file cannot be read as PEM: {0}")]
    CertificatePem(pem::Error),
    #[error("the certificate file holds no certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    #[error("the key file holds no private key in PEM (PKCS#8, SEC1 or PKCS#1, not encrypted): {0}")]
    KeyPem(pem::Error),
    /// The key is of an unknown kind or does not belong to the certificate.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// The TLS terms of a relay. Handshakes that begin take what was put in last; open connections
/// keep what they began with.
pub struct TlsTerms {
    current: ArcSwap<ServerConfig>,
    /// Outlives a change of the certificate, so that clients resume after it, too.
    tickets: Arc<dyn ProducesTickets>,
}

impl TlsTerms {
    /// TLS 1.3 and 1.2 with this certificate chain and its key, both PEM. Sessions are resumed
    /// by tickets; nothing is remembered per client.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(chain: &[u8], key: &[u8]) -> Result<TlsTerms, TlsError> {
        let tickets = ring::Ticketer::new().map_err(TlsError::Unusable)?;
        let config = server_config(chain, key, &tickets)?;
        Ok(TlsTerms { current: ArcSwap::new(config), tickets })
    }

    /// Puts another certificate into force for the handshakes to come.
    ///
    /// # Errors
    /// See [`TlsError`]; nothing has changed then.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.current.store(server_config(chain, key, &self.tickets)?);
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn server_config(
    chain: &[u8],
    key: &[u8],
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(TlsError::CertificatePem)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::KeyPem)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Unusable)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::clone(tickets);
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERT: &[u8] = include_bytes!("../../tests/tls/relay.pem");
    const KEY: &[u8] = include_bytes!("../../tests/tls/relay.key");
    const RSA_CERT: &[u8] = include_bytes!("../../tests/tls/renewed.pem");
    const RSA_KEY: &[u8] = include_bytes!("../../tests/tls/renewed.key");

    #[test]
    fn a_certificate_that_cannot_be_used_is_refused_and_the_old_one_stays() {
        let terms = TlsTerms::new(CERT, KEY).expect("certificate and key");
        let before = terms.current();
        let refused = |chain: &[u8], key: &[u8]| terms.replace(chain, key).expect_err("refused");
        assert!(matches!(refused(b"", KEY), TlsError::NoCertificate));
        assert!(matches!(refused(KEY, KEY), TlsError::NoCertificate));
        assert!(matches!(refused(CERT, b""), TlsError::KeyPem(_)));
        assert!(matches!(refused(CERT, CERT), TlsError::KeyPem(_)));
        assert!(matches!(refused(CERT, RSA_KEY), TlsError::Unusable(_)), "another certificate's key");
        assert!(matches!(refused(&CERT[..CERT.len() / 2], KEY), TlsError::CertificatePem(_)));
        assert!(Arc::ptr_eq(&before, &terms.current()));
        terms.replace(RSA_CERT, RSA_KEY).expect("another certificate");
        assert!(!Arc::ptr_eq(&before, &terms.current()));
    }
}
