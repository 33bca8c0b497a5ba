//! Mail: what is written, how often it is tried, and when it is given up.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use masar_runtime::config::MailSettings;
use masar_testkit::on_each_database;

use super::case::{REFERENCE, TENANT, letter, registry, snapshot, start, tells};
use super::house::House;
use super::smtp::{SILENCE, Server};
use crate::post::{Mail, Post, Refusal};

fn progress() -> masar_bus::Event {
    tells(snapshot(), &[("progress", &["customer"])])
}

fn over(server: &Server) -> MailSettings {
    let from = "Masar <masar@mun.example>".to_owned();
    MailSettings { smtp: Some(server.url.clone()), from }
}

/// A header of a mail, unfolded, its encoded words decoded (RFC 2047).
fn header(mail: &str, name: &str) -> Option<String> {
    let (headers, _) = mail.split_once("\r\n\r\n")?;
    let headers = headers.replace("\r\n ", " ");
    let value = headers.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))?;
    let words = value.split("=?utf-8?b?").enumerate().map(|(at, part)| match part.split_once("?=") {
        Some((word, rest)) if at > 0 => {
            [STANDARD.decode(word).unwrap(), rest.trim_start().as_bytes().to_vec()].concat()
        }
        _ => part.as_bytes().to_vec(),
    });
    String::from_utf8(words.collect::<Vec<_>>().concat()).ok()
}

/// The text of a mail.
fn text(mail: &str) -> Option<String> {
    let (_, body) = mail.split_once("\r\n\r\n")?;
    match header(mail, "Content-Transfer-Encoding")?.as_str() {
        "base64" => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).ok()?).ok(),
        _ => Some(body.to_owned()),
    }
}

#[tokio::test]
async fn an_event_that_comes_twice_is_one_file_in_the_language_of_the_customer() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let event = progress();
        house.tell("cases", vec![event.clone(), event]).await?;
        house.rest().await?;

        let delivery = house.only().await?;
        assert_eq!((delivery.status.as_str(), delivery.attempts), ("delivered", 1));
        assert_eq!((delivery.recipient.as_str(), delivery.language.as_str()), ("fatima@mail.example", "ar"));
        assert!(delivery.delivered_at.is_some() && delivery.next_attempt_at.is_none());
        let files = house.mail()?;
        let [(name, mail)] = files.as_slice() else { anyhow::bail!("{files:?}") };
        assert_eq!(name, &format!("{}.eml", delivery.delivery_id));
        let header = |name| header(mail, name).unwrap_or_default();
        assert_eq!(header("Message-ID"), format!("<{}@localhost>", delivery.delivery_id));
        assert_eq!(
            (header("From").as_str(), header("To").as_str()),
            ("masar@localhost", "fatima@mail.example")
        );
        assert_eq!(
            (header("Content-Language").as_str(), header("Auto-Submitted").as_str()),
            ("ar", "auto-generated")
        );
        assert_eq!(header("Date"), "Sun, 15 Nov 2026 07:00:00 +0000");
        assert_eq!(header("Subject"), format!("مستجدات شكواك \u{2068}{REFERENCE}\u{2069}"));
        let words = format!("ما زلنا نعمل على شكواك \u{2068}{REFERENCE}\u{2069}. \u{2068}البلدية\u{2069}");
        assert_eq!(text(mail).unwrap_or_default().trim_end(), words);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_same_message_in_english() -> Result<()> {
    on_each_database(async |url| {
        let mut house = House::open(&url).await?;
        let mut case = snapshot();
        case.contact = Some(super::case::by("email", "john@mail.example", ""));
        house.tell("cases", vec![tells(case, &[("progress", &["customer"])])]).await?;
        house.rest().await?;
        let files = house.mail()?;
        let mail = &files.first().context("a mail")?.1;
        assert_eq!(header(mail, "Subject").as_deref(), Some(&*format!("News of your complaint {REFERENCE}")));
        let words = format!("We are still working on your complaint {REFERENCE}. Municipality");
        assert_eq!(text(mail).unwrap_or_default().replace("=\r\n", "").trim_end(), words);
        assert_eq!(header(mail, "Content-Language").as_deref(), Some("en"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_busy_twice_gets_the_same_mail_three_times_and_takes_it_once() -> Result<()> {
    on_each_database(async |url| {
        let mut server = Server::answering(&["451 later", "451 later"]).await?;
        let mut house = House::with(&url, over(&server)).await?;
        house.tell("cases", vec![progress()]).await?;
        let first = server.offered.recv().await.context("an attempt")?;
        house.hand.advance_to(start() + SignedDuration::from_secs(5));
        let second = server.offered.recv().await.context("an attempt")?;
        house.hand.advance_to(start() + SignedDuration::from_secs(35));
        let third = server.offered.recv().await.context("an attempt")?;
        house.rest().await?;

        assert_eq!((&first, &second), (&third, &third));
        assert!(server.offered.try_recv().is_err());
        let delivery = house.only().await?;
        assert_eq!((delivery.status.as_str(), delivery.attempts), ("delivered", 3));
        assert_eq!(delivery.last_error, "");
        assert_eq!(header(&third, "Message-ID"), Some(format!("<{}@mun.example>", delivery.delivery_id)));
        assert_eq!(header(&third, "From").as_deref(), Some("Masar <masar@mun.example>"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_ends_it_and_a_wrong_password_does_not() -> Result<()> {
    on_each_database(async |url| {
        let mut server = Server::answering(&["550 no <fatima@mail.example> here", "535 who are you"]).await?;
        let mut house = House::with(&url, over(&server)).await?;
        house.tell("cases", vec![progress()]).await?;
        server.offered.recv().await.context("an attempt")?;
        house.hand.advance_to(start() + SignedDuration::from_secs(1));
        house.tell("cases", vec![progress()]).await?;
        server.offered.recv().await.context("an attempt")?;
        house.rest().await?;
        let deliveries = house.deliveries().await?;
        let status: Vec<_> = deliveries.iter().map(|it| (it.status.as_str(), it.attempts)).collect();
        assert_eq!(status, [("pending", 1), ("failed", 1)]);
        assert!(deliveries[1].last_error.contains("550"), "{}", deliveries[1].last_error);
        let mut officer = house.client(TENANT, "triage_officer");
        let seen = officer.list_deliveries(tonic::Request::new(Default::default())).await?.into_inner();
        assert!(seen.deliveries.iter().all(|it| !it.last_error.contains("fatima")), "{seen:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn after_three_days_it_is_given_up() -> Result<()> {
    on_each_database(async |url| {
        let mut server = Server::answering(&["451 later"; 40]).await?;
        let mut house = House::with(&url, over(&server)).await?;
        house.tell("cases", vec![progress()]).await?;
        let mut now = start();
        let hours = SignedDuration::from_hours(1);
        let plan = [5, 30, 120, 600, 3_600].map(SignedDuration::from_secs);
        let plan: Vec<_> = plan.into_iter().chain(std::iter::repeat_n(hours * 6, 11)).collect();
        server.offered.recv().await.context("an attempt")?;
        for pause in &plan {
            now += *pause;
            house.hand.advance_to(now);
            server.offered.recv().await.context("an attempt")?;
        }
        house.rest().await?;
        let delivery = house.only().await?;
        assert_eq!((delivery.status.as_str(), delivery.attempts), ("failed", 17));
        assert!(delivery.last_error.starts_with("given up after 17 attempts"), "{}", delivery.last_error);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_that_falls_silent_spoils_no_other_mail() -> Result<()> {
    let mut server = Server::answering(&[SILENCE]).await?;
    let mut mail = Mail::new(&over(&server), std::path::PathBuf::new()).map_err(anyhow::Error::from_boxed)?;
    mail.longest = Duration::from_millis(300);
    let lost = mail.send(&letter(), start()).await;
    assert!(matches!(&lost, Err(Refusal::Later(error)) if error.contains("did not answer")), "{lost:?}");
    // What was given up is cleaned up by a task of its own: let it come first.
    tokio::task::yield_now().await;
    // Over a connection that is still waiting for the first answer, this one would be lost as well.
    assert_eq!(mail.send(&letter(), start()).await, Ok(()));
    server.offered.recv().await.context("the first")?;
    server.offered.recv().await.context("the second")?;
    Ok(())
}

#[tokio::test]
async fn two_replicas_send_every_mail_once() -> Result<()> {
    on_each_database(async |url| {
        let mut server = Server::answering(&[]).await?;
        let one = House::silent(&url, over(&server), start()).await?;
        let other = House::silent(&url, over(&server), start()).await?;
        one.tell("registry", vec![registry()]).await?;
        for _ in 0..20 {
            let (here, there) = (vec![progress(), progress()], vec![progress()]);
            tokio::try_join!(one.tell("cases", here), other.tell("cases", there))?;
        }
        let mut ids = std::collections::BTreeSet::new();
        for _ in 0..60 {
            let mail = server.offered.recv().await.context("a mail")?;
            assert!(ids.insert(header(&mail, "Message-ID")), "sent twice");
        }
        for mut house in [one, other] {
            house.rest().await?;
        }
        assert!(server.offered.try_recv().is_err());
        Ok(())
    })
    .await
}
