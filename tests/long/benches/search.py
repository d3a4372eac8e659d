"""The search index beside tantivy, over the same 100,000 generated packages, in one process."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
# The rows of the program's table that have a target, as a most of ours.
TARGETS = {
    "size, MB": 5.0,
    "open and first query, bytes at hand, ms": 5.0,
    "one to three words, p50, µs": 50.0,
}


def race(context):
    """Builds the program, a workspace of its own that has the peer, and takes over its table."""
    source = os.path.join(ROOT, "tests/long/search")
    target = os.path.join(context.target, "search")
    print("building the search index and its peer", flush=True)
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    subprocess.run(command, cwd=source, check=True, env={**os.environ, "CARGO_TARGET_DIR": target})
    program = os.path.join(target, "release/packhouse-search-race")
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    missing = set(TARGETS) - {what for what, *_ in rows}
    if missing:
        raise RuntimeError(f"the program printed no row for {', '.join(sorted(missing))}")
    for what, ours, theirs, ratio in rows:
        most = TARGETS.get(what)
        target, met = (f"<= {most:g}", float(ours) <= most) if most else ("", None)
        context.table.add(f"search: {what}", target, ours, met, f"tantivy {theirs}: {ratio}")
