//! A move of the database between clusters: wherever whoever works on it dies, it ends in
//! one of them with its data, and nobody's go before the database is known to be elsewhere.

use insta::assert_snapshot;

use super::site::{Death, FakeSite, Hand};
use super::stack::{clusters, ladder_of_a_move};
use super::{block_on, lines};

fn killed(death: Option<Death>) -> FakeSite {
    let (ladder, mut site) = (ladder_of_a_move(), FakeSite::after(&clusters()[0]));
    site.death = death;
    let mut hand = Hand {
        ladder: &ladder,
        site: &mut site,
    };
    assert_eq!(block_on(hand.begin_move()).is_err(), death.is_some());
    site.death = None;
    site
}

fn every_death() -> impl Iterator<Item = Death> {
    let acts = killed(None).acts;
    (1..=acts).flat_map(|number| [Death::Before(number), Death::After(number)])
}

#[test]
fn the_fresh_cluster_follows_before_it_is_moved_to_and_the_old_ones_data_go_last() {
    let ladder = ladder_of_a_move();
    assert_snapshot!(lines(&ladder, 0, 2), @r#"
    {"number":1,"step":"settle","rung":1,"takes_back":false,"what":"a fresh cluster","makes":["db2-1"],"changes":["agent","bootstrap"]}
    {"number":2,"step":"follow","members":["db2-1"]}
    {"number":3,"step":"cross","generation":2}
    {"number":4,"step":"affirm","generation":2}
    {"number":5,"step":"settle","rung":2,"takes_back":false,"what":"the fresh cluster alone","changes":["agent","bootstrap"],"removes":["db-1"]}
    {"number":6,"step":"affirm","generation":2}
    {"number":7,"step":"discard","volumes":["shop_db-1-data"]}
    {"number":8,"step":"finish"}
    "#);
    assert_snapshot!(lines(&ladder, 1, 0), @r#"
    {"number":1,"step":"cross","generation":1}
    {"number":2,"step":"affirm","generation":1}
    {"number":3,"step":"settle","rung":0,"takes_back":true,"what":"a fresh cluster","changes":["agent","bootstrap"],"removes":["db2-1"]}
    {"number":4,"step":"affirm","generation":1}
    {"number":5,"step":"discard","volumes":["shop_db2-1-data"]}
    {"number":6,"step":"finish"}
    "#);
}

#[test]
fn a_move_that_is_killed_at_any_act_and_resumed_ends_in_the_fresh_cluster_alone() {
    let ladder = ladder_of_a_move();
    for death in every_death() {
        let mut site = killed(Some(death));
        let has_begun = !site.journal().migrations.is_empty();
        let mut hand = Hand {
            ladder: &ladder,
            site: &mut site,
        };
        block_on(hand.resume()).unwrap();
        let goal = if has_begun { 2 } else { 0 };
        assert!(site.is_at(&clusters()[goal]), "{death:?}");
        assert_eq!(site.generation, if has_begun { 2 } else { 1 });
    }
}

#[test]
fn a_move_that_is_killed_at_any_act_and_taken_back_ends_in_the_old_cluster_alone() {
    let ladder = ladder_of_a_move();
    let mut crossed_back = 0;
    for death in every_death() {
        let mut site = killed(Some(death));
        let open = site.journal().open().cloned();
        if open.is_none_or(|open| open.is_past_return) {
            continue;
        }
        crossed_back += usize::from(site.generation == 2);
        let mut hand = Hand {
            ladder: &ladder,
            site: &mut site,
        };
        block_on(hand.abort()).unwrap();
        assert!(site.is_at(&clusters()[0]), "{death:?}");
        assert_eq!(site.generation, 1, "{death:?}");
        assert_eq!(site.look(&clusters()[0]).migrating, None);
    }
    assert!(crossed_back > 0, "none was killed after the crossing");
}

#[test]
fn a_move_rests_where_it_can_be_taken_back_and_goes_on_when_it_is_told_to() {
    let ladder = ladder_of_a_move();
    let mut site = FakeSite::after(&clusters()[0]);
    let mut hand = Hand {
        ladder: &ladder,
        site: &mut site,
    };
    hand.site.rests = true;
    block_on(hand.begin_move()).unwrap();
    let open = hand.site.journal().open().cloned().unwrap();
    assert_eq!((open.next, open.rung, open.held_ms), (3, 1, Some(130)));
    assert!(hand.site.destroyed.is_empty());
    assert_eq!(hand.site.generation, 2);
    hand.site.rests = false;
    block_on(hand.resume()).unwrap();
    assert!(site.is_at(&clusters()[2]));
}
