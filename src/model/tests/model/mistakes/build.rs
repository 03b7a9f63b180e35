//! The app's image and commands.

use insta::assert_snapshot;

use crate::{mistakes, mistakes_after_start, mistakes_in_app};

#[test]
fn a_missing_build_folder_or_dockerfile_is_found() {
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: ./web}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::missing_folder

      x there is no folder `./web`
       ,-[scale.yaml:2:14]
     1 | name: shop
     2 | app: {build: ./web}
       :              ^^|^^
       :                `-- no such folder
       `----
      help: paths are relative to the folder of scale.yaml; make the folder or correct the path
    ");
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: api}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::missing_dockerfile

      x there is no Dockerfile at `api/Dockerfile`
       ,-[scale.yaml:2:14]
     1 | name: shop
     2 | app: {build: api}
       :              ^|^
       :               `-- looked for from here
       `----
      help: write one, say where it is with `build: {context: ..., dockerfile: ...}`, or name an
            `image`
    ");
    assert_snapshot!(mistakes(r#"
name: shop
app:
  build: {context: api, dockerfile: Dockerfile.dev, target: x}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::missing_dockerfile

      x there is no Dockerfile at `api/Dockerfile.dev`
       ,-[scale.yaml:3:37]
     2 | app:
     3 |   build: {context: api, dockerfile: Dockerfile.dev, target: x}
       :                                     ^^^^^^^|^^^^^^
       :                                            `-- looked for from here
       `----
      help: write one, say where it is with `build: {context: ..., dockerfile: ...}`, or name an
            `image`

    Error: scalectl::model::unknown_key

      x unknown key `target` in `app.build`
       ,-[scale.yaml:3:53]
     2 | app:
     3 |   build: {context: api, dockerfile: Dockerfile.dev, target: x}
       :                                                     ^^^|^^
       :                                                        `-- not a key here
       `----
      help: known here: args, context, dockerfile
    ");
    assert_snapshot!(mistakes(r#"
name: shop
app: {build: 5}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `app.build` is a number, but must be a folder, or a mapping with `context`
       ,-[scale.yaml:2:14]
     1 | name: shop
     2 | app: {build: 5}
       :              |
       :              `-- must be a folder, or a mapping with `context`
       `----
      help: write a folder, or a mapping with `context` in its place
    ");
}

#[test]
fn exactly_one_of_build_and_image_is_there() {
    assert_snapshot!(mistakes_in_app("  image: shop:1"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::one_too_many

      x `app` has both `build` and `image`
       ,-[scale.yaml:4:3]
     2 | app:
     3 |   build: .
       :   ^^|^^
       :     `-- this
     4 |   image: shop:1
       :   ^^|^^
       :     `-- and this
       `----
      help: exactly one of the two: keep one
    ");
    assert_snapshot!(mistakes(r#"
name: shop
app:
  port: 8000
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::one_too_few

      x `app` has neither `build` nor `image`
       ,-[scale.yaml:2:1]
     1 | name: shop
     2 | app:
       : ^|^
       :  `-- in here
     3 |   port: 8000
       `----
      help: say `build: .` for a Dockerfile in this folder, or `image: NAME:TAG`
    ");
    assert_snapshot!(mistakes(r#"
name: shop
app:
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::one_too_few

      x `app` has neither `build` nor `image`
       ,-[scale.yaml:2:1]
     1 | name: shop
     2 | app:
       : ^|^
       :  `-- in here
       `----
      help: say `build: .` for a Dockerfile in this folder, or `image: NAME:TAG`
    ");
}

#[test]
fn a_bad_image_name_is_refused() {
    assert_snapshot!(mistakes(r#"
name: shop
app: {image: Shop:1}
"#), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_image

      x `Shop:1` is no image name
       ,-[scale.yaml:2:14]
     1 | name: shop
     2 | app: {image: Shop:1}
       :              ^^^|^^
       :                 `-- this
       `----
      help: the path of an image is lower case: did you mean `shop:1`?
    ");
    assert_snapshot!(mistakes_after_start("images: {cache: \"https://reg.local/valkey/valkey\"}"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_image

      x `https://reg.local/valkey/valkey` is no image name
       ,-[scale.yaml:3:17]
     2 | app: {build: .}
     3 | images: {cache: "https://reg.local/valkey/valkey"}
       :                 ^^^^^^^^^^^^^^^^|^^^^^^^^^^^^^^^^
       :                                 `-- this
       `----
      help: an image name has no scheme: did you mean `reg.local/valkey/valkey`?
    "#);
}

#[test]
fn a_command_is_a_list_or_words_and_never_empty() {
    assert_snapshot!(mistakes_in_app("  command: []"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::empty_command

      x the command is empty
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   command: []
       :            ^|
       :             `-- no program
       `----
      help: name the program to run, or leave the key out
    ");
    assert_snapshot!(mistakes_in_app(r#"
  command: ""
  release: ["", a]
"#), @r#"
    scalectl::model::mistakes

      x scale.yaml has 2 mistakes

    Error: scalectl::model::empty_command

      x the command is empty
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   command: ""
       :            ^|
       :             `-- no program
     5 |   release: ["", a]
       `----
      help: name the program to run, or leave the key out

    Error: scalectl::model::empty_command

      x the command is empty
       ,-[scale.yaml:5:12]
     4 |   command: ""
     5 |   release: ["", a]
       :            ^^^|^^^
       :               `-- no program
       `----
      help: name the program to run, or leave the key out
    "#);
    assert_snapshot!(mistakes_in_app("  command: python -m shop && sleep 1"), @r#"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_command

      x the command cannot be split into words: `&` means something only to a shell
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   command: python -m shop && sleep 1
       :            ^^^^^^^^^^^^|^^^^^^^^^^^^
       :                        `-- this
       `----
      help: no shell runs the command: write `[sh, -c, "python -m shop && sleep 1"]`, or put the
            character in quotes
    "#);
    assert_snapshot!(mistakes_in_app("  command: run 'me"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::bad_command

      x the command cannot be split into words: the quote ' is not closed
       ,-[scale.yaml:4:12]
     3 |   build: .
     4 |   command: run 'me
       :            ^^^|^^^
       :               `-- this
       `----
      help: close it, or write the command as a list
    ");
    assert_snapshot!(mistakes_in_app("  command: {run: me}"), @"
    scalectl::model::mistakes

      x scale.yaml has 1 mistake

    Error: scalectl::model::wrong_type

      x `app.command` is a mapping, but must be a list of words, or one text
       ,-[scale.yaml:4:3]
     3 |   build: .
     4 |   command: {run: me}
       :   ^^^|^^^
       :      `-- must be a list of words, or one text
       `----
      help: write one value on the line of the key, with no keys below it
    ");
}
