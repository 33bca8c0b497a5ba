//! The one way in for clients: to the right service, past replicas that are gone, and again only where that is safe.

use std::collections::VecDeque;
use std::net::TcpListener as Port;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use masar_runtime::Network;
use masar_runtime::config::Peers;
use tokio::net::TcpListener;
use tonic::{Code, Status};
use tower::ServiceExt;

const GET: &str = "/masar.cases.v1.CaseService/GetCase";
const MOVE: &str = "/masar.cases.v1.CaseService/Transition";
const CLOCKS: &str = "/masar.sla.v1.SlaService/ListClocks";

/// What a replica was asked, and what it answers before all is well.
#[derive(Clone, Default)]
struct Replica(Arc<Mutex<(Vec<String>, VecDeque<Code>)>>);

impl Replica {
    async fn start(&self) -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let answer = async |State(replica): State<Self>, request: Request| {
            let mut said = replica.0.lock().unwrap_or_else(PoisonError::into_inner);
            said.0.push(request.uri().path().to_owned());
            Status::new(said.1.pop_front().unwrap_or(Code::Ok), "").into_http::<axum::body::Body>()
        };
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(address)
    }

    fn will_say(&self, codes: impl IntoIterator<Item = Code>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.extend(codes);
    }

    /// How often it was asked since the last time.
    fn asked(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).0).len()
    }
}

fn nobody() -> Result<String> {
    Ok(format!("http://{}", Port::bind("127.0.0.1:0")?.local_addr()?))
}

fn network<const N: usize>(peers: [(&str, Vec<String>); N]) -> Result<Network> {
    let peers: Peers = peers.into_iter().map(|(service, replicas)| (service.to_owned(), replicas)).collect();
    Ok(Network::of(&peers)?)
}

/// The code of the answer to a call.
async fn call(network: &Network, path: &str) -> Result<Code> {
    let request = http::Request::post(path).header("content-type", "application/grpc");
    let response = network.clone().oneshot(request.body(tonic::body::Body::empty())?).await?;
    Ok(Code::from_bytes(response.headers().get("grpc-status").context("no status")?.as_bytes()))
}

#[tokio::test]
async fn every_call_finds_its_service_whoever_is_gone() -> Result<()> {
    let (cases, sla) = (Replica::default(), Replica::default());
    let network = network([
        ("cases", vec![nobody()?, cases.start().await?, nobody()?]),
        ("sla", vec![sla.start().await?]),
    ])?;
    for _ in 0..10 {
        for path in [GET, MOVE, CLOCKS] {
            assert_eq!(call(&network, path).await?, Code::Ok, "{path}");
        }
    }
    assert_eq!((cases.asked(), sla.asked()), (20, 10));
    assert_eq!(call(&network, "/masar.intake.v1.IntakeService/GetSubmission").await?, Code::Unavailable);
    Ok(())
}

#[tokio::test]
async fn what_reads_is_asked_again_and_what_moves_is_not() -> Result<()> {
    let replicas = [Replica::default(), Replica::default()];
    let network = network([("cases", vec![replicas[0].start().await?, replicas[1].start().await?])])?;
    let say = |codes: [Code; 2]| replicas.iter().for_each(|replica| replica.will_say(codes));
    let asked = || replicas.iter().map(Replica::asked).sum::<usize>();
    say([Code::Unavailable; 2]);
    assert_eq!((call(&network, GET).await?, asked()), (Code::Ok, 5));
    say([Code::Unavailable; 2]);
    for _ in 0..4 {
        assert_eq!((call(&network, MOVE).await?, asked()), (Code::Unavailable, 1));
    }
    say([Code::NotFound; 2]);
    assert_eq!((call(&network, GET).await?, asked()), (Code::NotFound, 1), "an answer is an answer");
    Ok(())
}
