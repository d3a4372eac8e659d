//! A client of the registry: what a publisher and a consumer do, without a terminal.
//!
//! [`plan`] turns folders into packages that are ready to go, [`publish`] sends them, [`fetch`]
//! brings one back and proves that its bytes are right. [`http`] is the one way to a registry,
//! [`token`] the one way to a credential. Everything that a registry answers is hostile until it is
//! checked: answers are bounded, redirects are not followed, and no text of a registry decides for
//! whom a token is made.

pub mod error;
pub mod extract;
pub mod http;
pub mod token;
pub mod url;
pub mod walk;

pub use error::{ClientError, Refusal};
pub use http::Client;
pub use url::RegistryUrl;
