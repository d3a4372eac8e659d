//! The decision: verified claims against pins and policy, the first wrong claim refused.

use super::{Case, Policy, Refusal, Source};
use crate::api::ErrorCode;
use crate::claims::{Claims, Pins};
use crate::escape::{one_of, printable};
use crate::identifier::Identifier;
use crate::version::{Order, Version, tag_names_version};

/// Decides whether `case` may publish. Pure: the token itself (signature, audience, times) was
/// verified before, and the same facts always give the same answer.
///
/// # Errors
///
/// The first claim that is wrong, in this order: who (pins, or the owner's name where nothing is
/// pinned yet), why (event), where (ref, tag, protection), how (workflows, environment, runner).
/// [`ErrorCode::InvalidPolicy`] where the stored policy itself cannot be right.
pub fn decide(case: &Case) -> Result<(), Refusal> {
    if let Err(error) = case.policy.check() {
        return Err(Refusal {
            code: ErrorCode::InvalidPolicy,
            claim: "policy".to_owned(),
            expected: "one that can hold".to_owned(),
            actual: "broken".to_owned(),
            help: format!(
                "{error}; the operator sets it with `packhouse policy set {}`",
                case.identifier
            ),
        });
    }
    identity(case)?;
    event(case)?;
    source(case)?;
    protection(case)?;
    workflow(case)?;
    job_workflow(case)?;
    environment(case)?;
    runner(case)
}

/// Decides whether a job may manage a package that is pinned to `pins`: mark its releases, or, where
/// `policy` is given, change that policy, which then must admit the job in all but the version.
///
/// # Errors
///
/// As [`decide`], and [`ErrorCode::Forbidden`] for a package without pins: no job ever published it,
/// so none can be told to be its owner's.
pub fn decide_manage(
    claims: &Claims,
    identifier: &Identifier,
    pins: Option<&Pins>,
    policy: Option<&Policy>,
) -> Result<(), Refusal> {
    if pins.is_none() {
        return Err(Refusal {
            code: ErrorCode::Forbidden,
            claim: "repository_id".to_owned(),
            expected: format!(
                "a repository that `{identifier}` is pinned to; it is pinned to none"
            ),
            actual: shown(&claims.repository_id),
            help: "publish a release from CI first, or ask the operator".to_owned(),
        });
    }
    // Outside of policy `tag` no version is looked at, so any will do; under it, any tag that says
    // one.
    let tag = claims.git_ref.strip_prefix("refs/tags/").unwrap_or_default();
    let of_tag = |order| Version::from_tag(order, tag, identifier.rest());
    let version = of_tag(Order::SemVer)
        .or_else(|_| of_tag(Order::Pep440))
        .or_else(|_| of_tag(Order::Apl))
        .or_else(|_| Version::parse(Order::SemVer, "0.0.0"));
    let version = version.map_err(|error| Refusal {
        code: ErrorCode::TagMismatch,
        claim: "ref".to_owned(),
        expected: error.to_string(),
        actual: shown(&claims.git_ref),
        help: "run the workflow at the tag of a release, for example `v1.2.3`".to_owned(),
    })?;
    let default = Policy::default();
    let in_force = policy.unwrap_or(&default);
    let case =
        Case { claims, identifier, version: &version, pins, owner_pin: None, policy: in_force };
    if policy.is_some() {
        return decide(&case);
    }
    identity(&case)?;
    event(&case)
}

/// The events from which `source` may publish, as `event_name` says them. An allow-list: events
/// that outsiders can cause (`pull_request_target`, `issue_comment`, `workflow_run`) are many, and
/// new ones appear.
pub fn admitted_events(source: &Source) -> &'static [&'static str] {
    match source {
        Source::Tag | Source::Train { .. } => &["push", "release", "workflow_dispatch"],
        // A schedule always runs on the default branch, so it can never be at a tag.
        Source::Branch { .. } => &["push", "schedule", "workflow_dispatch"],
    }
}

fn identity(case: &Case) -> Result<(), Refusal> {
    let claims = case.claims;
    let id = case.identifier;
    let issuer = |pinned: &str, of: &str| {
        refuse_unless(claims.iss == pinned, ErrorCode::WrongIssuer, "iss", &claims.iss, || {
            (
                format!("`{pinned}`, to which {of} is pinned"),
                format!("ask the operator for a transfer: `packhouse admin transfer {id}`"),
            )
        })
    };
    let owner_id = |pinned: &str, of: &str| {
        let actual = &claims.repository_owner_id;
        let code = ErrorCode::WrongOwner;
        refuse_unless(actual == pinned, code, "repository_owner_id", actual, || {
            (format!("`{pinned}`, to which {of} is pinned"), owner_help(case))
        })
    };
    if let Some(pins) = case.pins {
        issuer(&pins.issuer, &format!("`{id}`"))?;
        let actual = &claims.repository_id;
        let right = *actual == pins.repository_id;
        refuse_unless(right, ErrorCode::WrongRepository, "repository_id", actual, || {
            (
                format!("`{}`, the repository that `{id}` is pinned to", pins.repository_id),
                format!(
                    "publish from the repository of the earlier releases (a rename keeps its id, \
                     deleting and creating it again does not), or ask the operator: \
                     `packhouse admin transfer {id}`"
                ),
            )
        })?;
        return owner_id(&pins.owner_id, &format!("`{id}`"));
    }
    if let Some(pin) = case.owner_pin {
        let of = format!("the owner `{}`", id.owner());
        issuer(&pin.issuer, &of)?;
        return owner_id(&pin.owner_id, &of);
    }
    let actual = &claims.repository_owner;
    let same = actual.eq_ignore_ascii_case(id.owner());
    refuse_unless(same, ErrorCode::WrongOwner, "repository_owner", actual, || {
        (
            format!("`{}`, the owner in `{id}`", id.owner()),
            format!(
                "publish from a repository of `{}`, or rename the package in its manifest to `{}/{}`",
                id.owner(),
                printable(actual),
                id.rest(),
            ),
        )
    })
}

fn owner_help(case: &Case) -> String {
    let id = case.identifier;
    if case.claims.repository_owner.eq_ignore_ascii_case(id.owner()) {
        return format!(
            "the account `{}` is not the one that published first: it was created anew, or took the \
             name over; ask the operator: `packhouse admin transfer {id}`",
            id.owner(),
        );
    }
    format!(
        "publish from a repository of the pinned owner; if the repository moved to another owner, \
         ask the operator: `packhouse admin transfer {id}`"
    )
}

fn event(case: &Case) -> Result<(), Refusal> {
    let admitted = admitted_events(&case.policy.source);
    let actual = case.claims.event_name.as_str();
    refuse_unless(admitted.contains(&actual), ErrorCode::WrongEvent, "event_name", actual, || {
        let lines = match &case.policy.source {
            Source::Tag => "on: { push: { tags: ['v*'] } }".to_owned(),
            Source::Train { tag } => format!("on: {{ push: {{ tags: ['{tag}'] }} }}"),
            Source::Branch { branch } => format!("on: {{ push: {{ branches: ['{branch}'] }} }}"),
        };
        (one_of(admitted), format!("let the workflow start with `{lines}`"))
    })
}

fn source(case: &Case) -> Result<(), Refusal> {
    let claims = case.claims;
    let ref_type = |wanted: &str, why: String, help: String| {
        let actual = &claims.ref_type;
        refuse_unless(actual == wanted, ErrorCode::WrongRef, "ref_type", actual, || {
            (format!("`{wanted}`: {why}"), help)
        })
    };
    match &case.policy.source {
        Source::Tag => {
            let version = case.version.text();
            let push = format!("`git tag v{version} && git push origin v{version}`");
            ref_type(
                "tag",
                format!("`{}` is published from tags", case.identifier),
                format!("push a tag: {push}"),
            )?;
            let tag = tag(claims, || format!("push a tag: {push}"))?;
            let right = tag_names_version(tag, case.identifier, case.version);
            refuse_unless(right, ErrorCode::TagMismatch, "ref", &claims.git_ref, || {
                let name = case.identifier.name();
                (
                    format!(
                        "a tag that says version `{version}`: `v{version}`, `{version}`, \
                         `{name}-v{version}` or `{name}@{version}`"
                    ),
                    format!("set the version that the tag says in the manifest, or {push}"),
                )
            })
        }
        Source::Train { tag: pattern } => {
            let example = pattern.replacen('*', case.version.text(), 1);
            let push = format!("push a tag: `git tag {example} && git push origin {example}`");
            let why = format!("`{}` is published from tags `{pattern}`", case.identifier);
            ref_type("tag", why, push.clone())?;
            let tag = tag(claims, || push.clone())?;
            refuse_unless(fits(pattern, tag), ErrorCode::WrongRef, "ref", &claims.git_ref, || {
                (format!("a tag that fits `{pattern}`"), push.clone())
            })
        }
        Source::Branch { branch } => {
            let why = format!("`{}` is published from the branch `{branch}`", case.identifier);
            let help = format!("publish from it: `on: {{ push: {{ branches: ['{branch}'] }} }}`");
            ref_type("branch", why, help.clone())?;
            let wanted = format!("refs/heads/{branch}");
            let actual = &claims.git_ref;
            refuse_unless(*actual == wanted, ErrorCode::WrongRef, "ref", actual, || {
                (format!("`{wanted}`"), help)
            })
        }
    }
}

/// The tag's name, from a `ref` that must agree with `ref_type`.
fn tag(claims: &Claims, help: impl FnOnce() -> String) -> Result<&str, Refusal> {
    let tag = claims.git_ref.strip_prefix("refs/tags/");
    tag.ok_or_else(|| Refusal {
        code: ErrorCode::WrongRef,
        claim: "ref".to_owned(),
        expected: "`refs/tags/` and the tag's name".to_owned(),
        actual: shown(&claims.git_ref),
        help: help(),
    })
}

/// Whether `tag` fits a pattern whose one `*` stands for any text.
fn fits(pattern: &str, tag: &str) -> bool {
    pattern.split_once('*').is_some_and(|(head, tail)| {
        tag.len() >= head.len() + tail.len() && tag.starts_with(head) && tag.ends_with(tail)
    })
}

fn protection(case: &Case) -> Result<(), Refusal> {
    if !case.policy.asks_protected_ref() {
        return Ok(());
    }
    refuse_option(
        case.claims.ref_protected.as_deref(),
        |actual| actual == "true",
        ErrorCode::UnprotectedRef,
        "ref_protected",
        || {
            (
                "`true`".to_owned(),
                format!(
                    "protect `{}` with a ruleset in the repository's settings (Rules, Rulesets), \
                     then run the job again",
                    printable(&case.claims.git_ref)
                ),
            )
        },
    )
}

fn workflow(case: &Case) -> Result<(), Refusal> {
    let Some(path) = &case.policy.workflow else { return Ok(()) };
    let claims = case.claims;
    // The whole text is compared and not its part before `@`: both file names and tags may hold an
    // `@`, so `publish.yml@evil.yml` must not pass for `publish.yml`.
    let right = |actual: &str| {
        let head = actual.strip_suffix(claims.git_ref.as_str()).and_then(|a| a.strip_suffix('@'));
        head.is_some_and(|head| head.eq_ignore_ascii_case(&format!("{}/{path}", claims.repository)))
    };
    let actual = claims.workflow_ref.as_deref();
    refuse_option(actual, right, ErrorCode::WrongWorkflow, "workflow_ref", || {
        (
            format!("`{}/{path}@{}`", printable(&claims.repository), printable(&claims.git_ref)),
            format!(
                "publish from `{path}`, or change the policy from that workflow: \
                 `packhouse policy set {}`",
                case.identifier
            ),
        )
    })
}

fn job_workflow(case: &Case) -> Result<(), Refusal> {
    let Some(wanted) = &case.policy.job_workflow else { return Ok(()) };
    let right = |actual: &str| {
        if wanted.contains('@') {
            return actual.eq_ignore_ascii_case(wanted);
        }
        let head = actual.get(..wanted.len()).unwrap_or_default();
        let at = actual.get(wanted.len()..).and_then(|tail| tail.strip_prefix('@'));
        head.eq_ignore_ascii_case(wanted)
            && at.is_some_and(|at| at.starts_with("refs/") || super::change::is_commit(at))
    };
    let actual = case.claims.job_workflow_ref.as_deref();
    refuse_option(actual, right, ErrorCode::WrongWorkflow, "job_workflow_ref", || {
        let version = if wanted.contains('@') { "" } else { "@<ref>" };
        let yaml = if wanted.contains('@') { wanted.clone() } else { format!("{wanted}@v1") };
        (format!("`{wanted}{version}`"), format!("let the job call it: `uses: {yaml}`"))
    })
}

fn environment(case: &Case) -> Result<(), Refusal> {
    let Some(wanted) = &case.policy.environment else { return Ok(()) };
    let right = |actual: &str| actual.to_lowercase() == wanted.to_lowercase();
    let actual = case.claims.environment.as_deref();
    refuse_option(actual, right, ErrorCode::WrongEnvironment, "environment", || {
        (format!("`{wanted}`"), format!("give the publishing job the line `environment: {wanted}`"))
    })
}

fn runner(case: &Case) -> Result<(), Refusal> {
    let Some(wanted) = &case.policy.runner else { return Ok(()) };
    let right = |actual: &str| actual == wanted;
    let actual = case.claims.runner_environment.as_deref();
    refuse_option(actual, right, ErrorCode::WrongRunner, "runner_environment", || {
        let line = match wanted.as_str() {
            "self-hosted" => "runs-on: self-hosted",
            _ => "runs-on: ubuntu-latest",
        };
        (format!("`{wanted}`"), format!("give the publishing job the line `{line}`"))
    })
}

fn refuse_unless(
    right: bool,
    code: ErrorCode,
    claim: &str,
    actual: &str,
    expected_and_help: impl FnOnce() -> (String, String),
) -> Result<(), Refusal> {
    refuse_option(Some(actual), |_| right, code, claim, expected_and_help)
}

fn refuse_option(
    actual: Option<&str>,
    right: impl FnOnce(&str) -> bool,
    code: ErrorCode,
    claim: &str,
    expected_and_help: impl FnOnce() -> (String, String),
) -> Result<(), Refusal> {
    if actual.is_some_and(right) {
        return Ok(());
    }
    let (expected, help) = expected_and_help();
    let actual = actual.map(shown).unwrap_or_default();
    Err(Refusal { code, claim: claim.to_owned(), expected, actual, help })
}

/// A value as refusals show it: printable, cut at 200 characters.
fn shown(value: &str) -> String {
    let cut = value.char_indices().nth(200).map_or(value.len(), |(at, _)| at);
    let dots = if cut < value.len() { "…" } else { "" };
    format!("{}{dots}", printable(&value[..cut]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_star_for_any_text() {
        assert!(fits("release-*", "release-2026.1"));
        assert!(fits("release-*", "release-"));
        assert!(fits("*", "x/y"));
        assert!(fits("a*a", "aba"));
        assert!(!fits("a*a", "a"));
        assert!(!fits("release-*", "prerelease-1"));
        assert!(!fits("release", "release"));
    }

    #[test]
    fn a_shown_value_is_cut_between_characters() {
        assert_eq!(shown(&"é".repeat(300)), format!("{}…", "é".repeat(200)));
        assert_eq!(shown("a\nb"), "a\\u{a}b");
    }
}
