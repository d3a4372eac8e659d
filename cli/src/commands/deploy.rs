//! `packhouse admin deploy`: the stack on AWS, by the AWS CLI.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use packhouse_core::escape::{excerpt, printable};
use packhouse_registry::auth::ApiToken;
use serde_json::{Map, Value, json};

use crate::args::Deploy;
use crate::exit::{Exit, Stop};
use crate::server::write_secret;
use crate::ui::{Ui, shown};

/// The page whose table of costs the plan shows; a test keeps it equal to what is computed.
const COSTS: &str = include_str!("../../../docs/aws.md");

/// What is needed to know about the account.
struct Account {
    id: String,
    region: String,
    /// Whether the stack is there already.
    exists: bool,
}

/// A folder with what is deployed, and the commands that do it.
struct Plan {
    package: Vec<String>,
    deploy: Vec<String>,
    token_file: Option<PathBuf>,
    _folder: tempfile::TempDir,
}

pub(crate) fn run(args: &Deploy, ui: &Ui) -> anyhow::Result<Exit> {
    check(args)?;
    let account = account(args)?;
    let plan = plan(args, &account)?;
    show(args, &account, &plan, ui);
    if args.plan {
        finish(args, &account, &plan, Value::Null, ui)?;
        return Ok(Exit::Ok);
    }
    if !args.yes && !agreed(ui)? {
        return Err(Stop::usage("nothing was deployed", "say yes, or add --yes").into());
    }
    if let Some(file) = plan.token_file.as_deref().filter(|file| !file.exists()) {
        // The file first: a token whose hash the stack has and nobody holds would help no one.
        let token = token(args)?;
        ui.mask(&token.secret());
        write_secret(file, token.secret().reveal())
            .with_context(|| format!("cannot write {}", shown(file)))?;
        ui.done("Made", &format!("the operator's token, in {}", shown(file)));
    }
    aws(&plan.package, ui)?;
    aws(&with_token(args, &plan)?, ui)?;
    ui.done("Deployed", &format!("the stack {}", printable(&args.stack)));
    let outputs = outputs(args)?;
    finish(args, &account, &plan, outputs, ui)?;
    Ok(Exit::Ok)
}

fn check(args: &Deploy) -> anyhow::Result<()> {
    let host = |text: &str| {
        let part = |part: &str| {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !part.is_empty() && part.bytes().all(plain) && !part.starts_with('-')
        };
        text.len() <= 200 && text.contains('.') && text.split('.').all(part)
    };
    if !host(&args.domain) {
        let found = excerpt(&args.domain, 80);
        return Err(Stop::usage(
            format!("`{found}` is not a host name"),
            "write it in lower case without scheme and path: packages.example.org",
        )
        .into());
    }
    for (what, file, hint) in [
        (
            "template",
            &args.template,
            "it is lambda/template.yaml of the sources; name it with --template",
        ),
        (
            "functions' archive",
            &args.functions,
            "build it with `tests/long/release functions-aarch64`, or name a release's with --functions",
        ),
    ] {
        if !file.is_file() {
            return Err(Stop::usage(format!("there is no {what} {}", shown(file)), hint).into());
        }
    }
    for parameter in &args.parameters {
        let name = parameter.split_once('=').map(|(name, _)| name);
        let known = ["Domain", "AdminTokenSha256", "HostedZoneId", "CertificateArn"];
        if name.is_none_or(|name| name.is_empty() || known.contains(&name)) {
            let found = excerpt(parameter, 80);
            let hint =
                "write --set NAME=VALUE; domain, zone and certificate have arguments of their own";
            return Err(Stop::usage(format!("`{found}` is no parameter to set"), hint).into());
        }
    }
    Ok(())
}

/// Runs `aws` and answers its stdout.
fn asked(arguments: &[&str]) -> anyhow::Result<Result<String, String>> {
    let output = Command::new("aws").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Stop::usage(
            format!("`aws` cannot be run: {error}"),
            "install the AWS CLI and set it up with `aws configure`",
        )
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

fn account(args: &Deploy) -> anyhow::Result<Account> {
    let query = ["sts", "get-caller-identity", "--query", "Account", "--output", "text"];
    let id = asked(&query)?.map_err(|error| {
        Stop::new(
            Exit::Denied,
            format!("the AWS CLI has no account: {}", excerpt(&error, 300)),
            "log in with `aws sso login` or `aws configure`; AWS_PROFILE names another profile",
        )
    })?;
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let region = match variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) {
        Some(region) => region,
        None => asked(&["configure", "get", "region"])?.unwrap_or_default(),
    };
    if region.is_empty() {
        let hint = "set it with `aws configure set region us-east-1`, or with AWS_REGION";
        return Err(Stop::usage("the AWS CLI has no region", hint).into());
    }
    if region != "us-east-1" && args.certificate.is_none() {
        return Err(Stop::usage(
            format!("CloudFront takes certificates of us-east-1 only, and the region is {}", excerpt(&region, 40)),
            "deploy to us-east-1 (AWS_REGION=us-east-1), or bring a certificate of us-east-1 with --certificate",
        )
        .into());
    }
    let describe = ["cloudformation", "describe-stacks", "--stack-name", &args.stack];
    let exists = match asked(&describe)? {
        Ok(_) => true,
        Err(error) if error.contains("does not exist") => false,
        Err(error) => {
            let found = format!("cannot look for the stack: {}", excerpt(&error, 300));
            return Err(Stop::new(Exit::Unreachable, found, "try again").into());
        }
    };
    Ok(Account { id, region, exists })
}

fn plan(args: &Deploy, account: &Account) -> anyhow::Result<Plan> {
    // `aws cloudformation package` looks for the code beside the template.
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let template = folder.path().join("template.yaml");
    fs_err::copy(&args.template, &template)?;
    fs_err::copy(&args.functions, folder.path().join("bootstrap.zip"))?;
    let packaged = folder.path().join("packaged.yaml");
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut package = words(&["cloudformation", "package", "--template-file"]);
    package.extend([path(&template), "--s3-bucket".to_owned(), args.code_bucket.clone()]);
    package.extend(["--s3-prefix".to_owned(), args.stack.clone()]);
    package.extend(["--output-template-file".to_owned(), path(&packaged)]);
    let mut deploy = words(&["cloudformation", "deploy", "--template-file"]);
    deploy.extend([path(&packaged), "--stack-name".to_owned(), args.stack.clone()]);
    // Written out, the template is longer than what CloudFormation takes in a request.
    deploy.extend(["--s3-bucket".to_owned(), args.code_bucket.clone()]);
    deploy.extend(["--s3-prefix".to_owned(), args.stack.clone()]);
    deploy.extend(words(&["--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset"]));
    deploy.extend(["--parameter-overrides".to_owned(), format!("Domain={}", args.domain)]);
    deploy.extend(args.zone.iter().map(|zone| format!("HostedZoneId={zone}")));
    deploy.extend(args.certificate.iter().map(|arn| format!("CertificateArn={arn}")));
    deploy.extend(args.parameters.iter().cloned());
    let token_file =
        (!account.exists).then(|| PathBuf::from(format!("{}-admin-token", args.stack)));
    Ok(Plan { package, deploy, token_file, _folder: folder })
}

/// The token of an earlier attempt, or a new one.
fn token(args: &Deploy) -> anyhow::Result<ApiToken> {
    let file = PathBuf::from(format!("{}-admin-token", args.stack));
    if !file.exists() {
        return Ok(ApiToken::random()?);
    }
    let text = fs_err::read_to_string(&file)?;
    ApiToken::parse(text.trim()).ok_or_else(|| {
        let found = format!("{} holds no API token", shown(&file));
        Stop::usage(found, "move it away: then a new token is made").into()
    })
}

/// The deploy command, with the hash of the operator's token where the stack is new.
fn with_token(args: &Deploy, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let mut deploy = plan.deploy.clone();
    if plan.token_file.is_some() {
        deploy.push(format!("AdminTokenSha256={}", token(args)?.sha256().hex()));
    }
    Ok(deploy)
}

fn show(args: &Deploy, account: &Account, plan: &Plan, ui: &Ui) {
    let verb = if account.exists { "changes" } else { "makes" };
    ui.note(&format!(
        "this {verb} the stack {} in account {}, region {}: a registry at https://{}",
        printable(&args.stack),
        printable(&account.id),
        printable(&account.region),
        args.domain
    ));
    for command in [&plan.package, &plan.deploy] {
        ui.note(&format!("runs `aws {}`", printable(&command.join(" "))));
    }
    match &plan.token_file {
        Some(file) if file.exists() => {
            ui.note(&format!("uses the operator's token in {}", shown(file)));
        }
        Some(file) => ui.note(&format!("makes the operator's token, in {}", shown(file))),
        None => ui.note("what is not named stays as it is, the operator's tokens too"),
    }
    if args.zone.is_none() && args.certificate.is_none() && !account.exists {
        ui.warn("without --zone, the deploy waits until you made the certificate's DNS records");
    }
    ui.note("what it costs a month, in USD:");
    ui.text(&costs());
}

/// The rows of the table of costs.
fn costs() -> String {
    let rows = COSTS.lines().skip_while(|line| !line.starts_with("| a month |"));
    let rows =
        rows.take_while(|line| line.starts_with('|')).filter(|line| !line.starts_with("|---"));
    rows.map(|line| format!("  {}\n", line.replace("**", ""))).collect()
}

/// Whether somebody at a terminal agrees.
fn agreed(ui: &Ui) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Stop::usage(
            "nobody is there to be asked",
            "add --yes to deploy, or --plan to see the plan alone",
        )
        .into());
    }
    ui.text("Deploy? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Runs `aws`; what it says goes to stderr.
fn aws(arguments: &[String], ui: &Ui) -> anyhow::Result<()> {
    ui.step(&format!("aws {}", printable(&arguments.join(" "))));
    let mut command = Command::new("aws");
    command.args(arguments).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().context("`aws` cannot be run")?;
    if status.success() {
        return Ok(());
    }
    let what = arguments.get(..2).unwrap_or_default().join(" ");
    Err(Stop::new(
        Exit::Unreachable,
        format!("`aws {what}` failed, see above"),
        "mend what it says and run this again: it goes on where it stopped, with the same token",
    )
    .into())
}

fn outputs(args: &Deploy) -> anyhow::Result<Value> {
    let query =
        ["cloudformation", "describe-stacks", "--stack-name", &args.stack, "--output", "json"];
    let text = asked(&query)?.map_err(|error| {
        let found = format!("the stack's outputs cannot be read: {}", excerpt(&error, 300));
        Stop::new(Exit::Unreachable, found, "the stack is deployed; ask for them again")
    })?;
    let described: Value = serde_json::from_str(&text).context("`aws` did not answer JSON")?;
    let listed = described["Stacks"][0]["Outputs"].as_array().cloned().unwrap_or_default();
    let pair = |output: &Value| {
        Some((output["OutputKey"].as_str()?.to_owned(), output["OutputValue"].clone()))
    };
    Ok(Value::Object(listed.iter().filter_map(pair).collect::<Map<_, _>>()))
}

fn finish(
    args: &Deploy,
    account: &Account,
    plan: &Plan,
    outputs: Value,
    ui: &Ui,
) -> anyhow::Result<()> {
    let url = format!("https://{}", args.domain);
    if ui.json {
        return ui.print_json(&json!({
            "schema": 1, "stack": args.stack, "account": account.id, "region": account.region,
            "exists": account.exists, "url": url, "commands": [plan.package, plan.deploy],
            "token_file": plan.token_file, "outputs": outputs,
        }));
    }
    let Some(outputs) = outputs.as_object() else { return Ok(()) };
    let mut text = String::new();
    for (name, value) in outputs {
        let value = value.as_str().unwrap_or_default();
        text += &format!("{} = {}\n", printable(name), printable(value));
    }
    ui.print(&text)?;
    ui.hint(&format!("look at it from outside: packhouse doctor --registry {url}"));
    Ok(())
}
