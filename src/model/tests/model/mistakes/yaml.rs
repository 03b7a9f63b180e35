//! Texts that are not YAML, or that no scale.yaml is.

use insta::assert_snapshot;

use crate::mistakes;

#[test]
fn text_that_is_not_yaml_shows_the_place_and_what_to_try() {
    assert_snapshot!(mistakes("name: shop\napp:\n\tbuild: .\n"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: tabs disallowed within this context (block indentation)
       ,-[scale.yaml:3:2]
     2 | app:
     3 |     build: .
       :     ^^^|^^
       :        `-- here
       `----
      help: YAML is indented with spaces, not with tabs
    ");
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: .
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: while parsing a flow mapping, did not find expected ',' or '}'
       ,-[scale.yaml:2:14]
     1 | name: shop
     2 | app: {build: .
       :              |
       :              `-- here
       `----
      help: a `{` before this place is not closed by a `}`
    ");
    assert_snapshot!(mistakes(r#"
name: shop
app:
  build: .
   port: 8000
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: mapping values are not allowed in this context
       ,-[scale.yaml:4:8]
     3 |   build: .
     4 |    port: 8000
       :        |
       :        `-- here
       `----
      help: look at the indentation of this line and of the one above: keys of one mapping start in
            the same column
    ");
    assert_snapshot!(mistakes("name: shop: two"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: mapping values are not allowed in this context
       ,-[scale.yaml:1:11]
     1 | name: shop: two
       :           |
       :           `-- here
       `----
      help: a value with `: ` in it needs quotes: `name: "shop: two"`
    "#);
    assert_snapshot!(mistakes(r#"
name:shop
app:
  build: .
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: mapping values are not allowed in this context
       ,-[scale.yaml:2:4]
     1 | name:shop
     2 | app:
       :    |
       :    `-- here
     3 |   build: .
       `----
      help: put a space behind the colon: `name: shop`
    ");
    assert_snapshot!(mistakes("name: @shop"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: unexpected character: `@'
       ,-[scale.yaml:1:7]
     1 | name: @shop
       :       ^^|^^
       :         `-- here
       `----
      help: a text that starts with `@` needs quotes
    ");
    assert_snapshot!(mistakes("name: \"shop"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: while scanning a quoted scalar, found unexpected end of stream
       ,-[scale.yaml:1:7]
     1 | name: "shop
       :       ^^|^^
       :         `-- here
       `----
      help: the quote that opens here is not closed as it must be
    "#);
    assert_snapshot!(mistakes(r#"
name: shop
---
name: two
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::not_here

      x a second document cannot stand in scale.yaml
       ,-[scale.yaml:2:1]
     1 | name: shop
     2 | ---
       : ^|^
       :  `-- here
     3 | name: two
       `----
      help: keep one document: remove `---` and what follows
    ");
    assert_snapshot!(mistakes("name: !env NAME"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::not_here

      x the tag `!env` cannot stand in scale.yaml
       ,-[scale.yaml:1:7]
     1 | name: !env NAME
       :       ^^^^|^^^^
       :           `-- here
       `----
      help: scale.yaml has no tags; a text that starts with `!` needs quotes
    ");
    assert_snapshot!(mistakes(r#"
? [a]
: b
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::not_here

      x a key that is not a word cannot stand in scale.yaml
       ,-[scale.yaml:1:5]
     1 | ? [a]
       :     |
       :     `-- here
     2 | : b
       `----
      help: a key is one word; a value with `{`, `[` or `: ` in it needs quotes
    ");
    assert_snapshot!(mistakes("app: *none"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: while parsing node, found unknown anchor
       ,-[scale.yaml:1:6]
     1 | app: *none
       :      ^^|^^
       :        `-- here
       `----
      help: a text that starts with `*` needs quotes
    ");
    assert_snapshot!(mistakes(r#"
name = shop
app: {}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: mapping values are not allowed in this context
       ,-[scale.yaml:2:4]
     1 | name = shop
     2 | app: {}
       :    |
       :    `-- here
       `----
      help: a key and its value are written `key: value`
    ");
}
