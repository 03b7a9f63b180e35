//! Mistakes in the app's secrets, none of which shows a value.

use crate::{mistakes_after_start, mistakes_in_app};
use insta::assert_snapshot;

#[test]
fn a_secret_without_a_value_says_where_it_was_looked_for() {
    assert_snapshot!(mistakes_in_app(r#"
  secrets:
    A: {env: NOT_SET}
    B: {file: ./none}
    C: {}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 3 mistakes

    Error: scalectl::model::secret_without_value

      x secret `A` has no value: the variable `NOT_SET` is not set where scalectl runs
       ,-[scale.yaml:5:14]
     4 |   secrets:
     5 |     A: {env: NOT_SET}
       :              ^^^|^^^
       :                 `-- not set
     6 |     B: {file: ./none}
       `----
      help: set it (`export NOT_SET=...`), or take the value from a file

    Error: scalectl::model::secret_without_value

      x secret `B` has no value: there is no file `./none`
       ,-[scale.yaml:6:15]
     5 |     A: {env: NOT_SET}
     6 |     B: {file: ./none}
       :               ^^^|^^
       :                  `-- no such file
     7 |     C: {}
       `----
      help: write the value into that file; paths are relative to the folder of scale.yaml

    Error: scalectl::model::secret_without_value

      x secret `C` has no value: neither `env` nor `file` says where it is
       ,-[scale.yaml:7:5]
     6 |     B: {file: ./none}
     7 |     C: {}
       :     |
       :     `-- no source
       `----
      help: say `C: {env: C}` or `C: {file: PATH}`
    ");
    assert_snapshot!(mistakes_in_app("  secrets: {A: {env: STRIPE_KEY, file: ./smtp-password}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::one_too_many

      x `app.secrets.A` has both `env` and `file`
       ,-[scale.yaml:4:34]
     3 |   build: .
     4 |   secrets: {A: {env: STRIPE_KEY, file: ./smtp-password}}
       :                 ^|^              ^^|^
       :                  |                 `-- and this
       :                  `-- this
       `----
      help: exactly one of the two: keep one
    ");
}

#[test]
fn a_secret_written_into_the_file_is_refused_and_not_shown() {
    assert_snapshot!(mistakes_after_start("secrets: {STRIPE_KEY: hunter2}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `secrets` is a mapping, but must be `environment` or `files`
       ,-[scale.yaml:3:1]
     2 | app: {build: .}
     3 | secrets: {STRIPE_KEY: *******}
       : ^^^|^^^
       :    `-- must be `environment` or `files`
       `----
      help: the app's own secrets stand in `app`: move them there
    ");
    assert_snapshot!(mistakes_in_app("  secrets:\n    A: {value: hunter2}\n    B: @hunter2\n"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::syntax

      x not YAML: unexpected character: `@'
       ,-[scale.yaml:6:8]
     5 |     A:*****************
     6 |     B:*********
       :        ^^^^|^^^
       :            `-- here
       `----
      help: a secret's value never stands in scale.yaml: say where it is with `{env: VARIABLE}` or
            `{file: PATH}`
    ");
    assert_snapshot!(mistakes_in_app("  secrets:\n    A: {value: hunter2}\n    A: |\n      hunter2\n      hunter2\n"), @"
    scalectl::model::mistakes

      x scale.yaml has 4 mistakes

    Error: scalectl::model::secret_without_value

      x secret `A` has no value: neither `env` nor `file` says where it is
       ,-[scale.yaml:5:5]
     4 |   secrets:
     5 |     A: {value: *******}
       :     |
       :     `-- no source
     6 |     A: |
       `----
      help: say `A: {env: A}` or `A: {file: PATH}`

    Error: scalectl::model::unknown_key

      x unknown key `value` in `app.secrets.A`
       ,-[scale.yaml:5:9]
     4 |   secrets:
     5 |     A: {value: *******}
       :         ^^|^^
       :           `-- not a key here
     6 |     A: |
       `----
      help: known here: env, file

    Error: scalectl::model::duplicate_key

      x key `A` is there twice
       ,-[scale.yaml:6:5]
     4 |   secrets:
     5 |     A: {value: *******}
       :     |
       :     `-- first here
     6 |     A: |
       :     |
       :     `-- again here
     7 |       *******
       `----
      help: keep one of the two; what is below both can be put together

    Error: scalectl::model::wrong_type

      x `app.secrets.A` is text, but must be a mapping with `env` or `file`
       ,-[scale.yaml:7:7]
     6 |     A: |
     7 |       *******
       :       ^^^|^^^
       :          `-- must be a mapping with `env` or `file`
     8 | *************
       `----
      help: a secret's value never stands in scale.yaml: say `A: {env: A}` or `A: {file: PATH}`
    ");
    assert_snapshot!(mistakes_in_app(r#"
  secrets:
    A: hunter2
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `app.secrets.A` is text, but must be a mapping with `env` or `file`
       ,-[scale.yaml:5:8]
     4 |   secrets:
     5 |     A: *******
       :        ^^^|^^^
       :           `-- must be a mapping with `env` or `file`
       `----
      help: a secret's value never stands in scale.yaml: say `A: {env: A}` or `A: {file: PATH}`
    ");
}

#[test]
fn a_secret_in_an_empty_file_has_no_value() {
    assert_snapshot!(mistakes_in_app("  secrets: {SMTP: {file: empty-secret}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::secret_without_value

      x secret `SMTP` has no value: the file `empty-secret` is empty
       ,-[scale.yaml:4:26]
     3 |   build: .
     4 |   secrets: {SMTP: {file: empty-secret}}
       :                          ^^^^^^|^^^^^
       :                                `-- an empty file
       `----
      help: write the value into that file; paths are relative to the folder of scale.yaml
    ");
}
