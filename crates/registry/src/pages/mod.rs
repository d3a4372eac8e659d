//! Pages for people: static HTML without scripts. Every text of strangers goes through
//! [`escape::html`] or, where it is a README, through [`markdown`].

mod markdown;
mod style;

use std::fmt::Write as _;

use axum::extract::{Query, State};
use http::Uri;
use http::header::{self, HeaderValue};
use packhouse_core::claims::Publisher;
use packhouse_core::escape;
use packhouse_core::manifest::Target;
use packhouse_core::release::{Head, Release};

use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::catalogue::Entry;
use crate::downloads::stats;
use crate::error::ApiResult;
use crate::read::{self, Id};
use crate::urls;

/// Versions, dependencies and exports that a page lists, at most.
const LISTED: usize = 100;

/// Packages on the list page, at most.
const FOUND: usize = 100;

/// The page of a package: README, versions, dependencies, who published it.
#[utoipa::path(get, path = "/p/{id}", tag = "pages",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")),
    responses((status = 200, content_type = "text/html", body = String), (status = 404, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn package(State(app): State<App>, Id(id): Id) -> ApiResult<Page> {
    let (releases, latest) = read::shown(&app, &id).await?;
    let head = app.ledger.head(&id).await?;
    let counts = app.ledger.downloads(&id).await?;
    let stats = stats(&counts, None, app.clock.now());
    let readme = read::readme(&app, &latest).await?;
    let readme = match readme {
        None => "<p class=dim>This package has no README.</p>".to_owned(),
        Some(text) => {
            let (app, latest) = (app.clone(), latest.clone());
            let render = move || {
                let path = latest.readme.as_ref().map_or("", |readme| readme.path.as_str());
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let file_url = |path: &str| urls::file(&app.settings, &latest, path);
                markdown::html(&text, &markdown::Place { folder, file_url: &file_url })
            };
            // A long README takes milliseconds: not on the threads that answer.
            let rendered = tokio::task::spawn_blocking(render).await;
            rendered.unwrap_or_else(|_| "<p class=dim>This README cannot be shown.</p>".to_owned())
        }
    };
    let shown = escape::html(&latest.identifier.to_string());
    let mut body = String::with_capacity(readme.len() + 8_192);
    let version = escape::html(latest.version.text());
    let _ = write!(body, "<main><div><h1>{shown} <small>{version}</small></h1>");
    if !latest.described.summary.is_empty() {
        let _ = write!(body, "<p class=lead>{}</p>", escape::html(&latest.described.summary));
    }
    notices(&mut body, &latest);
    let advised = app.ledger.advised(&id).await?;
    let entry = Entry::of(latest.clone(), head.as_ref(), 0, advised);
    let install = escape::html(&entry.install(&app.settings));
    let _ =
        write!(body, "<pre><code>{install}</code></pre><article>{readme}</article></div><aside>");
    facts(&mut body, &app, &latest, head.as_ref());
    let _ = write!(
        body,
        "<h2>Downloads</h2>{} in all, {} in 30 days, {} in 7 days",
        stats.total_downloads, stats.this_month_downloads, stats.this_week_downloads
    );
    figures(&mut body, &entry);
    needs(&mut body, &app, &latest);
    versions(&mut body, &app, &releases);
    body.push_str("</aside></main>");
    Ok(document(&app, &latest.identifier.to_string(), "", &body))
}

/// What a reader must know before anything else.
fn notices(body: &mut String, release: &Release) {
    let marks = &release.marks;
    for (mark, word) in [(&marks.yanked, "yanked"), (&marks.deprecated, "deprecated")] {
        let Some(mark) = mark else { continue };
        let reason = escape::html(&mark.reason);
        let _ = write!(body, "<p class=warn>This release is {word}: {reason}");
        if let Some(other) = &mark.replacement {
            let _ = write!(body, " Use <code>{}</code> instead.", escape::html(other));
        }
        body.push_str("</p>");
    }
    for warning in release.warnings.iter().take(LISTED) {
        let _ = write!(body, "<p class=warn>{}</p>", escape::html(warning));
    }
}

/// Licence, source, authors, publisher, digest.
fn facts(body: &mut String, app: &App, release: &Release, head: Option<&Head>) {
    let described = &release.described;
    if !described.license.is_empty() {
        let _ = write!(body, "<h2>Licence</h2>{}", escape::html(&described.license));
    }
    if let Some(native) = head.and_then(|head| head.native.as_ref()) {
        let (ecosystem, name) = (escape::html(&native.ecosystem), escape::html(&native.name));
        let _ = write!(body, "<h2>Known as</h2>{ecosystem}: <code>{name}</code>");
    }
    let _ = write!(body, "<h2>Source</h2>{}", link(&described.repository));
    if let Some(homepage) = described.homepage.as_deref().filter(|url| !url.is_empty()) {
        let _ = write!(body, "<h2>Homepage</h2>{}", link(homepage));
    }
    if !described.authors.is_empty() {
        body.push_str("<h2>Authors</h2><ul>");
        for author in described.authors.iter().take(LISTED) {
            // Addresses stay in the JSON: pages are what harvesters read.
            let _ = write!(body, "<li>{}</li>", escape::html(&author.name));
        }
        body.push_str("</ul>");
    }
    let published = match &release.publisher {
        Publisher::Oidc(job) => format!(
            "a CI job of <code>{}</code> at commit <code>{}</code>",
            escape::html(&job.repository),
            escape::html(&job.sha.chars().take(12).collect::<String>())
        ),
        Publisher::Token { .. } => "the holder of an API token".to_owned(),
        Publisher::Open => "somebody on an open registry".to_owned(),
        Publisher::Imported(from) => format!(
            "an import from <code>{}</code> at commit <code>{}</code>",
            escape::html(&from.repository),
            escape::html(&from.commit.chars().take(12).collect::<String>())
        ),
    };
    let at = release.released_at.strftime("%Y-%m-%d %H:%M UTC");
    let _ = write!(body, "<h2>Published</h2>{at} by {published}");
    let archive = escape::html(&urls::archive(&app.settings, release));
    let _ = write!(
        body,
        "<h2>Archive</h2><a href=\"{archive}\">{}</a>, {} bytes<br><span class=dim>SHA-256 {}</span>",
        escape::html(&urls::archive_name(release)),
        release.bytes,
        release.digest
    );
}

/// What the publisher claims, and which advisories there are.
fn figures(body: &mut String, entry: &Entry) {
    let claim = entry.quality.as_ref();
    if let Some(tests) = claim.and_then(|claim| claim.tests) {
        let _ = write!(body, "<h2>Tests</h2>{tests}<br><span class=dim>as published</span>");
    }
    if let Some(coverage) = claim.and_then(|claim| claim.coverage) {
        let _ = write!(body, "<h2>Coverage</h2>{coverage}<br><span class=dim>as published</span>");
    }
    let ids = entry.advisories.iter().flatten();
    let ids: Vec<_> = ids.take(LISTED).map(|id| escape::html(id)).collect();
    if !ids.is_empty() {
        let _ = write!(body, "<h2>Advisories</h2><p class=warn>{}</p>", ids.join(", "));
    }
}

/// Dependencies, requirements from outside, exports.
fn needs(body: &mut String, app: &App, release: &Release) {
    let described = &release.described;
    if !described.dependencies.is_empty() {
        body.push_str("<h2>Dependencies</h2><ul>");
        for dependency in described.dependencies.iter().take(LISTED) {
            let target = match &dependency.target {
                Target::Registry { identifier } => format!(
                    "<a href=\"{}\">{}</a>",
                    escape::html(&urls::page(&app.settings, identifier)),
                    escape::html(&identifier.to_string())
                ),
                Target::Native(native) => escape::html(&native.name),
                Target::Git { url, .. } | Target::Url { url } => escape::html(url),
                Target::File { path, .. } => escape::html(path),
            };
            let requirement = dependency.requirement.as_ref().map_or("", |r| r.text());
            let _ = write!(body, "<li>{target} {}</li>", escape::html(requirement));
        }
        body.push_str("</ul>");
    }
    if !described.requires.is_empty() {
        body.push_str("<h2>Requires</h2><ul>");
        for tool in described.requires.iter().take(LISTED) {
            let requirement = tool.requirement.as_ref().map_or("", |r| r.text());
            let (name, requirement) = (escape::html(&tool.name), escape::html(requirement));
            let _ = write!(body, "<li>{name} {requirement}</li>");
        }
        body.push_str("</ul>");
    }
    if !described.exports.is_empty() {
        body.push_str("<h2>Offers</h2><ul>");
        for export in described.exports.iter().take(LISTED) {
            let (kind, name) = (escape::html(&export.kind), escape::html(&export.name));
            let _ = write!(body, "<li><code>{name}</code> <span class=dim>{kind}</span></li>");
        }
        body.push_str("</ul>");
    }
}

fn versions(body: &mut String, app: &App, releases: &[Release]) {
    body.push_str("<h2>Versions</h2><ul>");
    for release in releases.iter().take(LISTED) {
        let archive = escape::html(&urls::archive(&app.settings, release));
        let version = escape::html(release.version.text());
        let day = release.released_at.strftime("%Y-%m-%d");
        let _ =
            write!(body, "<li><a href=\"{archive}\">{version}</a> <span class=dim>{day}</span>");
        for (mark, word) in
            [(&release.marks.yanked, "yanked"), (&release.marks.deprecated, "deprecated")]
        {
            if mark.is_some() {
                let _ = write!(body, " <span class=mark>{word}</span>");
            }
        }
        body.push_str("</li>");
    }
    if releases.len() > LISTED {
        let _ = write!(body, "<li class=dim>and {} more</li>", releases.len() - LISTED);
    }
    body.push_str("</ul>");
}

/// `url` as a link if it is an https page, else as text.
fn link(url: &str) -> String {
    let text = escape::html(url);
    let safe = url.starts_with("https://") && !url.chars().any(|c| c.is_control() || c == '\\');
    if safe { format!("<a rel=\"nofollow noopener\" href=\"{text}\">{text}</a>") } else { text }
}

#[derive(serde::Deserialize)]
struct Asked {
    #[serde(default)]
    query: String,
}

/// Packages that a query finds; the most popular ones without a query.
#[utoipa::path(get, path = "/p/", tag = "pages",
    params(("query" = Option<String>, Query, description = "Words of identifier, summary and exports")),
    responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn list(State(app): State<App>, uri: Uri) -> ApiResult<Page> {
    // A query that cannot be read finds what a blank one finds.
    let query =
        Query::<Asked>::try_from_uri(&uri).map_or(String::new(), |Query(asked)| asked.query);
    let snapshot = app.reads.catalogue.snapshot(&app).await?;
    let found = snapshot.search(&query, FOUND, FOUND).entries;
    let mut body = String::new();
    let heading = match query.trim() {
        "" => format!("{} packages", snapshot.len()),
        _ if found.is_empty() => "Nothing found".to_owned(),
        query => format!("Found for “{}”", escape::html(query)),
    };
    let _ = write!(body, "<h1>{heading}</h1><ul class=list>");
    for entry in found {
        let url = escape::html(&urls::page(&app.settings, &entry.identifier));
        let _ = write!(
            body,
            "<li><a href=\"{url}\"><strong>{}</strong></a> {} <span class=dim>{}, {} downloads</span>",
            escape::html(&entry.identifier.to_string()),
            escape::html(&entry.version),
            escape::html(&entry.format),
            entry.downloads
        );
        if entry.yanked {
            body.push_str(" <span class=mark>yanked</span>");
        }
        let _ = write!(body, "<p>{}</p></li>", escape::html(&entry.summary));
    }
    body.push_str("</ul>");
    Ok(document(&app, "Packages", &query, &body)
        .kept(snapshot.is_current(app.ledger.generation()?)))
}

/// The registry's front page.
#[utoipa::path(get, path = "/", tag = "pages", responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn landing(State(app): State<App>) -> ApiResult<Page> {
    let snapshot = app.reads.catalogue.snapshot(&app).await?;
    let base = escape::html(app.settings.public_url.as_str());
    let mut body = String::from("<h1>Package registry</h1>");
    if let Some(message) = app.settings.motd.as_deref().filter(|text| !text.is_empty()) {
        let _ = write!(body, "<p class=warn>{}</p>", escape::html(message));
    }
    let _ = write!(
        body,
        "<p class=lead>{} packages. <a href=\"{base}/p/\">Look around</a>, or point a client here:</p>\
         <pre><code>export PACKHOUSE_REGISTRY={base}\nexport ATO_SERVICES_PACKAGES_URL={base}</code></pre>\
         <p>For programs: <a href=\"{base}/openapi.json\">openapi.json</a>, \
         <a href=\"{base}/v1/packages/all\">all packages</a>, \
         <a href=\"{base}/v1/events\">all changes</a>.</p>",
        snapshot.len()
    );
    Ok(document(&app, "Package registry", "", &body)
        .kept(snapshot.is_current(app.ledger.generation()?)))
}

/// A whole page around `body`, which is HTML; `title` and `query` are text.
fn document(app: &App, title: &str, query: &str, body: &str) -> Page {
    let base = escape::html(app.settings.public_url.as_str());
    let (title, query) = (escape::html(title), escape::html(query));
    let style = style::STYLE;
    let html = format!(
        "<!DOCTYPE html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <style>{style}</style></head><body><header class=top><a href=\"{base}/\">Packhouse</a>\
         <form action=\"{base}/p/\"><input type=search name=query value=\"{query}\" aria-label=Search>\
         <button>Search</button></form></header>{body}<footer class=dim>Packhouse {}</footer></body></html>\n",
        env!("CARGO_PKG_VERSION")
    );
    Page::new(html, "text/html; charset=utf-8", Fresh::Minute, app.settings.private)
        .header(header::CONTENT_SECURITY_POLICY, style::policy(&app.settings))
        .header(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
}
