//! The run that would follow: claims as a policy wants them, for who cannot have them yet.

use super::{Policy, Source};
use crate::claims::Claims;
use crate::identifier::Identifier;
use crate::version::Version;

/// Turns `claims` into those of the run that would publish `identifier@version` under `policy`: the
/// push of the tag or branch that it names, protected where it asks for that, from the one of
/// `workflows` that it names. What only the publishing job's own settings decide (environment,
/// runner, reusable workflow) is supposed to be right.
///
/// Who asks (issuer, repository and owner) stays as it is.
pub fn suppose(
    claims: &mut Claims,
    policy: &Policy,
    identifier: &Identifier,
    version: &Version,
    workflows: &[String],
) {
    let version = version.text();
    claims.event_name = "push".to_owned();
    (claims.ref_type, claims.git_ref) = match &policy.source {
        Source::Tag => ("tag".to_owned(), format!("refs/tags/{}", tag(identifier, version))),
        Source::Train { tag } => {
            ("tag".to_owned(), format!("refs/tags/{}", tag.replacen('*', version, 1)))
        }
        Source::Branch { branch } => ("branch".to_owned(), format!("refs/heads/{branch}")),
    };
    claims.ref_protected = policy.asks_protected_ref().then(|| "true".to_owned());
    let wanted = policy.workflow.as_deref();
    let named = workflows
        .iter()
        .find(|path| wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(path)));
    let path = named.or(workflows.first()).map(String::as_str).or(wanted);
    claims.workflow_ref =
        path.map(|path| format!("{}/{path}@{}", claims.repository, claims.git_ref));
    claims.job_workflow_ref = match &policy.job_workflow {
        Some(wanted) if wanted.contains('@') => Some(wanted.clone()),
        Some(wanted) => Some(format!("{wanted}@refs/tags/v1")),
        None => claims.workflow_ref.clone(),
    };
    claims.environment = policy.environment.clone();
    claims.runner_environment =
        Some(policy.runner.clone().unwrap_or_else(|| "github-hosted".to_owned()));
}

/// The tag that people would push: with the package's name where a repository may have several.
fn tag(identifier: &Identifier, version: &str) -> String {
    match identifier.parts().count() {
        2 => format!("v{version}"),
        _ => format!("{}-v{version}", identifier.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorCode;
    use crate::policy::{Case, decide};
    use crate::version::Order;

    fn claims() -> Claims {
        serde_json::from_value(serde_json::json!({
            "iss": "https://token.actions.githubusercontent.com", "aud": "", "sub": "", "jti": "j",
            "iat": 0, "exp": 0, "repository": "acme/sensor", "repository_id": "7",
            "repository_owner": "acme", "repository_owner_id": "8", "event_name": "pull_request",
            "ref": "refs/pull/3/merge", "ref_type": "branch", "sha": "", "run_id": "1",
        }))
        .unwrap()
    }

    fn judged(policy: &Policy, identifier: &str, workflows: &[&str]) -> Result<String, ErrorCode> {
        let identifier: Identifier = identifier.parse().unwrap();
        let version = Version::parse(Order::SemVer, "1.4.0").unwrap();
        let workflows: Vec<_> = workflows.iter().map(|path| (*path).to_owned()).collect();
        let mut claims = claims();
        suppose(&mut claims, policy, &identifier, &version, &workflows);
        let case = Case {
            claims: &claims,
            identifier: &identifier,
            version: &version,
            pins: None,
            owner_pin: None,
            policy,
        };
        decide(&case).map(|()| claims.git_ref.clone()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn the_run_that_a_policy_wants_passes_it() {
        let strict = |source| Policy {
            source,
            workflow: Some(".github/workflows/publish.yml".to_owned()),
            job_workflow: Some("acme/ci/.github/workflows/p.yml".to_owned()),
            environment: Some("release".to_owned()),
            protected_ref: true,
            runner: Some("self-hosted".to_owned()),
        };
        for (source, git_ref) in [
            (Source::Tag, "refs/tags/v1.4.0"),
            (Source::Train { tag: "release-*".to_owned() }, "refs/tags/release-1.4.0"),
            (Source::Branch { branch: "main".to_owned() }, "refs/heads/main"),
        ] {
            assert_eq!(judged(&strict(source), "acme/sensor", &[]).as_deref(), Ok(git_ref));
        }
        let plain = Policy::default();
        assert_eq!(judged(&plain, "acme/sensor/x", &[]).as_deref(), Ok("refs/tags/x-v1.4.0"));
    }

    #[test]
    fn what_is_known_of_the_run_still_decides() {
        let policy = Policy {
            workflow: Some(".github/workflows/Publish.yml".to_owned()),
            ..Policy::default()
        };
        let publish = ".github/workflows/publish.yml";
        assert!(judged(&policy, "acme/sensor", &["other.yml", publish]).is_ok());
        assert_eq!(judged(&policy, "acme/sensor", &["other.yml"]), Err(ErrorCode::WrongWorkflow));
        assert_eq!(judged(&Policy::default(), "evil/sensor", &[]), Err(ErrorCode::WrongOwner));
    }
}
