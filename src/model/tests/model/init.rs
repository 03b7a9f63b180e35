//! The first scale.yaml of a folder.

use scalectl_model::{Command, Folder, Source, init};

use crate::app;

fn of(name: &str, dockerfile: &str) -> String {
    init(&Folder {
        name: name.to_owned(),
        dockerfile: Some(dockerfile.to_owned()),
    })
}

#[test]
fn init_says_what_the_dockerfile_says() {
    let text = of(
        "My_Shop 2",
        "FROM python:3.13\nEXPOSE 5000\nCMD [\"python\", \"-m\", \"shop\"]\n",
    );
    insta::assert_snapshot!(text, @r#"
    # What scalectl must know about this app. Every key: docs/scale-yaml.md.
    # `scalectl check` reads this file, `scalectl up --phase 1` starts it.
    name: my-shop-2

    app:
      build: .                  # this folder has a Dockerfile
      # command: ["python", "-m", "shop"]  # what the Dockerfile says
      port: 5000                # the Dockerfile exposes it
      health: /                 # must answer 2xx or 3xx when the app is healthy
      # metrics: /metrics       # Prometheus metrics of the app's own
      # env: {LOG_LEVEL: info}
      # secrets:                # values never stand in this file
      #   STRIPE_KEY: {env: STRIPE_KEY}
      # resources: {memory: 256Mi, cpus: 0.5}
      # release: [python, -m, shop.release]  # runs once before new code serves
      # workers:
      #   packer: {command: [python, -m, shop.packer]}

    # edge: {http: 8080, https: 8443}

    database:
      version: "17"             # stays what it is until you change it
      size: 10Gi                # disk space the data is expected to need
      # settings: {work_mem: 8MB}

    # cache: {memory: 64Mi, policy: allkeys-lru}
    # monitoring: {grafana: false, retention: 7d}

    # phases:
    #   "2": {app: {replicas: 2}}
    "#);
    let app = app(&text, 2);
    assert_eq!((app.name.as_str(), app.app.port.get()), ("my-shop-2", 5000));
}

#[test]
fn init_without_a_dockerfile_names_an_image_to_replace() {
    let text = init(&Folder {
        name: "shop".to_owned(),
        dockerfile: None,
    });
    assert!(
        matches!(&app(&text, 1).app.source, Source::Image(image) if image.as_str() == "shop:latest")
    );
}

/// The commented lines are there to be used.
#[test]
fn every_line_that_init_comments_out_loads_when_the_hash_is_taken_away() {
    let dockerfile =
        "FROM a\nENTRYPOINT [\"/run\", \"it's \\\"x\\\" # \\u00e9\"]\nCMD [\"-v\", \"{a: b}\"]\n";
    let text = of("shop", dockerfile);
    let is_prose = |line: &str| line.starts_with("# ") && line.ends_with('.');
    let text: String = text
        .lines()
        .filter(|line| !is_prose(line))
        .map(|line| match line.trim_start().starts_with("# ") {
            true => line.replacen("# ", "", 1) + "\n",
            false => format!("{line}\n"),
        })
        .collect();
    let app = app(&text, 1);
    let words = ["/run", "it's \"x\" # \u{e9}", "-v", "{a: b}"].map(str::to_owned);
    assert_eq!(
        app.app.command.as_ref().map(Command::words),
        Some(&words[..])
    );
    assert!(app.app.workers.contains_key("packer") && app.app.secrets.contains_key("STRIPE_KEY"));
}

#[test]
fn odd_folder_names_become_right_names() {
    for (folder, name) in [
        ("shop", "shop"),
        ("Shop.API", "shop-api"),
        ("2nd--try_", "nd-try"),
        ("42", "app"),
        ("", "app"),
        ("b\u{fc}cher", "b-cher"),
    ] {
        assert_eq!(
            app(&of(folder, "FROM a\n"), 1).name.as_str(),
            name,
            "of `{folder}`"
        );
    }
    let long = "a".repeat(39) + "-bcd";
    assert_eq!(app(&of(&long, "FROM a\n"), 1).name.as_str(), "a".repeat(39));
}
