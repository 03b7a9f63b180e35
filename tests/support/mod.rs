//! A stack of a test's own on a real engine, gone when the test ends, however it ends.
//!
//! Runs the program as its user would. `SCALECTL` names it (scripts/test sets
//! it to the static release build, which is what goes into images).

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "shared by test programs that each use a part; a test may panic and speak"
)]

pub mod engine;
pub mod kills;
pub mod overrides;
pub mod ports;
pub mod project;
pub mod proxy;
pub mod random;
pub mod said;
pub mod small_engine;
pub mod strays;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One stack: a folder with a scale.yaml, and a project name that nobody else has.
pub struct Stack {
    pub folder: PathBuf,
    pub name: String,
    pub https: u16,
}

/// What a command printed and how it ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Stack {
    /// The example shop under its own name, on ports that were free.
    pub fn shop(name: &str) -> Self {
        let name = Self::full_name(name);
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
        let text =
            std::fs::read_to_string(shop.join("scale.yaml")).expect("the example has a scale.yaml");
        let text = text
            .replace("name: shop", &format!("name: {name}"))
            .replace("build: .", &format!("build: {}", shop.display()))
            .replace("KEEP_ALIVE_SECONDS: 75", "KEEP_ALIVE_SECONDS: 2");
        Self::new(name, &text)
    }

    /// The smallest app (tests/tiny) under its own name, on ports that were free.
    pub fn tiny(name: &str) -> Self {
        let name = Self::full_name(name);
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny");
        let text = format!(
            "name: {name}\napp:\n  build: {{context: {}, args: {{TAG: {}, STACK: {name}}}}}\n  \
             command: [python3, /app.py]\n  release: [python3, /app.py, release]\n  \
             env: {{EDITED: \"0\"}}\n",
            app.display(),
            env!("CARGO_PKG_VERSION")
        );
        Self::new(name, &text)
    }

    /// A name that no other test has, not even in a run at the same moment.
    pub fn full_name(name: &str) -> String {
        // scripts/test finds by its run what a killed test has left.
        let run = std::env::var("SCALECTL_TEST_RUN").map_or(String::new(), |run| run + "-");
        format!("sctl-test-{name}-{run}{}", std::process::id())
    }

    fn new(name: String, text: &str) -> Self {
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).expect("the test's folder can be made");
        let ports::Block { first } = ports::Block::free();
        let (https, prometheus) = (first + 1, first + 2);
        let ports = format!(
            "edge: {{http: {first}, https: {https}, address: 127.0.0.1}}\n\
             monitoring: {{port: {prometheus}}}\n"
        );
        let stack = Self {
            folder,
            name,
            https,
        };
        // More lines for each, as `images: {agent: scalectl/agent:mine}`.
        let more = std::env::var("SCALECTL_TEST_MORE").unwrap_or_default();
        stack.write(&(text.to_owned() + &ports + &more));
        stack
    }

    pub fn write(&self, text: &str) {
        std::fs::write(self.folder.join("scale.yaml"), text).expect("scale.yaml can be written");
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(self.folder.join("scale.yaml")).expect("scale.yaml can be read")
    }

    /// Runs scalectl in the stack's folder.
    pub fn scalectl(&self, args: &[&str]) -> Ran {
        run(Command::new(program()).args(args).current_dir(&self.folder))
    }

    /// Runs scalectl and expects exit code 0.
    pub fn must(&self, args: &[&str]) -> Ran {
        let ran = self.scalectl(args);
        assert_eq!(
            ran.code,
            0,
            "`scalectl {}` must succeed, but said:\n{}\n{}",
            args.join(" "),
            ran.out,
            ran.err
        );
        ran
    }

    /// Makes the app's image, which `up` would do and plain compose cannot everywhere.
    pub fn build_app(&self) {
        let image = format!("{}-app:latest", self.name);
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
        let built = run(Command::new("docker")
            .args(["build", "--quiet", "--tag", &image])
            .arg(shop));
        assert_eq!(built.code, 0, "the shop builds: {}", built.err);
    }

    /// Names of this stack's containers, from the engine itself.
    pub fn containers(&self) -> Vec<String> {
        listed(&[
            "ps",
            "-a",
            "--format",
            "{{.Names}}",
            "--filter",
            &self.label(),
        ])
    }

    /// Names of a service's containers that run.
    pub fn instances(&self, service: &str) -> Vec<String> {
        let service = format!("label=dev.scalectl.service={service}");
        let filters = ["--filter", &self.label(), "--filter", &service];
        listed(&[&["ps", "--format", "{{.Names}}"], &filters[..]].concat())
    }

    /// Names and ids of what runs.
    pub fn running(&self) -> BTreeSet<(String, String)> {
        let format = "{{.Names}} {{.ID}}";
        let lines = listed(&[
            "ps",
            "--no-trunc",
            "--format",
            format,
            "--filter",
            &self.label(),
        ]);
        let pairs = lines.iter().filter_map(|line| line.split_once(' '));
        pairs
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .collect()
    }

    pub fn volumes(&self) -> Vec<String> {
        listed(&[
            "volume",
            "ls",
            "--format",
            "{{.Name}}",
            "--filter",
            &self.label(),
        ])
    }

    pub fn networks(&self) -> Vec<String> {
        listed(&[
            "network",
            "ls",
            "--format",
            "{{.Name}}",
            "--filter",
            &self.label(),
        ])
    }

    fn label(&self) -> String {
        format!("label=dev.scalectl.project={}", self.name)
    }

    /// A request through the edge: status code and body.
    pub fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let url = format!("https://127.0.0.1:{}{path}", self.https);
        let mut command = Command::new("curl");
        command.args([
            "-sSk",
            "--max-time",
            "20",
            "-X",
            method,
            "-w",
            "\n%{http_code}",
        ]);
        if !body.is_empty() {
            command.args(["-H", "content-type: application/json", "-d", body]);
        }
        let ran = run(command.arg(url));
        let (body, code) = ran.out.rsplit_once('\n').unwrap_or(("", "0"));
        (
            code.trim().parse().unwrap_or(0),
            format!("{body}{}", ran.err),
        )
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let ran = self.scalectl(&["down", "--volumes", "--yes"]);
        if ran.code != 0 {
            eprintln!(
                "the stack {} could not be taken away:\n{}",
                self.name, ran.err
            );
        }
        // Whatever the test has made under the stack's name.
        let named = format!("reference={}-*", self.name);
        let format = "{{.Repository}}:{{.Tag}}";
        let args = ["image", "ls", "--format", format, "--filter", &named];
        let images = run(Command::new("docker").args(args)).out;
        for image in images.lines() {
            let _ = run(Command::new("docker").args(["image", "rm", "-f", image]));
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The program under test.
pub fn program() -> String {
    std::env::var("SCALECTL").unwrap_or_else(|_| env!("CARGO_BIN_EXE_scalectl").to_owned())
}

/// `docker compose`, as scripts/test found or fetched it.
pub fn compose() -> Command {
    let program = std::env::var("COMPOSE").unwrap_or_else(|_| "docker-compose".to_owned());
    Command::new(program)
}

/// Makes `NAME.pem` and `NAME.key` in a folder: a certificate of the user's own for localhost.
pub fn certificate(folder: &Path, name: &str, subject: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", subject]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    let files = [format!("{name}.key"), format!("{name}.pem")];
    openssl.args(["-keyout", &files[0], "-out", &files[1]]);
    let made = run(openssl.current_dir(folder));
    assert_eq!(made.code, 0, "openssl makes a certificate: {}", made.err);
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    let shown = format!("{command:?}");
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{shown} starts: {error}"));
    Ran {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// The lines that `docker ARGS` prints.
pub fn listed(args: &[&str]) -> Vec<String> {
    let ran = run(Command::new("docker").args(args));
    assert_eq!(
        ran.code,
        0,
        "`docker {}` must succeed: {}",
        args.join(" "),
        ran.err
    );
    ran.out.lines().map(str::to_owned).collect()
}
