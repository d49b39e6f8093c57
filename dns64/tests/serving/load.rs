//! Clients that ask without a pause, each one question at a time, and never twice: a query that gets lost is seen.

use crate::site::ask;
use hickory_proto::op::Message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// Running clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    /// `clients` clients ask `server` for AAAA of names of their own, `n<number>.example.`, and `judge` each reply.
    pub(crate) fn start(
        server: SocketAddr,
        clients: usize,
        judge: impl Fn(&Message) + Send + Sync + Clone + 'static,
    ) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let (stop, asked, judge) = (Arc::clone(&stop), Arc::clone(&asked), judge.clone());
            let transport = if client % 4 == 0 { "tcp" } else { "" };
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let reply = ask(server, &format!("n{number}.example. AAAA {transport}")).await;
                    judge(&Message::from_vec(&reply).unwrap());
                }
            });
        }
        Self { stop, asked, clients: tasks }
    }

    /// Waits for so many more questions.
    pub(crate) async fn more(&self, questions: usize) {
        let goal = self.asked.load(Ordering::Relaxed) + questions;
        let wait = async {
            while self.asked.load(Ordering::Relaxed) < goal {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::world::LONG, wait).await.expect("the clients go on");
    }

    /// Ends when every question has its reply.
    pub(crate) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("every reply was good");
        }
    }
}
