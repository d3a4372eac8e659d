//! Spaced downloads for `ato`: it parses parallel downloads with one parser that threads must not
//! share, and fails when they arrive together. Answers that reach one client a moment apart never
//! trip it. No other client waits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use http::HeaderMap;

/// The client's address, as the server knows it; a request extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

/// The least time between the starts of two downloads of one address. 20 ms were enough in trials;
/// this leaves room for a slow client.
pub const GAP: Duration = Duration::from_millis(40);

/// The longest that a download waits: old clients give up after 5 seconds.
pub const LONGEST: Duration = Duration::from_secs(3);

/// Addresses that are remembered at most; beyond, nobody is held back.
const ADDRESSES: usize = 4_096;

/// Where turns are booked. All processes that answer one client must share it.
#[async_trait]
pub trait Turns: Send + Sync {
    /// Books the next free turn of an address, [`GAP`] behind the one before; answers how long it is
    /// until then, [`LONGEST`] at most.
    async fn book(&self, address: IpAddr) -> Duration;
}

/// The turns of one process that answers all.
#[derive(Default)]
struct MemoryTurns {
    next: Mutex<HashMap<IpAddr, Instant>>,
}

/// Spaces the downloads of `ato`.
pub struct Spacing {
    turns: Box<dyn Turns>,
}

impl Default for Spacing {
    fn default() -> Self {
        Self::new(MemoryTurns::default())
    }
}

impl Spacing {
    /// With turns that are booked here.
    pub fn new(turns: impl Turns + 'static) -> Self {
        Self { turns: Box::new(turns) }
    }

    /// Waits until it is the turn of this download, where the client is `ato`.
    pub async fn turn(&self, client: Option<ClientAddr>, request: &HeaderMap) {
        let agent = request.get(http::header::USER_AGENT).map(|v| v.as_bytes());
        let (Some(client), Some(true)) = (client, agent.map(|a| a.starts_with(b"atopile/"))) else {
            return;
        };
        let wait = self.turns.book(client.0).await;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[async_trait]
impl Turns for MemoryTurns {
    async fn book(&self, address: IpAddr) -> Duration {
        self.book_at(address, Instant::now())
    }
}

impl MemoryTurns {
    /// Books the next free turn of an address; answers how long it is until then.
    fn book_at(&self, address: IpAddr, now: Instant) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= ADDRESSES {
            next.retain(|_, free| *free > now);
            if next.len() >= ADDRESSES && !next.contains_key(&address) {
                return Duration::ZERO;
            }
        }
        let free = next.entry(address).or_insert(now);
        let turn = (*free).clamp(now, now + LONGEST);
        *free = turn + GAP;
        turn - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn downloads_of_one_address_are_spaced_and_others_are_not_held_back() {
        let (spacing, now) = (MemoryTurns::default(), Instant::now());
        let waits: Vec<_> = (0..4).map(|_| spacing.book_at(address(1), now).as_millis()).collect();
        assert_eq!(waits, [0, 40, 80, 120]);
        assert_eq!(spacing.book_at(address(2), now), Duration::ZERO);
        assert_eq!(spacing.book_at(address(1), now + Duration::from_secs(1)), Duration::ZERO);
        let longest = (0..500).map(|_| spacing.book_at(address(3), now)).max();
        assert_eq!(longest, Some(LONGEST));
    }

    #[test]
    fn the_table_is_bounded() {
        let (spacing, now) = (MemoryTurns::default(), Instant::now());
        for n in 0..3 * u32::try_from(ADDRESSES).unwrap() {
            spacing.book_at(address(n), now);
        }
        assert!(spacing.next.lock().unwrap().len() <= ADDRESSES);
        let later = now + Duration::from_secs(60);
        spacing.book_at(address(u32::MAX), later);
        assert_eq!(spacing.next.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn only_ato_waits() {
        let spacing = Spacing::default();
        let agent =
            |text: &str| HeaderMap::from_iter([(http::header::USER_AGENT, text.parse().unwrap())]);
        let client = Some(ClientAddr(address(1)));
        let start = tokio::time::Instant::now();
        for _ in 0..5 {
            spacing.turn(client, &agent("curl/8.0")).await;
            spacing.turn(None, &agent("atopile/0.15.9 (linux; 3.14.8)")).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..3 {
            spacing.turn(client, &agent("atopile/0.15.9 (linux; 3.14.8)")).await;
        }
        assert!(start.elapsed() >= Duration::from_millis(80));
    }
}
