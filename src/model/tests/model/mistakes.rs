//! How each mistake reads: the whole message, with place, cause and hint.
//!
//! One test a promise. Read a changed message as its reader will.

use insta::assert_snapshot;
use scalectl_model::load;

use crate::{facts, mistakes, mistakes_after_start, mistakes_in_app};

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_the_file() {
    assert_snapshot!(mistakes(r#"
name: My Shop
app:
  build: ./web
  comand: [python]
  port: 80000
  health: healthz
  replicas: two
edge: {http: 9090}
database: {version: 16}
phases:
  "5": {}
"#), @"");
}

#[test]
fn an_empty_file_says_how_to_begin() {
    assert_snapshot!(mistakes(""), @"");
    assert_snapshot!(mistakes("# only a comment"), @"");
}

#[test]
fn a_file_that_is_no_mapping_is_refused() {
    assert_snapshot!(mistakes("- name: shop"), @"");
}

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    assert_snapshot!(mistakes_after_start("databse: {size: 1Gi}"), @"");
    assert_snapshot!(mistakes_after_start("edge: {colour: red}"), @"");
}

#[test]
fn a_key_that_is_there_twice_shows_both_places() {
    assert_snapshot!(mistakes_in_app(r#"
  port: 8000
  health: /
  port: 9000
"#), @"");
}

#[test]
fn a_missing_key_says_what_belongs_there() {
    assert_snapshot!(mistakes("app: {image: a}"), @"");
    assert_snapshot!(mistakes("name: shop"), @"");
    assert_snapshot!(mistakes_in_app("  workers: {packer: {replicas: 2}}"), @"");
}

#[test]
fn a_wrong_type_says_what_it_is_and_what_it_must_be() {
    assert_snapshot!(mistakes_in_app("  port: \"8000\""), @"");
    assert_snapshot!(mistakes_in_app("  port: 80.5"), @"");
    assert_snapshot!(mistakes_in_app("  env: [A, B]"), @"");
    assert_snapshot!(mistakes_in_app("  health:"), @"");
    assert_snapshot!(mistakes_after_start("monitoring: {grafana: yes}"), @"");
    assert_snapshot!(mistakes_after_start("edge: {host: 1.5}"), @"");
    assert_snapshot!(mistakes_after_start("cache: big"), @"");
    assert_snapshot!(mistakes_after_start("database: {version: [17]}"), @"");
    assert_snapshot!(mistakes_in_app("  env: {A: ~, B: {C: d}}"), @"");
}

#[test]
fn a_bad_name_comes_with_a_right_one() {
    assert_snapshot!(mistakes(r#"
name: My_Shop!
app: {image: a}
"#), @"");
    assert_snapshot!(mistakes(r#"
name: "42"
app: {image: a}
"#), @"");
    assert_snapshot!(mistakes_in_app("  workers: {Packer: {command: a}}"), @"");
}

#[test]
fn a_port_out_of_range_is_refused() {
    assert_snapshot!(mistakes_in_app("  port: 0"), @"");
    assert_snapshot!(mistakes_after_start("edge: {http: 65536}"), @"");
    assert_snapshot!(mistakes_after_start("edge: {https: -1}"), @"");
}

#[test]
fn a_port_used_twice_shows_both_places_or_names_the_default() {
    assert_snapshot!(mistakes_after_start("edge: {http: 8000, https: 8000}"), @"");
    assert_snapshot!(mistakes_after_start("monitoring: {port: 8443}"), @"");
    assert_snapshot!(mistakes_after_start("edge: {https: 8080}"), @"");
}

#[test]
fn replicas_are_bounded() {
    assert_snapshot!(mistakes_in_app("  replicas: 0"), @"");
}

#[test]
fn a_missing_build_folder_or_dockerfile_is_found() {
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: ./web}
"#), @"");
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: api}
"#), @"");
    assert_snapshot!(mistakes(r#"
name: shop
app:
  build: {context: api, dockerfile: Dockerfile.dev, target: x}
"#), @"");
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: 5}
"#), @"");
}

#[test]
fn exactly_one_of_build_and_image_is_there() {
    assert_snapshot!(mistakes_in_app("  image: shop:1"), @"");
    assert_snapshot!(mistakes(r#"
name: shop
app:
  port: 8000
"#), @"");
    assert_snapshot!(mistakes(r#"
name: shop
app:
"#), @"");
}

#[test]
fn a_bad_image_name_is_refused() {
    assert_snapshot!(mistakes(r#"
name: shop
app: {image: Shop:1}
"#), @"");
    assert_snapshot!(mistakes_after_start("images: {cache: \"https://docker.io/valkey/valkey\"}"), @"");
}

#[test]
fn a_command_is_a_list_or_words_and_never_empty() {
    assert_snapshot!(mistakes_in_app("  command: []"), @"");
    assert_snapshot!(mistakes_in_app(r#"
  command: ""
  release: ["", a]
"#), @"");
    assert_snapshot!(mistakes_in_app("  command: python -m shop && sleep 1"), @"");
    assert_snapshot!(mistakes_in_app("  command: run 'me"), @"");
    assert_snapshot!(mistakes_in_app("  command: {run: me}"), @"");
}

#[test]
fn a_health_path_starts_with_a_slash() {
    assert_snapshot!(mistakes_in_app("  health: healthz"), @"");
    assert_snapshot!(mistakes_in_app("  metrics: /a b"), @"");
}

#[test]
fn a_reserved_or_bad_variable_name_is_refused() {
    assert_snapshot!(mistakes_in_app("  env: {DATABASE_URL: x}"), @"");
    assert_snapshot!(mistakes_in_app("  env: {LOG-LEVEL: info}"), @"");
    assert_snapshot!(mistakes_in_app("  secrets: {PORT: {env: STRIPE_KEY}}"), @"");
}

#[test]
fn a_name_is_in_env_or_in_secrets() {
    assert_snapshot!(mistakes_in_app(r#"
  env: {STRIPE_KEY: x}
  secrets:
    STRIPE_KEY: {env: NOT_SET}
"#), @"");
}

#[test]
fn an_unknown_reference_comes_with_the_nearest_name() {
    assert_snapshot!(mistakes_in_app(r#"
  env:
    LOG_LEVEL: info
    A: "${LOG_LEVLE}"
"#), @"");
    assert_snapshot!(mistakes_in_app("  env: {A: \"${HOME}/x\"}"), @"");
}

#[test]
fn a_cyclic_reference_shows_the_chain() {
    assert_snapshot!(mistakes_in_app(r#"
  env:
    A: "${B}"
    B: "x${C}"
    C: "${A}"
    D: "${A}"
"#), @"");
    assert_snapshot!(mistakes_in_app("  env: {A: \"${A}\"}"), @"");
}

#[test]
fn a_secret_is_never_put_into_a_value() {
    assert_snapshot!(mistakes_in_app("  env: {A: \"${DATABASE_URL}?x=1\"}"), @"");
    assert_snapshot!(mistakes_in_app(r#"
  env: {A: "${STRIPE_KEY}"}
  secrets: {STRIPE_KEY: {env: NOT_SET}}
"#), @"");
}

#[test]
fn a_broken_reference_says_how_to_write_one() {
    assert_snapshot!(mistakes_in_app("  env: {A: \"${B\", B: \"${b c}\"}"), @"");
}

#[test]
fn a_secret_without_a_value_says_where_it_was_looked_for() {
    assert_snapshot!(mistakes_in_app(r#"
  secrets:
    A: {env: NOT_SET}
    B: {file: ./none}
    C: {}
"#), @"");
    assert_snapshot!(mistakes_in_app("  secrets: {A: {env: STRIPE_KEY, file: ./smtp-password}}"), @"");
}

#[test]
fn a_secret_written_into_the_file_is_refused() {
    assert_snapshot!(mistakes_in_app(r#"
  secrets:
    A: hunter2
"#), @"");
}

#[test]
fn a_size_is_a_number_with_a_known_unit() {
    assert_snapshot!(mistakes_after_start("cache: {memory: 64MB}"), @"");
    assert_snapshot!(mistakes_after_start("cache: {memory: lots}"), @"");
    assert_snapshot!(mistakes_after_start("cache: {memory: 64}"), @"");
    assert_snapshot!(mistakes_in_app("  resources: {memory: 1Mi, cpus: 500m}"), @"");
    assert_snapshot!(mistakes_in_app("  resources: {cpus: 0}"), @"");
}

#[test]
fn a_retention_has_a_unit() {
    assert_snapshot!(mistakes_after_start("monitoring: {retention: 7}"), @"");
    assert_snapshot!(mistakes_after_start("monitoring: {retention: soon}"), @"");
}

#[test]
fn a_version_without_an_image_is_refused() {
    assert_snapshot!(mistakes_after_start("database: {version: 16}"), @"");
    assert_snapshot!(mistakes_after_start("database: {version: \"17.2\"}"), @"");
}

#[test]
fn a_setting_that_belongs_to_scalectl_says_why() {
    assert_snapshot!(mistakes_after_start(r#"
database:
  settings:
    wal_level: logical
    ssl_cert_file: x
    fsync: off
    archive_mode: on
    listen_addresses: "*"
    log_directory: /tmp
"#), @"");
}

#[test]
fn a_setting_has_a_name_and_a_value_of_one_line() {
    assert_snapshot!(mistakes_after_start("database: {settings: {Work-Mem: 8MB, work_mem: \"8\\nMB\"}}"), @"");
}

#[test]
fn an_unknown_word_comes_with_the_known_ones() {
    assert_snapshot!(mistakes_after_start("cache: {policy: allkeys_lur}"), @"");
    assert_snapshot!(mistakes_after_start("secrets: vault"), @"");
    assert_snapshot!(mistakes_after_start("size: hs"), @"");
}

#[test]
fn an_unknown_component_comes_with_the_known_ones() {
    assert_snapshot!(mistakes_after_start("images: {prometeus: prom:1, app: shop:1}"), @"");
}

#[test]
fn grafana_needs_an_image() {
    assert_snapshot!(mistakes_after_start("monitoring: {grafana: true}"), @"");
}

#[test]
fn addresses_hosts_and_certificates_are_checked() {
    assert_snapshot!(mistakes_after_start(r#"
edge:
  address: localhost
  host: https://shop.example.com/
  certificate: {file: none.pem}
"#), @"");
}

#[test]
fn an_override_of_a_phase_that_does_not_exist_is_refused() {
    assert_snapshot!(mistakes_after_start("phases: {5: {size: ha}}"), @"");
    assert_snapshot!(mistakes_after_start("phases: [2]"), @"");
    assert_snapshot!(mistakes_after_start("phases: {2: small}"), @"");
}

#[test]
fn an_override_is_checked_even_when_its_phase_is_not_asked_for() {
    assert_snapshot!(mistakes_after_start(r#"
phases:
  2:
    name: other
    app: {replcas: 3}
    edge: {http: 9090}
"#), @"");
}

#[test]
fn a_mistake_of_some_phases_says_of_which() {
    assert_snapshot!(mistakes(r#"
name: shop
app: {port: 8000}
monitoring: {grafana: true}
phases:
  2: {app: {image: shop:1}, images: {grafana: g:1}}
"#), @"");
}

#[test]
fn no_process_can_be_handed_a_nul() {
    assert_snapshot!(mistakes_in_app("  env: {A: \"a\\0b\"}"), @"");
}

#[test]
fn text_that_is_not_yaml_shows_the_place_and_what_to_try() {
    assert_snapshot!(mistakes("name: shop\napp:\n\tbuild: .\n"), @"");
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: .
"#), @"");
    assert_snapshot!(mistakes(r#"
name: shop
app:
  build: .
   port: 8000
"#), @"");
    assert_snapshot!(mistakes("name: shop: two"), @"");
    assert_snapshot!(mistakes(r#"
name:shop
app:
  build: .
"#), @"");
    assert_snapshot!(mistakes("name: @shop"), @"");
    assert_snapshot!(mistakes("name: \"shop"), @"");
    assert_snapshot!(mistakes(r#"
name: shop
---
name: two
"#), @"");
    assert_snapshot!(mistakes("name: !env NAME"), @"");
    assert_snapshot!(mistakes(r#"
? [a]
: b
"#), @"");
    assert_snapshot!(mistakes("app: *none"), @"");
    assert_snapshot!(mistakes(r#"
name = shop
app: {}
"#), @"");
}

#[test]
fn a_phase_that_scalectl_does_not_know_is_refused() {
    let mistakes = load("name: shop\napp: {build: .}\n", "scale.yaml", &facts(), 7).unwrap_err();
    assert_snapshot!(crate::printed(&mistakes), @"");
}

#[test]
fn messages_carry_codes_and_places_for_machines() {
    let text = "name: shop\napp: {build: .}\nsiez: ha\n";
    let mistakes = load(text, "scale.yaml", &facts(), 1).unwrap_err();
    let [mistake] = mistakes.all() else {
        panic!("expected one mistake: {mistakes:?}")
    };
    let code = miette::Diagnostic::code(mistake).map(|code| code.to_string());
    assert_eq!(code.as_deref(), Some("scalectl::model::unknown_key"));
    assert_eq!(&text[mistake.at.offset()..][..mistake.at.len()], "siez");
}
