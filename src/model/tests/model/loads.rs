//! Files that load, and what they load as.

use scalectl_model::{Bytes, Command, Component, SecretSource, Size, Source};

use crate::app;

/// Every key of the schema, each with a value that is not its default.
pub const EVERY_KEY: &str = r#"
name: shop
secrets: files
app:
  build: {context: api, dockerfile: Dockerfile.prod, args: {VERSION: 1.10}}
  command: [python, -m, shop, 8000]
  port: 8001
  health: /healthz
  metrics: /metrics
  env: {LOG_LEVEL: info, RATIO: 1.10, DEBUG: false}
  secrets:
    STRIPE_KEY: {env: STRIPE_KEY}
    SMTP_PASSWORD: {file: ./smtp-password}
  resources: {memory: 1Gi, cpus: 0.5}
  replicas: 2
  release: python -m 'shop release'
  workers:
    packer:
      command: [python, -m, shop.packer]
      replicas: 3
      resources: {memory: 64Mi, cpus: 2}
edge:
  http: 80
  https: 443
  address: 127.0.0.1
  host: shop.example.com
  certificate: {file: shop.pem, key: shop.key}
database:
  version: "17"
  size: 20Gi
  memory: 1Gi
  settings: {work_mem: 8MB, max_connections: 200, pg_stat_statements.track: all}
cache:
  memory: 128Mi
  policy: volatile-ttl
monitoring:
  grafana: true
  grafana_port: 3001
  port: 9091
  retention: 2w
images:
  edge: envoyproxy/envoy:v1.38
  pooler: pooler:1
  database: postgres:17
  etcd: etcd:3
  cache: reg.local/valkey/valkey:8.1
  prometheus: prom/prometheus:v3
  exporters: exporters:1
  agent: agent:1
  grafana: grafana/grafana:11.0
size: small
phases:
  "2":
    app: {replicas: 4}
"#;

#[test]
fn a_small_file_gets_every_default() {
    let app = app("name: shop\napp: {image: shop:1}\n", 1);
    insta::assert_snapshot!(pretty(&app), @r#"
    {
      "name": "shop",
      "secrets": "environment",
      "app": {
        "image": "shop:1",
        "port": 8000,
        "health": "/",
        "env": {},
        "secrets": {},
        "resources": {
          "memory": "256Mi"
        },
        "replicas": 1,
        "workers": {}
      },
      "edge": {
        "http": 8080,
        "https": 8443,
        "address": "0.0.0.0",
        "host": "shop.localhost"
      },
      "database": {
        "version": "17",
        "size": "10Gi",
        "memory": "512Mi",
        "settings": {}
      },
      "cache": {
        "memory": "64Mi",
        "policy": "allkeys-lru"
      },
      "monitoring": {
        "grafana": false,
        "grafana_port": 3000,
        "port": 9090,
        "retention": "7d"
      },
      "images": {}
    }
    "#);
}

#[test]
fn every_key_of_a_full_file_arrives() {
    insta::assert_snapshot!(pretty(&app(EVERY_KEY, 1)), @r#"
    {
      "name": "shop",
      "secrets": "files",
      "app": {
        "build": {
          "context": "api",
          "dockerfile": "Dockerfile.prod",
          "args": {
            "VERSION": "1.10"
          }
        },
        "command": [
          "python",
          "-m",
          "shop",
          "8000"
        ],
        "port": 8001,
        "health": "/healthz",
        "metrics": "/metrics",
        "env": {
          "DEBUG": "false",
          "LOG_LEVEL": "info",
          "RATIO": "1.10"
        },
        "secrets": {
          "SMTP_PASSWORD": {
            "file": "./smtp-password"
          },
          "STRIPE_KEY": {
            "env": "STRIPE_KEY"
          }
        },
        "resources": {
          "memory": "1Gi",
          "cpus": 0.5
        },
        "replicas": 2,
        "release": [
          "python",
          "-m",
          "shop release"
        ],
        "workers": {
          "packer": {
            "command": [
              "python",
              "-m",
              "shop.packer"
            ],
            "replicas": 3,
            "resources": {
              "memory": "64Mi",
              "cpus": 2
            }
          }
        }
      },
      "edge": {
        "http": 80,
        "https": 443,
        "address": "127.0.0.1",
        "host": "shop.example.com",
        "certificate": {
          "file": "shop.pem",
          "key": "shop.key"
        }
      },
      "database": {
        "version": "17",
        "size": "20Gi",
        "memory": "1Gi",
        "settings": {
          "max_connections": "200",
          "pg_stat_statements.track": "all",
          "work_mem": "8MB"
        }
      },
      "cache": {
        "memory": "128Mi",
        "policy": "volatile-ttl"
      },
      "monitoring": {
        "grafana": true,
        "grafana_port": 3001,
        "port": 9091,
        "retention": "14d"
      },
      "images": {
        "edge": "envoyproxy/envoy:v1.38",
        "pooler": "pooler:1",
        "database": "postgres:17",
        "etcd": "etcd:3",
        "cache": "reg.local/valkey/valkey:8.1",
        "prometheus": "prom/prometheus:v3",
        "exporters": "exporters:1",
        "agent": "agent:1",
        "grafana": "grafana/grafana:11.0"
      },
      "size": "small"
    }
    "#);
}

#[test]
fn the_name_is_told_whatever_else_is_wrong() {
    let name = |text| scalectl_model::name(text).map(|name| name.to_string());
    let text = "name: shop\nap: {prot: 1}\napp: {build: ./gone, secrets: {A: {env: NOT_SET}}}\n";
    assert_eq!(name(text).as_deref(), Some("shop"));
    assert_eq!(name("name: [shop]"), None);
    assert_eq!(name("name: {"), None);
}

#[test]
fn a_phase_is_laid_over_the_rest_and_changes_nothing_else() {
    let (one, two) = (app(EVERY_KEY, 1), app(EVERY_KEY, 2));
    assert_eq!((one.app.replicas.get(), two.app.replicas.get()), (2, 4));
    let mut two_as_one = two.clone();
    two_as_one.app.replicas = one.app.replicas;
    assert_eq!(two_as_one, one);
}

#[test]
fn an_override_merges_mappings_and_replaces_lists_and_what_excludes_it() {
    let text = r#"
name: shop
app:
  build: .
  command: [a, b]
  env: {A: one, B: "${A} and ${PORT}"}
  secrets: {KEY: {env: STRIPE_KEY}}
  workers: {packer: {command: [pack]}}
phases:
  1:
  "2":
    size: ha
    app:
      image: shop:2
      command: [c]
      env: {A: two, C: new}
      secrets: {KEY: {file: ./smtp-password}}
      workers: {mailer: {command: [mail]}}
"#;
    let two = app(text, 2);
    assert!(matches!(&two.app.source, Source::Image(image) if image.as_str() == "shop:2"));
    assert_eq!(
        two.app.command.as_ref().map(Command::words),
        Some(&["c".to_owned()][..])
    );
    assert_eq!(two.app.env["B"], "two and 8000");
    assert_eq!(two.app.env["C"], "new");
    assert!(
        matches!(&two.app.secrets["KEY"], SecretSource::File(path) if path == "./smtp-password")
    );
    assert_eq!(
        two.app
            .workers
            .keys()
            .map(|name| name.as_str())
            .collect::<Vec<_>>(),
        ["mailer", "packer"]
    );
    assert_eq!(two.size, Some(Size::Ha));
    assert!(matches!(&app(text, 1).app.source, Source::Build(build) if build.context == "."));
}

#[test]
fn values_keep_the_text_they_were_written_as() {
    let env = app(EVERY_KEY, 1).app.env;
    assert_eq!(
        (env["RATIO"].as_str(), env["DEBUG"].as_str()),
        ("1.10", "false")
    );
    let app = app(
        "name: shop\napp:\n  build: .\n  env: {A: 0x1F, B: yes, C: '', D: \"a\\nb\", E: 1e3}\n",
        1,
    );
    let values: Vec<&str> = app.app.env.values().map(String::as_str).collect();
    assert_eq!(values, ["0x1F", "yes", "", "a\nb", "1e3"]);
}

#[test]
fn references_are_replaced_and_can_be_escaped() {
    let text = r#"
name: shop
app:
  build: .
  port: 9000
  env:
    A: "${B}/${B}"
    B: "http://localhost:${PORT}"
    C: "$${B} $B $$ $"
"#;
    let env = app(text, 1).app.env;
    assert_eq!(env["A"], "http://localhost:9000/http://localhost:9000");
    assert_eq!(env["C"], "${B} $B $$ $");
}

#[test]
fn anchors_windows_line_ends_and_a_byte_order_mark_are_read() {
    let text =
        "\u{feff}name: shop\r\napp:\r\n  build: .\r\n  command: &run [a, b]\r\n  release: *run\r\n";
    let app = app(text, 1).app;
    assert_eq!(app.command, app.release);
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let one = "name: shop\napp: {build: ., env: {A: 1, B: 2}}\ncache: {memory: 32Mi}\n";
    let other = "cache: {memory: 32Mi}\napp: {env: {B: 2, A: 1}, build: .}\nname: shop\n";
    assert_eq!(app(one, 1), app(other, 1));
}

#[test]
fn what_an_app_serialises_to_loads_as_the_same_app() {
    let one = app(EVERY_KEY, 2);
    assert_eq!(
        one,
        app(&pretty(&one), 1),
        "JSON is YAML, and the keys are the file's own"
    );
    assert_eq!(
        one.images[&Component::Edge].as_str(),
        "envoyproxy/envoy:v1.38"
    );
    assert_eq!(one.database.memory, Bytes::clone(&one.app.resources.memory));
}

fn pretty(app: &scalectl_model::App) -> String {
    serde_json::to_string_pretty(app).expect("an app is plain data")
}
