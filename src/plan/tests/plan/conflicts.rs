//! What forbids a plan: the whole message of each, and all of them at once.

use insta::assert_snapshot;
use scalectl_engine_fake::Stranger;
use scalectl_plan::{Call, Operation, Plan, Volumes};

use crate::scene::{Scene, at};
use crate::stack::STACK;

#[test]
fn names_that_something_else_has_are_refused_all_at_once() {
    let scene = Scene::new();
    let other = Stranger {
        labels: [("dev.scalectl.project".to_owned(), "blog".to_owned())].into(),
        ..Default::default()
    };
    scene
        .world()
        .add_stranger("shop-app-1", Stranger::default());
    scene.world().add_stranger("shop-db-1-1", other);
    scene.world().add_network("shop_default");
    scene
        .world()
        .volumes
        .insert("shop_state".to_owned(), Default::default());
    assert_snapshot!(scene.refusal(STACK), @"
    nothing was changed: 4 things stand in the way
    - the container name shop-db-1-1 is taken by something that scalectl did not make for shop (scalectl project blog)
      help: it is left as it is: rename or remove it, or use another project name with `-p NAME`
    - the container name shop-app-1 is taken by something that scalectl did not make for shop (a stranger)
      help: it is left as it is: rename or remove it, or use another project name with `-p NAME`
    - the network name shop_default is taken by something that scalectl did not make for shop (a stranger)
      help: it is left as it is: rename or remove it, or use another project name with `-p NAME`
    - the volume name shop_state is taken by something that scalectl did not make for shop (a stranger)
      help: it is left as it is: rename or remove it, or use another project name with `-p NAME`
    ");
}

#[test]
fn a_stranger_under_a_name_that_nothing_needs_now_is_in_nobodys_way() {
    let scene = Scene::after(STACK);
    scene.up(&STACK.replace("hello", "good day"));
    scene
        .world()
        .add_stranger("shop-app-1", Stranger::default());
    assert!(
        scene.plan(&STACK.replace("hello", "good day")).is_empty(),
        "shop-app-2 serves"
    );
}

#[test]
fn a_port_that_something_else_has_is_refused() {
    let scene = Scene::new();
    let ports = vec![("0.0.0.0".to_owned(), 443)];
    scene.world().add_stranger(
        "nginx",
        Stranger {
            ports,
            ..Default::default()
        },
    );
    let text = "name: shop\nservices: {edge: {image: app, restart: always, ports: [{target: 1, published: '443', host_ip: 127.0.0.1}]}}\n";
    assert_snapshot!(scene.refusal(text), @"
    nothing was changed: one thing stands in the way
    - port 443 on 127.0.0.1 is already in use by container nginx
      help: stop that container, or choose another port in scale.yaml (`edge:` and `monitoring:` have them)
    ");
    assert!(
        !scene.plan(&text.replace("443", "444")).is_empty(),
        "another port is free"
    );
}

#[test]
fn the_same_port_on_another_address_is_free() {
    let scene = Scene::new();
    let ports = vec![("127.0.0.2".to_owned(), 443)];
    scene.world().add_stranger(
        "nginx",
        Stranger {
            ports,
            ..Default::default()
        },
    );
    let text = "name: shop\nservices: {edge: {image: app, restart: always, ports: [{target: 1, published: '443', host_ip: 127.0.0.1}]}}\n";
    assert!(!scene.plan(text).is_empty());
}

#[test]
fn an_image_that_only_a_build_makes_is_refused_when_it_is_missing() {
    let scene = Scene::new();
    scene.world().images.remove("agent");
    assert_snapshot!(scene.refusal(STACK), @"
    nothing was changed: one thing stands in the way
    - the engine does not have the image agent
      help: `scalectl images build` makes the images of this project; `scalectl images list` shows which are there
    ");
}

#[test]
fn another_phase_is_refused_with_the_word_that_moves_it() {
    let scene = Scene::after(STACK);
    assert_snapshot!(scene.refusal(&STACK.replace("phase: 1", "phase: 2")), @"
    nothing was changed: one thing stands in the way
    - shop runs phase 1, and phase 2 was asked for
      help: `scalectl migrate --to 2` moves it while it serves
    ");
    let later = STACK.replace("phase: 1", "phase: 2");
    let scene = Scene::after(&later.replace("stage: \"1\"", "stage: \"2\""));
    assert_snapshot!(scene.refusal(STACK), @"
    nothing was changed: one thing stands in the way
    - shop runs phase 2, and phase 1 was asked for
      help: `scalectl migrate --to 1` moves it while it serves
    ");
}

#[test]
fn a_half_taken_down_stack_still_knows_its_phase() {
    let scene = Scene::after(STACK);
    let down = scene.plan_down(Volumes::Keep);
    scene
        .run_until(&down, at("remove", "shop-bootstrap-1"))
        .unwrap();
    assert!(
        scene
            .refusal(&STACK.replace("phase: 1", "phase: 2"))
            .contains("shop runs phase 1")
    );
}

#[test]
fn data_of_a_member_that_the_phase_lacks_is_not_left_behind() {
    let scene = Scene::after(STACK);
    scene.run(&scene.plan_down(Volumes::Keep));
    let less = STACK.replace("db-1-data", "db-2-data");
    assert_snapshot!(scene.refusal(&less), @"
    nothing was changed: one thing stands in the way
    - the volume shop_db-1-data holds data of a database member that would be left out
      help: it may hold newer writes than the others: bring up what has that member (the larger phase, `size: ha`); a smaller phase is reached by `scalectl migrate`; for fewer members in the same phase take a dump (`scalectl db dump`), begin anew (`scalectl down --volumes`) and restore it
    ");
    assert!(
        !scene.plan(STACK).is_empty(),
        "the phase that has the member may come up"
    );
}

#[test]
fn a_member_of_a_running_cluster_is_not_left_out_by_a_smaller_size() {
    let member =
        "db-2: {image: db, restart: always, volumes: [{source: db-2-data, target: /data}]}";
    let small =
        "name: shop\nx-scalectl: {phase: 2}\nservices:\n  app: {image: app, restart: always}\n";
    let volumes = "volumes: {db-2-data: {labels: {dev.scalectl.data: member}}}\n";
    let scene = Scene::after(&format!("{small}  {member}\n{volumes}"));
    assert!(
        scene
            .refusal(small)
            .contains("the volume shop_db-2-data holds data"),
        "the member may be the primary"
    );
    scene.run(&scene.plan_down(Volumes::Remove));
    assert!(
        !scene.plan(small).is_empty(),
        "without its data nothing is left out"
    );
}

#[test]
fn the_phase_is_known_from_any_container_that_is_left() {
    let scene = Scene::after(STACK);
    let names: Vec<_> = scene.world().containers.keys().cloned().collect();
    for gone in names.iter().filter(|name| *name != "shop-worker-1") {
        scene.world().remove_by_force(gone);
    }
    assert!(
        scene
            .refusal(&STACK.replace("phase: 1", "phase: 2"))
            .contains("shop runs phase 1"),
        "bootstrap's container can be pruned"
    );
}

#[test]
fn a_stack_that_is_down_is_known_to_have_been_of_the_phase_that_made_its_volumes() {
    let larger = STACK.replace("phase: 1", "phase: 2");
    let scene = Scene::after(&larger.replace("stage: \"1\"", "stage: \"2\""));
    assert_eq!(scene.look(STACK).phase, Some(2));
    scene.run(&scene.plan_down(Volumes::Keep));
    let seen = scene.look(STACK);
    assert_eq!((seen.phase, seen.phase_of_volumes), (None, Some(2)));
    assert!(
        !scene.plan(STACK).is_empty(),
        "what is down may come up as another phase that has all its members"
    );
}

/// Three members and a store, as phase 2 has them.
const CLUSTER: &str = "
name: shop
services:
  db-1: {image: db, restart: always, volumes: [{source: db-1-data, target: /data}]}
  db-2: {image: db, restart: always, volumes: [{source: db-2-data, target: /data}]}
  db-3: {image: db, restart: always, volumes: [{source: db-3-data, target: /data}]}
  etcd-1: {image: base, restart: always, volumes: [{source: etcd-1-data, target: /data}]}
volumes:
  db-1-data: {labels: {dev.scalectl.data: member}}
  db-2-data: {labels: {dev.scalectl.data: member}}
  db-3-data: {labels: {dev.scalectl.data: member}}
  etcd-1-data: {labels: {dev.scalectl.data: store}}
";

#[test]
fn no_cluster_is_founded_beside_a_member_whose_founder_and_store_are_lost() {
    let scene = Scene::after(CLUSTER);
    scene.run(&scene.plan_down(Volumes::Keep));
    let lose = |volume: &str| scene.world().volumes.remove(volume).unwrap();
    lose("shop_db-2-data");
    let founder = lose("shop_db-1-data");
    assert!(!scene.plan(CLUSTER).is_empty(), "the store knows of it");
    let store = lose("shop_etcd-1-data");
    assert_snapshot!(scene.refusal(CLUSTER), @"
    nothing was changed: one thing stands in the way
    - the volume shop_db-3-data holds data of a cluster whose founder and store are lost: shop_db-1-data and shop_etcd-1-data
      help: no other cluster is founded beside it, for it may be all that is left: put one of those volumes back; or give it up, with every other volume of the stack: `scalectl down --volumes`
    ");
    for (name, labels) in [("shop_db-1-data", founder), ("shop_etcd-1-data", store)] {
        scene.world().volumes.insert(name.to_owned(), labels);
        assert!(!scene.plan(CLUSTER).is_empty(), "{name} is back");
        lose(name);
    }
    scene.run(&scene.plan_down(Volumes::Remove));
    assert!(!scene.plan(CLUSTER).is_empty(), "nothing is left to lose");
}

#[test]
fn wherever_up_or_down_is_killed_no_cluster_looks_lost() {
    let ups = Scene::new().plan(CLUSTER).operations.len();
    let downs = Scene::after(CLUSTER).plan_down(Volumes::Remove);
    for stop in 0..ups.max(downs.operations.len()) {
        let scene = Scene::new();
        let up = scene.plan(CLUSTER);
        let is_here =
            |plan: &Plan, it: &Operation| plan.operations.get(stop).map(|it| it.id) == Some(it.id);
        scene.run_until(&up, |it| is_here(&up, it)).unwrap();
        // A refusal would end the test here.
        scene.plan(CLUSTER);
        let scene = Scene::after(CLUSTER);
        let down = scene.plan_down(Volumes::Remove);
        scene.run_until(&down, |it| is_here(&down, it)).unwrap();
        scene.plan(CLUSTER);
    }
    let up = Scene::new().plan(CLUSTER);
    let made = |volume: &str| {
        let name = format!("shop_{volume}-data");
        let creates = up.operations.iter();
        creates
            .clone()
            .find(|it| it.call.verb() == "create-volume" && it.call.subject() == name)
    };
    let (founder, store) = (made("db-1").unwrap().id, made("etcd-1").unwrap().id);
    for other in ["db-2", "db-3"] {
        let after = &made(other).unwrap().after;
        assert!(
            after.contains(&founder) && after.contains(&store),
            "{other}: {up}"
        );
    }
}

#[test]
fn down_is_refused_before_anything_stops_if_it_cannot_end() {
    let scene = Scene::after(STACK);
    let networks = vec!["shop_default".to_owned()];
    scene.world().add_stranger(
        "debug",
        Stranger {
            networks,
            ..Default::default()
        },
    );
    let volumes = vec!["shop_db-1-data".to_owned()];
    scene.world().add_stranger(
        "backup",
        Stranger {
            volumes,
            ..Default::default()
        },
    );
    assert_snapshot!(scene.refusal_of_down(Volumes::Remove), @"
    nothing was changed: 2 things stand in the way
    - the network shop_default is to be removed, and container debug uses it, which scalectl did not make
      help: it is left as it is: remove that container, then run the same command again
    - the volume shop_db-1-data is to be removed, and container backup uses it, which scalectl did not make
      help: it is left as it is: remove that container, then run the same command again
    ");
    assert!(
        scene
            .refusal_of_down(Volumes::Keep)
            .starts_with("nothing was changed: one thing stands in the way\n")
    );
}

#[test]
fn a_plan_names_what_it_removes_by_id_so_that_a_namesake_is_safe() {
    let scene = Scene::after(STACK);
    let plan = scene.plan_down(Volumes::Keep);
    scene.world().remove_by_force("shop-app-1");
    scene
        .world()
        .add_stranger("shop-app-1", Stranger::default());
    scene.run(&plan);
    assert!(
        scene.world().containers.contains_key("shop-app-1"),
        "the namesake is left as it is"
    );
    let ids = plan.operations.iter().filter_map(|it| match &it.call {
        Call::StopContainer { id, .. }
        | Call::AwaitEnd { id, .. }
        | Call::RemoveContainer { id, .. }
        | Call::RemoveNetwork { id, .. } => Some(id),
        _ => None,
    });
    assert!(ids.clone().all(|id| !id.is_empty()) && ids.count() > 10);
}
