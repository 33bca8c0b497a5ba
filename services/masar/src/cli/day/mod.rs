//! `masar demo`: a working day in a minute, on a simulated clock: cases arrive, clocks warn, promises break, ladders
//! climb. Everything is the product itself, with people who follow a script.

mod script;
mod tell;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use masar_bus::{LocalTransport, Transport, every_partition};
use masar_runtime::Clock;
use masar_runtime::config::Settings;
use masar_runtime::telemetry::Telemetry;
use tokio::sync::mpsc;

use super::Answer;
use crate::credentials::Credentials;
use crate::platform::{Ground, SERVICES};
use crate::{demo, platform};
use tell::Teller;

/// The name under which the narrator listens on the bus.
const NARRATOR: &str = "narrator";
/// A Sunday, quarter of an hour before the offices open.
const DAWN: &str = "2026-11-15T06:45:00+03:00";
/// From then until after they have closed.
const WORKING_DAY: SignedDuration = SignedDuration::from_mins(7 * 60 + 30);

/// How the day is played.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Seconds that a working day takes.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=3_600))]
    seconds: u32,
    /// Keep the databases and the mail of the day in this folder, which must be new.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Plays the day and says what became of its promises.
pub(crate) async fn run(arguments: Arguments) -> Result<Answer> {
    let folder = Folder::new(arguments.keep)?;
    let dawn: Timestamp = DAWN.parse()?;
    let speed = WORKING_DAY.as_secs_f64() / f64::from(arguments.seconds);
    let clock = Clock::scaled(dawn, speed);
    let credentials = Credentials::of(&folder.path)?;
    let settings = Settings {
        data_folder: folder.path.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        auth: credentials.settings(&demo::tenants()?),
        ..Settings::default()
    };
    let links: Vec<_> = platform::LINKS.iter().copied().chain([(NARRATOR, &SERVICES[..])]).collect();
    let transport: Arc<dyn Transport> = Arc::new(LocalTransport::new(&links));
    let mut heard = transport.subscribe(NARRATOR, &SERVICES, every_partition()).await?;
    let telemetry = Telemetry::quiet().map_err(anyhow::Error::from_boxed)?;
    let ground = Ground {
        settings,
        registry_files: vec![demo::unpack(&folder.path)?],
        telemetry: Arc::new(telemetry),
        clock: clock.clone(),
        transport,
    };
    let running = Box::pin(platform::start(ground)).await?;
    say(&format!(
        "A Sunday in November, {} times as fast. The offices open at 07:00 and close at 14:00.\n",
        speed.round()
    ));
    let address = format!("http://{}", running.address);
    let (story, mut ended) = mpsc::channel::<()>(1);
    let script = tokio::spawn(script::play(address, credentials, clock.clone(), dawn, story));
    let mut teller = Teller::default();
    let evening = dawn + WORKING_DAY;
    loop {
        tokio::select! {
            delivery = heard.recv() => {
                let delivery = delivery.context("the platform stopped")?;
                for event in &delivery.message.events {
                    if let Some(line) = teller.tell(event)? {
                        say(&line);
                    }
                }
                // The services must not wait for the narrator.
                let _ = delivery.done.send(());
            }
            () = clock.sleep_until(evening) => break,
            // The script ends before the day does; only its failure is of interest.
            None = ended.recv(), if script.is_finished() => break,
        }
    }
    if script.is_finished() {
        script.await??;
    }
    running.stop().await?;
    Ok(teller.summary())
}

/// Prints a line of the story. Nobody reads it where standard error is closed, and then nothing is lost.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Where the day is kept: until it is over, unless somebody named the place.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    fn new(keep: Option<PathBuf>) -> Result<Self> {
        let kept = keep.is_some();
        let path =
            keep.unwrap_or_else(|| std::env::temp_dir().join(format!("masar-demo-{}", uuid::Uuid::now_v7())));
        std::fs::create_dir(&path).with_context(|| {
            format!("cannot make the folder {}: name a new one with --keep", path.display())
        })?;
        Ok(Self { path, kept })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // What is left in the folder for temporary files harms nobody.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
