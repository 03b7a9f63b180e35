//! Documents of two phases, as small as they can be with every kind of change in them.

use scalectl_documents::Compose;
use scalectl_migrate::Ladder;

const MEMBER: &str = "image: db\n    restart: always\n    healthcheck: {test: [CMD, ready]}";
const APP: &str = "image: app\n    restart: always\n    healthcheck: {test: [CMD, ready]}\n    x-scalectl: {update: rolling}";

/// A phase with so many database members, with or without all that the larger one adds.
fn document(phase: u8, members: usize, has_cache: bool) -> Compose {
    let mut services = format!(
        "  bootstrap:
    image: agent
    network_mode: none
    restart: \"no\"
    labels: {{dev.scalectl.stage: \"{phase}\"}}
    environment: {{MEMBERS: \"{members}\", CACHE: \"{has_cache}\"}}
  agent:
    image: agent
    restart: always
    labels: {{dev.scalectl.settings: of-{members}}}
  app:
    {APP}
    environment: {{CACHE: \"{has_cache}\"}}
"
    );
    let mut volumes = "  journal: {}\n".to_owned();
    for number in 1..=members {
        services += &format!(
            "  db-{number}:\n    {MEMBER}\n    volumes: [{{type: volume, source: db-{number}-data, target: /data}}]\n"
        );
        volumes += &format!("  db-{number}-data: {{labels: {{dev.scalectl.data: member}}}}\n");
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
