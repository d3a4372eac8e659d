"""The resolver beside pubgrub and resolvo, over the same generated registries, in one process."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def race(context):
    """Builds the program, a workspace of its own that has the peer, and takes over its table."""
    source = os.path.join(ROOT, "tests/long/resolve")
    target = os.path.join(context.target, "resolve")
    print("building the resolver and its peers", flush=True)
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    subprocess.run(command, cwd=source, check=True, env={**os.environ, "CARGO_TARGET_DIR": target})
    program = os.path.join(target, "release/packhouse-resolve-race")
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    for line in lines[2:]:
        what, ours, pubgrub, resolvo, answer = (cell.strip() for cell in line.strip("|").split("|"))
        detail = f"times ours: pubgrub {pubgrub}, resolvo {resolvo}; {answer}"
        context.table.add(f"resolve: {what}", "", f"{ours} ms", None, detail)
