//! How many calls of a kind are under way at once.
//!
//! Wider is not always quicker: the engine's own locks make many calls at once
//! slower than a few. The defaults were the quickest on two cores; each width can
//! be set, to find the best of another machine.

use std::rc::Rc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::FloorError;

const USAGE: &str = "options are creates=N, starts=N, stops=N, removes=N, api=MAJOR.MINOR";

#[derive(Clone)]
pub struct Width {
    pub creates: Rc<Semaphore>,
    pub starts: Rc<Semaphore>,
    pub stops: Rc<Semaphore>,
    pub removes: Rc<Semaphore>,
    /// Below 1.44 a create call takes one network.
    pub networks_per_create: usize,
}

impl Width {
    pub fn from_options(options: &[String]) -> Result<Self, FloorError> {
        let (mut creates, mut starts, mut stops, mut removes) = (8, 8, 4, 4);
        let mut networks_per_create = usize::MAX;
        for option in options {
            let (name, value) = option.split_once('=').ok_or(FloorError::Usage(USAGE))?;
            let number = || value.parse().map_err(|_| FloorError::Usage(USAGE));
            match name {
                "creates" => creates = number()?,
                "starts" => starts = number()?,
                "stops" => stops = number()?,
                "removes" => removes = number()?,
                "api" => {
                    let minor = value.rsplit('.').next().and_then(|it| it.parse().ok());
                    let minor: u32 = minor.ok_or(FloorError::Usage(USAGE))?;
                    networks_per_create = if minor < 44 { 1 } else { usize::MAX };
                }
                _ => return Err(FloorError::Usage(USAGE)),
            }
        }
        let semaphore = |width| Rc::new(Semaphore::new(width));
        Ok(Self {
            creates: semaphore(creates),
            starts: semaphore(starts),
            stops: semaphore(stops),
            removes: semaphore(removes),
            networks_per_create,
        })
    }
}

/// A place among the calls of a kind.
pub async fn place(kind: &Semaphore) -> Option<SemaphorePermit<'_>> {
    // A semaphore that nobody closes always gives one.
    kind.acquire().await.ok()
}
