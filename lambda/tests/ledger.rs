//! The ledger's guarantees on DynamoDB: the suite that every store passes, on two servers of its
//! protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use std::sync::Arc;

use packhouse_registry::ports::Ledger;
use packhouse_tests::dynamodb::Server;
use support::Store;

mod extenddb {
    use super::*;

    async fn make() -> (Arc<dyn Ledger>, Store) {
        let store = Store::on(Server::ExtendDb).await;
        (Arc::new(store.ledger()), store)
    }
    packhouse_registry::ledger_conformance!(make);
}

mod dynoxide {
    use super::*;

    async fn make() -> (Arc<dyn Ledger>, Store) {
        let store = Store::on(Server::Dynoxide).await;
        (Arc::new(store.ledger()), store)
    }
    packhouse_registry::ledger_conformance!(make);
}
