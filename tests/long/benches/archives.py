"""Packing and unpacking a tree beside `zip`, Python's zipfile and `unzip`: whole processes."""
import filecmp
import json
import os
import shutil
import subprocess
import sys

from . import corpus, servers
from .measure import alternate, ratios, run, spread

PYTHON_BZIP2 = """
import os, sys, zipfile
root = sys.argv[1]
with zipfile.ZipFile(sys.argv[2], "x", zipfile.ZIP_BZIP2, compresslevel=9) as z:
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            z.write(path, os.path.relpath(path, root))
"""


def race(context):
    tree = os.path.join(context.work, "tree")
    files, size = corpus.tree(tree)
    print(f"tree: {files} files, {size / 1e6:.1f} MB, seed {corpus.SEED}")
    packing(context, tree)
    unpacking(context, tree)


def packing(context, tree):
    archive = {name: os.path.join(context.work, f"{name}.zip") for name in ("ours", "zip6", "zip9", "bzip2")}

    def fresh(name, command, **options):
        def timed():
            if os.path.exists(archive[name]):
                os.remove(archive[name])
            return run(command, **options)

        return timed

    info_zip = lambda name, level: fresh(name, ["zip", "-q", "-r", "-D", "-X", level, archive[name], "."], cwd=tree)
    runs = {
        "ours": fresh("ours", [context.binary, "pack", tree, "--output", archive["ours"], "--quiet"]),
        "zip6": info_zip("zip6", "-6"),
        "zip9": info_zip("zip9", "-9"),
        "bzip2": fresh("bzip2", [sys.executable, "-c", PYTHON_BZIP2, tree, archive["bzip2"]]),
    }
    times = alternate(runs, context.pairs)
    for peer, name, goal in [("zip6", "zip -6", 3.5), ("zip9", "zip -9", None), ("bzip2", "zipfile bzip2", 30)]:
        ratio, low, high = ratios(times["ours"], times[peer])
        context.table.add(
            f"pack + digest, beside {name}",
            f">= {goal} x" if goal else "",
            f"{ratio:.2f} x",
            ratio >= goal if goal else None,
            f"{low:.2f}-{high:.2f} x; {spread(times['ours'])} to {spread(times[peer])}",
        )
    sizes = {name: os.path.getsize(path) for name, path in archive.items()}
    share = sizes["ours"] / sizes["zip9"]
    others = ", ".join(f"{name} {size / 1e6:.3f} MB" for name, size in sizes.items())
    context.table.add("size, beside zip -9", "<= 1 x", f"{share:.3f} x", share <= 1, others)


def unpacking(context, tree):
    """Ours is `packhouse fetch`: it also asks a registry on loopback, downloads, hashes the archive
    and each file and compares both digests; `unzip` finds the archive on the disk."""
    home = os.path.join(context.work, "unpacking")
    os.makedirs(home)
    out = os.path.join(home, "out")
    data = os.path.join(home, "data")
    archive = os.path.join(context.work, "ours.zip")
    with servers.ours(context.binary, data, os.path.join(home, "log")) as server:
        registry = f"http://127.0.0.1:{server.port}"
        token = os.path.join(data, "admin-token")
        run([context.binary, "publish", tree, "--registry", registry, "--token-file", token, "--quiet"])
        fetch = [context.binary, "fetch", "bench/kicad@1.0.0", "--registry", registry, "--to", out, "--quiet"]
        fetch += ["--cache-dir", os.path.join(home, "cache")]

        def fresh(command, cores=None):
            def timed():
                shutil.rmtree(out, ignore_errors=True)
                return run(command)

            return timed

        runs = {"ours": fresh(fetch), "unzip": fresh(["unzip", "-q", archive, "-d", out])}
        if context.unpack:
            told = subprocess.run(
                [context.binary, "pack", tree, "--output", archive, "--json"], check=True, stdout=subprocess.PIPE
            )
            facts = json.loads(told.stdout)
            runs["local"] = fresh([context.unpack, archive, facts["digest"], facts["tree_digest"], out])
        times = alternate(runs, max(context.pairs, 9))
        for name in [name for name in runs if name != "unzip"]:
            runs[name]()
            same(tree, out)
    labels = {"local": ("verify + unpack, beside unzip", 1.4), "ours": ("fetch (over HTTP), beside unzip", None)}
    for name, (label, goal) in labels.items():
        if name not in times:
            continue
        ratio, low, high = ratios(times[name], times["unzip"])
        context.table.add(
            label,
            f">= {goal} x" if goal else "",
            f"{ratio:.2f} x",
            ratio >= goal if goal else None,
            f"{low:.2f}-{high:.2f} x; {spread(times[name])} to {spread(times['unzip'])}",
        )


def same(one, other):
    """Ends the benchmark unless both folders hold the same files."""
    compared = filecmp.dircmp(one, other)
    stack = [compared]
    while stack:
        at = stack.pop()
        if at.left_only or at.right_only or at.diff_files or at.funny_files:
            sys.exit(f"what was unpacked differs: {at.left_only} {at.right_only} {at.diff_files}")
        stack.extend(at.subdirs.values())
