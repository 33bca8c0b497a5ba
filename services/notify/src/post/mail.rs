//! Mail: over SMTP, or as files in a folder where no server is set.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::Timestamp;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{Address, AsyncTransport, Message, Tokio1Executor};
use masar_runtime::BoxError;
use masar_runtime::config::MailSettings;
use masar_store::time::from_db;
use tokio::io::AsyncWriteExt;

use super::{Post, Refusal};
use crate::store::delivery;

/// Shorter than the lease of an attempt.
const LONGEST: Duration = Duration::from_secs(30);
/// Answers that refuse us and not the mail: somebody has to set the credentials right, and then it can be sent.
const OURS: [u16; 4] = [530, 534, 535, 538];

type Smtp = AsyncSmtpTransport<Tokio1Executor>;

/// Sends mail.
pub(crate) struct Mail {
    from: Mailbox,
    way: Way,
    /// How long a server may take to take a mail.
    pub(crate) longest: Duration,
}

enum Way {
    Server { url: String, connections: ArcSwap<Smtp> },
    Folder(PathBuf),
}

impl Mail {
    /// # Errors
    /// Which setting cannot be used.
    pub(crate) fn new(settings: &MailSettings, folder: PathBuf) -> Result<Self, BoxError> {
        let from =
            settings.from.parse().map_err(|error| format!("mail.from: `{}`: {error}", settings.from))?;
        let way = match &settings.smtp {
            Some(url) => {
                let smtp = connect(url).map_err(|error| format!("mail.smtp: {error}"))?;
                Way::Server { url: url.clone(), connections: ArcSwap::from_pointee(smtp) }
            }
            None => {
                std::fs::create_dir_all(&folder)
                    .map_err(|error| format!("the mail folder {}: {error}", folder.display()))?;
                Way::Folder(folder)
            }
        };
        Ok(Self { from, way, longest: LONGEST })
    }

    fn message(&self, delivery: &delivery::Model) -> Result<Message, Refusal> {
        let to: Address = delivery
            .recipient
            .parse()
            .map_err(|error| Refusal::ForGood(format!("the address cannot be used: {error}")))?;
        let header =
            |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        let written = SystemTime::try_from(from_db(delivery.created_at)).unwrap_or(SystemTime::UNIX_EPOCH);
        // All that another attempt would say differently comes from the delivery: both are the same mail.
        Message::builder()
            .message_id(Some(format!("<{}@{}>", delivery.id, self.from.email.domain())))
            .date(written)
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(delivery.subject.as_str())
            .raw_header(header("Content-Language", &delivery.language))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .header(ContentType::TEXT_PLAIN)
            .body(delivery.body.clone())
            .map_err(|error| Refusal::ForGood(format!("no mail can be made of it: {error}")))
    }

    async fn hand_over(
        &self,
        url: &str,
        connections: &ArcSwap<Smtp>,
        message: Message,
    ) -> Result<(), Refusal> {
        let smtp = connections.load_full();
        let mut sending = Box::pin(smtp.send(message));
        match tokio::time::timeout(self.longest, &mut sending).await {
            Ok(answer) => answer.map(drop).map_err(|error| refusal(&error)),
            Err(_) => {
                // A connection given up in the middle of a mail would go back to the others, and its late answer would
                // be taken for that of the next mail. So those that are idle are closed, and new ones take their place.
                smtp.shutdown().await;
                if let Ok(fresh) = connect(url) {
                    connections.store(fresh.into());
                }
                Err(Refusal::Later(format!("the mail server did not answer within {:?}", self.longest)))
            }
        }
    }
}

#[async_trait]
impl Post for Mail {
    async fn send(&self, delivery: &delivery::Model, _: Timestamp) -> Result<(), Refusal> {
        let message = self.message(delivery)?;
        match &self.way {
            Way::Server { url, connections } => self.hand_over(url, connections, message).await,
            Way::Folder(folder) => write(folder, &delivery.id.to_string(), &message.formatted())
                .await
                .map_err(|error| Refusal::Later(format!("the mail folder cannot be written: {error}"))),
        }
    }
}

fn connect(url: &str) -> Result<Smtp, smtp::Error> {
    Ok(Smtp::from_url(url)?.timeout(Some(LONGEST)).build())
}

fn refusal(error: &smtp::Error) -> Refusal {
    let ours = error.status().is_some_and(|code| OURS.contains(&u16::from(code)));
    if error.is_permanent() && !ours {
        return Refusal::ForGood(error.to_string());
    }
    Refusal::Later(error.to_string())
}

/// Writes a file as a whole or not at all; one of the same name is replaced.
async fn write(folder: &Path, name: &str, text: &[u8]) -> std::io::Result<()> {
    let unfinished = folder.join(format!(".{name}.part"));
    let mut file = tokio::fs::File::create(&unfinished).await?;
    file.write_all(text).await?;
    file.sync_all().await?;
    tokio::fs::rename(&unfinished, folder.join(format!("{name}.eml"))).await
}
