//! Mistakes in the app's environment.

use insta::assert_snapshot;

use crate::mistakes_in_app;

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
