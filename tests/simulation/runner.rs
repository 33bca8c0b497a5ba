//! Plays scenarios: one seed after another, or with a death at each step in turn.

use std::collections::HashMap;
use std::env;

use anyhow::{Result, bail};

use crate::faults::Plan;
use crate::quiet::Quiet;
use crate::world::World;

/// Lines of the trace that are shown of a failure.
const SHOWN: usize = 400;
/// Different work that a scenario does.
const SHAPES: u64 = 8;

/// Something that real code of the product does in a simulated world.
pub(crate) trait Scenario {
    /// The name of the test that explores it.
    const NAME: &'static str;
    /// How many seeds are explored unless the environment says another number.
    const SEEDS: u64;
    /// How many times as fast as timers the clocks on the wall go.
    const SPEED: i32 = 1;
    /// Whether somebody sets the clocks on the wall.
    const JUMPS: bool = false;

    /// Does the work of a shape until the world is at rest, and says how all is at the end, or what must not be.
    async fn play(&self, world: &World, shape: u64) -> Result<String, String>;
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) trace: Vec<String>,
    pub(crate) end: Result<String, String>,
}

/// Plays a scenario once.
pub(crate) fn play<S: Scenario>(scenario: &S, seed: u64, plan: Plan) -> Played {
    // What the product leaves to chance, such as the length of its pauses, is the seed's too.
    fastrand::seed(seed);
    let (runtime, quiet) = Quiet::runtime();
    runtime.block_on(async {
        let _held = Quiet::hold_time();
        let world = World::new(plan, S::SPEED, quiet);
        let end = scenario.play(&world, seed % SHAPES).await;
        world.end_all();
        Played { trace: world.trace(), end }
    })
}

/// Plays a seed.
pub(crate) fn play_seed<S: Scenario>(scenario: &S, seed: u64) -> Played {
    play(scenario, seed, Plan::seeded(seed, S::JUMPS))
}

/// Plays as many seeds as the environment says, and compares how each ends with the end without any fault.
pub(crate) fn explore<S: Scenario>(scenario: &S) -> Result<()> {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>()).transpose();
    let first = number("MASAR_SEED")?;
    let count = number("MASAR_SEEDS")?.unwrap_or(if first.is_some() { 1 } else { S::SEEDS });
    let first = first.unwrap_or(0);
    let mut calm: HashMap<u64, Played> = HashMap::new();
    for seed in first..first + count {
        let undisturbed =
            calm.entry(seed % SHAPES).or_insert_with(|| play(scenario, seed % SHAPES, Plan::calm()));
        compare::<S>(undisturbed, undisturbed, &format!("without any fault, shape {}", seed % SHAPES))?;
        let how = format!("with seed {seed}; once more: make simulate SEED={seed}");
        compare::<S>(&play_seed(scenario, seed), undisturbed, &how)?;
    }
    Ok(())
}

/// Lets whoever takes it die before and after each step in turn of the run without faults, and compares how all ends. The
/// number of steps.
pub(crate) fn die_at_every_step<S: Scenario>(scenario: &S, shape: u64) -> Result<u32> {
    let undisturbed = play(scenario, shape, Plan::calm());
    compare::<S>(&undisturbed, &undisturbed, "without any fault")?;
    let steps = u32::try_from(undisturbed.trace.len())?;
    for step in 1..=steps {
        for after in [false, true] {
            let how = format!("with a death {} step {step}", if after { "after" } else { "before" });
            compare::<S>(&play(scenario, shape, Plan::one(step, after)), &undisturbed, &how)?;
        }
    }
    Ok(steps)
}

/// The first of some seeds that finds something.
pub(crate) fn first_to_fail<S: Scenario>(scenario: &S, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| Some((seed, play_seed(scenario, seed).end.err()?)))
}

fn compare<S: Scenario>(played: &Played, undisturbed: &Played, how: &str) -> Result<()> {
    if played.end.is_ok() && played.end == undisturbed.end {
        return Ok(());
    }
    let problem = match &played.end {
        Ok(end) => format!("it ended so:\n{end}\nand without any fault:\n{:?}", undisturbed.end),
        Err(problem) => problem.clone(),
    };
    let left_out = played.trace.len().saturating_sub(SHOWN);
    let trace = played.trace[left_out..].join("\n");
    bail!("{} fails {how}\n{problem}\nThe steps, without the first {left_out}:\n{trace}\n{problem}", S::NAME)
}
