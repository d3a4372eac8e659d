//! Arguments of `packhouse admin deploy`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  packhouse admin deploy packages.example.org --code-bucket my-code --zone Z0123456789 --plan
  packhouse admin deploy packages.example.org --code-bucket my-code --zone Z0123456789
  packhouse admin deploy packages.example.org --code-bucket my-code --set Private=true --yes

Runs the AWS CLI (`aws`), with the account and the region that it is set up for, and shows every command
before. The first time it makes the operator's token and leaves it in a file; the stack gets its hash
alone. Run it again to upgrade or to change a setting: what is not named stays. docs/aws.md tells more.")]
pub(crate) struct Deploy {
    /// The registry's host name
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,
    /// A bucket of yours for the functions' code, in the same region
    #[arg(long, value_name = "NAME")]
    pub(crate) code_bucket: String,
    /// The Route 53 zone of the name: then DNS records and the certificate make themselves
    #[arg(long, value_name = "ID")]
    pub(crate) zone: Option<String>,
    /// A certificate of us-east-1 for DOMAIN and files.DOMAIN, where the stack is in another region
    #[arg(long, value_name = "ARN", conflicts_with = "zone")]
    pub(crate) certificate: Option<String>,
    /// The stack's name
    #[arg(long, value_name = "NAME", default_value = "packhouse")]
    pub(crate) stack: String,
    /// The template
    #[arg(long, value_name = "FILE", default_value = "lambda/template.yaml")]
    pub(crate) template: PathBuf,
    /// The functions, as a release ships them
    #[arg(long, value_name = "ZIP", default_value = "lambda/bootstrap.zip")]
    pub(crate) functions: PathBuf,
    /// Another parameter of the template; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// Only show what would be done, and what it costs
    #[arg(long)]
    pub(crate) plan: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
