//! The stack's own CA and the certificates it signs (ECDSA P-256).
//!
//! Keys are made here and kept in the state; only bootstrap reads the CA's. A
//! certificate is kept until what it is for changes, the CA changes, or less
//! than a third of its life is left.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::spec::{CertificateRequest, Subject};

const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// Clocks of a stack's hosts may differ by this much.
const CLOCK_SKEW: Duration = Duration::hours(1);

/// A certificate and its key, both PEM.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A certificate that the CA signed, with what it was signed for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    pub pair: Pair,
    request: CertificateRequest,
    /// The CA certificate's SHA-256.
    issuer: String,
    /// Seconds since 1970.
    not_before: i64,
    not_after: i64,
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    fingerprint: String,
}

impl Authority {
    /// Below the 398 days that browsers accept.
    pub const LEAF_LIFE: Duration = Duration::days(365);

    /// A new CA for that stack.
    pub fn make(project: &str, now: OffsetDateTime) -> Result<Pair, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "scalectl");
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{project} stack CA"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = (now - CLOCK_SKEW, now + AUTHORITY_LIFE);
        let certificate = params.self_signed(&key)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    pub fn load(pair: &Pair) -> Result<Self, rcgen::Error> {
        let issuer = Issuer::from_ca_cert_pem(&pair.certificate, KeyPair::from_pem(&pair.key)?)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, pair.certificate.as_bytes());
        Ok(Self {
            issuer,
            fingerprint: super::hex(digest.as_ref()),
        })
    }

    /// Whether that certificate still does for that request.
    pub fn is_good(&self, leaf: &Leaf, request: &CertificateRequest, now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp();
        leaf.request == *request
            && leaf.issuer == self.fingerprint
            && leaf.not_before <= now
            && leaf.not_after - now > (leaf.not_after - leaf.not_before) / 3
    }

    pub fn sign(
        &self,
        request: &CertificateRequest,
        now: OffsetDateTime,
        life: Duration,
    ) -> Result<Leaf, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        match &request.subject {
            Subject::CommonName(name) => params
                .distinguished_name
                .push(DnType::CommonName, name.clone()),
            Subject::Organization(name) => params
                .distinguished_name
                .push(DnType::OrganizationName, name.clone()),
        }
        // Says "no CA" and writes the subject key identifier, which strict
        // verifiers (Python 3.13) look for.
        params.is_ca = IsCa::ExplicitNoCa;
        for name in &request.dns {
            params
                .subject_alt_names
                .push(SanType::DnsName(name.as_str().try_into()?));
        }
        params
            .subject_alt_names
            .extend(request.ip.iter().map(|ip| SanType::IpAddress(*ip)));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if !request.server_only {
            params
                .extended_key_usages
                .push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        params.use_authority_key_identifier_extension = true;
        let skew = CLOCK_SKEW.min(life / 10);
        (params.not_before, params.not_after) = (now - skew, now + life);
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf {
            pair: Pair {
                certificate: certificate.pem(),
                key: key.serialize_pem(),
            },
            request: request.clone(),
            issuer: self.fingerprint.clone(),
            not_before: params.not_before.unix_timestamp(),
            not_after: params.not_after.unix_timestamp(),
        })
    }
}

/// Envoy's secret files: certificate and key in one, and the CA.
///
/// JSON is YAML too, and needs no quoting rules of ours. The bytes go in base64
/// (`inline_bytes`), for a user's chain may hold any text between its blocks.
pub fn sds_files(pair: &Pair, authority: &str) -> [(&'static str, Vec<u8>); 2] {
    let inline = |pem: &str| serde_json::json!({ "inline_bytes": STANDARD.encode(pem) });
    let resource = |name: &str, kind: &str, value: serde_json::Value| {
        let text = serde_json::json!({"resources": [{
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": name,
            kind: value,
        }]});
        format!("{text:#}\n").into_bytes()
    };
    let certificate = serde_json::json!({"certificate_chain": inline(&pair.certificate), "private_key": inline(&pair.key)});
    [
        (
            "tls/sds.yaml",
            resource("tls", "tls_certificate", certificate),
        ),
        (
            "tls/sds-ca.yaml",
            resource(
                "ca",
                "validation_context",
                serde_json::json!({"trusted_ca": inline(authority)}),
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(dns: &str) -> CertificateRequest {
        CertificateRequest {
            subject: Subject::CommonName("db-1".to_owned()),
            dns: vec![dns.to_owned()],
            ip: vec!["127.0.0.1".parse().unwrap()],
            server_only: false,
        }
    }

    #[test]
    fn a_certificate_is_kept_until_its_names_change_its_ca_changes_or_a_third_is_left() {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::load(&Authority::make("shop", now).unwrap()).unwrap();
        let other = Authority::load(&Authority::make("shop", now).unwrap()).unwrap();
        let leaf = authority
            .sign(&request("db-1"), now, Authority::LEAF_LIFE)
            .unwrap();

        assert!(authority.is_good(&leaf, &request("db-1"), now), "fresh");
        assert!(
            authority.is_good(&leaf, &request("db-1"), now + Duration::days(240)),
            "more than a third is left"
        );
        assert!(
            !authority.is_good(&leaf, &request("db-1"), now + Duration::days(250)),
            "less than a third is left"
        );
        assert!(
            !authority.is_good(&leaf, &request("db-1"), now - Duration::days(1)),
            "a clock that went back"
        );
        assert!(
            !authority.is_good(&leaf, &request("db-2"), now),
            "another name"
        );
        assert!(!other.is_good(&leaf, &request("db-1"), now), "another CA");
    }
}
