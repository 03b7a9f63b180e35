//! Phase 2: every component is on the path of what it is for, as safe as it should
//! be, and leaves nothing. One stack for all of it.

mod support;

use serde_json::Value;
use support::{Stack, compose, listed, run};

/// Those whose image or task needs more rights, and which (docs/security.md).
const WRITES_ITS_ROOT: [&str; 4] = ["app", "worker-packer", "release", "bootstrap"];
const IS_ROOT: [&str; 5] = ["app", "worker-packer", "release", "bootstrap", "renewal"];

#[test]
fn phase_2_uses_every_component_that_it_has_and_down_volumes_leaves_nothing() {
    let stack = Stack::shop("two");
    stack.must(&["up", "--phase", "2"]);
    all_are_healthy(&stack);
    plain_http_is_sent_to_https(&stack);
    let order =
        r#"{"id":"second","customer":"a@example.org","lines":[{"sku":"bag-blue","quantity":1}]}"#;
    let (code, body) = stack.request("POST", "/orders", order);
    assert_eq!(code / 100, 2, "an order is accepted, but: {code} {body}");
    the_catalogue_comes_from_the_cache(&stack);
    each_address_of_the_database_leads_where_it_should(&stack);
    nobody_goes_round_the_pooler(&stack);
    the_certificate_of_another_component_changes_nothing_in_the_database(&stack);
    the_database_was_founded_as_it_must_be(&stack);
    every_container_is_confined(&stack);
    another_phase_is_refused(&stack);
    the_primary_moves_when_it_is_told_to(&stack);

    stack.must(&["down"]);
    assert_eq!(
        stack.containers(),
        Vec::<String>::new(),
        "no container stays"
    );
    let volumes = stack.volumes();
    let has_data = volumes.iter().any(|name| name.ends_with("db-1-data"));
    assert!(has_data, "the data stays: {volumes:?}");
    stack.must(&["down", "--volumes", "--yes"]);
    assert_eq!(
        stack.volumes(),
        Vec::<String>::new(),
        "no volume stays once asked"
    );
    assert_eq!(stack.networks(), Vec::<String>::new(), "no network stays");
}

#[test]
fn the_settings_that_scale_yaml_may_name_are_those_that_patroni_passes_on() {
    let known = include_str!("../src/model/postgres_17_settings.txt");
    let script = "import os, patroni, yaml\n\
         folder = os.path.dirname(patroni.__file__) + '/postgresql/available_parameters/'\n\
         names = set()\n\
         for file in os.listdir(folder):\n    \
             if file.endswith('.yml'):\n        \
                 for name, all in yaml.safe_load(open(folder + file))['parameters'].items():\n            \
                     if any(it.get('version_from', 0) <= 170000 < it.get('version_till', 10**9) for it in all):\n                \
                         names.add(name.lower())\n\
         print('\\n'.join(sorted(names)))\n";
    let image = format!("scalectl/postgres:{}", env!("CARGO_PKG_VERSION"));
    let mut docker = std::process::Command::new("docker");
    docker.args([
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "python3",
    ]);
    let told = run(docker.args([&image, "-c", script]));
    assert_eq!(told.out, known, "{}", told.err);
}

fn all_are_healthy(stack: &Stack) {
    let status = stack.must(&["status"]);
    for member in ["db-1", "db-2", "db-3", "cache", "prometheus", "agent"] {
        let name = format!("{}-{member}-1", stack.name);
        let line = status.out.lines().find(|line| line.contains(&name));
        assert!(
            line.is_some_and(|line| line.contains("healthy")),
            "{member} is healthy, but:\n{}",
            status.out
        );
    }
    let ps = run(compose().args(["-p", &stack.name, "ps", "--format", "{{.Name}}"]));
    assert!(
        ps.out.contains("-db-3-1"),
        "docker compose sees the stack, but: {}{}",
        ps.out,
        ps.err
    );
}

fn plain_http_is_sent_to_https(stack: &Stack) {
    let url = format!("http://127.0.0.1:{}/products?a=b", stack.https - 1);
    let format = "%{http_code} %{redirect_url}";
    let mut curl = std::process::Command::new("curl");
    let told = run(curl.args(["-sS", "--max-time", "20", "-o", "-", "-w", format, &url])).out;
    let there = format!("307 https://127.0.0.1:{}/products?a=b", stack.https);
    assert!(told.ends_with(&there), "expected {there}, but: {told}");
}

fn the_catalogue_comes_from_the_cache(stack: &Stack) {
    let url = format!("https://127.0.0.1:{}/products", stack.https);
    let ask = || {
        let mut curl = std::process::Command::new("curl");
        let told = run(curl.args([
            "-sSk",
            "--max-time",
            "20",
            "-D",
            "-",
            "-o",
            "/dev/null",
            &url,
        ]));
        told.out.to_lowercase()
    };
    let mut told = ask();
    for _ in 0..3 {
        told = ask();
    }
    assert!(
        told.contains("x-cache: hit"),
        "the cache answers, but:\n{told}"
    );
}

/// Runs Python in the app's container, where the app's own addresses are; what it prints.
fn in_app(stack: &Stack, script: &str) -> String {
    let container = format!("{}-app-1", stack.name);
    // The launcher gives a process the app's environment.
    let mut docker = std::process::Command::new("docker");
    docker.args(["exec", &container, "/scalectl/scalectl", "launch"]);
    docker.args([
        "--env-dir",
        "/etc/scalectl/env",
        "--",
        "python3",
        "-c",
        script,
    ]);
    let ran = run(&mut docker);
    assert_eq!(
        ran.code, 0,
        "the script ends well, but:\n{}{}",
        ran.out, ran.err
    );
    ran.out.trim().to_owned()
}

fn each_address_of_the_database_leads_where_it_should(stack: &Stack) {
    let told = in_app(
        stack,
        "import os, time, psycopg\n\
         def is_standby(name):\n    \
             with psycopg.connect(os.environ[name]) as it:\n        \
                 return it.execute('SELECT pg_is_in_recovery()').fetchone()[0]\n\
         print('DATABASE_URL', is_standby('DATABASE_URL'))\n\
         # A standby answers reads once it has been well for some seconds; the primary until then.\n\
         deadline = time.monotonic() + 30\n\
         while not is_standby('DATABASE_READ_URL') and time.monotonic() < deadline:\n    \
             time.sleep(0.2)\n\
         print('DATABASE_READ_URL', is_standby('DATABASE_READ_URL'))\n\
         with psycopg.connect(os.environ['DATABASE_SESSION_URL'], autocommit=True) as it:\n    \
             it.execute('CREATE TEMP TABLE mine AS SELECT 41 + 1 AS it')\n    \
             print('session', it.execute('SELECT it FROM mine').fetchone()[0])\n",
    );
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        ["DATABASE_URL False", "DATABASE_READ_URL True", "session 42"],
        "writes go to the primary, reads to a standby, a session stays one"
    );
}

fn nobody_goes_round_the_pooler(stack: &Stack) {
    let told = in_app(
        stack,
        "import os, re, psycopg\n\
         url = re.sub(r'@[^/]+/[a-z_]+', '@db-1:5432/app', os.environ['DATABASE_URL'])\n\
         try:\n    \
             psycopg.connect(url, connect_timeout=5).execute('SELECT 1')\n    \
             print('served')\n\
         except psycopg.OperationalError as why:\n    \
             print(why)\n",
    );
    assert!(
        told.contains("certificate"),
        "the app's password alone opens no member, but: {told}"
    );
}

fn the_certificate_of_another_component_changes_nothing_in_the_database(stack: &Stack) {
    let changes = |from: &str, user: &str| {
        let script = "import ssl, urllib.request, urllib.error, glob\n\
             folder = '/etc/scalectl/tls'\n\
             context = ssl.create_default_context(cafile=f'{folder}/ca.crt')\n\
             context.load_cert_chain(f'{folder}/tls.crt', f'{folder}/tls.key')\n\
             request = urllib.request.Request('https://db-1:8008/reload', b'', method='POST')\n\
             try:\n    \
                 print(urllib.request.urlopen(request, context=context, timeout=10).status)\n\
             except urllib.error.HTTPError as error:\n    \
                 print(error.code, error.read().decode())\n";
        let container = format!("{}-{from}-1", stack.name);
        let image = format!("{}-app:latest", stack.name);
        let mut docker = std::process::Command::new("docker");
        docker.args(["run", "--rm", "--user", user, "--volumes-from", &container]);
        docker.args(["--network", &format!("{}_default", stack.name), &image]);
        run(docker.args(["python3", "-c", script])).out
    };
    assert_eq!(
        changes("prometheus", "913:913").trim(),
        "403 only the agent and members of this stack may change anything"
    );
    assert_eq!(
        changes("agent", "65532:65532").trim(),
        "202",
        "the agent's certificate may: the question is one that is understood"
    );
}

fn the_database_was_founded_as_it_must_be(stack: &Stack) {
    let asked = "SELECT current_setting('data_checksums'), current_setting('password_encryption'), \
                 current_setting('wal_level'), current_setting('max_slot_wal_keep_size') <> '-1', \
                 datlocprovider, datlocale FROM pg_database WHERE datname = current_database()";
    let told = stack.must(&["db", "shell", "--", "-At", "-c", asked]);
    assert_eq!(
        told.out.trim(),
        "on|scram-sha-256|logical|t|b|C.UTF-8",
        "checksums, scram, logical decoding, WAL kept for slots limited, the builtin locale"
    );
}

fn every_container_is_confined(stack: &Stack) {
    let mut mistakes = Vec::new();
    for container in stack.containers() {
        let text = listed(&["inspect", &container]).join("\n");
        let told: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(told[0].is_object(), "inspect prints JSON: {text}");
        let config = &told[0]["HostConfig"];
        let service = told[0]["Config"]["Labels"]["com.docker.compose.service"]
            .as_str()
            .unwrap_or_default();
        let list = |value: &Value| -> Vec<String> {
            let found = value.as_array().cloned().unwrap_or_default();
            found
                .iter()
                .filter_map(|it| it.as_str().map(str::to_owned))
                .collect()
        };
        let user = told[0]["Config"]["User"].as_str().unwrap_or_default();
        let is_root = user.is_empty() || user == "0" || user.starts_with("0:") || user == "root";
        for (is_well, what) in [
            (
                config["ReadonlyRootfs"] == true || WRITES_ITS_ROOT.contains(&service),
                "its root can be written",
            ),
            (!is_root || IS_ROOT.contains(&service), "it runs as root"),
            (
                list(&config["CapDrop"]).iter().any(|it| it == "ALL"),
                "rights are not dropped",
            ),
            (
                list(&config["SecurityOpt"])
                    .iter()
                    .any(|it| it.starts_with("no-new-privileges")),
                "it may gain rights",
            ),
            (
                config["Memory"].as_i64().is_some_and(|it| it > 0),
                "no limit of memory",
            ),
            (
                config["PidsLimit"].as_i64().is_some_and(|it| it > 0),
                "no limit of processes",
            ),
            (
                config["LogConfig"]["Config"]["max-size"].is_string(),
                "its log grows for ever",
            ),
            (config["Privileged"] == false, "it is privileged"),
        ] {
            if !is_well {
                mistakes.push(format!("{service}: {what}"));
            }
        }
    }
    assert_eq!(
        mistakes,
        Vec::<String>::new(),
        "every container is confined"
    );
}

fn the_primary_moves_when_it_is_told_to(stack: &Stack) {
    let switch = |to: &str| stack.scalectl(&["db", "switchover", "--to", to, "--output", "json"]);
    let moved = switch("db-2");
    assert_eq!(
        moved.code, 0,
        "db-2 takes over, but:\n{}{}",
        moved.out, moved.err
    );
    let report: Value = serde_json::from_str(&moved.out).unwrap_or_default();
    assert_eq!(
        (&report["from"], &report["to"]),
        (&"db-1".into(), &"db-2".into())
    );
    let held = report["held_ms"].as_u64();
    assert!(
        held.is_some_and(|ms| ms < 2000),
        "writes wait for less than the hold's limit, but: {report}"
    );
    let is_standby = |member: &str| {
        let container = format!("{}-{member}-1", stack.name);
        let ask = [
            "-h",
            "/run/postgresql",
            "-U",
            "postgres",
            "-Atc",
            "SELECT pg_is_in_recovery()",
        ];
        let mut docker = std::process::Command::new("docker");
        run(docker.args(["exec", &container, "psql"]).args(ask)).out
    };
    assert_eq!(is_standby("db-2").trim(), "f", "db-2 takes writes");
    let order =
        r#"{"id":"third","customer":"a@example.org","lines":[{"sku":"bag-blue","quantity":1}]}"#;
    let (code, body) = stack.request("POST", "/orders", order);
    assert_eq!(
        code / 100,
        2,
        "an order is accepted after it, but: {code} {body}"
    );
    for (to, why) in [
        ("db-2", "db-2 is the primary already"),
        ("db-7", "there is no member db-7"),
    ] {
        let told = switch(to);
        let expected = format!("error: the primary stays where it is: {why}\n");
        assert_eq!((told.code, told.err), (4, expected), "it is refused");
    }
    let back = || is_standby("db-1").trim() == "t";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !back() {
        assert!(
            std::time::Instant::now() < deadline,
            "db-1 comes back as a standby"
        );
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

fn another_phase_is_refused(stack: &Stack) {
    let refused = stack.scalectl(&["up", "--phase", "1"]);
    assert_eq!(
        refused.code, 4,
        "`up` of another phase is refused, but: {}",
        refused.err
    );
    assert!(
        refused.err.contains("migrate"),
        "and names `migrate`: {}",
        refused.err
    );
}
