//! The faults: each strikes the set once, and what it broke is mended before the next one.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use masar::platform::SERVICES;
use masar_testkit::{Link, State};
use tokio::process::Command;

use crate::bus;
use crate::dice::Dice;
use crate::stage::{Place, Stage, lasting, places};

/// How the clocks of all jump, in turn and in minutes: so that each mark of the clock of a risk, which has four hours, comes
/// before the next jump; back; and over closing times, on which all other clocks depend.
const JUMPS: [i64; 8] = [130, 65, -10, 75, 300, 300, -20, 900];
/// How far the clock of one replica goes astray.
const ASTRAY: SignedDuration = SignedDuration::from_mins(7);
/// What a slow link adds to every piece.
const SLOW: Duration = Duration::from_millis(40);

/// Something that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The set goes over to the binary of this commit, a process at a time.
    Roll,
    Kill,
    Stop,
    Cut,
    Freeze,
    Slow,
    Clock,
    Poison,
    Repeat,
    Broker,
    Full,
    Database,
}

impl Fault {
    pub(crate) const ALL: [Self; 12] = [
        Self::Roll,
        Self::Kill,
        Self::Stop,
        Self::Cut,
        Self::Freeze,
        Self::Slow,
        Self::Clock,
        Self::Poison,
        Self::Repeat,
        Self::Broker,
        Self::Full,
        Self::Database,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Roll => "roll",
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Cut => "cut",
            Self::Freeze => "freeze",
            Self::Slow => "slow",
            Self::Clock => "clock",
            Self::Poison => "poison",
            Self::Repeat => "repeat",
            Self::Broker => "broker",
            Self::Full => "full",
            Self::Database => "database",
        }
    }

    pub(crate) fn means(self) -> &'static str {
        match self {
            Self::Roll => "rolling restart, to the binary of this commit",
            Self::Kill => "kill -9 of a process, or of both of a service",
            Self::Stop => "SIGSTOP and SIGCONT of a process, or of both of a service",
            Self::Cut => "links to database and broker cut",
            Self::Freeze => "links to database and broker that carry nothing",
            Self::Slow => "links to database and broker slowed",
            Self::Clock => "clocks that jump, and one that goes astray",
            Self::Poison => "messages that nobody can read",
            Self::Repeat => "deliveries twice, and after newer ones",
            Self::Broker => "restart and kill of RabbitMQ",
            Self::Full => "a full disk of RabbitMQ",
            Self::Database => "restart and kill of PostgreSQL",
        }
    }

    /// Strikes for the `turn`th time, and mends.
    pub(crate) async fn strike(self, stage: &mut Stage, turn: usize, dice: &mut Dice) -> Result<()> {
        match self {
            Self::Roll => roll(stage).await,
            Self::Kill => kill(stage, &victims(turn, dice)).await,
            Self::Stop => stop(stage, &victims(turn, dice), dice.seconds(1, 7)).await,
            Self::Cut => disturb(stage, State::Cut, turn, dice.seconds(1, 4), dice).await,
            Self::Freeze => disturb(stage, State::Frozen, turn, dice.seconds(1, 7), dice).await,
            Self::Slow => disturb(stage, State::Slow(SLOW), turn, dice.seconds(3, 6), dice).await,
            Self::Clock => jump(stage, turn, dice).await,
            Self::Poison => bus::poison(stage, stage.now()?).await,
            Self::Repeat => bus::repeat(stage, dice.seconds(1, 3)).await,
            Self::Broker => server("rabbit", turn).await,
            Self::Full => fill(dice.seconds(3, 8)).await,
            Self::Database => server("postgres", turn).await,
        }
    }
}

/// Whom a fault hits: every replica in turn, and between them random ones and both of a service.
fn victims(turn: usize, dice: &mut Dice) -> Vec<Place> {
    let all: Vec<Place> = places().collect();
    match turn % 4 {
        0 | 2 => vec![all[turn / 2 % all.len()]],
        1 => vec![dice.one_of(&all)],
        _ => {
            let service = dice.one_of(&SERVICES);
            all.into_iter().filter(|(name, _)| *name == service).collect()
        }
    }
}

async fn roll(stage: &mut Stage) -> Result<()> {
    for place in places() {
        let process = stage.process(place)?;
        let code = process.terminate().await?;
        ensure!(code == Some(0), "{} {} ended with {code:?}", place.0, place.1);
        process.start.binary = env!("CARGO_BIN_EXE_masar").into();
        stage.raise(place).await?;
    }
    Ok(())
}

async fn kill(stage: &mut Stage, victims: &[Place]) -> Result<()> {
    for place in victims {
        stage.process(*place)?.kill().await?;
    }
    for place in victims {
        stage.raise(*place).await?;
    }
    Ok(())
}

async fn stop(stage: &mut Stage, victims: &[Place], time: Duration) -> Result<()> {
    for place in victims {
        stage.process(*place)?.signal("STOP").await?;
    }
    lasting(time).await;
    for place in victims {
        stage.process(*place)?.signal("CONT").await?;
    }
    Ok(())
}

/// Disturbs the links of one replica to one of both servers, those of a service, or all that lead to a server: so the
/// whole set loses it.
async fn disturb(stage: &Stage, state: State, turn: usize, time: Duration, dice: &mut Dice) -> Result<()> {
    let all: Vec<Place> = places().collect();
    let hit: Vec<Place> = match turn % 4 {
        0 => all,
        1 => vec![dice.one_of(&all)],
        2 => vec![all[turn / 4 % all.len()]],
        _ => all.into_iter().filter(|(name, _)| *name == SERVICES[turn / 4 % SERVICES.len()]).collect(),
    };
    let broker = (turn / 4).is_multiple_of(2);
    let links: Vec<&Link> = hit
        .iter()
        .filter_map(|place| stage.links.get(place))
        .map(|links| if broker { &links.broker } else { &links.database })
        .collect();
    links.iter().for_each(|link| link.set(state));
    lasting(time).await;
    links.iter().for_each(|link| link.set(State::Open));
    Ok(())
}

/// All clocks jump, and while they are there one of them goes astray and comes back.
async fn jump(stage: &mut Stage, turn: usize, dice: &mut Dice) -> Result<()> {
    stage.move_clocks(SignedDuration::from_mins(JUMPS[turn % JUMPS.len()]))?;
    lasting(Duration::from_secs(2)).await;
    let place = (dice.one_of(&["sla", "cases", "intake", "escalation", "notify"]), dice.below(2));
    stage.skew(place, if dice.below(2) == 0 { ASTRAY } else { -ASTRAY })?;
    lasting(Duration::from_secs(2)).await;
    stage.skew(place, SignedDuration::ZERO)
}

/// Stops a server of the run's own and starts it again: in order, and then without a word.
async fn server(name: &str, turn: usize) -> Result<()> {
    let folder = env::var("MASAR_TEST_SERVERS").context("set MASAR_TEST_SERVERS: use make faults")?;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/servers.sh");
    let how = if turn.is_multiple_of(2) { "kill" } else { "restart" };
    let done = Command::new(script).args([how, &folder, name]).kill_on_drop(true).status().await?;
    ensure!(done.success(), "{name} does not come back");
    lasting(Duration::from_secs(2)).await;
    Ok(())
}

/// RabbitMQ takes its disk for full, and lets nobody publish for a while.
async fn fill(time: Duration) -> Result<()> {
    env::var("MASAR_TEST_SERVERS").context("set MASAR_TEST_SERVERS: other tests would feel it")?;
    let control = env::var("MASAR_TEST_RABBITMQCTL").context("set MASAR_TEST_RABBITMQCTL")?;
    for (limit, lasts) in [("1000000GB", time), ("50MB", Duration::ZERO)] {
        let done = Command::new(&control).args(["-q", "set_disk_free_limit", limit]).status().await?;
        ensure!(done.success(), "RabbitMQ does not take {limit} for the limit of its disk");
        lasting(lasts).await;
    }
    Ok(())
}
