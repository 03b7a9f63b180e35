//! The rules of a bootstrap spec; all that is wrong is told at once.
//!
//! Pure. It reads no file: what only the contents can tell (a placeholder that
//! names nothing) is found by `placeholders.rs`, still before the first write.

use std::collections::{BTreeMap, BTreeSet};

use super::spec::{
    CertificateSpec, ComponentSpec, DirectorySpec, FileSpec, Spec, Subject, parse_mode,
};

/// Folders of a settings volume that bootstrap fills itself.
const OWN_FOLDERS: [&str; 2] = ["tls", "secrets"];
/// Volumes in `/out` that are not a component's.
const OWN_VOLUMES: [&str; 1] = ["bin"];

/// Every mistake in the spec, in its order; empty when it is good.
pub fn mistakes(spec: &Spec) -> Vec<String> {
    let mut found = Found::default();
    if !is_name(&spec.project, "_-") {
        found.add(format!("project {:?}: not a name", spec.project));
    }
    let secrets = check_secret_names(spec, &mut found);
    let mut volumes = BTreeSet::from(OWN_VOLUMES);
    for component in &spec.components {
        found.within = format!("component {:?}: ", component.name);
        check_volume_name(&component.name, &mut volumes, &mut found);
        check_component(component, &secrets, &mut found);
    }
    for directory in &spec.directories {
        found.within = format!("directory {:?}: ", directory.name);
        check_volume_name(&directory.name, &mut volumes, &mut found);
        check_directory(directory, &mut found);
    }
    found.mistakes
}

#[derive(Default)]
struct Found {
    mistakes: Vec<String>,
    within: String,
}

impl Found {
    fn add(&mut self, text: String) {
        self.mistakes.push(format!("{}{text}", self.within));
    }
}

/// Names of secrets, and whether each was given by the user.
fn check_secret_names<'a>(spec: &'a Spec, found: &mut Found) -> BTreeMap<&'a str, bool> {
    let mut names = BTreeMap::new();
    let made = spec
        .secrets
        .iter()
        .map(|secret| (secret.name.as_str(), false));
    let given = spec.given.iter().map(|given| (given.name.as_str(), true));
    for (name, is_given) in made.chain(given) {
        if !is_name(name, "_.-") {
            found.add(format!("secret {name:?}: not a name"));
        }
        if names.insert(name, is_given).is_some() {
            found.add(format!("secret {name:?}: named twice"));
        }
    }
    for given in &spec.given {
        if !given.file.starts_with('/') {
            found.add(format!(
                "given {:?}: its file {:?} is not an absolute path",
                given.name, given.file
            ));
        }
    }
    names
}

fn check_volume_name<'a>(name: &'a str, volumes: &mut BTreeSet<&'a str>, found: &mut Found) {
    if !is_name(name, "-_") {
        found.add("not a name".to_owned());
    }
    if !volumes.insert(name) {
        found.add("the name is taken by another volume".to_owned());
    }
}

fn check_component(component: &ComponentSpec, secrets: &BTreeMap<&str, bool>, found: &mut Found) {
    check_files(&component.files, &OWN_FOLDERS, found);
    let mut own = BTreeSet::new();
    for name in &component.secrets {
        if !secrets.contains_key(name.as_str()) {
            found.add(format!("secret {name:?} is not in the spec"));
        }
        if !own.insert(name) {
            found.add(format!("secret {name:?} is named twice"));
        }
    }
    if let Some(certificate) = &component.certificate {
        check_certificate(certificate, secrets, found);
    } else if component.edge {
        found.add("an edge without a certificate".to_owned());
    }
}

fn check_certificate(
    certificate: &CertificateSpec,
    secrets: &BTreeMap<&str, bool>,
    found: &mut Found,
) {
    if let Some(given) = &certificate.given {
        for name in [&given.certificate, &given.key] {
            if secrets.get(name.as_str()) != Some(&true) {
                found.add(format!(
                    "certificate from {name:?}, which is not among the given"
                ));
            }
        }
        return;
    }
    match certificate.subject() {
        Some(Subject::CommonName(name) | Subject::Organization(name)) => {
            if name.is_empty() || name.len() > 64 {
                found.add(format!("certificate name {name:?}: 1 to 64 characters"));
            }
        }
        None => found.add("a certificate has either a common_name or an organization".to_owned()),
    }
    if certificate.dns.is_empty() && certificate.ip.is_empty() {
        found.add("a certificate for no dns name and no ip".to_owned());
    }
    for name in certificate.dns.iter().filter(|name| !is_dns_name(name)) {
        found.add(format!("certificate for {name:?}: not a dns name"));
    }
}

fn check_directory(directory: &DirectorySpec, found: &mut Found) {
    if let Some(mode) = &directory.mode
        && parse_mode(mode).is_none()
    {
        found.add(format!("mode {mode:?}: not octal permission bits"));
    }
    check_files(&directory.seed, &[], found);
}

fn check_files(files: &[FileSpec], reserved: &[&str], found: &mut Found) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for file in files {
        let name = file.name.as_str();
        if !is_inner_path(name) {
            found.add(format!("file {name:?}: not a path inside the volume"));
        } else if reserved.iter().any(|folder| is_within(name, folder)) {
            found.add(format!(
                "file {name:?}: that folder is filled by bootstrap itself"
            ));
        }
        if !names.insert(name) {
            found.add(format!("file {name:?}: named twice"));
        }
        if let Some(mode) = file
            .mode
            .as_deref()
            .filter(|mode| parse_mode(mode).is_none())
        {
            found.add(format!(
                "file {name:?}: mode {mode:?} is not octal permission bits"
            ));
        }
    }
    for folder in &names {
        if let Some(inner) = names
            .iter()
            .find(|name| name != &folder && is_within(name, folder))
        {
            found.add(format!("file {folder:?}: also the folder of {inner:?}"));
        }
    }
}

fn is_within(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_inner_path(name: &str) -> bool {
    name.len() <= 200
        && name.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && !part.starts_with(crate::files::UNFINISHED)
                && !part.contains(|character: char| character.is_control())
        })
}

fn is_name(name: &str, marks: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || marks.contains(one))
}

fn is_dns_name(name: &str) -> bool {
    let host = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253
        && host
            .split('.')
            .all(|label| label.len() <= 63 && is_name(label, "-_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes_of(json: &str) -> Vec<String> {
        mistakes(&serde_json::from_str(json).expect("the test's json parses"))
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let told = mistakes_of(
            r#"{"project":"sh op",
                "secrets":[{"name":"a"},{"name":"a"},{"name":"../b"}],
                "given":[{"name":"g","file":"relative"}],
                "components":[
                  {"name":"bin","uid":1,"gid":1,"edge":true},
                  {"name":"db","uid":1,"gid":1,"secrets":["a","a","lost"],
                   "files":[{"name":"../x"},{"name":"tls/x"},{"name":"f"},{"name":"f"},{"name":"f/g"},
                            {"name":"m","mode":"abc"},{"name":"n","mode":"7777"}],
                   "certificate":{"common_name":"","dns":["bad name"]}},
                  {"name":"both","uid":1,"gid":1,"certificate":{"common_name":"x","organization":"y"}},
                  {"name":"db","uid":1,"gid":1,
                   "certificate":{"common_name":"x","given":{"certificate":"a","key":"g"}}}],
                "directories":[{"name":"dyn","uid":1,"gid":1,"mode":"9","seed":[{"name":"/etc/passwd"}]}]}"#,
        );
        assert_eq!(
            told,
            [
                r#"project "sh op": not a name"#,
                r#"secret "a": named twice"#,
                r#"secret "../b": not a name"#,
                r#"given "g": its file "relative" is not an absolute path"#,
                r#"component "bin": the name is taken by another volume"#,
                r#"component "bin": an edge without a certificate"#,
                r#"component "db": file "../x": not a path inside the volume"#,
                r#"component "db": file "tls/x": that folder is filled by bootstrap itself"#,
                r#"component "db": file "f": named twice"#,
                r#"component "db": file "m": mode "abc" is not octal permission bits"#,
                r#"component "db": file "n": mode "7777" is not octal permission bits"#,
                r#"component "db": file "f": also the folder of "f/g""#,
                r#"component "db": secret "a" is named twice"#,
                r#"component "db": secret "lost" is not in the spec"#,
                r#"component "db": certificate name "": 1 to 64 characters"#,
                r#"component "db": certificate for "bad name": not a dns name"#,
                r#"component "both": a certificate has either a common_name or an organization"#,
                r#"component "both": a certificate for no dns name and no ip"#,
                r#"component "db": the name is taken by another volume"#,
                r#"component "db": certificate from "a", which is not among the given"#,
                r#"directory "dyn": mode "9": not octal permission bits"#,
                r#"directory "dyn": file "/etc/passwd": not a path inside the volume"#,
            ]
        );
    }

    #[test]
    fn a_field_that_this_version_does_not_know_is_refused() {
        for json in [
            r#"{"project":"p","later":1}"#,
            r#"{"project":"p","components":[{"name":"a","uid":1,"gid":1,"later":1}]}"#,
            r#"{"project":"p","secrets":[{"name":"a","length":3}]}"#,
        ] {
            let error = serde_json::from_str::<Spec>(json).unwrap_err();
            assert!(
                error.to_string().contains("unknown field"),
                "{json}: {error}"
            );
        }
    }

    #[test]
    fn a_good_spec_has_no_mistake() {
        let told = mistakes_of(
            r#"{"project":"shop_1","secrets":[{"name":"postgres-superuser"}],
                "given":[{"name":"user-STRIPE_KEY","file":"/in/given/STRIPE_KEY"}],
                "components":[{"name":"db-1","uid":999,"gid":999,
                  "files":[{"name":"patroni.yaml","mode":"0600"},{"name":"env/DATABASE_URL"}],
                  "secrets":["postgres-superuser","user-STRIPE_KEY"],
                  "certificate":{"common_name":"db-1","dns":["db-1","*.shop.example"],"ip":["127.0.0.1","::1"]},
                  "edge":false}],
                "directories":[{"name":"edge-dynamic","uid":65532,"gid":65532,"mode":"0755"}]}"#,
        );
        assert_eq!(told, Vec::<String>::new());
    }
}
