//! Who hands over to whom. Pure.

use super::super::database::Known;

/// The primary and the standby that takes over; or why nobody can.
pub fn choose(known: &Known, to: Option<&str>) -> Result<(String, String), String> {
    let Some(from) = &known.primary else {
        return Err("there is no primary now".to_owned());
    };
    let standbys = known.view.members.iter();
    let standbys: Vec<_> = standbys.filter(|member| member.name != *from).collect();
    if standbys.is_empty() {
        return Err(format!("{from} is the only member"));
    }
    let follows =
        |name: &String| known.readable.contains(name) && Some(name) != known.primary.as_ref();
    match to {
        Some(to) if to == from => Err(format!("{to} is the primary already")),
        Some(to) => match standbys.iter().find(|member| member.name == to) {
            Some(member) if follows(&member.name) => Ok((from.clone(), to.to_owned())),
            Some(_) => Err(format!("{to} does not follow {from} closely")),
            None => Err(format!("there is no member {to}")),
        },
        None => {
            let close = standbys.iter().filter(|member| follows(&member.name));
            let best = close.min_by_key(|member| (member.lag_bytes, &member.name));
            let best = best.ok_or_else(|| format!("no standby follows {from} closely"))?;
            Ok((from.clone(), best.name.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::cluster::View;
    use super::*;

    fn known(lags: &[(&str, &str)]) -> Known {
        let mut members = vec![r#"{"name":"db-1","role":"leader","state":"running"}"#.to_owned()];
        members.extend(lags.iter().map(|(name, lag)| {
            format!(r#"{{"name":"{name}","role":"replica","state":"streaming","lag":{lag}}}"#)
        }));
        let view =
            View::parse(format!(r#"{{"members":[{}]}}"#, members.join(",")).as_bytes()).unwrap();
        Known {
            readable: view.readable(&Default::default(), 1000),
            view,
            primary: Some("db-1".to_owned()),
        }
    }

    #[test]
    fn the_standby_that_is_closest_takes_over_unless_one_is_named() {
        let known = known(&[("db-2", "200"), ("db-3", "10"), ("db-4", "\"unknown\"")]);
        let chosen = |to| choose(&known, to).map(|(_, to)| to);
        assert_eq!(chosen(None).as_deref(), Ok("db-3"));
        assert_eq!(chosen(Some("db-2")).as_deref(), Ok("db-2"));
        for (to, why) in [
            ("db-4", "db-4 does not follow db-1 closely"),
            ("db-5", "there is no member db-5"),
            ("db-1", "db-1 is the primary already"),
        ] {
            assert_eq!(chosen(Some(to)), Err(why.to_owned()));
        }
    }

    #[test]
    fn nobody_takes_over_from_an_only_member_or_where_nobody_leads() {
        assert_eq!(
            choose(&known(&[]), None),
            Err("db-1 is the only member".to_owned())
        );
        let mut headless = known(&[("db-2", "0")]);
        headless.primary = None;
        assert!(choose(&headless, None).is_err());
    }
}
