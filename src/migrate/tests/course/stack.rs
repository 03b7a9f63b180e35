//! Documents of two phases, as small as they can be with every kind of change in them.

use scalectl_documents::Compose;
use scalectl_migrate::Ladder;

const MEMBER: &str = "image: db\n    restart: always\n    healthcheck: {test: [CMD, ready]}";
const APP: &str = "image: app\n    restart: always\n    healthcheck: {test: [CMD, ready]}\n    x-scalectl: {update: rolling}";

/// A phase with so many database members, with or without all that the larger one adds.
fn document(phase: u8, members: usize, has_cache: bool) -> Compose {
    let members: Vec<_> = (1..=members).map(|number| format!("db-{number}")).collect();
    with_members(phase, &members, has_cache)
}

fn with_members(phase: u8, members: &[String], has_cache: bool) -> Compose {
    let names = members.join("-");
    let mut services = format!(
        "  bootstrap:
    image: agent
    network_mode: none
    restart: \"no\"
    labels: {{dev.scalectl.stage: \"{phase}\"}}
    environment: {{MEMBERS: \"{names}\", CACHE: \"{has_cache}\"}}
  agent:
    image: agent
    restart: always
    labels: {{dev.scalectl.settings: of-{names}}}
  app:
    {APP}
    environment: {{CACHE: \"{has_cache}\"}}
"
    );
    let mut volumes = "  journal: {}\n".to_owned();
    for member in members {
        services += &format!(
            "  {member}:\n    {MEMBER}\n    volumes: [{{type: volume, source: {member}-data, target: /data}}]\n"
        );
        volumes += &format!("  {member}-data: {{labels: {{dev.scalectl.data: member}}}}\n");
    }
    if has_cache {
        services += "  cache:\n    image: db\n    restart: always\n";
        services += "  metrics:\n    image: db\n    restart: always\n    volumes: [{type: volume, source: metrics-data, target: /data}]\n";
        volumes += "  metrics-data: {}\n";
    }
    let text = format!(
        "name: shop\nx-scalectl: {{phase: {phase}}}\nservices:\n{services}networks:\n  default: {{}}\nvolumes:\n{volumes}"
    );
    Compose::parse(&text).expect("the test's document must be valid")
}

pub fn small() -> Compose {
    document(1, 1, false)
}

pub fn grown() -> Compose {
    document(1, 3, false)
}

pub fn large() -> Compose {
    document(2, 3, true)
}

pub fn ladder() -> Ladder {
    Ladder::of(&small(), &grown(), &large()).expect("a ladder stands between them")
}

/// The small one with one cluster, with both, and with the other one.
pub fn clusters() -> [Compose; 3] {
    let (old, new) = ("db-1".to_owned(), "db2-1".to_owned());
    [&[old.clone()][..], &[old, new.clone()], &[new]].map(|it| with_members(1, it, false))
}

pub fn ladder_of_a_move() -> Ladder {
    let [old, both, new] = clusters();
    Ladder::of_move((1, 2), [&old, &both, &new]).expect("a ladder stands between them")
}
