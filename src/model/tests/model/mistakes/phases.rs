//! Overrides of a phase.

use insta::assert_snapshot;
use scalectl_model::load;

use crate::{facts, mistakes, mistakes_after_start, printed};

#[test]
fn an_override_of_a_phase_that_does_not_exist_is_refused() {
    assert_snapshot!(mistakes_after_start("phases: {5: {size: ha}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_phase

      x there is no phase `5`
       ,-[scale.yaml:3:10]
     2 | app: {build: .}
     3 | phases: {5: {size: ha}}
       :          |
       :          `-- no such phase
       `----
      help: there are phases 1 and 2
    ");
    assert_snapshot!(mistakes_after_start("phases: [2]"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `phases` is a list, but must be a mapping of keys
       ,-[scale.yaml:3:9]
     2 | app: {build: .}
     3 | phases: [2]
       :         ^|^
       :          `-- must be a mapping of keys
       `----
      help: write its keys below it, one `key: value` a line, each two blanks further in
    ");
    assert_snapshot!(mistakes_after_start("phases: {2: small}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `phases.2` is text, but must be a mapping of keys
       ,-[scale.yaml:3:13]
     2 | app: {build: .}
     3 | phases: {2: small}
       :             ^^|^^
       :               `-- must be a mapping of keys
       `----
      help: write its keys below it, one `key: value` a line, each two blanks further in
    ");
}

#[test]
fn an_override_is_checked_even_when_its_phase_is_not_asked_for() {
    assert_snapshot!(mistakes_after_start(r#"
phases:
  2:
    name: other
    app: {replcas: 3}
    edge: {http: 9090}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 3 mistakes

    Error: scalectl::model::key_of_all_phases

      x `name` cannot differ between phases
       ,-[scale.yaml:5:5]
     4 |   2:
     5 |     name: other
       :     ^^|^
       :       `-- in one phase only
     6 |     app: {replcas: 3}
       `----
      help: say it once, at the top of the file

    Error: scalectl::model::unknown_key

      x unknown key `replcas` in `app`
       ,-[scale.yaml:6:11]
     5 |     name: other
     6 |     app: {replcas: 3}
       :           ^^^|^^^
       :              `-- not a key here
     7 |     edge: {http: 9090}
       `----
      help: did you mean `replicas`?

    Error: scalectl::model::port_used_twice

      x port 9090 is used twice: by `edge.http` and by `monitoring.port`
       ,-[scale.yaml:7:18]
     6 |     app: {replcas: 3}
     7 |     edge: {http: 9090}
       :                  ^^|^
       :                    `-- used twice
       `----
      help: 9090 is the default of `monitoring.port`: say another port for one of them
    ");
}

#[test]
fn a_mistake_of_some_phases_says_of_which() {
    assert_snapshot!(mistakes(r#"
name: shop
app: {port: 8000}
monitoring: {grafana: true}
phases:
  2: {app: {image: shop:1}, images: {grafana: g:1}}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::one_too_few

      x `app` has neither `build` nor `image` (in phase 1)
       ,-[scale.yaml:2:1]
     1 | name: shop
     2 | app: {port: 8000}
       : ^|^
       :  `-- in here
     3 | monitoring: {grafana: true}
       `----
      help: say `build: .` for a Dockerfile in this folder, or `image: NAME:TAG`

    Error: scalectl::model::grafana_without_image

      x Grafana is on, but has no image (in phase 1)
       ,-[scale.yaml:3:1]
     2 | app: {port: 8000}
     3 | monitoring: {grafana: true}
       : ^^^^^|^^^^
       :      `-- `grafana: true` in here
     4 | phases:
       `----
      help: scalectl has no image of Grafana: name one with `images: {grafana: grafana/grafana:11.0}`
    ");
}

#[test]
fn a_phase_that_scalectl_does_not_know_is_refused() {
    let mistakes = load("name: shop\napp: {build: .}\n", "scale.yaml", &facts(), 7).unwrap_err();
    assert_snapshot!(printed(&mistakes), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_phase

      x there is no phase `7`
       ,-[scale.yaml:1:1]
     1 | name: shop
       : ^
       : `-- for this
     2 | app: {build: .}
       `----
      help: there are phases 1 and 2
    ");
}
