//! TLS as a stack's members speak it: only its own CA, a client certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::WireError;
use super::socket::{Socket, Stream};

/// How to verify a TLS server, and who to be
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TlsFiles {
    /// The CA that signed the server's certificate
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// The client's certificate
    #[arg(long, requires = "key")]
    pub cert: Option<PathBuf>,
    /// The client's key
    #[arg(long, requires = "cert")]
    pub key: Option<PathBuf>,
    /// The name to verify instead of the host's
    #[arg(long)]
    pub server_name: Option<String>,
}

/// TLS over that socket; the handshake happens with the first byte.
pub fn with_tls(
    socket: Socket,
    host: &str,
    files: &TlsFiles,
) -> Result<impl Stream + use<>, WireError> {
    let name = files.server_name.as_deref().unwrap_or(host);
    let server = ServerName::try_from(name.to_owned()).map_err(|_| WireError::BadName {
        name: name.to_owned(),
    })?;
    let connection = ClientConnection::new(Arc::new(client_config(files)?), server)?;
    Ok(StreamOwned::new(connection, socket))
}

/// Trusts only the stack's CA, whatever the image trusts.
pub fn client_config(files: &TlsFiles) -> Result<ClientConfig, WireError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(files.ca.as_deref().ok_or(WireError::NoAuthority)?)? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match (&files.cert, &files.key) {
        (Some(certificate), Some(key)) => {
            let parsed = PrivateKeyDer::from_pem_file(key)
                .map_err(|_| WireError::BadPem { path: key.clone() })?;
            Ok(builder.with_client_auth_cert(read_chain(certificate)?, parsed)?)
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let text = std::fs::read(path).map_err(|source| WireError::File {
        path: path.to_owned(),
        source,
    })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| WireError::BadPem {
            path: path.to_owned(),
        })
}
