//! Arguments about F Prime's registries.

use clap::Args;
use packhouse_registry::compat::fppm::About;

/// What a served registry says of itself to F Prime's client.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "F Prime")]
pub(crate) struct FppmFlags {
    /// `name` of /fppm/registry.yaml; else the registry's host
    #[arg(long, value_name = "TEXT")]
    fppm_name: Option<String>,
    /// `publisher` of /fppm/registry.yaml, which `fppm` shows beside a package; else the host
    #[arg(long, value_name = "TEXT")]
    fppm_publisher: Option<String>,
    /// `description` of /fppm/registry.yaml
    #[arg(long, value_name = "TEXT")]
    fppm_description: Option<String>,
}

impl FppmFlags {
    /// As the registry takes it.
    pub(crate) fn about(self) -> About {
        About {
            name: self.fppm_name,
            publisher: self.fppm_publisher,
            description: self.fppm_description,
        }
    }
}
