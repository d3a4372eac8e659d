//! A client of the registry: what a publisher and a consumer do, without a terminal.
//!
//! [`plan`] turns folders into packages that are ready to go, [`publish`] sends them, [`fetch`]
//! brings one back and proves that its bytes are right; a [`project`] gets what it needs through the
//! [`cache`]. [`apl`] is the registry module of another community. [`http`] is the one way to a registry,
//! [`token`] the one way to a credential. Everything that a registry answers is hostile until it is
//! checked: answers are bounded, redirects are not followed, and no text of a registry decides for
//! whom a token is made.

pub mod apl;
pub mod attune;
pub mod built;
pub mod cache;
pub mod error;
pub mod event;
pub mod extract;
pub mod fetch;
pub mod fppm;
mod guard;
pub mod http;
mod kicad;
pub mod manage;
pub mod plan;
pub mod probe;
pub mod project;
pub mod publish;
pub mod quality;
pub mod replace;
pub mod scratch;
pub mod token;
pub mod transfer;
pub mod url;
pub mod walk;

pub use error::{ClientError, Refusal};
pub use http::Client;
pub use manage::Wanted;
pub use url::RegistryUrl;

/// Does `work` for every item on at most `at_once` threads; answers in the order of the items.
///
/// Threads of its own, because the work waits for the network; a single item starts none.
pub fn parallel<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    if items.len() < 2 {
        return items.iter().enumerate().map(|(at, item)| work(at, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(at, item);
                    done.lock().unwrap_or_else(|e| e.into_inner()).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
