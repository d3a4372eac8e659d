//! A function's configuration: all of it from its environment, checked as a whole at the start.

use packhouse_core::digest::Digest;
use packhouse_core::limits::Limits;
use packhouse_core::secret::Secret;
use packhouse_forge::github;
use packhouse_registry::app::PublicUrl;
use packhouse_registry::compat::fppm::About;
use packhouse_registry::oidc::Issuer;

/// What a function is for; the same binary is all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers GET and HEAD; its rights end at reading.
    Read,
    /// Answers everything.
    Publish,
    /// Sweeps and repairs, by schedule.
    Worker,
}

impl Role {
    /// `read`, `publish` or `worker`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Worker => "worker",
        }
    }
}

/// A function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it is for.
    pub role: Role,
    /// The table's name.
    pub table: String,
    /// The bucket's name.
    pub bucket: String,
    /// The queue of jobs; without one they wait for the schedule.
    pub queue: Option<String>,
    /// The bucket of the CDN's access logs; without one no downloads are counted.
    pub log_bucket: Option<String>,
    /// Where clients reach the registry.
    pub public_url: PublicUrl,
    /// What the CDN proves itself with; two while one replaces the other.
    pub origin_secrets: Vec<Secret>,
    /// SHA-256 of the operator's first token.
    pub admin_token: Option<Digest>,
    /// Where archives and files of packages are had, if that is another host.
    pub files_url: Option<PublicUrl>,
    /// Whether reads need a token.
    pub private: bool,
    /// Issuers beside GitHub's.
    pub issuers: Vec<Issuer>,
    /// The limits in force.
    pub limits: Limits,
    /// What the registry says of itself to F Prime's client.
    pub fppm: About,
    /// What `ato` shows at every command.
    pub motd: Option<String>,
    /// What the GitHub App's deliveries are signed with; two while one replaces the other.
    pub webhook_secrets: Vec<Secret>,
    /// The number of the GitHub App that reviews pull requests.
    pub github_app: Option<u64>,
    /// The App itself; the worker's alone.
    pub github: Option<github::App>,
    /// GitHub's API.
    pub github_api: String,
    /// Whether `/compose/v1` answers as the first program's code.
    pub compose_as_code: bool,
    /// Whether S3 is asked with the bucket in the path: emulators need it.
    pub path_style: bool,
}

/// Everything that is wrong with an environment, at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the function's environment is not complete:\n{}", .0.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// Every variable that is read: its name, what it must hold, and its default or `required`.
/// `docs/aws-environment.md` has the same table.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    ("PACKHOUSE_ROLE", "`read`, `publish` or `worker`", "required"),
    ("PACKHOUSE_TABLE", "name of the DynamoDB table", "required"),
    ("PACKHOUSE_BUCKET", "name of the S3 bucket", "required"),
    (
        "PACKHOUSE_QUEUE_URL",
        "URL of the SQS queue of jobs; without it views wait for the schedule",
        "none",
    ),
    (
        "PACKHOUSE_LOG_BUCKET",
        "name of the bucket with the CDN's access logs below `cdn/`; without it the worker counts no downloads",
        "none",
    ),
    ("PACKHOUSE_PUBLIC_URL", "where clients reach the registry, `https://...`", "required"),
    (
        "PACKHOUSE_FILES_URL",
        "where archives and files of packages are had, `https://...`: a host of their own for what strangers wrote",
        "the public URL",
    ),
    (
        "PACKHOUSE_ORIGIN_SECRET",
        "value of the header `x-packhouse-origin` that the CDN adds, 32 characters or more; two, separated by a space, while one replaces the other",
        "required, but not for `worker`",
    ),
    (
        "PACKHOUSE_ADMIN_TOKEN_SHA256",
        "SHA-256 of the operator's first token, 64 hex digits",
        "none",
    ),
    ("PACKHOUSE_PRIVATE", "`true`: reads need a token", "`false`"),
    ("PACKHOUSE_ISSUERS", "issuers of CI tokens beside GitHub's, separated by spaces", "none"),
    ("PACKHOUSE_LIMITS", "limits that differ from the defaults, as a JSON object", "`{}`"),
    (
        "PACKHOUSE_FPPM",
        "what `/fppm/registry.yaml` says of the registry: `name`, `publisher`, `description` as a JSON object",
        "`{}`",
    ),
    (
        "PACKHOUSE_COMPOSE_COMPAT",
        "`docs` or `code`: packages and lists of `/compose/v1` as documented, or as the first program's code has them",
        "`docs`",
    ),
    ("PACKHOUSE_MOTD", "what `ato` shows at every command", "none"),
    (
        "PACKHOUSE_GITHUB_WEBHOOK_SECRET",
        "what deliveries of the GitHub App are signed with, 16 characters or more; two, separated by a space, while one replaces the other; for `publish`",
        "none: no deliveries are taken",
    ),
    ("PACKHOUSE_GITHUB_APP_ID", "number of the GitHub App that reviews pull requests", "none"),
    (
        "PACKHOUSE_GITHUB_APP_KEY",
        "the App's private key, PEM, or that in Base64; for `worker`",
        "required with `PACKHOUSE_GITHUB_APP_ID`",
    ),
    (
        "PACKHOUSE_GITHUB_API",
        "the API of GitHub Enterprise Server, `https://HOST/api/v3`; for `publish` and `worker`",
        "GitHub's own",
    ),
    ("PACKHOUSE_S3_PATH_STYLE", "`true`: the bucket is part of the path, for emulators", "`false`"),
];

impl Config {
    /// Reads the configuration; `variable` is the environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with one line for each variable that is missing or wrong. Values of secrets
    /// are not in it.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader { variable: &variable, wrong: Vec::new() };
        let role = reader.parsed("PACKHOUSE_ROLE", |text| match text {
            "read" => Ok(Role::Read),
            "publish" => Ok(Role::Publish),
            "worker" => Ok(Role::Worker),
            other => Err(format!("is `{other}`: write `read`, `publish` or `worker`")),
        });
        let table = reader.required("PACKHOUSE_TABLE");
        let bucket = reader.required("PACKHOUSE_BUCKET");
        let queue = reader.optional("PACKHOUSE_QUEUE_URL");
        let log_bucket = reader.optional("PACKHOUSE_LOG_BUCKET");
        let https = |text: &str| {
            let url = PublicUrl::parse(text)?;
            let local = url.host().starts_with("127.0.0.1") || url.host().starts_with("localhost");
            if url.as_str().starts_with("https://") || local {
                Ok(url)
            } else {
                Err(format!("is `{text}`: tokens need https"))
            }
        };
        let public_url = reader.parsed("PACKHOUSE_PUBLIC_URL", https);
        let files_url = reader.optional_parsed("PACKHOUSE_FILES_URL", https);
        let asks_cdn = role.is_none_or(|role| role != Role::Worker);
        let secrets = reader.optional("PACKHOUSE_ORIGIN_SECRET");
        let origin_secrets: Vec<Secret> =
            secrets.iter().flat_map(|text| text.split_whitespace()).map(Secret::new).collect();
        if asks_cdn && origin_secrets.is_empty() {
            reader.missing("PACKHOUSE_ORIGIN_SECRET");
        } else if origin_secrets.iter().any(|secret| secret.reveal().len() < 32) {
            reader.wrong("PACKHOUSE_ORIGIN_SECRET", "is shorter than 32 characters");
        }
        let admin_token = reader.optional_parsed("PACKHOUSE_ADMIN_TOKEN_SHA256", |text| {
            text.parse::<Digest>().map_err(|e| format!("is no SHA-256: {e}"))
        });
        let private = reader.flag("PACKHOUSE_PRIVATE");
        let issuers = reader.optional_parsed("PACKHOUSE_ISSUERS", |text| {
            let parse = |url: &str| Issuer::parse(url).map_err(|e| format!("names `{url}`: {e}"));
            text.split_whitespace().map(parse).collect::<Result<Vec<_>, _>>()
        });
        let limits = reader.optional_parsed("PACKHOUSE_LIMITS", |text| {
            serde_json::from_str::<Limits>(text)
                .map_err(|e| format!("is not what it should be: {e}"))
        });
        let fppm = reader.optional_parsed("PACKHOUSE_FPPM", |text| {
            serde_json::from_str::<About>(text)
                .map_err(|e| format!("is not what it should be: {e}"))
        });
        let compat = reader.optional_parsed("PACKHOUSE_COMPOSE_COMPAT", |text| match text {
            "docs" => Ok(false),
            "code" => Ok(true),
            other => Err(format!("is `{other}`: write `docs` or `code`")),
        });
        let motd = reader.optional("PACKHOUSE_MOTD");
        let webhook = reader.optional("PACKHOUSE_GITHUB_WEBHOOK_SECRET");
        let webhook_secrets: Vec<Secret> =
            webhook.iter().flat_map(|text| text.split_whitespace()).map(Secret::new).collect();
        if webhook_secrets.iter().any(|secret| secret.reveal().len() < 16) {
            reader.wrong("PACKHOUSE_GITHUB_WEBHOOK_SECRET", "is shorter than 16 characters");
        }
        if role == Some(Role::Publish) && !webhook_secrets.is_empty() && queue.is_none() {
            reader.wrong(
                "PACKHOUSE_GITHUB_WEBHOOK_SECRET",
                "needs `PACKHOUSE_QUEUE_URL`, or deliveries lead nowhere",
            );
        }
        let github_app = reader.optional_parsed("PACKHOUSE_GITHUB_APP_ID", |text| {
            // Somebody may have put the key there: what it is, is not told.
            text.parse::<u64>().map_err(|_| "is no number: write the App's".to_owned())
        });
        let works = role == Some(Role::Worker);
        let github = github_app.filter(|_| works).and_then(|id| reader.github_app(id));
        let github_api = reader.github_api();
        let path_style = reader.flag("PACKHOUSE_S3_PATH_STYLE");
        match (role, table, bucket, public_url, reader.wrong) {
            (Some(role), Some(table), Some(bucket), Some(public_url), wrong)
                if wrong.is_empty() =>
            {
                Ok(Self {
                    role,
                    table,
                    bucket,
                    queue,
                    log_bucket,
                    public_url,
                    files_url,
                    origin_secrets,
                    admin_token,
                    private,
                    issuers: issuers.unwrap_or_default(),
                    limits: limits.unwrap_or_default(),
                    fppm: fppm.unwrap_or_default(),
                    motd,
                    webhook_secrets,
                    github_app,
                    github,
                    github_api,
                    compose_as_code: compat.unwrap_or_default(),
                    path_style,
                })
            }
            (_, _, _, _, wrong) => Err(ConfigError(wrong)),
        }
    }
}

struct Reader<'a, V> {
    variable: &'a V,
    wrong: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Reader<'_, V> {
    fn wrong(&mut self, name: &str, why: &str) {
        self.wrong.push(format!("{name} {why}"));
    }

    fn missing(&mut self, name: &str) {
        let what = VARIABLES.iter().find(|(known, _, _)| *known == name);
        self.wrong.push(format!("{name} is missing: {}", what.map_or("", |(_, what, _)| what)));
    }

    /// An empty variable is one that is not there.
    fn optional(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.trim().is_empty())
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let text = self.optional(name);
        if text.is_none() {
            self.missing(name);
        }
        text
    }

    fn optional_parsed<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(self.optional(name)?.trim()) {
            Ok(value) => Some(value),
            Err(why) => {
                self.wrong(name, &why);
                None
            }
        }
    }

    fn parsed<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        if self.optional(name).is_none() {
            self.missing(name);
        }
        self.optional_parsed(name, parse)
    }

    fn github_app(&mut self, id: u64) -> Option<github::App> {
        let key = self.required("PACKHOUSE_GITHUB_APP_KEY")?;
        let (key, api) = (Secret::new(pem(&key).unwrap_or(key)), self.github_api());
        let app = github::App { id, key, api };
        match github::check(&app) {
            Ok(()) => Some(app),
            Err(error) => {
                self.wrong(
                    "PACKHOUSE_GITHUB_APP_KEY",
                    &format!("or PACKHOUSE_GITHUB_API cannot be used: {error}"),
                );
                None
            }
        }
    }

    fn github_api(&self) -> String {
        let api = self.optional("PACKHOUSE_GITHUB_API");
        api.map_or_else(
            || github::API.to_owned(),
            |api| api.trim().trim_end_matches('/').to_owned(),
        )
    }

    fn flag(&mut self, name: &str) -> bool {
        let parse = |text: &str| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("is `{other}`: write `true` or `false`")),
        };
        self.optional_parsed(name, parse).unwrap_or_default()
    }
}

/// The PEM in a text that is Base64 of it: a single line survives every console.
fn pem(text: &str) -> Option<String> {
    use base64::Engine as _;
    let text: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(|name| {
            let found = variables.iter().find(|(held, _)| *held == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn everything_that_is_missing_or_wrong_is_said_at_once() {
        let error = read(&[
            ("PACKHOUSE_ROLE", "reader"),
            ("PACKHOUSE_PUBLIC_URL", "http://packages.example.org"),
            ("PACKHOUSE_ORIGIN_SECRET", "hunter2"),
            ("PACKHOUSE_ADMIN_TOKEN_SHA256", "abc"),
            ("PACKHOUSE_PRIVATE", "yes"),
            ("PACKHOUSE_LIMITS", "{\"archive_byte\": 1}"),
            ("PACKHOUSE_BUCKET", " "),
        ])
        .unwrap_err();
        let text = error.to_string();
        for (name, _, _) in VARIABLES {
            let optional = matches!(
                *name,
                "PACKHOUSE_QUEUE_URL"
                    | "PACKHOUSE_LOG_BUCKET"
                    | "PACKHOUSE_FILES_URL"
                    | "PACKHOUSE_ISSUERS"
                    | "PACKHOUSE_FPPM"
                    | "PACKHOUSE_COMPOSE_COMPAT"
                    | "PACKHOUSE_MOTD"
                    | "PACKHOUSE_GITHUB_WEBHOOK_SECRET"
                    | "PACKHOUSE_GITHUB_APP_ID"
                    | "PACKHOUSE_GITHUB_APP_KEY"
                    | "PACKHOUSE_GITHUB_API"
                    | "PACKHOUSE_S3_PATH_STYLE"
            );
            assert_eq!(text.contains(name), !optional, "{name}: {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(error.0.len(), 8, "{text}");
    }

    #[test]
    fn a_worker_needs_no_origin_secret_and_prints_none() {
        let mut variables = vec![
            ("PACKHOUSE_ROLE", "worker"),
            ("PACKHOUSE_TABLE", "packhouse"),
            ("PACKHOUSE_BUCKET", "packhouse-bytes"),
            ("PACKHOUSE_PUBLIC_URL", "https://packages.example.org"),
            ("PACKHOUSE_LIMITS", "{\"archive_bytes\": 1000}"),
        ];
        let config = read(&variables).unwrap();
        assert_eq!(config.limits.archive_bytes, 1_000);
        assert_eq!(config.limits.entries, Limits::default().entries);
        variables[0].1 = "read";
        assert_eq!(read(&variables).unwrap_err().0.len(), 1);
        let two = format!("{SECRET} {SECRET}2");
        variables.push(("PACKHOUSE_ORIGIN_SECRET", &two));
        let config = read(&variables).unwrap();
        assert_eq!(config.origin_secrets.len(), 2);
        assert!(!format!("{config:?}").contains(SECRET));
    }

    #[test]
    fn the_page_lists_every_variable() {
        let page = include_str!("../../docs/aws-environment.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `PACK")).collect();
        let expected: Vec<String> = VARIABLES
            .iter()
            .map(|(name, what, default)| format!("| `{name}` | {what} | {default} |"))
            .collect();
        assert_eq!(rows, expected);
    }
}
