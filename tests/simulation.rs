//! The bus, the batcher, leases and timers in a world of virtual time, where a seed says what happens next and what goes
//! wrong: everything is real but the network, the disk and the clock on the wall.
//!
//! `make simulate SEED=n` plays one seed of every scenario, `make simulate SEEDS=n` so many.

#[path = "simulation/batches.rs"]
mod batches;
#[path = "simulation/checks.rs"]
mod checks;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/leases.rs"]
mod leases;
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/quiet.rs"]
mod quiet;
#[path = "simulation/relays.rs"]
mod relays;
#[path = "simulation/runner.rs"]
mod runner;
#[path = "simulation/template.rs"]
mod template;
#[path = "simulation/timers.rs"]
mod timers;
#[path = "simulation/world.rs"]
mod world;
