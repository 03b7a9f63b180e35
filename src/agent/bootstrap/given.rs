//! A certificate and key of the user's own: are they any good?
//!
//! Asked twice: by the command line tool before anything is done, and by
//! bootstrap before it writes. Must never tell anything of the key.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use super::authority::Pair;
use super::error::BootstrapError;

/// The user's own pair for a component, if nothing is wrong with it.
pub fn given_pair(component: &str, certificate: &[u8], key: &[u8]) -> Result<Pair, BootstrapError> {
    match belongs_together(certificate, key) {
        Ok(_) => Ok(Pair {
            certificate: pem_text(certificate),
            key: pem_text(key),
        }),
        Err(problem) => Err(BootstrapError::GivenCertificate {
            component: component.to_owned(),
            problem,
        }),
    }
}

/// Why that chain and key (PEM) do not serve now, if they do not.
pub fn certificate_problem(certificate: &[u8], key: &[u8], now: OffsetDateTime) -> Option<String> {
    let leaf = match belongs_together(certificate, key) {
        Ok(leaf) => leaf,
        Err(problem) => return Some(problem),
    };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&leaf) else {
        return Some("it cannot be read".to_owned());
    };
    let validity = parsed.validity();
    let date = |at: i64| {
        OffsetDateTime::from_unix_timestamp(at)
            .map_or_else(|_| "?".to_owned(), |at| at.date().to_string())
    };
    let (from, until) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    match now.unix_timestamp() {
        now if now < from => Some(format!("it counts only from {} on", date(from))),
        now if now > until => Some(format!("it ended on {}", date(until))),
        _ => None,
    }
}

/// The leaf of a chain whose key that is.
fn belongs_together(certificate: &[u8], key: &[u8]) -> Result<CertificateDer<'static>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the chain is not PEM ({error})"))?;
    let leaf = chain.first().cloned();
    let leaf = leaf.ok_or("the chain holds no certificate")?;
    let parsed = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| format!("the key is not PEM ({error})"))?;
    rustls::sign::CertifiedKey::from_der(chain, parsed, &rustls::crypto::ring::default_provider())
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "the key is another certificate's".to_owned(),
            other => other.to_string(),
        })?;
    Ok(leaf)
}

/// PEM is ASCII; what stands between its blocks may be anything.
fn pem_text(pem: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(pem).into_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::super::authority::Authority;
    use super::super::spec::{CertificateRequest, Subject};
    use super::*;

    fn pairs() -> (Pair, Pair) {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::load(&Authority::make("shop", now).unwrap()).unwrap();
        let sign = |dns: &str| {
            let request = CertificateRequest {
                subject: Subject::CommonName(dns.to_owned()),
                dns: vec![dns.to_owned()],
                ip: Vec::new(),
                server_only: true,
            };
            authority
                .sign(&request, now, Authority::LEAF_LIFE)
                .unwrap()
                .pair
        };
        (sign("a"), sign("b"))
    }

    #[test]
    fn a_given_key_must_belong_to_its_certificate() {
        let (one, two) = pairs();
        let given = |certificate: &str, key: &str| {
            given_pair("edge", certificate.as_bytes(), key.as_bytes())
        };
        given(&one.certificate, &one.key).expect("they belong together");
        let error = given(&one.certificate, &two.key).unwrap_err().to_string();
        assert_eq!(
            error,
            "the certificate given for edge: the key is another certificate's"
        );
        given("nothing", &one.key).expect_err("no certificate at all");
    }

    #[test]
    fn a_certificate_that_ended_or_does_not_count_yet_is_told_with_its_day() {
        let (pair, _) = pairs();
        let problem = |after: Duration| {
            let now = OffsetDateTime::now_utc() + after;
            certificate_problem(pair.certificate.as_bytes(), pair.key.as_bytes(), now)
        };
        assert_eq!(problem(Duration::ZERO), None);
        let told = [Duration::days(-2), Duration::days(366)].map(|after| problem(after).unwrap());
        assert!(told[0].starts_with("it counts only from 2"), "{told:?}");
        assert!(told[1].starts_with("it ended on 2"), "{told:?}");
        let mut key = pair.key.clone();
        key.insert_str(40, "topsecret");
        let told = certificate_problem(
            pair.certificate.as_bytes(),
            key.as_bytes(),
            OffsetDateTime::now_utc(),
        );
        assert!(
            !told.unwrap().contains("topsecret"),
            "nothing of the key is told"
        );
    }
}
