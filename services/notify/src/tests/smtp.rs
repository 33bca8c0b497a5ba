//! A mail server that takes as many mails as it is told to, and says what it was offered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// An answer that never comes.
pub(super) const SILENCE: &str = "";

type Answers = Arc<Mutex<VecDeque<&'static str>>>;

/// The server ends with the test.
pub(super) struct Server {
    pub(super) url: String,
    /// Each mail that was offered, whether it was taken or not.
    pub(super) offered: UnboundedReceiver<String>,
}

impl Server {
    /// A server that answers the mails with these lines in turn, and takes all others.
    pub(super) async fn answering(answers: &[&'static str]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("smtp://{}", listener.local_addr()?);
        let (sender, offered) = mpsc::unbounded_channel();
        let answers: Answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), sender.clone()));
            }
        });
        Ok(Self { url, offered })
    }
}

async fn serve(stream: TcpStream, answers: Answers, offered: UnboundedSender<String>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let command = line.split_whitespace().next().unwrap_or_default().to_uppercase();
        line.clear();
        let answer = match command.as_str() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mail = content(&mut stream).await?;
                let answer = answers.lock().ok().and_then(|mut answers| answers.pop_front());
                let answer = answer.unwrap_or("250 taken");
                if answer == SILENCE {
                    let _ = offered.send(mail);
                    return std::future::pending().await;
                }
                stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
                let _ = offered.send(mail);
                continue;
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => "250 well\r\n",
        };
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// The lines up to the lone dot.
async fn content(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let (mut mail, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line).await? > 0 && line != ".\r\n" {
        mail.push_str(&line);
        line.clear();
    }
    Ok(mail)
}
