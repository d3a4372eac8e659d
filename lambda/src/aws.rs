//! How the functions reach AWS: one configuration for all clients, made for a cold start, which waits for
//! everything that is read or parsed before the first answer.

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

/// The roots that AWS's endpoints lead to. Source: Amazon Trust Services, <https://www.amazontrust.com/repository/>.
const ROOTS: &str = include_str!("roots.pem");

/// Region, keys and endpoints from the environment, where Lambda puts them: no other source of keys is set up.
///
/// # Errors
///
/// Where TLS cannot be set up.
pub async fn configuration() -> anyhow::Result<(SdkConfig, SharedCredentialsProvider)> {
    let variable = |name: &str| std::env::var(name).ok();
    let context = TlsContext::builder().with_trust_store(trusted(variable)).build()?;
    let client = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https();
    let keys = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .region(EnvironmentVariableRegionProvider::new())
        .credentials_provider(keys.clone())
        .http_client(client)
        .load();
    Ok((Box::pin(shared).await, keys))
}

/// AWS's own roots; the system's where `SSL_CERT_FILE` or `SSL_CERT_DIR` names them, and outside of AWS's
/// public regions. To read the system's 140 takes longer than the rest of a cold start.
fn trusted(variable: impl Fn(&str) -> Option<String>) -> TrustStore {
    let told = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| variable(name).is_some());
    if told || !variable("AWS_REGION").is_some_and(|region| is_public(&region)) {
        return TrustStore::default();
    }
    TrustStore::empty().with_pem_certificate(ROOTS)
}

/// Whether a region is of the partition `aws`: `eu-west-1` is, `us-gov-west-1`, `eusc-de-east-1` and
/// `cn-north-1` are not.
fn is_public(region: &str) -> bool {
    region.split('-').count() == 3 && !region.starts_with("cn-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regions_of_the_public_partition_count_as_such() {
        for region in ["us-east-1", "eu-central-2", "ap-southeast-7", "mx-central-1"] {
            assert!(is_public(region), "{region}");
        }
        for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1", ""] {
            assert!(!is_public(region), "{region}");
        }
    }
}
