//! A small stack's spec and folders, for tests of the real binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

pub const BINARY: &str = env!("CARGO_BIN_EXE_scalectl-resident");

pub struct Stack {
    folder: tempfile::TempDir,
}

impl Stack {
    pub fn new() -> Self {
        let stack = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, text) in [
            (
                "db-1/patroni.yaml",
                "password: ${secret:postgres-superuser}\nliteral: $${HOME}\n",
            ),
            ("pooler/userlist.txt", "\"app\" \"${scram:postgres-app}\"\n"),
            ("pooler/pgbouncer.ini", "[pgbouncer]\nlisten_port = 6432\n"),
            ("app/env/STRIPE_KEY", "${secret:user-STRIPE_KEY}"),
            ("app/env/URL", "http://x/?k=${secret-url:user-STRIPE_KEY}"),
            ("edge/envoy.yaml", "static: true\n"),
            ("dynamic/app.json", "{}"),
            ("given/STRIPE_KEY", "sk&live"),
        ] {
            let path = stack.input(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(stack.out("")).unwrap();
        fs::write(stack.input("bootstrap.json"), stack.spec()).unwrap();
        stack
    }

    fn spec(&self) -> String {
        let owner = format!(
            r#""uid":{},"gid":{}"#,
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw()
        );
        let given = self.input("given/STRIPE_KEY");
        r#"{"project":"shop",
          "secrets":[{"name":"postgres-superuser"},{"name":"postgres-app"}],
          "given":[{"name":"user-STRIPE_KEY","file":"GIVEN"}],
          "components":[
            {"name":"db-1",OWNER,"files":[{"name":"patroni.yaml"}],"secrets":["postgres-superuser"],
             "certificate":{"organization":"db-1","dns":["db-1","localhost"],"ip":["127.0.0.1"]}},
            {"name":"pooler",OWNER,"files":[{"name":"userlist.txt","mode":"0600"},{"name":"pgbouncer.ini","mode":"0644"}],
             "secrets":["postgres-app"],"certificate":{"common_name":"pooler","dns":["pooler"]}},
            {"name":"app",OWNER,"any_user":true,"files":[{"name":"env/URL"},{"name":"env/STRIPE_KEY"}]},
            {"name":"edge",OWNER,"edge":true,"files":[{"name":"envoy.yaml"}],
             "certificate":{"common_name":"shop","dns":["localhost"],"ip":["::1"],"sds":true}}],
          "directories":[{"name":"dynamic",OWNER,"mode":"0750","seed":[{"name":"app.json","mode":"0644"}]}]}"#
            .replace("OWNER", &owner)
            .replace("GIVEN", given.to_str().unwrap())
    }

    pub fn input(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join("out").join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.out(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command
            .arg("bootstrap")
            .args([Path::new("--spec"), &self.input("bootstrap.json")])
            .args([Path::new("--in"), &self.input("")])
            .args([Path::new("--out"), &self.out("")])
            .args([Path::new("--state"), &self.state()])
            .stderr(Stdio::null());
        command
    }

    /// Runs it to its good end; what it told.
    pub fn bootstrap(&self) -> String {
        let (told, output) = self.output();
        assert!(output.status.success(), "bootstrap failed: {told}");
        told
    }

    /// Runs it to a failure; what it told.
    pub fn bootstrap_fails(&self) -> String {
        let (told, output) = self.output();
        assert_eq!(
            output.status.code(),
            Some(1),
            "bootstrap should have failed: {told}"
        );
        told
    }

    fn output(&self) -> (String, Output) {
        let output = self.command().stderr(Stdio::piped()).output().unwrap();
        (String::from_utf8_lossy(&output.stderr).into_owned(), output)
    }

    /// All files written, with their contents; one that vanishes meanwhile (a
    /// run is writing) is none.
    pub fn everything(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for root in ["out", "state"] {
            walk(&self.folder.path().join(root), root, &mut |path, name| {
                if let Ok(content) = fs::read(path) {
                    found.insert(name, String::from_utf8_lossy(&content).into_owned());
                }
            });
        }
        found
    }

    pub fn everything_with_times(&self) -> BTreeMap<String, (String, SystemTime)> {
        let mut found = BTreeMap::new();
        for root in ["out", "state"] {
            walk(&self.folder.path().join(root), root, &mut |path, name| {
                let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
                found.insert(
                    name,
                    (text, fs::metadata(path).unwrap().modified().unwrap()),
                );
            });
        }
        found
    }

    /// What must never change once anybody may have seen it: all files in
    /// volumes but unfinished ones.
    pub fn sensitive(&self) -> BTreeMap<String, String> {
        let mut found = self.everything();
        found.retain(|path, _| path.starts_with("out/") && !path.contains(".unfinished-"));
        found
    }
}

fn walk(folder: &Path, name: &str, visit: &mut dyn FnMut(&Path, String)) {
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    for entry in entries.flatten() {
        let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &inner, visit);
        } else {
            visit(&entry.path(), inner);
        }
    }
}

/// What the machine's `openssl` prints.
pub fn openssl(arguments: &[&std::ffi::OsStr]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("these tests need `openssl`");
    // Versions differ in the blanks around a name's `=`.
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    told.replace(" = ", "=")
}
