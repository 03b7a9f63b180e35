//! What a migration promises, on an engine in memory: it ends where it should, wherever
//! whoever works on it dies, and no data go but the named ones, at the end.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod moves;
mod site;
mod stack;

use std::collections::BTreeSet;

use insta::assert_snapshot;
use scalectl_documents::Compose;
use scalectl_migrate::{DriveError, Journal, Ladder, course, outline};

use site::{Death, FakeSite, Hand};
use stack::{grown, ladder, large, small};

pub fn lines(ladder: &Ladder, from: usize, to: usize) -> String {
    let steps = outline(ladder, from, to).steps.into_iter();
    let steps = steps.map(|step| serde_json::to_string(&step).unwrap());
    steps.collect::<Vec<_>>().join("\n")
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

#[test]
fn members_come_first_and_what_was_there_changes_last() {
    let ladder = ladder();
    assert_snapshot!(lines(&ladder, 0, ladder.top()), @r#"
    {"number":1,"step":"settle","rung":1,"takes_back":false,"what":"the other database members","makes":["db-2","db-3"],"changes":["agent","bootstrap"]}
    {"number":2,"step":"follow","members":["db-2","db-3"]}
    {"number":3,"step":"settle","rung":2,"takes_back":false,"what":"what phase 2 adds","makes":["cache","metrics"],"changes":["bootstrap"]}
    {"number":4,"step":"settle","rung":3,"takes_back":false,"what":"what phase 2 changes","changes":["app"]}
    {"number":5,"step":"finish"}
    "#);
}

#[test]
fn down_the_primary_moves_before_members_leave_and_data_go_when_all_else_is_done() {
    let ladder = ladder();
    assert_snapshot!(lines(&ladder, ladder.top(), 0), @r#"
    {"number":1,"step":"settle","rung":2,"takes_back":true,"what":"what phase 2 changes","changes":["app"]}
    {"number":2,"step":"settle","rung":1,"takes_back":true,"what":"what phase 2 adds","changes":["bootstrap"],"removes":["cache","metrics"]}
    {"number":3,"step":"gather","stay":["db-1"]}
    {"number":4,"step":"pin","stay":["db-1"]}
    {"number":5,"step":"settle","rung":0,"takes_back":true,"what":"the other database members","changes":["agent","bootstrap"],"removes":["db-2","db-3"]}
    {"number":6,"step":"alone","stay":["db-1"]}
    {"number":7,"step":"discard","volumes":["shop_db-2-data","shop_db-3-data","shop_metrics-data"]}
    {"number":8,"step":"finish"}
    "#);
    let down = outline(&ladder, ladder.top(), 0);
    assert_eq!(down.point_of_no_return, Some(7));
    assert_eq!(down.forgets, BTreeSet::from(["cache".to_owned()]));
    let up = outline(&ladder, 0, ladder.top());
    assert_eq!((up.point_of_no_return, up.destroys.len()), (None, 0));
}

#[test]
fn phases_with_the_same_members_need_no_step_for_them() {
    let ladder = Ladder::of(&grown(), &grown(), &large()).unwrap();
    let steps = course(&ladder, 0, ladder.top());
    assert_eq!(steps.len(), 3, "{steps:?}");
    let down = course(&ladder, ladder.top(), 0);
    assert!(!serde_json::to_string(&down).unwrap().contains("gather"));
}

#[test]
fn a_ladder_never_leads_to_fewer_members_in_the_larger_phase() {
    let wrong = Ladder::of(&large(), &large(), &small()).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "phase 2 has the database member db-2, and phase 1 has not"
    );
}

fn phase(number: u8) -> Compose {
    if number == 1 { small() } else { large() }
}

/// Where a migration begins; down, with the primary on a member that leaves.
fn origin(from: u8) -> FakeSite {
    let mut site = FakeSite::after(&phase(from));
    if from == 2 {
        site.primary = "db-2".to_owned();
    }
    site
}

/// A migration undisturbed: the site after it, and how many acts it took.
fn undisturbed(from: u8, to: u8) -> FakeSite {
    let mut site = origin(from);
    let ladder = ladder();
    let mut hand = Hand {
        ladder: &ladder,
        site: &mut site,
    };
    block_on(hand.begin(from, to)).unwrap();
    assert!(site.is_at(&phase(to)));
    site
}

#[test]
fn there_and_back_again_leaves_what_was_there_before_and_the_data_of_the_member_that_stays() {
    let mut site = undisturbed(1, 2);
    assert!(site.destroyed.is_empty());
    site.primary = "db-3".to_owned();
    let ladder = ladder();
    let mut hand = Hand {
        ladder: &ladder,
        site: &mut site,
    };
    block_on(hand.begin(2, 1)).unwrap();
    assert!(site.is_at(&small()));
    assert_eq!(site.primary, "db-1");
    let left: Vec<_> = site.volumes().into_iter().collect();
    assert_eq!(left, ["shop_db-1-data", "shop_journal"]);
    let journal = site.journal();
    assert_eq!(journal.migrations.len(), 2);
    assert_eq!(journal.migrations[1].held_ms, Some(250));
}

fn killed(origin: &FakeSite, ladder: &Ladder, (from, to): (u8, u8), death: Death) -> FakeSite {
    let mut site = origin.clone();
    site.death = Some(death);
    let mut hand = Hand {
        ladder,
        site: &mut site,
    };
    let died = block_on(hand.begin(from, to));
    assert!(died.is_err(), "{death:?} comes");
    site.death = None;
    site
}

fn every_death(from: u8, to: u8, then: impl Fn(FakeSite, Death, &Ladder)) {
    let (origin, ladder) = (origin(from), ladder());
    for number in 1..=undisturbed(from, to).acts {
        for death in [Death::Before(number), Death::After(number)] {
            then(killed(&origin, &ladder, (from, to), death), death, &ladder);
        }
    }
}

#[test]
fn wherever_it_is_killed_between_two_phases_the_stack_itself_says_that_it_is() {
    for (from, to) in [(1, 2), (2, 1)] {
        every_death(from, to, |site, death, _| {
            let mark = site.look(&small()).migrating;
            match mark.map(|it| (it.id, it.from, it.to)) {
                Some(mark) => assert_eq!(mark, (1, from, to)),
                None => {
                    let journal = site.journal();
                    let open = journal.open_on(None);
                    let is_over = open.is_none_or(|it| it.is_past_return);
                    assert!(is_over, "{from} to {to}, {death:?}: {open:?}");
                    assert!(
                        site.is_at(&phase(from)) || site.is_at(&phase(to)),
                        "{from} to {to}, {death:?}: nothing refuses an `up`"
                    );
                }
            }
        });
        let seen = undisturbed(from, to).look(&phase(to));
        assert_eq!((seen.migrating, seen.phase), (None, Some(to)));
    }
}

#[test]
fn killed_at_any_act_and_resumed_it_ends_where_it_was_to() {
    for (from, to) in [(1, 2), (2, 1)] {
        every_death(from, to, |mut site, death, ladder| {
            let is_open = site.journal().open().is_some();
            let mut hand = Hand {
                ladder,
                site: &mut site,
            };
            block_on(hand.resume()).unwrap();
            let goal = match (is_open, to) {
                // Before its first entry nothing has begun; after the last all is done.
                (false, _) if site.journal().migrations.is_empty() => from,
                _ => to,
            };
            assert!(site.is_at(&phase(goal)), "{from} to {to}, {death:?}");
        });
    }
}

#[test]
fn killed_at_any_act_and_aborted_it_ends_where_it_began() {
    for (from, to) in [(1, 2), (2, 1)] {
        every_death(from, to, |mut site, death, ladder| {
            let Some(open) = site.journal().open().cloned() else {
                return;
            };
            if open.is_past_return {
                return;
            }
            assert!(site.destroyed.is_empty(), "{death:?}: data are gone");
            let mut hand = Hand {
                ladder,
                site: &mut site,
            };
            block_on(hand.abort()).unwrap();
            assert!(site.is_at(&phase(from)), "{from} to {to}, {death:?}");
            let kept = "shop_db-1-data".to_owned();
            assert!(!site.destroyed.contains(&kept));
        });
    }
}

#[test]
fn killed_once_more_while_it_goes_back_it_is_resumed_to_where_it_began() {
    let ladder = ladder();
    let acts = undisturbed(1, 2).acts;
    for number in (1..acts).step_by(5) {
        let site = killed(&origin(1), &ladder, (1, 2), Death::After(number));
        let Some(open) = site.journal().open().cloned() else {
            continue;
        };
        if open.is_past_return {
            continue;
        }
        let before = site.acts;
        for further in 1.. {
            let mut again = site.clone();
            again.death = Some(Death::Before(before + further));
            let mut hand = Hand {
                ladder: &ladder,
                site: &mut again,
            };
            if block_on(hand.abort()).is_ok() {
                break;
            }
            again.death = None;
            let mut hand = Hand {
                ladder: &ladder,
                site: &mut again,
            };
            let turned = hand
                .site
                .journal()
                .open()
                .is_some_and(|it| it.is_turned_back);
            block_on(hand.resume()).unwrap();
            let goal = if turned { small() } else { large() };
            assert!(again.is_at(&goal), "{number}, then {further}");
        }
    }
}

#[test]
fn members_that_never_join_end_the_migration_where_all_serves_and_can_be_taken_back() {
    let ladder = ladder();
    let mut site = FakeSite::after(&small());
    site.never_joins = Some("db-3".to_owned());
    let mut hand = Hand {
        ladder: &ladder,
        site: &mut site,
    };
    let error = block_on(hand.begin(1, 2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the new members cannot be relied on yet: db-3 has not joined"
    );
    let journal = Journal::read(&hand.site.journal);
    let open = journal.open().unwrap();
    assert_eq!(open.trouble.as_deref(), Some(error.to_string().as_str()));
    block_on(hand.abort()).unwrap();
    assert!(site.is_at(&small()));
}

#[test]
fn data_stay_when_somebody_took_over_while_members_left() {
    let ladder = ladder();
    let mut site = FakeSite::after(&large());
    site.takes_over_at_leaving = true;
    let mut hand = Hand {
        ladder: &ladder,
        site: &mut site,
    };
    let error = block_on(hand.begin(2, 1)).unwrap_err();
    assert!(
        matches!(
            error,
            DriveError::TookOver { before: 1, now: 5 } | DriveError::TookOver { before: 1, now: 3 }
        ),
        "{error}"
    );
    assert!(hand.site.destroyed.is_empty());
    hand.site.takes_over_at_leaving = false;
    block_on(hand.abort()).unwrap();
    assert!(site.is_at(&large()), "every member is back with its data");
    assert!(site.destroyed.is_empty());
}

#[test]
fn one_that_cannot_be_taken_back_can_go_on_to_where_it_was_to() {
    let ladder = ladder();
    let acts = undisturbed(1, 2).acts;
    let mut met = 0;
    for number in 1..=acts {
        let mut site = killed(&origin(1), &ladder, (1, 2), Death::After(number));
        if site.journal().open().is_none_or(|open| open.is_past_return) {
            continue;
        }
        site.takes_over_at_leaving = true;
        let mut hand = Hand {
            ladder: &ladder,
            site: &mut site,
        };
        if let Err(error) = block_on(hand.abort()) {
            assert!(matches!(error, DriveError::TookOver { .. }), "{error}");
            assert!(hand.site.journal().open().unwrap().trouble.is_some());
            hand.site.takes_over_at_leaving = false;
            block_on(hand.abort()).unwrap();
            assert!(hand.site.is_at(&large()), "after act {number}");
            met += 1;
        }
        let kept = "shop_db-1-data".to_owned();
        assert!(!site.destroyed.contains(&kept));
    }
    assert!(met > 0, "nobody took over in any of {acts} cases");
}
