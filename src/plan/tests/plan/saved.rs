//! A plan that is kept in a file.

use scalectl_plan::Plan;

use crate::scene::Scene;
use crate::stack::STACK;

#[test]
fn a_plan_that_was_written_and_read_back_is_the_same_plan() {
    let scene = Scene::after(STACK);
    scene.world().add_image("app");
    for plan in [Scene::new().plan(STACK), scene.plan(STACK)] {
        let text = serde_json::to_string_pretty(&plan).unwrap();
        let back: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(plan, back);
        assert_eq!(plan.to_string(), back.to_string());
    }
}

#[test]
fn an_operation_reads_well_as_json() {
    let plan = Scene::after(STACK).plan(&STACK.replace("hello", "good day"));
    let stop = plan
        .operations
        .iter()
        .find(|it| it.call.verb() == "stop")
        .unwrap();
    let mut json = serde_json::to_value(stop).unwrap();
    json["call"]["id"] = "c".into();
    insta::assert_snapshot!(serde_json::to_string(&json).unwrap(), @r#"
    {"id":5,"call":{"call":"stop-container","name":"shop-app-1","id":"c","grace":"30s"},"cause":{"cause":"superseded","successor":"shop-app-2"},"after":[4]}
    "#);
}

#[test]
fn a_user_secret_stands_in_a_plan_by_the_name_of_its_variable_alone() {
    let text = "name: shop\nservices: {setup: {image: app, configs: [{source: c, target: /c}]}}\nconfigs: {c: {environment: STRIPE_KEY}}\n";
    let scene = Scene::new();
    scene
        .world()
        .variables
        .insert("STRIPE_KEY".to_owned(), "hush-4711".to_owned());
    let json = serde_json::to_string(&scene.plan(text)).unwrap();
    assert!(
        json.contains(r#""content":{"environment":"STRIPE_KEY"}"#),
        "{json}"
    );
    assert!(!json.contains("hush"), "{json}");
}

#[test]
fn the_fingerprint_follows_what_a_plan_rests_on_and_nothing_else() {
    let scene = Scene::after(STACK);
    let print = |scene: &Scene| scene.plan(STACK).fingerprint;
    let before = print(&scene);
    scene.world().add_stranger("nginx", Default::default());
    scene
        .world()
        .containers
        .get_mut("shop-db-1-1")
        .unwrap()
        .health = scalectl_plan::Health::Unhealthy;
    assert_eq!(print(&scene), before, "health and strangers come and go");
    scene.world().kill("shop-db-1-1", 1);
    assert_ne!(print(&scene), before, "a container that ended counts");

    let scene = Scene::after(STACK);
    let before = print(&scene);
    scene.world().add_image("app");
    assert_ne!(print(&scene), before, "an image's content counts");
}
