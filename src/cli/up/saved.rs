//! A plan from a file: carried out only if what it was made from is what is there.

use std::path::PathBuf;

use scalectl_plan::Plan;

use crate::cli::error::CommandError;

/// A saved plan, if it was made from what is there now.
pub fn saved(file: &PathBuf, fresh: &Plan) -> Result<Plan, CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| CommandError::io(format!("read {}", file.display()), source))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|source| CommandError::BadPlan {
        file: file.clone(),
        source: Some(source),
    })?;
    if plan.project != fresh.project || plan.fingerprint != fresh.fingerprint {
        return Err(CommandError::StalePlan { file: file.clone() });
    }
    let is_in_order = plan.operations.iter().zip(1..).all(|(operation, id)| {
        operation.id.0 == id
            && operation
                .after
                .iter()
                .all(|before| before.0 < id && before.0 > 0)
    });
    match is_in_order {
        true => Ok(plan),
        false => Err(CommandError::BadPlan {
            file: file.clone(),
            source: None,
        }),
    }
}
