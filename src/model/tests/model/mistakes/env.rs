//! Environment and secrets.

use insta::assert_snapshot;

use crate::{mistakes_after_start, mistakes_in_app};

#[test]
fn a_reserved_or_bad_variable_name_is_refused() {
    assert_snapshot!(mistakes_in_app("  env: {DATABASE_URL: x}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::reserved_env

      x `DATABASE_URL` is set by scalectl
       ,-[scale.yaml:4:9]
     3 |   build: .
     4 |   env: {DATABASE_URL: x}
       :         ^^^^^^|^^^^^
       :               `-- this
       `----
      help: scalectl itself tells the app its PORT, DATABASE_URL, DATABASE_READ_URL,
            DATABASE_SESSION_URL, CACHE_URL, QUEUE_URL and OIDC_ISSUER: take another name
    ");
    assert_snapshot!(mistakes_in_app("  env: {LOG-LEVEL: info}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_env_name

      x `LOG-LEVEL` is no name of a variable
       ,-[scale.yaml:4:9]
     3 |   build: .
     4 |   env: {LOG-LEVEL: info}
       :         ^^^^|^^^^
       :             `-- this
       `----
      help: did you mean `LOG_LEVEL`? a variable's name has letters, digits and `_`, and does not
            start with a digit
    ");
    assert_snapshot!(mistakes_in_app("  secrets: {PORT: {env: STRIPE_KEY}}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::reserved_env

      x `PORT` is set by scalectl
       ,-[scale.yaml:4:13]
     3 |   build: .
     4 |   secrets: {PORT: {env: STRIPE_KEY}}
       :             ^^|^
       :               `-- this
       `----
      help: scalectl itself tells the app its PORT, DATABASE_URL, DATABASE_READ_URL,
            DATABASE_SESSION_URL, CACHE_URL, QUEUE_URL and OIDC_ISSUER: take another name
    ");
}

#[test]
fn a_name_is_in_env_or_in_secrets() {
    assert_snapshot!(mistakes_in_app(r#"
  env: {STRIPE_KEY: x}
  secrets:
    STRIPE_KEY: {env: NOT_SET}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::env_and_secret

      x `STRIPE_KEY` is both in `env` and in `secrets`
       ,-[scale.yaml:4:9]
     3 |   build: .
     4 |   env: {STRIPE_KEY: x}
       :         ^^^^^|^^^^
       :              `-- a value here
     5 |   secrets:
     6 |     STRIPE_KEY: {env: NOT_SET}
       :     ^^^^^|^^^^
       :          `-- and a secret here
       `----
      help: a variable has one value: keep one of the two

    Error: scalectl::model::secret_without_value

      x secret `STRIPE_KEY` has no value: the variable `NOT_SET` is not set where scalectl runs
       ,-[scale.yaml:6:23]
     5 |   secrets:
     6 |     STRIPE_KEY: {env: NOT_SET}
       :                       ^^^|^^^
       :                          `-- not set
       `----
      help: set it (`export NOT_SET=...`), or take the value from a file
    ");
}

#[test]
fn an_unknown_reference_comes_with_the_nearest_name() {
    assert_snapshot!(mistakes_in_app(r#"
  env:
    LOG_LEVEL: info
    A: "${LOG_LEVLE}"
"#), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_reference

      x unknown reference `${LOG_LEVLE}`
       ,-[scale.yaml:6:8]
     5 |     LOG_LEVEL: info
     6 |     A: "${LOG_LEVLE}"
       :        ^^^^^^^|^^^^^^
       :               `-- in here
       `----
      help: did you mean `${LOG_LEVEL}`?
    "#);
    assert_snapshot!(mistakes_in_app("  env: {A: \"${HOME}/x\"}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::unknown_reference

      x unknown reference `${HOME}`
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   env: {A: "${HOME}/x"}
       :            ^^^^^|^^^^^
       :                 `-- in here
       `----
      help: a value can use other entries of `env` and `${PORT}`, not the environment of who runs
            scalectl; `$${` stands for a literal `${`
    "#);
}

#[test]
fn a_cyclic_reference_shows_the_chain() {
    assert_snapshot!(mistakes_in_app(r#"
  env:
    A: "${B}"
    B: "x${C}"
    C: "${A}"
    D: "${A}"
"#), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::cyclic_reference

      x `A` refers to itself: `A` -> `B` -> `C` -> `A`
       ,-[scale.yaml:5:8]
     4 |   env:
     5 |     A: "${B}"
       :        ^^^|^^
       :           `-- in here
     6 |     B: "x${C}"
       `----
      help: give one of them a value of its own; `$${` stands for a literal `${`
    "#);
    assert_snapshot!(mistakes_in_app("  env: {A: \"${A}\"}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::cyclic_reference

      x `A` refers to itself: `A` -> `A`
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   env: {A: "${A}"}
       :            ^^^|^^
       :               `-- in here
       `----
      help: give one of them a value of its own; `$${` stands for a literal `${`
    "#);
}

#[test]
fn a_secret_is_never_put_into_a_value() {
    assert_snapshot!(mistakes_in_app("  env: {A: \"${DATABASE_URL}?x=1\"}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::secret_reference

      x `${DATABASE_URL}` is a secret
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   env: {A: "${DATABASE_URL}?x=1"}
       :            ^^^^^^^^^^|^^^^^^^^^^
       :                      `-- in here
       `----
      help: it would stand readable in what scalectl renders; let the app read the variable
            `DATABASE_URL` itself
    "#);
    assert_snapshot!(mistakes_in_app(r#"
  env: {A: "${STRIPE_KEY}"}
  secrets: {STRIPE_KEY: {env: NOT_SET}}
"#), @r#"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::secret_reference

      x `${STRIPE_KEY}` is a secret
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   env: {A: "${STRIPE_KEY}"}
       :            ^^^^^^^|^^^^^^^
       :                   `-- in here
     5 |   secrets: {STRIPE_KEY: {env: NOT_SET}}
       `----
      help: it would stand readable in what scalectl renders; let the app read the variable
            `STRIPE_KEY` itself

    Error: scalectl::model::secret_without_value

      x secret `STRIPE_KEY` has no value: the variable `NOT_SET` is not set where scalectl runs
       ,-[scale.yaml:5:31]
     4 |   env: {A: "${STRIPE_KEY}"}
     5 |   secrets: {STRIPE_KEY: {env: NOT_SET}}
       :                               ^^^|^^^
       :                                  `-- not set
       `----
      help: set it (`export NOT_SET=...`), or take the value from a file
    "#);
}

#[test]
fn a_broken_reference_says_how_to_write_one() {
    assert_snapshot!(mistakes_in_app("  env: {A: \"${B\", B: \"${b c}\"}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::bad_reference

      x `${` without the name and `}` that belong to it
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   env: {A: "${B", B: "${b c}"}
       :            ^^|^^
       :              `-- in here
       `----
      help: write `${NAME}`, or `$${` for a literal `${`

    Error: scalectl::model::bad_reference

      x `${` without the name and `}` that belong to it
       ,-[scale.yaml:4:22]
     3 |   build: .
     4 |   env: {A: "${B", B: "${b c}"}
       :                      ^^^^|^^^
       :                          `-- in here
       `----
      help: write `${NAME}`, or `$${` for a literal `${`
    "#);
}

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
fn no_process_can_be_handed_a_nul() {
    assert_snapshot!(mistakes_in_app("  env: {A: \"a\\0b\"}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::nul

      x `app.env.A` has a NUL character
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   env: {A: "a\0b"}
       :            ^^^|^^
       :               `-- `\0` in here
       `----
      help: no program can be handed one; take it out
    "#);
}

#[test]
fn a_value_that_no_process_can_be_handed_is_refused() {
    let mut text = "  env:\n    V18: x\n".to_owned();
    for i in 0..18 {
        text.push_str(&format!("    V{i}: ${{V{0}}}${{V{0}}}\n", i + 1));
    }
    assert_snapshot!(mistakes_in_app(&text), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::too_long

      x `app.env.V1` is longer than a process can be handed
       ,-[scale.yaml:7:9]
     6 |     V0: ${V1}${V1}
     7 |     V1: ${V2}${V2}
       :         ^^^^^|^^^^
       :              `-- in here
     8 |     V2: ${V3}${V3}
       `----
      help: Linux takes at most 128 KiB in one variable or argument: put it into a file
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
