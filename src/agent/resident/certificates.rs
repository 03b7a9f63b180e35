//! When certificates end: the agent's own file, and those that members show.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Seconds since 1970.
pub fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Of the first certificate in that PEM file.
pub fn not_after_of_file(path: &Path) -> Option<i64> {
    not_after(&CertificateDer::from_pem_file(path).ok()?)
}
