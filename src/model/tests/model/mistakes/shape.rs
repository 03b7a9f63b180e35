//! Keys and types: unknown, missing, twice, wrong.

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
"#), @r#"
    scalectl::model::mistakes

      x scale.yaml has 9 mistakes

    Error: scalectl::model::bad_name

      x `My Shop` is no name
       ,-[scale.yaml:1:7]
     1 | name: My Shop
       :       ^^^|^^^
       :          `-- this
     2 | app:
       `----
      help: did you mean `my-shop`? a name has a-z, 0-9 and `-`, starts with a letter, does not end
            with `-` and has at most 40 characters

    Error: scalectl::model::missing_folder

      x there is no folder `./web`
       ,-[scale.yaml:3:10]
     2 | app:
     3 |   build: ./web
       :          ^^|^^
       :            `-- no such folder
     4 |   comand: [python]
       `----
      help: paths are relative to the folder of scale.yaml; make the folder or correct the path

    Error: scalectl::model::unknown_key

      x unknown key `comand` in `app`
       ,-[scale.yaml:4:3]
     3 |   build: ./web
     4 |   comand: [python]
       :   ^^^|^^
       :      `-- not a key here
     5 |   port: 80000
       `----
      help: did you mean `command`?

    Error: scalectl::model::port_out_of_range

      x port 80000 is out of range
       ,-[scale.yaml:5:9]
     4 |   comand: [python]
     5 |   port: 80000
       :         ^^|^^
       :           `-- this
     6 |   health: healthz
       `----
      help: a port is 1 to 65535

    Error: scalectl::model::bad_path

      x `healthz` is no HTTP path
       ,-[scale.yaml:6:11]
     5 |   port: 80000
     6 |   health: healthz
       :           ^^^|^^^
       :              `-- this
     7 |   replicas: two
       `----
      help: did you mean `/healthz`? a path starts with `/`

    Error: scalectl::model::wrong_type

      x `app.replicas` is text, but must be a whole number
       ,-[scale.yaml:7:13]
     6 |   health: healthz
     7 |   replicas: two
       :             ^|^
       :              `-- must be a whole number
     8 | edge: {http: 9090}
       `----
      help: write a whole number in its place

    Error: scalectl::model::port_used_twice

      x port 9090 is used twice: by `edge.http` and by `monitoring.port`
       ,-[scale.yaml:8:14]
     7 |   replicas: two
     8 | edge: {http: 9090}
       :              ^^|^
       :                `-- used twice
     9 | database: {version: 16}
       `----
      help: 9090 is the default of `monitoring.port`: say another port for one of them

    Error: scalectl::model::unknown_version

      x no image has PostgreSQL 16
        ,-[scale.yaml:9:21]
      8 | edge: {http: 9090}
      9 | database: {version: 16}
        :                     ^|
        :                      `-- this version
     10 | phases:
        `----
      help: there are images for: 17

    Error: scalectl::model::unknown_phase

      x there is no phase `5`
        ,-[scale.yaml:11:3]
     10 | phases:
     11 |   "5": {}
        :   ^|^
        :    `-- no such phase
        `----
      help: there are phases 1 and 2
    "#);
}

#[test]
fn an_empty_file_says_how_to_begin() {
    assert_snapshot!(mistakes(""), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::empty

      x the file is empty
       ,-[scale.yaml:1:1]
       `----
      help: `scalectl init` writes one to start from
    ");
    assert_snapshot!(mistakes("# only a comment"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::empty

      x the file is empty
       ,-[scale.yaml:1:1]
     1 | # only a comment
       : ^
       : `-- nothing here
       `----
      help: `scalectl init` writes one to start from
    ");
}

#[test]
fn a_file_that_is_no_mapping_is_refused() {
    assert_snapshot!(mistakes("- name: shop"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x the file is a list, but must be a mapping of keys
       ,-[scale.yaml:1:1]
     1 | - name: shop
       : ^^^^^^|^^^^^
       :       `-- must be a mapping of keys
       `----
      help: a mapping has one `key: value` a line, without `-` and `[`
    ");
}

#[test]
fn an_unknown_key_comes_with_the_nearest_known_one() {
    assert_snapshot!(mistakes_after_start("databse: {size: 1Gi}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_key

      x unknown key `databse` in the file
       ,-[scale.yaml:3:1]
     2 | app: {build: .}
     3 | databse: {size: 1Gi}
       : ^^^|^^^
       :    `-- not a key here
       `----
      help: did you mean `database`?
    ");
    assert_snapshot!(mistakes_after_start("edge: {colour: red}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_key

      x unknown key `colour` in `edge`
       ,-[scale.yaml:3:8]
     2 | app: {build: .}
     3 | edge: {colour: red}
       :        ^^^|^^
       :           `-- not a key here
       `----
      help: known here: address, certificate, host, http, https
    ");
}

#[test]
fn a_key_that_is_there_twice_shows_both_places() {
    assert_snapshot!(mistakes_in_app(r#"
  port: 8000
  health: /
  port: 9000
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::duplicate_key

      x key `port` is there twice
       ,-[scale.yaml:6:3]
     3 |   build: .
     4 |   port: 8000
       :   ^^|^
       :     `-- first here
     5 |   health: /
     6 |   port: 9000
       :   ^^|^
       :     `-- again here
       `----
      help: keep one of the two; what is below both can be put together
    ");
}

#[test]
fn a_missing_key_says_what_belongs_there() {
    assert_snapshot!(mistakes("app: {image: a}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::missing_key

      x the file lacks the key `name`
       ,-[scale.yaml:1:1]
     1 | app: {image: a}
       : ^|^
       :  `-- in here
       `----
      help: add `name: ...`: a DNS label, such as `shop`
    ");
    assert_snapshot!(mistakes("name: shop"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::missing_key

      x the file lacks the key `app`
       ,-[scale.yaml:1:1]
     1 | name: shop
       : ^^|^
       :   `-- in here
       `----
      help: add `app: ...`: the app itself, at least its `build` or `image`
    ");
    assert_snapshot!(mistakes_in_app("  workers: {packer: {replicas: 2}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::missing_key

      x `app.workers.packer` lacks the key `command`
       ,-[scale.yaml:4:13]
     3 |   build: .
     4 |   workers: {packer: {replicas: 2}}
       :             ^^^|^^
       :                `-- in here
       `----
      help: add `command: ...`: what starts the worker
    ");
}

#[test]
fn a_wrong_type_says_what_it_is_and_what_it_must_be() {
    assert_snapshot!(mistakes_in_app("  port: \"8000\""), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `app.port` is text, but must be a whole number
       ,-[scale.yaml:4:9]
     3 |   build: .
     4 |   port: "8000"
       :         ^^^|^^
       :            `-- must be a whole number
       `----
      help: take the quotes away: `8000`
    "#);
    assert_snapshot!(mistakes_in_app("  port: 80.5"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `app.port` is a number, but must be a whole number
       ,-[scale.yaml:4:9]
     3 |   build: .
     4 |   port: 80.5
       :         ^^|^
       :           `-- must be a whole number
       `----
      help: write a whole number in its place
    ");
    assert_snapshot!(mistakes_in_app("  env: [A, B]"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `app.env` is a list, but must be a mapping of keys
       ,-[scale.yaml:4:8]
     3 |   build: .
     4 |   env: [A, B]
       :        ^^^|^^
       :           `-- must be a mapping of keys
       `----
      help: a mapping has one `key: value` a line, without `-` and `[`
    ");
    assert_snapshot!(mistakes_in_app("  health:"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `app.health` is empty, but must be text
       ,-[scale.yaml:4:3]
     3 |   build: .
     4 |   health:
       :   ^^^|^^
       :      `-- must be text
       `----
      help: leave the key out to get the default
    ");
    assert_snapshot!(mistakes_after_start("monitoring: {grafana: yes}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `monitoring.grafana` is text, but must be true or false
       ,-[scale.yaml:3:23]
     2 | app: {build: .}
     3 | monitoring: {grafana: yes}
       :                       ^|^
       :                        `-- must be true or false
       `----
      help: did you mean `true`, without quotes?
    ");
    assert_snapshot!(mistakes_after_start("edge: {host: 1.5}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `edge.host` is a number, but must be text
       ,-[scale.yaml:3:14]
     2 | app: {build: .}
     3 | edge: {host: 1.5}
       :              ^|^
       :               `-- must be text
       `----
      help: put it in quotes to make it text: `"1.5"`
    "#);
    assert_snapshot!(mistakes_after_start("cache: big"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `cache` is text, but must be a mapping of keys
       ,-[scale.yaml:3:8]
     2 | app: {build: .}
     3 | cache: big
       :        ^|^
       :         `-- must be a mapping of keys
       `----
      help: write its keys below it, one `key: value` a line, each two blanks further in
    ");
    assert_snapshot!(mistakes_after_start("database: {version: [17]}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `database.version` is a list, but must be a version, such as `"17"`
       ,-[scale.yaml:3:21]
     2 | app: {build: .}
     3 | database: {version: [17]}
       :                     ^^|^
       :                       `-- must be a version, such as `"17"`
       `----
      help: write one value, without `-` and `[`
    "#);
    assert_snapshot!(mistakes_in_app("  env: {A: ~, B: {C: d}}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::wrong_type

      x `app.env.A` is empty, but must be text, a number or a boolean
       ,-[scale.yaml:4:9]
     3 |   build: .
     4 |   env: {A: ~, B: {C: d}}
       :         |
       :         `-- must be text, a number or a boolean
       `----
      help: write `""` for an empty text, or leave the key out

    Error: scalectl::model::wrong_type

      x `app.env.B` is a mapping, but must be text, a number or a boolean
       ,-[scale.yaml:4:15]
     3 |   build: .
     4 |   env: {A: ~, B: {C: d}}
       :               |
       :               `-- must be text, a number or a boolean
       `----
      help: write lists and mappings as one text, in quotes
    "#);
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
