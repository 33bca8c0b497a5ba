//! The world: virtual time, processes that stand still, stop and die, and a scheduler that lets one step happen after
//! another as the seed says.
//!
//! A step is what touches anything outside of a process: a transaction, a query, a message, an acknowledgement. Whoever wants
//! to take one asks, and waits. When nobody can go on without a step, the scheduler chooses one, or a fault instead of it.

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use masar_runtime::Clock;
use masar_runtime::clock::Hand;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, advance};
use tokio_util::sync::CancellationToken;

use crate::faults::{Fault, Plan};
use crate::quiet::Quiet;

/// The virtual time that one step takes.
const STEP: Duration = Duration::from_millis(1);
/// The virtual time that passes at once when nobody asks for anything.
const IDLE: Duration = Duration::from_millis(50);
/// The time after which there are no more faults, however few steps there were.
const FAULTY: Duration = Duration::from_secs(120);
/// Steps and time after which a world that has not come to rest never will.
const MOST_STEPS: u32 = 20_000;
const LONGEST: Duration = Duration::from_secs(1_800);
/// Steps between two looks at whether the world has come to rest.
const LOOK_EVERY: u32 = 25;

/// What became of a request for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It happens.
    Go,
    /// It does not happen, and the process hears of it.
    Fail,
}

/// Whoever sees what becomes of processes and their steps.
pub(crate) trait Witness: Send + Sync {
    /// A process has died.
    fn died(&self, _life: &Life) {}

    /// The step that was taken last has been taken.
    fn settled(&self) {}
}

/// What a process does from its start to its end.
pub(crate) type Boot = Arc<dyn Fn(Life) -> BoxFuture<'static, ()> + Send + Sync>;

/// The world. Clones are the same one.
#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Says when nobody can go on without a step.
    quiet: Arc<Quiet>,
    began: Instant,
    /// How many times as fast as the timers of the processes their clocks on the wall go.
    speed: i32,
}

struct State {
    plan: Plan,
    processes: Vec<Process>,
    asked: Vec<Asked>,
    witnesses: Vec<Arc<dyn Witness>>,
    lives: u32,
    steps: u32,
    trace: Vec<String>,
    wrong: Option<String>,
}

struct Process {
    name: &'static str,
    boot: Boot,
    life: Option<Living>,
    /// When it starts again, if it is down, or goes on, if it stands still.
    until: Instant,
    /// How far its clock on the wall is from the right time.
    offset: SignedDuration,
}

struct Living {
    number: u32,
    main: JoinHandle<()>,
    others: Vec<AbortHandle>,
    stop: CancellationToken,
    hand: Hand,
    dying: bool,
}

struct Asked {
    life: Life,
    what: String,
    granted: oneshot::Sender<Verdict>,
}

/// One life of a process, from a start to its end.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) world: World,
    process: usize,
    number: u32,
    /// Cancelled when the process is asked to stop.
    pub(crate) stop: CancellationToken,
    /// What the clock on its wall says.
    pub(crate) clock: Clock,
}

impl PartialEq for Life {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "life {} of process {}", self.number, self.process)
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name(), self.number)
    }
}

impl World {
    /// An empty world, early on a working day.
    pub(crate) fn new(plan: Plan, speed: i32, quiet: Arc<Quiet>) -> Self {
        let state = State {
            plan,
            processes: Vec::new(),
            asked: Vec::new(),
            witnesses: Vec::new(),
            lives: 0,
            steps: 0,
            trace: Vec::new(),
            wrong: None,
        };
        Self(Arc::new(Inner { state: Mutex::new(state), quiet, began: Instant::now(), speed }))
    }

    /// Says when nobody can go on without a step.
    pub(crate) fn quiet(&self) -> &Quiet {
        &self.0.quiet
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a process, which starts as soon as the world runs.
    pub(crate) fn add(&self, name: &'static str, boot: Boot) {
        let (until, offset) = (Instant::now(), SignedDuration::ZERO);
        self.state().processes.push(Process { name, boot, life: None, until, offset });
    }

    /// Adds somebody who sees what happens.
    pub(crate) fn witnessed_by(&self, witness: Arc<dyn Witness>) {
        self.state().witnesses.push(witness);
    }

    /// The right time.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.0.began.elapsed()).unwrap_or_default();
        start() + passed * self.0.speed
    }

    /// A number below another, as the seed says.
    pub(crate) fn draw(&self, below: u64) -> u64 {
        self.state().plan.rng.u64(0..below)
    }

    /// What has happened until now.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    /// Says what must not be; the first to say so is believed.
    pub(crate) fn wrong(&self, what: String) {
        self.state().wrong.get_or_insert(what);
    }

    /// True once no more faults happen.
    pub(crate) fn is_calm(&self) -> bool {
        let state = self.state();
        self.is_over(&state)
    }

    /// Faults are over after so many steps as the plan says, and at the latest after some time.
    fn is_over(&self, state: &State) -> bool {
        state.plan.is_over(state.steps) || self.0.began.elapsed() > FAULTY
    }

    /// Lets go of all that is in the world, which knows the world in turn.
    pub(crate) fn end_all(&self) {
        let mut state = self.state();
        let all = (
            std::mem::take(&mut state.processes),
            std::mem::take(&mut state.asked),
            std::mem::take(&mut state.witnesses),
        );
        drop(state);
        for living in all.0.iter().filter_map(|process| process.life.as_ref()) {
            living.main.abort();
            living.others.iter().for_each(AbortHandle::abort);
        }
        self.0.quiet.forget_all();
    }

    fn note(&self, who: &str, what: &str) {
        let line = format!("{:>8} {who}: {what}", self.0.began.elapsed().as_millis());
        self.state().trace.push(line);
    }

    /// Lets the world run until it is at rest after the last fault.
    pub(crate) async fn run(&self, rested: impl Fn() -> bool) -> Result<(), String> {
        let (mut looked, mut idle) = (0, false);
        loop {
            self.0.quiet.come().await;
            let witnesses = self.state().witnesses.clone();
            witnesses.iter().for_each(|witness| witness.settled());
            self.bury();
            self.wake();
            let (steps, over, wrong) = {
                let state = self.state();
                (state.steps, self.is_over(&state), state.wrong.clone())
            };
            if let Some(wrong) = wrong {
                return Err(wrong);
            }
            if over && (idle || steps >= looked + LOOK_EVERY) {
                looked = steps;
                if rested() {
                    return Ok(());
                }
            }
            if steps > MOST_STEPS || self.0.began.elapsed() > LONGEST {
                return Err("the world does not come to rest".to_owned());
            }
            idle = !self.step().await;
        }
    }

    /// Takes away what died, or ended as it was asked to.
    fn bury(&self) {
        let mut dead = Vec::new();
        let mut wrong = None;
        let mut state = self.state();
        for (number, process) in state.processes.iter_mut().enumerate() {
            let Some(life) = process.life.take_if(|life| life.dying || life.main.is_finished()) else {
                continue;
            };
            life.main.abort();
            match life.main.now_or_never() {
                Some(Err(error)) if error.is_panic() => wrong = Some(format!("`{}` panicked", process.name)),
                Some(_) if !life.dying && !life.stop.is_cancelled() => {
                    wrong = Some(format!("`{}` ended, and nobody had asked it to", process.name));
                }
                _ => {}
            }
            life.others.iter().for_each(AbortHandle::abort);
            dead.push((number, life.number, life.stop));
        }
        let witnesses = state.witnesses.clone();
        state.asked.retain(|asked| !dead.iter().any(|(_, number, _)| *number == asked.life.number));
        drop(state);
        for (process, number, stop) in dead {
            let clock = Clock::manual(start()).0;
            let life = Life { world: self.clone(), process, number, stop, clock };
            self.0.quiet.forget(&life);
            witnesses.iter().for_each(|witness| witness.died(&life));
        }
        if let Some(wrong) = wrong {
            self.wrong(wrong);
        }
    }

    /// Starts the processes whose time has come, and turns the hands of all clocks.
    fn wake(&self) {
        let now = self.now();
        let mut state = self.state();
        let mut born = Vec::new();
        for number in 0..state.processes.len() {
            let process = &state.processes[number];
            let at = now + process.offset;
            match &process.life {
                Some(life) => life.hand.set(at),
                None if process.until <= Instant::now() => {
                    state.lives += 1;
                    let (clock, hand) = Clock::manual(at);
                    let stop = CancellationToken::new();
                    let life =
                        Life { world: self.clone(), process: number, number: state.lives, stop, clock };
                    born.push((life, hand));
                }
                None => {}
            }
        }
        for (life, hand) in born {
            let process = &mut state.processes[life.process];
            let main = tokio::spawn((process.boot)(life.clone()));
            let (number, stop) = (life.number, life.stop);
            process.life = Some(Living { number, main, others: Vec::new(), stop, hand, dying: false });
        }
    }

    /// Lets one step happen, or a fault. False when nobody asks for any: then some time passes.
    async fn step(&self) -> bool {
        let Some(chosen) = self.choose() else {
            advance(IDLE).await;
            return false;
        };
        self.take(chosen).await;
        true
    }

    async fn take(&self, chosen: Asked) {
        let name = self.state().processes[chosen.life.process].name;
        let fault = {
            let mut state = self.state();
            state.steps += 1;
            let steps = state.steps;
            if self.is_over(&state) { None } else { state.plan.fault(steps) }
        };
        let note = fault.map_or_else(String::new, |fault| format!("  <- {fault}"));
        self.note(name, &format!("{}{note}", chosen.what));
        let verdict = match fault {
            None => Verdict::Go,
            Some(Fault::Fail) => Verdict::Fail,
            Some(Fault::DieAfter(down)) => {
                self.down(&chosen.life, down);
                self.end(&chosen.life);
                Verdict::Go
            }
            Some(Fault::DieBefore(down)) => {
                self.down(&chosen.life, down);
                return self.end(&chosen.life);
            }
            Some(Fault::Stop(down)) => {
                self.down(&chosen.life, down);
                chosen.life.stop.cancel();
                Verdict::Go
            }
            Some(Fault::StandStill(while_)) => {
                self.down(&chosen.life, while_);
                return self.state().asked.push(chosen);
            }
            Some(Fault::Wait(while_)) => {
                self.state().asked.push(chosen);
                return self.pass(while_).await;
            }
            Some(Fault::Jump(by)) => {
                self.state().processes[chosen.life.process].offset += by;
                Verdict::Go
            }
        };
        // Who no longer waits has given the step up.
        let _ = chosen.granted.send(verdict);
        // What follows from the step is done before anything that the time brings: the threads of databases take as long as
        // they like, and nobody may race them.
        self.0.quiet.come().await;
        advance(STEP).await;
    }

    /// Time passes, and nobody is let take a step.
    async fn pass(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            advance(IDLE).await;
            self.0.quiet.come().await;
        }
    }

    /// The step that comes next: one of those that processes wait for which do not stand still.
    fn choose(&self) -> Option<Asked> {
        let mut state = self.state();
        let (calm, now) = (self.is_over(&state), Instant::now());
        state.asked.retain(|asked| !asked.granted.is_closed());
        // The order in which tasks came to ask is nobody's business.
        state.asked.sort_by(|a, b| (a.life.process, &a.what).cmp(&(b.life.process, &b.what)));
        let free = |asked: &Asked| calm || state.processes[asked.life.process].until <= now;
        let free: Vec<usize> =
            state.asked.iter().enumerate().filter(|(_, asked)| free(asked)).map(|(index, _)| index).collect();
        let index = state.plan.choose(&free)?;
        Some(state.asked.remove(index))
    }

    fn down(&self, life: &Life, while_: Duration) {
        self.state().processes[life.process].until = Instant::now() + while_;
    }

    fn end(&self, life: &Life) {
        let mut state = self.state();
        let of = state.processes[life.process].life.as_mut().filter(|living| living.number == life.number);
        if let Some(living) = of {
            living.dying = true;
        }
    }

    fn is_alive(&self, life: &Life) -> bool {
        let state = self.state();
        let living = state.processes[life.process].life.as_ref();
        living.is_some_and(|living| living.number == life.number && !living.dying)
    }
}

impl Life {
    /// Waits until a step may happen; for ever when the process dies before.
    pub(crate) async fn step(&self, what: impl Into<String>) -> Verdict {
        if !self.is_alive() {
            return pending().await;
        }
        let (granted, verdict) = oneshot::channel();
        self.world.state().asked.push(Asked { life: self.clone(), what: what.into(), granted });
        match verdict.await {
            Ok(verdict) => verdict,
            Err(_) => pending().await,
        }
    }

    /// True until the process dies.
    pub(crate) fn is_alive(&self) -> bool {
        self.world.is_alive(self)
    }

    /// The name of the process.
    pub(crate) fn name(&self) -> &'static str {
        self.world.state().processes[self.process].name
    }

    /// Work that ends with the process.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(work).abort_handle();
        let mut state = self.world.state();
        match state.processes[self.process].life.as_mut().filter(|living| living.number == self.number) {
            Some(living) => living.others.push(handle),
            None => handle.abort(),
        }
    }
}

/// A Sunday, when work begins in Doha.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_794_715_200).expect("a time of this century")
}
