//! Stack: an app in a phase, the same for every target.

use std::collections::BTreeMap;

use scalectl_model::{App, Size};

use crate::{Lineage, Phase};

/// What is to run, before any target's form.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Prefix of every name on the target: the app's name, or the user's `-p`.
    pub project: String,
    pub phase: u8,
    pub app: App,
    /// Members of each component that is there; never 0.
    pub members: BTreeMap<String, u32>,
    /// Which clusters of the database there are.
    pub lineage: Lineage,
    /// Copies of the database are held back, for the sake of those who use it meanwhile.
    pub copies_slowly: bool,
}

impl Stack {
    /// The stack that `phase` makes of `app`.
    pub fn of(app: App, phase: &Phase, project: Option<&str>) -> Self {
        let small = app.size == Some(Size::Small);
        let count = |members: &crate::Members| match members.small {
            Some(few) if small => few,
            _ => members.members,
        };
        let mut members: BTreeMap<_, _> = phase
            .components
            .iter()
            .map(|(name, it)| (name.clone(), count(it)))
            .collect();
        members.retain(|_, count| *count > 0);
        if app.monitoring.grafana && members.contains_key("prometheus") {
            members.insert("grafana".to_owned(), 1);
        }
        let project = project.map_or_else(|| app.name.to_string(), str::to_owned);
        Self {
            project,
            phase: phase.phase,
            app,
            members,
            lineage: Lineage::default(),
            copies_slowly: false,
        }
    }

    /// The same with the database clusters that are there.
    #[must_use]
    pub fn with_lineage(self, lineage: Lineage) -> Self {
        Self { lineage, ..self }
    }

    /// The same with copies of the database held back, or not.
    #[must_use]
    pub fn copying(self, slowly: bool) -> Self {
        Self {
            copies_slowly: slowly,
            ..self
        }
    }

    /// Whether the component is part of this stack.
    pub fn has(&self, component: &str) -> bool {
        self.members.contains_key(component)
    }
}
