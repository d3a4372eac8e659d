//! A registry on this machine: the embedded store, the router, and the loop that feeds it.

mod advisories;
pub(crate) mod attune;
#[cfg(feature = "failpoints")]
mod failpoints;
mod impatient;
mod listen;
mod sources;
mod work;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use packhouse_core::limits::Limits;
use packhouse_core::secret::Secret;
use packhouse_embedded::{DataDir, EmbeddedJobs, EmbeddedLedger, FileBlobs, Mode};
use packhouse_registry::app::{App, PublicUrl, Service, Settings};
use packhouse_registry::auth::{ApiToken, token_record};
use packhouse_registry::compat::{Ecosystems, compose};
use packhouse_registry::dev_issuer::DevIssuer;
use packhouse_registry::oidc::{Issuer, Verifier};
use packhouse_registry::ports::{Action, Clock as _, Ledger as _, SystemClock, TokenRecord};
use packhouse_registry::publish::Turns;
use packhouse_registry::read::Reads;
use packhouse_registry::router::{Registry, router};
use packhouse_registry::uploads::{self, UploadTimes};
use packhouse_registry::webhook::Webhook;
use packhouse_registry::{downloads, log};
use tokio::sync::watch;

use self::sources::LocalSources;

/// How long the operator's first token lives.
const FIRST_TOKEN_DAYS: u32 = 366;

/// How a registry is served.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Where clients reach it, when that is not the listening address.
    pub(crate) public_url: Option<String>,
    /// Issuers beside GitHub's.
    pub(crate) issuers: Vec<String>,
    /// Whether reads need a token.
    pub(crate) private: bool,
    /// Whether to issue tokens itself, for trying out.
    pub(crate) dev_issuer: bool,
    /// Whether to take writes without a token, for trying out.
    pub(crate) open: bool,
    /// What the registry says of itself to F Prime's client.
    pub(crate) fppm: packhouse_registry::compat::fppm::About,
    /// The folder of advisories.
    pub(crate) advisories: Option<PathBuf>,
    /// What `ato` shows at every command.
    pub(crate) motd: Option<String>,
    /// Hosts whose repositories are read; none means the usual ones.
    pub(crate) source_hosts: Vec<String>,
    /// Whether `/compose/v1` answers as the first program's code.
    pub(crate) compose_as_code: bool,
    /// The limits in force.
    pub(crate) limits: Limits,
    /// What it does for Attune.
    pub(crate) packs: attune::Packs,
    /// The registry's GitHub App.
    pub(crate) github: Option<GithubApp>,
}

/// A GitHub App, and what its deliveries are signed with.
#[derive(Clone, Debug)]
pub(crate) struct GithubApp {
    /// The App.
    pub(crate) app: packhouse_forge::github::App,
    /// The webhook's secrets.
    pub(crate) secrets: Vec<Secret>,
}

/// A registry that is ready to serve.
pub(crate) struct Server {
    listener: std::net::TcpListener,
    app: App,
    worker: work::Worker,
    advisories: Option<advisories::Watch>,
    router: Registry,
    /// Where clients reach it.
    pub(crate) url: String,
    /// The operator's first token, when this is the first start on the data folder.
    pub(crate) first_token: Option<PathBuf>,
}

impl Server {
    /// Binds the socket and opens the store. Everything that can be wrong is found here.
    pub(crate) async fn prepare(config: &Config) -> anyhow::Result<Self> {
        check(config)?;
        let listener = std::net::TcpListener::bind(config.listen)
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        listener.set_nonblocking(true).context("cannot prepare the socket")?;
        let address = listener.local_addr().context("cannot ask for the socket's address")?;
        let public_url = match &config.public_url {
            Some(url) => PublicUrl::parse(url).map_err(anyhow::Error::msg)?,
            None => PublicUrl::parse(&format!("http://{address}")).map_err(anyhow::Error::msg)?,
        };
        let mode = if config.open || config.dev_issuer { Mode::TryOut } else { Mode::Checked };
        let data = DataDir::open(&config.data, mode)?;
        let ledger = Arc::new(EmbeddedLedger::open(&data)?);
        let blobs = Arc::new(FileBlobs::open(&data, &public_url)?);
        let jobs = EmbeddedJobs::new(&ledger);
        let first_token = first_token(&data, &ledger).await?;
        warm_up(ledger.clone(), blobs.clone());
        let clock = Arc::new(SystemClock);
        let mut issuers = vec![Issuer::github()];
        for url in &config.issuers {
            issuers.push(Issuer::parse(url).map_err(anyhow::Error::msg)?);
        }
        let mut verifier = Verifier::new(issuers);
        let mut dev_routes = None;
        if config.dev_issuer {
            let dev = DevIssuer::new(&public_url, clock.clone()).map_err(anyhow::Error::msg)?;
            verifier = verifier.with(dev.issuer().map_err(anyhow::Error::msg)?, dev.clone());
            dev_routes = Some(dev.router());
        }
        let settings = Settings {
            public_url,
            files_url: None,
            private: config.private,
            open: config.open,
            loopback_only: config.open || config.dev_issuer,
            limits: config.limits.clone(),
            motd: config.motd.clone(),
            github_app: config.github.as_ref().map(|github| github.app.id),
        };
        let url = settings.public_url.as_str().to_owned();
        let signer = blobs.signer().clone();
        let uploads = uploads::router(blobs.clone(), signer, clock.clone(), UploadTimes::default());
        let files = blobs.clone();
        #[cfg(feature = "failpoints")]
        let (ledger, blobs) = failpoints::around(ledger, blobs)?;
        let (turns, reads) = (Turns::default(), Reads::default());
        let jobs = work::Waking::new(jobs);
        let github = config.github.clone();
        let (secrets, github) = github.map(|github| (github.secrets, github.app)).unzip();
        let webhook = secrets.map(|secrets| Webhook { secrets, jobs: Arc::new(jobs.clone()) });
        let sources = LocalSources::new(&config.source_hosts, data.path(), &config.limits);
        let compose =
            compose::Setup { sources: Some(Arc::new(sources)), as_code: config.compose_as_code };
        let app: App = Arc::new(Service {
            settings,
            ledger,
            blobs,
            clock,
            verifier,
            turns,
            webhook,
            ecosystems: Ecosystems { compose, fppm: config.fppm.clone() },
            reads,
        });
        let worker = work::Worker { app: app.clone(), jobs, blobs: files, github };
        let folder = config.advisories.clone();
        let advisories = folder.map(|folder| advisories::Watch::new(app.clone(), folder));
        let packs = attune::routes(&app, &config.packs)?;
        let beside = uploads.merge(dev_routes.unwrap_or_default()).merge(packs);
        let router = router(app.clone(), beside);
        Ok(Self { listener, app, worker, advisories, router, url, first_token })
    }

    /// Serves until `stop` says true.
    pub(crate) async fn run(self, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let listener =
            tokio::net::TcpListener::from_std(self.listener).context("cannot use the socket")?;
        let working = tokio::spawn(self.worker.run(stop.clone()));
        let matching = self.advisories.map(|watch| tokio::spawn(watch.run(stop.clone())));
        let counting =
            tokio::spawn(downloads::run(self.app.clone(), listen::stopped(stop.clone())));
        listen::serve(listener, self.router, stop).await;
        let _ = tokio::join!(working, counting);
        if let Some(matching) = matching {
            let _ = matching.await;
        }
        Ok(())
    }
}

/// What must not be combined.
fn check(config: &Config) -> anyhow::Result<()> {
    if let Some(folder) = config.advisories.as_ref().filter(|folder| !folder.is_dir()) {
        bail!("--advisories names `{}`, which is no folder", crate::ui::shown(folder));
    }
    let loopback = config.listen.ip().is_loopback();
    for (flag, set) in [("--open", config.open), ("--dev-issuer", config.dev_issuer)] {
        if set && !loopback {
            bail!(
                "{flag} is for trying out on this machine only, and {} can be reached from others: \
                 listen on 127.0.0.1",
                config.listen.ip()
            );
        }
        let foreign = config.public_url.as_deref().filter(|url| !is_loopback_url(url));
        if let (true, Some(url)) = (set, foreign) {
            bail!("{flag} is for trying out on this machine only, and `{url}` is not on it");
        }
    }
    match &config.public_url {
        Some(url) if loopback || url.starts_with("https://") => Ok(()),
        None if loopback => Ok(()),
        _ => bail!(
            "clients on other machines need https, or their tokens can be read on the way: put a \
             server for TLS in front and say where it is reached with --public-url https://..."
        ),
    }
}

fn is_loopback_url(url: &str) -> bool {
    let host = PublicUrl::parse(url).map(|url| url.host().to_owned()).unwrap_or_default();
    let name = host.trim_start_matches('[').split(']').next().unwrap_or_default();
    let name =
        if host.starts_with('[') { name } else { name.split(':').next().unwrap_or_default() };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes ahead of time, beside the first requests, what the first publish would wait for.
fn warm_up(ledger: Arc<EmbeddedLedger>, blobs: Arc<FileBlobs>) {
    drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = ledger.start_log().and_then(|()| blobs.make_folders()) {
            log::error(&format!("cannot prepare the data folder ahead of time: {error}"));
        }
    }));
}

/// Where no operator's token is alive, on the first start or once all have expired, a new one is left
/// in the data folder, readable by its owner only.
async fn first_token(data: &DataDir, ledger: &EmbeddedLedger) -> anyhow::Result<Option<PathBuf>> {
    let now = SystemClock.now();
    let alive = |token: &TokenRecord| {
        let whole = token.actions.contains(&Action::Admin) && token.prefix.is_empty();
        whole && token.revoked_at.is_none() && token.expires_at > now
    };
    if ledger.tokens().await?.iter().any(alive) {
        return Ok(None);
    }
    let token = ApiToken::random()?;
    let path = data.path().join("admin-token");
    // The file first: a token that the ledger knows and nobody holds would help no one.
    write_secret(&path, token.secret().reveal())
        .with_context(|| format!("cannot write {}", path.display()))?;
    let actions = vec![Action::Read, Action::Publish, Action::Yank, Action::List, Action::Admin];
    let record = token_record(&token, "first operator", "", actions, FIRST_TOKEN_DAYS, now);
    ledger.put_token(&record).await?;
    Ok(Some(path))
}

/// Writes a file that its owner alone can read.
pub(crate) fn write_secret(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
