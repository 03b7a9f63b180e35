use bollard::models::{ContainerSummaryHostConfig, MountPoint, PortSummary};
use scalectl_plan::{ContainerState, Health};

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn owner(pairs: &[(&str, &str)]) -> String {
    match ownership("shop", &labels(pairs), || "image nginx".to_owned()) {
        Ownership::Ours => "ours".to_owned(),
        Ownership::Foreign { owner } => owner,
    }
}

#[test]
fn only_the_projects_own_label_makes_an_object_ours() {
    assert_eq!(owner(&[(LABELS.project, "shop")]), "ours");
    assert_eq!(owner(&[(LABELS.project, "blog")]), "scalectl project blog");
    assert_eq!(
        owner(&[(LABELS.compose_project, "shop")]),
        "compose project shop",
        "made by docker compose"
    );
    assert_eq!(owner(&[(LABELS.lock, "{}")]), "the lock of scalectl");
    assert_eq!(owner(&[]), "image nginx");
}

#[test]
fn a_listed_container_is_read_whole() {
    let port = |ip: &str, public| PortSummary {
        ip: Some(ip.to_owned()),
        private_port: 80,
        public_port: public,
        typ: None,
    };
    let mount = |kind: &str, name: &str| MountPoint {
        typ: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        rw: Some(!name.ends_with("-conf")),
        ..Default::default()
    };
    let summary = ContainerSummary {
        id: Some("0a1b".to_owned()),
        names: Some(vec!["/other/alias".to_owned(), "/shop-edge-1".to_owned()]),
        image_id: Some("sha256:1".to_owned()),
        labels: Some(labels(&[
            (LABELS.project, "shop"),
            (LABELS.service, "edge"),
            (LABELS.number, "1"),
            (LABELS.hash, "ff"),
            (
                LABELS.compose_depends_on,
                "app:service_healthy:false,bootstrap:service_completed_successfully:false",
            ),
        ])),
        state: Some(bollard::models::ContainerSummaryStateEnum::RUNNING),
        status: Some("Up 5 seconds (healthy)".to_owned()),
        host_config: Some(ContainerSummaryHostConfig {
            network_mode: Some("container:77ff".to_owned()),
            annotations: None,
        }),
        ports: Some(vec![
            port("0.0.0.0", Some(8080)),
            port("::", Some(8080)),
            port("", None),
        ]),
        mounts: Some(vec![
            mount("volume", "shop_edge-conf"),
            mount("volume", "shop_logs"),
            mount("bind", "x"),
        ]),
        ..Default::default()
    };
    let (name, found) = container("shop", summary).unwrap();
    assert_eq!(name, "shop-edge-1", "names of links are not its own");
    assert_eq!(
        (found.service.as_str(), found.number, found.hash.as_str()),
        ("edge", 1, "ff")
    );
    assert_eq!(
        (found.state, found.health),
        (ContainerState::Running, Health::Healthy)
    );
    assert_eq!(found.network_of.as_deref(), Some("77ff"));
    assert_eq!(Vec::from_iter(found.depends_on), ["app", "bootstrap"]);
    assert_eq!(
        Vec::from_iter(found.volumes),
        ["shop_edge-conf", "shop_logs"]
    );
    assert_eq!(Vec::from_iter(found.writes), ["shop_logs"]);
    assert_eq!(
        Vec::from_iter(found.published),
        [("0.0.0.0".to_owned(), 8080), ("::".to_owned(), 8080)]
    );
}

#[test]
fn a_foreign_containers_labels_are_not_taken_for_ours() {
    let summary = ContainerSummary {
        names: Some(vec!["/blog-edge-1".to_owned()]),
        labels: Some(labels(&[
            (LABELS.project, "blog"),
            (LABELS.service, "edge"),
            (LABELS.number, "1"),
        ])),
        ..Default::default()
    };
    let (_, found) = container("shop", summary).unwrap();
    assert_eq!((found.service.as_str(), found.number), ("", 0));
}

#[test]
fn a_container_run_from_a_commit_of_ours_is_not_ours() {
    let summary = |name: &str| ContainerSummary {
        names: Some(vec![format!("/{name}")]),
        labels: Some(labels(&[
            (LABELS.project, "shop"),
            (LABELS.service, "app"),
            (LABELS.number, "1"),
        ])),
        ..Default::default()
    };
    let ownership = |name: &str| container("shop", summary(name)).unwrap().1.ownership;
    assert_eq!(ownership("shop-app-1"), Ownership::Ours);
    assert_eq!(
        ownership("dbg"),
        Ownership::Foreign {
            owner: "with the labels of shop-app-1".to_owned()
        }
    );
}
