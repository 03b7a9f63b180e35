//! A past: what an engine went through before the plan in question.

use proptest::prelude::*;
use scalectl_documents::Compose;
use scalectl_engine_fake::{Container, FakeEngine, Stranger};

use crate::audit::{Audit, is_ours};
use crate::documents::{IMAGES, SECRET, Shape, two_shapes};
use crate::plan_of;
use crate::runner::{Dice, Until, run};

/// What can happen to a container, or to all networks, when nobody looks.
#[derive(Debug, Clone, Copy)]
pub enum Disturbance {
    Killed(i64),
    Crashed,
    Paused,
    Dead,
    Restarted,
    Removed,
    NetworksPruned,
}

#[derive(Debug, Clone)]
pub struct Case {
    shapes: (Shape, Shape),
    is_old_engine: bool,
    /// How far the first document got, in hundredths; over 100 is wholly.
    progress: usize,
    settles: bool,
    disturbances: Vec<(Disturbance, usize)>,
    /// The images whose content changed since.
    retagged: u8,
    seed: u64,
}

pub fn cases() -> impl Strategy<Value = Case> {
    let disturbance = prop_oneof![
        prop_oneof![Just(0), Just(1), Just(137)].prop_map(Disturbance::Killed),
        Just(Disturbance::Crashed),
        Just(Disturbance::Paused),
        Just(Disturbance::Dead),
        Just(Disturbance::Restarted),
        Just(Disturbance::Removed),
        Just(Disturbance::NetworksPruned),
    ];
    let disturbances = prop::collection::vec((disturbance, any::<usize>()), 0..4);
    let past = (any::<bool>(), 0..200usize, any::<bool>(), disturbances);
    let retagged = prop_oneof![Just(0u8), 0..8u8];
    (two_shapes(), past, retagged, any::<u64>()).prop_map(|(shapes, past, retagged, seed)| Case {
        shapes,
        is_old_engine: past.0,
        progress: past.1,
        settles: past.2,
        disturbances: past.3,
        retagged,
        seed,
    })
}

impl Case {
    pub fn first(&self) -> Compose {
        self.shapes.0.compose()
    }

    pub fn second(&self) -> Compose {
        self.shapes.1.compose()
    }

    pub fn second_shape(&self) -> &Shape {
        &self.shapes.1
    }

    pub fn dice(&self) -> Dice {
        Dice::new(self.seed)
    }

    /// An engine after all that.
    pub fn engine(&self) -> FakeEngine {
        let engine = match self.is_old_engine {
            true => FakeEngine::of_api((1, 41)),
            false => FakeEngine::new(),
        };
        {
            let mut world = engine.world();
            // One image is there, the others have to be fetched.
            world.add_image("image-0");
            for number in 1..IMAGES {
                let id = format!("sha256:registry-{number}");
                world.registry.insert(format!("image-{number}"), id);
            }
            world
                .variables
                .insert("TOKEN".to_owned(), SECRET.to_owned());
            add_strangers(&mut world);
        }
        let first = self.first();
        let plan = plan_of(&engine, &first);
        let until = match plan.operations.len() * self.progress / 100 {
            done if done < plan.operations.len() => Until::Killed(done),
            _ => Until::TheEnd,
        };
        let mut audit = Audit::new(&first, &engine);
        let ended = run(&plan, &engine, &mut self.dice(), until, &mut audit);
        assert!(ended.is_ok(), "a first up fails: {ended:?}\n{plan}");
        let mut world = engine.world();
        if self.settles {
            world.settle();
        }
        for (disturbance, which) in &self.disturbances {
            let ours = world.containers.iter().filter(|(_, it)| is_ours(it));
            let names: Vec<_> = ours.map(|(name, _)| name.clone()).collect();
            if names.is_empty() {
                break;
            }
            let name = &names[which % names.len()];
            match disturbance {
                Disturbance::Killed(code) => world.kill(name, *code),
                Disturbance::Crashed => world.crash(name),
                Disturbance::Paused => world.pause(name),
                Disturbance::Dead => world.leave_dead(name),
                Disturbance::Restarted => world.restart(name),
                Disturbance::Removed => world.remove_by_force(name),
                Disturbance::NetworksPruned => world.prune_networks(),
            }
        }
        for number in (0..IMAGES).filter(|number| self.retagged & (1 << number) != 0) {
            let reference = format!("image-{number}");
            if world.images.contains_key(&reference) {
                world.add_image(&reference);
            }
        }
        drop(world);
        engine
    }
}

fn add_strangers(world: &mut scalectl_engine_fake::World) {
    let stranger = |project: &str| Stranger {
        labels: [("dev.scalectl.project".to_owned(), project.to_owned())].into(),
        ports: vec![("127.0.0.1".to_owned(), 9999)],
        volumes: vec![format!("{project}_v0")],
        networks: vec![format!("{project}_front")],
    };
    world.add_stranger("other-ant-1", stranger("other"));
    world.add_stranger("pp-ant-1", stranger("pp"));
}

/// Everything that is not the project's own.
pub fn strangers(engine: &FakeEngine) -> (Vec<Container>, usize, usize) {
    let world = engine.world();
    let containers = world.containers.values().filter(|it| !is_ours(it));
    let is_strange = |name: &&String| !name.starts_with("p_");
    (
        containers.cloned().collect(),
        world.networks.keys().filter(is_strange).count(),
        world.volumes.keys().filter(is_strange).count(),
    )
}
