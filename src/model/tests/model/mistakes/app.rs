//! The app: its name, paths, ports and limits.

use insta::assert_snapshot;

use crate::{mistakes, mistakes_after_start, mistakes_in_app};

#[test]
fn a_bad_name_comes_with_a_right_one() {
    assert_snapshot!(mistakes(r#"
name: My_Shop!
app: {image: a}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_name

      x `My_Shop!` is no name
       ,-[scale.yaml:1:7]
     1 | name: My_Shop!
       :       ^^^^|^^^
       :           `-- this
     2 | app: {image: a}
       `----
      help: did you mean `my-shop`? a name has a-z, 0-9 and `-`, starts with a letter, does not end
            with `-` and has at most 40 characters
    ");
    assert_snapshot!(mistakes(r#"
name: "42"
app: {image: a}
"#), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_name

      x `42` is no name
       ,-[scale.yaml:1:7]
     1 | name: "42"
       :       ^^|^
       :         `-- this
     2 | app: {image: a}
       `----
      help: a name has a-z, 0-9 and `-`, starts with a letter, does not end with `-` and has at most
            40 characters
    "#);
    assert_snapshot!(mistakes_in_app("  workers: {Packer: {command: a}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_name

      x `Packer` is no name
       ,-[scale.yaml:4:13]
     3 |   build: .
     4 |   workers: {Packer: {command: a}}
       :             ^^^|^^
       :                `-- this
       `----
      help: did you mean `packer`? a name has a-z, 0-9 and `-`, starts with a letter, does not end
            with `-` and has at most 40 characters
    ");
}

#[test]
fn a_port_out_of_range_is_refused() {
    assert_snapshot!(mistakes_in_app("  port: 0"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::port_out_of_range

      x port 0 is out of range
       ,-[scale.yaml:4:9]
     3 |   build: .
     4 |   port: 0
       :         |
       :         `-- this
       `----
      help: a port is 1 to 65535
    ");
    assert_snapshot!(mistakes_after_start("edge: {http: 65536}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::port_out_of_range

      x port 65536 is out of range
       ,-[scale.yaml:3:14]
     2 | app: {build: .}
     3 | edge: {http: 65536}
       :              ^^|^^
       :                `-- this
       `----
      help: a port is 1 to 65535
    ");
    assert_snapshot!(mistakes_after_start("edge: {https: -1}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::port_out_of_range

      x port -1 is out of range
       ,-[scale.yaml:3:15]
     2 | app: {build: .}
     3 | edge: {https: -1}
       :               ^|
       :                `-- this
       `----
      help: a port is 1 to 65535
    ");
}

#[test]
fn replicas_are_bounded() {
    assert_snapshot!(mistakes_in_app("  replicas: 0"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::replicas_out_of_range

      x 0 replicas are out of range
       ,-[scale.yaml:4:13]
     3 |   build: .
     4 |   replicas: 0
       :             |
       :             `-- this
       `----
      help: replicas are 1 to 100; a worker that shall not run is left out
    ");
}

#[test]
fn a_health_path_starts_with_a_slash() {
    assert_snapshot!(mistakes_in_app("  health: healthz"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_path

      x `healthz` is no HTTP path
       ,-[scale.yaml:4:11]
     3 |   build: .
     4 |   health: healthz
       :           ^^^|^^^
       :              `-- this
       `----
      help: did you mean `/healthz`? a path starts with `/`
    ");
    assert_snapshot!(mistakes_in_app("  metrics: /a b"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_path

      x `/a b` is no HTTP path
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   metrics: /a b
       :            ^^|^
       :              `-- this
       `----
      help: a path starts with `/`; spaces and letters beyond ASCII are percent-encoded
    ");
}

#[test]
fn a_size_is_a_number_with_a_known_unit() {
    assert_snapshot!(mistakes_after_start("cache: {memory: 64MB}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_size

      x `64MB` is no size
       ,-[scale.yaml:3:17]
     2 | app: {build: .}
     3 | cache: {memory: 64MB}
       :                 ^^|^
       :                   `-- this
       `----
      help: did you mean `64M`? write a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T
            (powers of 1000), such as `256Mi`
    ");
    assert_snapshot!(mistakes_after_start("cache: {memory: lots}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_size

      x `lots` is no size
       ,-[scale.yaml:3:17]
     2 | app: {build: .}
     3 | cache: {memory: lots}
       :                 ^^|^
       :                   `-- this
       `----
      help: write a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000), such
            as `256Mi`
    ");
    assert_snapshot!(mistakes_after_start("cache: {memory: 64}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::size_too_small

      x 64 is too little: `cache.memory` needs at least 8Mi
       ,-[scale.yaml:3:17]
     2 | app: {build: .}
     3 | cache: {memory: 64}
       :                 ^|
       :                  `-- too little
       `----
      help: did you mean `64Mi`? a number without a unit is bytes
    ");
    assert_snapshot!(mistakes_in_app("  resources: {memory: 1Mi, cpus: 500m}"), @"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::size_too_small

      x 1Mi is too little: `app.resources.memory` needs at least 16Mi
       ,-[scale.yaml:4:23]
     3 |   build: .
     4 |   resources: {memory: 1Mi, cpus: 500m}
       :                       ^|^
       :                        `-- too little
       `----
      help: write at least `16Mi`

    Error: scalectl::model::bad_cpus

      x `500m` is no number of CPUs
       ,-[scale.yaml:4:34]
     3 |   build: .
     4 |   resources: {memory: 1Mi, cpus: 500m}
       :                                  ^^|^
       :                                    `-- this
       `----
      help: did you mean `0.5`?
    ");
    assert_snapshot!(mistakes_in_app("  resources: {cpus: 0}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_cpus

      x `0` is no number of CPUs
       ,-[scale.yaml:4:21]
     3 |   build: .
     4 |   resources: {cpus: 0}
       :                     |
       :                     `-- this
       `----
      help: write cores from 0.01 to 1024 with up to three digits behind the point, such as `0.5`
    ");
}
