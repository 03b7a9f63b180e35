//! Who one is to a registry: what `docker login` left behind.
//!
//! Reads the docker command's config file and asks its helper programs. What is
//! found goes to the engine alone, never into an error. Next: `pull.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    identitytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    username: String,
    secret: String,
}

/// The registry's host in a reference; none for the engine's default one.
pub(crate) fn host(reference: &str) -> Option<&str> {
    let (first, _) = reference.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

/// What is known for `registry`; none where nobody logged in.
pub(crate) async fn credentials(
    folder: Option<&Path>,
    registry: &str,
) -> Option<DockerCredentials> {
    let text = std::fs::read(folder?.join("config.json")).ok()?;
    let config: Config = serde_json::from_slice(&text).ok()?;
    match config
        .cred_helpers
        .get(registry)
        .or(config.creds_store.as_ref())
    {
        Some(helper) => ask(helper, registry).await,
        None => config
            .auths
            .get(registry)
            .and_then(|auth| stored(auth, registry)),
    }
}

fn stored(auth: &Auth, registry: &str) -> Option<DockerCredentials> {
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(auth.auth.as_deref().unwrap_or_default())
        .ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':').unwrap_or_default();
    let token = auth.identitytoken.clone().filter(|token| !token.is_empty());
    (token.is_some() || !user.is_empty()).then(|| DockerCredentials {
        username: Some(user.to_owned()),
        password: Some(password.trim_end_matches('\0').to_owned()),
        identitytoken: token,
        serveraddress: Some(registry.to_owned()),
        ..Default::default()
    })
}

/// `docker-credential-NAME get` reads the registry and writes JSON.
async fn ask(helper: &str, registry: &str) -> Option<DockerCredentials> {
    let mut child = tokio::process::Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    child
        .stdin
        .take()?
        .write_all(registry.as_bytes())
        .await
        .ok()?;
    let ended =
        tokio::time::timeout(std::time::Duration::from_secs(30), child.wait_with_output()).await;
    let told: Told = serde_json::from_slice(&ended.ok()?.ok()?.stdout).ok()?;
    let serveraddress = Some(registry.to_owned());
    Some(match told.username.as_str() {
        "<token>" => DockerCredentials {
            identitytoken: Some(told.secret),
            serveraddress,
            ..Default::default()
        },
        _ => DockerCredentials {
            username: Some(told.username),
            password: Some(told.secret),
            serveraddress,
            ..Default::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_told_from_the_first_folder_of_a_name() {
        for (reference, expected) in [
            ("valkey:8", None),
            ("scalectl/agent", None),
            ("registry.example/shop:1", Some("registry.example")),
            ("localhost/shop", Some("localhost")),
            ("localhost:5000/shop", Some("localhost:5000")),
        ] {
            assert_eq!(host(reference), expected, "{reference}");
        }
    }

    #[tokio::test]
    async fn a_login_is_found_by_its_registry_alone() {
        let folder = tempfile::tempdir().unwrap();
        let auth = base64::engine::general_purpose::STANDARD.encode("me:pass:word");
        let text = format!(r#"{{"auths":{{"registry.example":{{"auth":"{auth}"}}}}}}"#);
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        let found = credentials(Some(folder.path()), "registry.example")
            .await
            .unwrap();
        assert_eq!(
            (found.username.as_deref(), found.password.as_deref()),
            (Some("me"), Some("pass:word"))
        );
        assert!(
            credentials(Some(folder.path()), "other.example")
                .await
                .is_none()
        );
    }
}
