"""A publish of 1 MB beside `uv publish` to pypiserver: whole client processes, servers on core 0."""
import itertools
import json
import os
import re
import resource
import statistics
import sys
import time
import urllib.parse

from . import corpus, servers
from .measure import alternate, cpu_s, ratios, run, spread

IDENTIFIER = "bench/sensor"


def race(context):
    home = os.path.join(context.work, "publishing")
    package = os.path.join(home, "package")
    corpus.megabyte(package, IDENTIFIER)
    logs = {name: os.path.join(home, f"{name}.log") for name in ("jobs", "tokens", "traced")}
    wheels = os.path.join(home, "wheels")
    os.makedirs(wheels)
    jobs = servers.ours(context.binary, os.path.join(home, "jobs"), logs["jobs"], "--dev-issuer")
    tokens = servers.ours(context.binary, os.path.join(home, "tokens"), logs["tokens"])
    pypi = servers.pypiserver(context.peers.pypiserver, os.path.join(home, "pypi"))
    with jobs, tokens, pypi:
        numbers = {name: itertools.count(1) for name in ("job", "token", "uv")}

        def job():
            return as_job(context, package, jobs.port, f"1.0.{next(numbers['job'])}")

        def token():
            version = f"1.0.{next(numbers['token'])}"
            file = os.path.join(home, "tokens", "admin-token")
            command = [context.binary, "publish", package, "--version", version, "--quiet"]
            return run([*command, "--registry", f"http://127.0.0.1:{tokens.port}", "--token-file", file])

        def uv():
            path = corpus.wheel(wheels, f"1.0.{next(numbers['uv'])}")
            url = f"http://127.0.0.1:{pypi.port}"
            command = [context.peers.uv, "publish", "--quiet", "--publish-url", url, "-u", "a", "-p", "b", path]
            return run(command, env={**os.environ, "UV_NO_CONFIG": "1"})

        times = alternate({"job": job, "token": token, "uv": uv}, max(context.pairs, 9), warm=2)
        costs = {"job": cpu(job, jobs), "token": cpu(token, tokens), "uv": cpu(uv, pypi)}
        issuer = [mint(jobs.port) for _ in range(40)][10:]
    for name, label, goal in [("job", "publish 1 MB, OIDC", 5), ("token", "publish 1 MB, API token", None)]:
        ratio, low, high = ratios(times[name], times["uv"])
        context.table.add(
            f"{label}, beside uv",
            f">= {goal} x" if goal else "",
            f"{ratio:.2f} x",
            ratio >= goal if goal else None,
            f"{low:.2f}-{high:.2f} x; {spread(times[name])} to {spread(times['uv'])}; "
            f"CPU of client + server {costs[name]} to {costs['uv']}",
        )
    share = 2 * statistics.median(issuer)
    context.table.add(
        "of it the local issuer",
        "",
        f"{share:.1f} ms",
        None,
        f"two tokens of {spread(issuer, digits=2)} each, signed on the server's core",
    )
    syncs = traced(context, home, package, logs["traced"])
    context.table.add("syncs of a publish", "<= 4", str(syncs), syncs <= 4, "fsync and fdatasync of the server, by strace")


def cpu(publish, server, runs=10):
    """The CPU time of a publish in ms: of the client, and of the server. Load distorts it less than time."""
    client = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = client(), cpu_s(server.pids())
    for _ in range(runs):
        publish()
    after = client(), cpu_s(server.pids())
    mine, theirs = ((b - a) / runs * 1e3 for a, b in zip(before, after))
    return f"{mine:.1f} + {theirs:.1f} ms"


def job_environment(port, version):
    query = urllib.parse.urlencode({"repository": IDENTIFIER, "ref": f"refs/tags/v{version}"})
    return {
        **os.environ,
        "GITHUB_REPOSITORY": IDENTIFIER,
        "GITHUB_REF_TYPE": "tag",
        "GITHUB_REF_NAME": f"v{version}",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{port}/_dev/token?{query}",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bench",
    }


def as_job(context, package, port, version):
    """A publish as a CI job does it, with a token of the local issuer for each of two calls."""
    command = [context.binary, "publish", package, "--version", version, "--quiet"]
    command += ["--registry", f"http://127.0.0.1:{port}"]
    return run(command, env=job_environment(port, version))


def mint(port):
    """How long the issuer takes for a token, in ms, its connection included."""
    begin = time.perf_counter()
    status, body = servers.get(port, f"/_dev/token?audience=bench&repository={IDENTIFIER}")
    took = (time.perf_counter() - begin) * 1e3
    if status != 200 or "value" not in json.loads(body):
        sys.exit(f"the issuer answered {status}")
    return took


def traced(context, home, package, log):
    """The most syncs that one of three publishes costs the server, on a data folder in use."""
    trace = os.path.join(home, "trace")
    wrap = ["strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,fdatasync,sync_file_range,sync,msync"]
    counts = []
    with servers.ours(context.binary, os.path.join(home, "traced"), log, "--dev-issuer", wrap=wrap) as server:
        as_job(context, package, server.port, "1.0.0")
        for patch in (1, 2, 3):
            time.sleep(0.3)
            before = syncs(trace)
            as_job(context, package, server.port, f"1.0.{patch}")
            time.sleep(0.3)
            counts.append(syncs(trace) - before)
    return max(counts)


def syncs(trace):
    with open(trace, encoding="utf-8", errors="replace") as file:
        return len(re.findall(r"^\d+\s+(?:fsync|fdatasync|sync_file_range|sync|msync)\(", file.read(), re.MULTILINE))
