//! The members of the database, asked now: for whoever is about to rely on them.
//!
//! Who is there and who takes writes is not what was known a moment ago: a member that
//! is about to lose its volume is looked at here last. Who answers reads is. Changes nothing. Next: `cluster.rs` (Patroni's words).

use std::collections::BTreeMap;

use scalectl_migrate::{Census, Seat};

use super::cluster::{Own, View};
use super::config::Member;
use super::database::{PATIENCE, at};
use super::vacate::Vacator;

/// # Errors
/// No member answers; in words.
pub async fn census(from: &Vacator) -> Result<Census, String> {
    let view = view(from).await?;
    let primary = match &view.leader {
        Some(leader) if takes_writes(from, leader).await => Some(leader.clone()),
        _ => None,
    };
    let readable = from.known.borrow().readable.clone();
    let seats = view.members.iter().map(|member| {
        let seat = Seat {
            is_running: member.is_running,
            lag_bytes: member.lag_bytes,
            timeline: member.timeline,
        };
        (member.name.clone(), seat)
    });
    Ok(Census {
        primary,
        members: seats.collect::<BTreeMap<_, _>>(),
        readable,
        paused: view.paused,
    })
}

/// What any member says of all.
async fn view(from: &Vacator) -> Result<View, String> {
    let mut problem = "this stack has no database".to_owned();
    for member in &from.config.members {
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

async fn takes_writes(from: &Vacator, leader: &str) -> bool {
    let mut members = from.config.members.iter();
    let Some(member) = members.find(|member: &&Member| member.name == leader) else {
        return false;
    };
    let url = at(member, "/patroni");
    let own = from.client.ask_json::<Own>(&url, PATIENCE).await;
    own.is_ok_and(|(own, _)| own.is_primary())
}
