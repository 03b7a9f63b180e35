//! What decides whether a container still is what the document asks for.
//!
//! A hash of the service's definition and of the files put into its containers.
//! Left out: the number of containers and what it waits for, because neither
//! changes a container that already runs. Next: `plan/` (who compares).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Compose, Service};

/// SHA-256 of a service's definition, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceHash(pub String);

impl fmt::Display for ServiceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Compose {
    /// The hash of `service` as a container of this document would be made now.
    pub fn hash_of(&self, service: &Service) -> ServiceHash {
        let mut shape = service.clone();
        shape.scale = None;
        shape.depends_on.clear();
        shape.build = None;
        shape.pull_policy = None;
        shape.extension = Default::default();
        let mut digest = Sha256::new();
        // Types made of maps with text keys and plain values always serialise.
        digest.update(serde_json::to_vec(&shape).unwrap_or_default());
        for mount in &service.configs {
            let config = self.configs.get(&mount.source);
            digest.update(serde_json::to_vec(&(&mount.target, config)).unwrap_or_default());
        }
        ServiceHash(hex(&digest.finalize()))
    }
}

/// A short hash over named settings files, for a label that makes a change of
/// settings a change of the service that reads them.
pub fn settings_hash<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut digest = Sha256::new();
    for (name, content) in files {
        for part in [name, content] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
    }
    hex(&digest.finalize())[..16].to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use crate::Compose;

    const TEXT: &str = "name: t\nservices:\n  a: {image: i, configs: [{source: c, target: /c}]}\nconfigs: {c: {content: one}}\n";

    fn hash(text: &str) -> String {
        let compose = Compose::parse(text).unwrap();
        compose.hash_of(&compose.services["a"]).0
    }

    #[test]
    fn a_changed_file_or_key_changes_the_hash_and_a_changed_count_does_not() {
        assert_ne!(
            hash(TEXT),
            hash(&TEXT.replace("one", "two")),
            "the content of a file counts"
        );
        assert_ne!(
            hash(TEXT),
            hash(&TEXT.replace("image: i", "image: i, user: '1'")),
            "a key counts"
        );
        assert_eq!(
            hash(TEXT),
            hash(&TEXT.replace("image: i", "image: i, scale: 3")),
            "the count does not"
        );
    }
}
