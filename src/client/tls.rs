//! Whom a client believes to be its relay, on wss:// connections.

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use thiserror::Error;

/// The certificate authorities a client trusts. Cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<ClientConfig>);

/// Why a file of certificate authorities cannot be used.
#[derive(Debug, Error)]
pub enum RootsError {
    #[error("{path}: cannot be read as PEM: {error}")]
    Pem { path: PathBuf, error: pem::Error },
    #[error("{path}: holds no certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate { path: PathBuf },
    #[error("{path}: not a usable certificate: {error}")]
    Unusable { path: PathBuf, error: rustls::Error },
}

impl Roots {
    /// Those that browsers trust, as built in.
    pub fn public() -> Roots {
        static PUBLIC: LazyLock<Roots> =
            LazyLock::new(|| Roots::of(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()));
        PUBLIC.clone()
    }

    /// Those of a PEM file, and no others: for a relay with a certificate of one's own.
    ///
    /// # Errors
    /// See [`RootsError`].
    pub fn from_file(path: &Path) -> Result<Roots, RootsError> {
        let unreadable = |error| RootsError::Pem { path: path.to_owned(), error };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            store
                .add(certificate.map_err(unreadable)?)
                .map_err(|error| RootsError::Unusable { path: path.to_owned(), error })?;
        }
        if store.is_empty() {
            return Err(RootsError::NoCertificate { path: path.to_owned() });
        }
        Ok(Roots::of(store))
    }

    fn of(store: RootCertStore) -> Roots {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        #[allow(clippy::expect_used, reason = "ring has the suites of both versions")]
        let builder = builder.with_safe_default_protocol_versions().expect("versions the provider knows");
        Roots(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
    }

    /// One configuration for all connections: it remembers tickets, so that they resume.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Roots")
    }
}
