//! What stands beside the app: edge, database, cache, monitoring, images.

use insta::assert_snapshot;

use crate::{app, mistakes_after_start};

#[test]
fn a_port_used_twice_shows_both_places_or_names_the_default() {
    assert_snapshot!(mistakes_after_start("edge: {http: 8000, https: 8000}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::port_used_twice

      x port 8000 is used twice: by `edge.http` and by `edge.https`
       ,-[scale.yaml:3:27]
     2 | app: {build: .}
     3 | edge: {http: 8000, https: 8000}
       :              ^^|^         ^^|^
       :                |            `-- used twice
       :                `-- first here
       `----
      help: give `edge.http` or `edge.https` another port
    ");
    assert_snapshot!(mistakes_after_start("monitoring: {port: 8443}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::port_used_twice

      x port 8443 is used twice: by `edge.https` and by `monitoring.port`
       ,-[scale.yaml:3:20]
     2 | app: {build: .}
     3 | monitoring: {port: 8443}
       :                    ^^|^
       :                      `-- used twice
       `----
      help: 8443 is the default of `edge.https`: say another port for one of them
    ");
    assert_snapshot!(mistakes_after_start("edge: {https: 8080}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::port_used_twice

      x port 8080 is used twice: by `edge.http` and by `edge.https`
       ,-[scale.yaml:3:15]
     2 | app: {build: .}
     3 | edge: {https: 8080}
       :               ^^|^
       :                 `-- used twice
       `----
      help: 8080 is the default of `edge.http`: say another port for one of them
    ");
}

#[test]
fn a_retention_has_a_unit() {
    assert_snapshot!(mistakes_after_start("monitoring: {retention: 7}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_retention

      x `7` is no duration
       ,-[scale.yaml:3:25]
     2 | app: {build: .}
     3 | monitoring: {retention: 7}
       :                         |
       :                         `-- this
       `----
      help: did you mean `7d`? write h, d, w or y behind the number
    ");
    assert_snapshot!(mistakes_after_start("monitoring: {retention: soon}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_retention

      x `soon` is no duration
       ,-[scale.yaml:3:25]
     2 | app: {build: .}
     3 | monitoring: {retention: soon}
       :                         ^^|^
       :                           `-- this
       `----
      help: write a whole number with h, d, w or y, such as `7d`
    ");
}

#[test]
fn a_version_without_an_image_is_refused() {
    assert_snapshot!(mistakes_after_start("database: {version: 16}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_version

      x no image has PostgreSQL 16
       ,-[scale.yaml:3:21]
     2 | app: {build: .}
     3 | database: {version: 16}
       :                     ^|
       :                      `-- this version
       `----
      help: there are images for: 17
    ");
    assert_snapshot!(mistakes_after_start("database: {version: \"17.2\"}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_version

      x no image has PostgreSQL 17.2
       ,-[scale.yaml:3:21]
     2 | app: {build: .}
     3 | database: {version: "17.2"}
       :                     ^^^|^^
       :                        `-- this version
       `----
      help: did you mean `"17"`? the image decides the minor version
    "#);
}

#[test]
fn an_unknown_word_comes_with_the_known_ones() {
    assert_snapshot!(mistakes_after_start("cache: {policy: allkeys_lur}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_choice

      x unknown cache policy `allkeys_lur`
       ,-[scale.yaml:3:17]
     2 | app: {build: .}
     3 | cache: {policy: allkeys_lur}
       :                 ^^^^^|^^^^^
       :                      `-- this
       `----
      help: did you mean `allkeys-lru`?
    ");
    assert_snapshot!(mistakes_after_start("secrets: vault"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_choice

      x unknown way to hand over secrets `vault`
       ,-[scale.yaml:3:10]
     2 | app: {build: .}
     3 | secrets: vault
       :          ^^|^^
       :            `-- this
       `----
      help: known here: environment, files
    ");
    assert_snapshot!(mistakes_after_start("size: hs"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_choice

      x unknown size `hs`
       ,-[scale.yaml:3:7]
     2 | app: {build: .}
     3 | size: hs
       :       ^|
       :        `-- this
       `----
      help: did you mean `ha`?
    ");
}

#[test]
fn an_unknown_component_comes_with_the_known_ones() {
    assert_snapshot!(mistakes_after_start("images: {prometeus: prom:1, app: shop:1}"), @"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::unknown_choice

      x unknown component `prometeus`
       ,-[scale.yaml:3:10]
     2 | app: {build: .}
     3 | images: {prometeus: prom:1, app: shop:1}
       :          ^^^^|^^^^
       :              `-- this
       `----
      help: did you mean `prometheus`?

    Error: scalectl::model::unknown_choice

      x unknown component `app`
       ,-[scale.yaml:3:29]
     2 | app: {build: .}
     3 | images: {prometeus: prom:1, app: shop:1}
       :                             ^|^
       :                              `-- this
       `----
      help: known here: edge, pooler, database, etcd, cache, prometheus, exporters, agent, grafana
    ");
}

#[test]
fn grafana_needs_an_image() {
    assert_snapshot!(mistakes_after_start("monitoring: {grafana: true}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::grafana_without_image

      x Grafana is on, but has no image
       ,-[scale.yaml:3:1]
     2 | app: {build: .}
     3 | monitoring: {grafana: true}
       : ^^^^^|^^^^
       :      `-- `grafana: true` in here
       `----
      help: scalectl has no image of Grafana: name one with `images: {grafana: grafana/grafana:11.0}`
    ");
}

#[test]
fn addresses_hosts_and_certificates_are_checked() {
    assert_snapshot!(mistakes_after_start(r#"
edge:
  address: localhost
  host: https://shop.example.com/
  certificate: {file: none.pem}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 4 mistakes

    Error: scalectl::model::bad_address

      x `localhost` is no IP address
       ,-[scale.yaml:4:12]
     3 | edge:
     4 |   address: localhost
       :            ^^^^|^^^^
       :                `-- this
     5 |   host: https://shop.example.com/
       `----
      help: write the address to publish on, such as 127.0.0.1; 0.0.0.0 means all of them

    Error: scalectl::model::bad_host

      x `https://shop.example.com/` is no host name
       ,-[scale.yaml:5:9]
     4 |   address: localhost
     5 |   host: https://shop.example.com/
       :         ^^^^^^^^^^^^|^^^^^^^^^^^^
       :                     `-- this
     6 |   certificate: {file: none.pem}
       `----
      help: did you mean `shop.example.com`? a host name has labels of a-z, 0-9 and `-` with points
            between them

    Error: scalectl::model::missing_key

      x `edge.certificate` lacks the key `key`
       ,-[scale.yaml:6:3]
     5 |   host: https://shop.example.com/
     6 |   certificate: {file: none.pem}
       :   ^^^^^|^^^^^
       :        `-- in here
       `----
      help: add `key: ...`: the PEM file with the private key

    Error: scalectl::model::missing_file

      x there is no file `none.pem`
       ,-[scale.yaml:6:23]
     5 |   host: https://shop.example.com/
     6 |   certificate: {file: none.pem}
       :                       ^^^^|^^^
       :                           `-- no such file
       `----
      help: paths are relative to the folder of scale.yaml
    ");
}

#[test]
fn a_certificate_that_is_no_good_is_told_before_anything_is_done() {
    assert_snapshot!(mistakes_after_start("edge: {certificate: {file: old.pem, key: shop.key}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_certificate

      x the certificate in `old.pem` is no good: it ended on 2020-01-01
       ,-[scale.yaml:3:8]
     2 | app: {build: .}
     3 | edge: {certificate: {file: old.pem, key: shop.key}}
       :        ^^^^^|^^^^^
       :             `-- this certificate and key
       `----
      help: `file` is a PEM chain, your certificate first; `key` is its unencrypted PEM key
    ");
}

#[test]
fn grafana_s_port_counts_only_where_grafana_runs() {
    let text = "edge: {http: 3000}\nmonitoring: {grafana: true}\nimages: {grafana: g:1}\n";
    assert_snapshot!(mistakes_after_start(text), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::port_used_twice

      x port 3000 is used twice: by `edge.http` and by `monitoring.grafana_port`
       ,-[scale.yaml:3:14]
     2 | app: {build: .}
     3 | edge: {http: 3000}
       :              ^^|^
       :                `-- used twice
     4 | monitoring: {grafana: true}
       `----
      help: 3000 is the default of `monitoring.grafana_port`: say another port for one of them
    ");
    let text = text.replace("grafana: true", "grafana: false");
    assert_eq!(
        app(&format!("name: shop\napp: {{image: shop:1}}\n{text}"), 1)
            .edge
            .http
            .get(),
        3000
    );
}
