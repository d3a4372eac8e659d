//! Downloads of the stock `ato` are spaced, whichever functions answer them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

mod support;

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use packhouse_lambda::dynamo::DynamoTurns;
use packhouse_registry::spacing::{GAP, Turns as _};
use packhouse_tests::dynamodb::{Server, client};
use packhouse_tests::proxy::{Fault, Proxy};
use support::Store;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn turns_that_many_functions_book_never_meet() {
    for server in [Server::Dynoxide, Server::ExtendDb] {
        let store = Store::on(server).await;
        let turns = || DynamoTurns::new(&client(&store.server.url()), store.table.clone());
        let (now, gap) = (1_795_700_000_000, GAP.as_millis() as u64);
        let booked = (0..24).map(|_| {
            let turns = turns();
            async move { turns.book_at(ADDRESS, now).await.unwrap() - now }
        });
        let mut starts = join_all(booked).await;
        starts.sort_unstable();
        assert_eq!(starts, (0..24).map(|n| n * gap).collect::<Vec<_>>(), "{server:?}");
        let other = "2001:db8::1".parse().unwrap();
        assert_eq!(turns().book_at(other, now).await.unwrap(), now, "nobody else waits");
        let later = now + 24 * gap;
        assert_eq!(turns().book_at(ADDRESS, later).await.unwrap(), later, "its turns are over");
        assert_eq!(turns().book_at(ADDRESS, later).await.unwrap(), later + gap);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_without_a_turn_where_none_can_be_had() {
    let store = Store::on(Server::Dynoxide).await;
    let proxy = Proxy::start(store.server.address());
    let turns = DynamoTurns::new(&client(&proxy.url()), store.table.clone());
    proxy.plan(|_| Some(Fault::NotReached));
    assert_eq!(turns.book(ADDRESS).await, Duration::ZERO);
    proxy.fail_nth(0, Fault::AnswerLost);
    assert!(turns.book(ADDRESS).await <= GAP * 2);
}
