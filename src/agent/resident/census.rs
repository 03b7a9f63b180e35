//! The members of the database, asked now: for whoever is about to rely on them.
//!
//! Who is there and who takes writes is not what was known a moment ago: a member that
//! is about to lose its volume is looked at here last. Who answers reads is. Changes nothing. Next: `cluster.rs` (Patroni's words).

use scalectl_migrate::{Census, Seat};

use super::cluster::{Own, View};
use super::database::{PATIENCE, at};
use super::vacate::Vacator;

/// # Errors
/// No member answers; in words.
pub async fn census(from: &Vacator) -> Result<Census, String> {
    let mut census = Census {
        readable: from.known.borrow().readable.clone(),
        ..Census::default()
    };
    let mut problem = None;
    let mut place = None;
    for generation in from.config.generations() {
        let view = match view(from, generation).await {
            Ok(view) => view,
            Err(why) => {
                problem = Some(why);
                continue;
            }
        };
        if let Some(leader) = &view.leader
            && let Some(own) = own(from, leader).await
            && own.is_primary()
        {
            (census.primary, census.generation) = (Some(leader.clone()), Some(generation));
            place = own.place();
        }
        census.paused |= view.paused;
        census.members.extend(view.members.iter().map(|member| {
            let seat = Seat {
                is_running: member.is_running,
                lag_bytes: member.lag_bytes,
                timeline: member.timeline,
            };
            (member.name.clone(), seat)
        }));
    }
    match problem {
        Some(why) if census.members.is_empty() => return Err(why),
        _ => {}
    }
    if let (Some(generation), Some(end)) = (census.generation, place) {
        followers(from, generation, end, &mut census).await;
    }
    Ok(census)
}

/// Those of a cluster that follows another one: how far they are is told by nobody else.
async fn followers(from: &Vacator, generation: u32, end: u64, census: &mut Census) {
    let others = from.config.members.iter();
    for member in others.filter(|it| it.generation != generation) {
        let place = own(from, &member.name).await.and_then(|own| own.place());
        let Some(seat) = census.members.get_mut(&member.name) else {
            continue;
        };
        seat.lag_bytes = place.map(|place| end.saturating_sub(place));
        let limit = from.config.max_read_lag_bytes;
        if seat.is_running && seat.lag_bytes.is_some_and(|lag| lag <= limit) {
            census.readable.insert(member.name.clone());
        }
    }
}

/// What any member says of all in its cluster.
async fn view(from: &Vacator, generation: u32) -> Result<View, String> {
    let mut problem = "this stack has no database".to_owned();
    for member in from.config.of(generation) {
        let url = at(member, "/cluster");
        match from.client.ask("GET", &url, None, PATIENCE).await {
            Ok(heard) if heard.answer.status == 200 => match View::parse(&heard.answer.body) {
                Ok(view) => return Ok(view),
                Err(error) => problem = format!("{}: {error}", member.name),
            },
            Ok(heard) => problem = format!("{} answers {}", member.name, heard.answer.status),
            Err(error) => problem = format!("{}: {error}", member.name),
        }
    }
    Err(problem)
}

async fn own(from: &Vacator, name: &str) -> Option<Own> {
    let url = at(from.config.member(name)?, "/patroni");
    let own = from.client.ask_json::<Own>(&url, PATIENCE).await;
    own.ok().map(|(own, _)| own)
}
