use super::*;

fn track(strict: bool) -> Track {
    Track {
        is_strict: strict,
        generation: 1,
        ..Track::default()
    }
}

#[test]
fn a_started_container_hears_nothing_of_its_life_before_the_start() {
    let mut track = track(true);
    track.advance("old", "die", Some(137));
    track.advance("old", "health_status: healthy", None);
    assert_eq!(
        (track.ended, track.healthy),
        (None, false),
        "that was before the start"
    );
    track.advance("new", "start", None);
    track.advance("old", "destroy", None);
    assert!(!track.gone, "another container of that name was destroyed");
    track.advance("new", "health_status: healthy", None);
    assert!(track.healthy);
}

#[test]
fn a_restart_forgets_the_exit_code_and_the_health() {
    let mut track = track(true);
    for (action, code) in [
        ("start", None),
        ("health_status: healthy", None),
        ("die", Some(1)),
    ] {
        track.advance("a", action, code);
    }
    assert_eq!((track.ended, track.healthy), (Some(1), false));
    track.advance("a", "start", None);
    assert_eq!((track.ended, track.healthy), (None, false));
}

#[test]
fn what_is_told_while_looking_is_kept_for_the_container_that_was_found() {
    let mut kept = track(false);
    kept.advance("a", "health_status: healthy", None);
    kept.settle("a");
    assert!(
        kept.healthy,
        "it was told about the container that the look found"
    );

    let mut other = track(false);
    other.advance("old", "die", Some(1));
    other.settle("a");
    assert_eq!(other.ended, None, "it was told about another one");
}
