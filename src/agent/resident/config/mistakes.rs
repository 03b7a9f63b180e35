//! What is wrong with settings that can be read: all of it at once.

use super::Config;

impl Config {
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(database) = &self.database {
            if database.members.is_empty() {
                found.push("database: no members".to_owned());
            }
            for member in database
                .members
                .iter()
                .filter(|member| !is_host(&member.name))
            {
                found.push(format!("database: {:?} is no DNS name", member.name));
            }
            let wants_tls = database.members.iter().any(|member| member.api.is_tls);
            if wants_tls && self.tls.is_none() {
                found.push(
                    "database: a member speaks https, and there is no tls section".to_owned(),
                );
            }
        }
        if let Some(pooler) = &self.pooler {
            if self.database.is_none() {
                found.push("pooler: there is no database section to follow".to_owned());
            }
            let is_line = |text: &str| !text.contains(|one: char| one.is_control());
            for database in pooler
                .databases
                .iter()
                .filter(|one| !(is_host(&one.name) && is_line(&one.options)))
            {
                found.push(format!(
                    "pooler: database {:?} does not fit in one line",
                    database.name
                ));
            }
        }
        for service in self
            .discovery
            .iter()
            .flat_map(|discovery| &discovery.services)
        {
            if !is_host(&service.name) {
                found.push(format!("discovery: {:?} is no DNS name", service.name));
            }
        }
        found
    }
}

fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || "-_".contains(one))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
