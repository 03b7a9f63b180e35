//! The bootstrap spec: what `scalectl render` asks the one-shot to prepare.
//!
//! It names secrets and certificates and never holds one. Everything wrong with
//! it is found at once, before anything is written; a field that this version
//! does not know is refused, because half a preparation is worse than none.
//! Next: `check.rs` (the rules), `run.rs` (what is done with it).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// `/in/bootstrap.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The stack's name; it stands in the CA's name.
    pub project: String,
    /// Made once, random, and kept.
    #[serde(default)]
    pub secrets: Vec<SecretSpec>,
    /// The user's own, read from files.
    #[serde(default)]
    pub given: Vec<GivenSpec>,
    #[serde(default)]
    pub components: Vec<ComponentSpec>,
    /// Volumes that components write to themselves: only their owner is set.
    #[serde(default)]
    pub directories: Vec<DirectorySpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    pub name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenSpec {
    pub name: String,
    /// Where the value stands now. A file that is missing or empty means "the
    /// value that was given before".
    pub file: String,
}

/// One component's volume of settings, `/out/<name>`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Read from `/in/<component>/<name>`, placeholders replaced.
    #[serde(default)]
    pub files: Vec<FileSpec>,
    /// Written raw to `secrets/<name>`.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Written to `tls/`.
    #[serde(default)]
    pub certificate: Option<CertificateSpec>,
    /// The stack's CA certificate in `tls/ca.crt`, for one that has no
    /// certificate of its own and verifies others.
    #[serde(default)]
    pub ca: bool,
    /// Its volume is written after all others: what it is told is true of them.
    #[serde(default)]
    pub last: bool,
    /// The certificate is shown to browsers: a server's only.
    #[serde(default)]
    pub edge: bool,
    /// The image's user is not known (it may be a name), so every user of a
    /// container that mounts this volume may read it.
    #[serde(default)]
    pub any_user: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Path inside the volume, folders allowed.
    pub name: String,
    /// Octal; `0600` if not said, `0444` in a volume for any user.
    #[serde(default)]
    pub mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSpec {
    /// The subject: this or the organization.
    #[serde(default)]
    pub common_name: Option<String>,
    /// For members that talk to etcd: it refuses a client certificate with a
    /// common name at its JSON gateway, which Patroni goes through.
    #[serde(default)]
    pub organization: Option<String>,
    #[serde(default)]
    pub dns: Vec<String>,
    #[serde(default)]
    pub ip: Vec<IpAddr>,
    /// Also as Envoy secret files, certificate and key in one: a pair changes
    /// at once.
    #[serde(default)]
    pub sds: bool,
    /// The user's own certificate instead of one from the stack's CA.
    #[serde(default)]
    pub given: Option<GivenCertificate>,
}

/// Names of given secrets: a PEM chain and its PEM key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenCertificate {
    pub certificate: String,
    pub key: String,
}

/// A volume `/out/<name>` whose content belongs to the components.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectorySpec {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Octal; `0700` if not said.
    #[serde(default)]
    pub mode: Option<String>,
    /// First contents, from `/in/<directory>/<name>`: written only where no
    /// file of that name is.
    #[serde(default)]
    pub seed: Vec<FileSpec>,
}

/// What a certificate is made for; a change of any of it makes a new one.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    pub subject: Subject,
    pub dns: Vec<String>,
    pub ip: Vec<IpAddr>,
    pub server_only: bool,
}

/// Who a certificate is for: one attribute, common name or organization.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    CommonName(String),
    Organization(String),
}

impl CertificateSpec {
    /// The subject, if exactly one is said.
    pub fn subject(&self) -> Option<Subject> {
        match (&self.common_name, &self.organization) {
            (Some(name), None) => Some(Subject::CommonName(name.clone())),
            (None, Some(name)) => Some(Subject::Organization(name.clone())),
            _ => None,
        }
    }
}

impl ComponentSpec {
    /// What the stack's CA has to sign for this component, if it has to.
    pub fn certificate_request(&self) -> Option<CertificateRequest> {
        let asked = self
            .certificate
            .as_ref()
            .filter(|asked| asked.given.is_none())?;
        let (mut dns, mut ip) = (asked.dns.clone(), asked.ip.clone());
        dns.sort();
        dns.dedup();
        ip.sort();
        ip.dedup();
        Some(CertificateRequest {
            subject: asked.subject()?,
            dns,
            ip,
            server_only: self.edge,
        })
    }

    pub fn folder_mode(&self) -> u32 {
        if self.any_user { 0o755 } else { 0o700 }
    }

    pub fn secret_mode(&self) -> u32 {
        if self.any_user { 0o444 } else { 0o600 }
    }

    /// The mode of one of its files; `check` has refused what is not octal.
    pub fn file_mode(&self, file: &FileSpec) -> u32 {
        file.mode
            .as_deref()
            .and_then(parse_mode)
            .unwrap_or(self.secret_mode())
    }
}

/// An octal mode of permission bits, as `0640`.
pub fn parse_mode(text: &str) -> Option<u32> {
    let is_octal =
        (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| is_octal && *mode <= 0o777)
}
