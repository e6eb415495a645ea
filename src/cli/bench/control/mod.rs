//! `byway bench control`: what a change of an app costs in a store of 100 and of 100,000, over the API's own listener, router,
//! store and control loop; how long a start takes; and what 100 changes a second leave of a worker's packet rate.

mod client;
mod probe;
mod rows;
mod stage;

pub use probe::{ControlProbe, run_control_probe};
pub use rows::{ControlArgs, bench_control};
