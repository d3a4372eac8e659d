"""Projects and their dependencies beside cargo, uv, npm and unzip: whole client processes, servers on
core 0. What a client has to do again is taken away before its clock starts."""
import base64
import concurrent.futures
import hashlib
import io
import json
import os
import random
import re
import shutil
import sys
import tarfile
import zipfile

from . import corpus, servers
from .measure import alternate, ratios, run, spread

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SMALL, DEEP, VERSIONS = 100, 400, 2


def race(context):
    home = os.path.join(context.work, "consumers")
    os.makedirs(home)
    npm_peer = context.peers.verdaccio()
    many = ["--limit", "publishes_per_ten_minutes=100000"]
    with servers.ours(context.binary, os.path.join(home, "data"), os.path.join(home, "log"), *many) as registry:
        registry.token = os.path.join(home, "data", "admin-token")
        linking(context, home, registry)
        installing(context, home, registry, npm_peer)
        resolving(context, home, registry)


def publish(context, registry, folders):
    def one(folder):
        url = f"http://127.0.0.1:{registry.port}"
        run([context.binary, "publish", folder, "--registry", url, "--token-file", registry.token, "--quiet"])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(one, folders))


def package(folder, identifier, version, needs=(), files=None):
    os.makedirs(folder)
    text = corpus.manifest(identifier, version)
    if needs:
        text += "dependencies:\n" + "".join(f"  - {need}\n" for need in needs)
    corpus.write(os.path.join(folder, "packhouse.yaml"), text)
    corpus.write(os.path.join(folder, "README.md"), corpus.README)
    for name, content in (files or {}).items():
        corpus.write(os.path.join(folder, name), content)
    return folder


class Project:
    """A project of ours, with a cache of its own."""

    def __init__(self, context, home, registry, name, needs):
        self.folder, self.cache = os.path.join(home, name), os.path.join(home, f"{name}-cache")
        package(self.folder, f"bench/{name}", "0.0.1", needs)
        self.command = [context.binary, "sync", "-C", self.folder, "--cache-dir", self.cache, "--quiet"]
        self.command += ["--registry", f"http://127.0.0.1:{registry.port}"]

    def timed(self, *options, lock=False, installed=False, cache=False):
        """A sync, after its lockfile, what it installed, or its cache were taken away."""

        def call():
            if lock:
                os.remove(os.path.join(self.folder, "packhouse.lock"))
            if installed:
                shutil.rmtree(os.path.join(self.folder, ".packhouse"))
            if cache:
                shutil.rmtree(self.cache)
            return run([*self.command, *options])

        return call


def compare(context, times, mine, peer, label, goal):
    ratio, low, high = ratios(times[mine], times[peer])
    context.table.add(
        label,
        f">= {goal} x" if goal else "",
        f"{ratio:.1f} x",
        ratio >= goal if goal else None,
        f"{low:.1f}-{high:.1f} x; {spread(times[mine])} to {spread(times[peer])}",
    )


def resolving(context, home, registry):
    """A whole resolution from what is cached: the lockfile is gone and written anew; what is installed is
    compared with it, too, which cargo does not do. The data are other ones than cargo's."""
    rng, folders = random.Random(corpus.SEED), []
    name = lambda at: f"bench/deep{at}"
    for at in range(DEEP):
        below = range(at + 1, min(DEEP, at + 40))
        for minor in range(VERSIONS):
            needs = [f"{name(to)}@^1.{rng.randrange(VERSIONS)}" for to in rng.sample(below, min(len(below), 3))]
            folder = os.path.join(home, "deep", f"{at}-{minor}")
            folders.append(package(folder, name(at), f"1.{minor}.0", needs))
    publish(context, registry, folders)
    project = Project(context, home, registry, "resolving", [f"{name(at)}@^1" for at in range(40)])
    run(project.command)
    locked = count(os.path.join(project.folder, "packhouse.lock"))

    crate = os.path.join(home, "crate")
    os.makedirs(os.path.join(crate, "src"))
    corpus.write(os.path.join(crate, "src/lib.rs"), "")
    with open(os.path.join(ROOT, "Cargo.toml"), encoding="utf-8") as file:
        table = re.search(r"\[workspace\.dependencies\]\n(.*?)\n\[", file.read(), re.DOTALL).group(1)
    needs = "\n".join(line for line in table.splitlines() if "path =" not in line)
    head = '[package]\nname = "crate"\nversion = "0.0.1"\nedition = "2024"\n[workspace]\n[dependencies]\n'
    corpus.write(os.path.join(crate, "Cargo.toml"), head + needs + "\n")
    lock = os.path.join(crate, "Cargo.lock")

    def cargo():
        if os.path.exists(lock):
            os.remove(lock)
        return run(["cargo", "generate-lockfile", "--quiet", "--offline"], cwd=crate)

    times = alternate({"ours": project.timed("--offline", lock=True), "cargo": cargo}, max(context.pairs, 9))
    label = f"resolve {locked} packages, cargo {count(lock)} (other data)"
    compare(context, times, "ours", "cargo", label, 10)


def count(lock):
    with open(lock, encoding="utf-8") as file:
        return file.read().count("[[package]]")


def content(rng):
    """Three files of 30 kB in all, 12 kB packed."""
    noise = lambda size: rng.randbytes(size).hex()
    return {
        "table.txt": noise(4_000),
        "shapes.txt": noise(4_500),
        "notes.txt": "".join(f"line {line:05} of a text that shrinks well\n" for line in range(300)),
    }


def installing(context, home, registry, npm_peer):
    rng = random.Random(corpus.SEED)
    contents = [content(rng) for _ in range(SMALL)]
    folders = [
        package(os.path.join(home, "small", str(at)), f"bench/small{at}", "1.0.0", files=files)
        for at, files in enumerate(contents)
    ]
    publish(context, registry, folders)
    project = Project(context, home, registry, "installing", [f"bench/small{at}@1.0.0" for at in range(SMALL)])
    run(project.command)

    pypi, store = os.path.join(home, "pypi"), os.path.join(home, "verdaccio")
    os.makedirs(os.path.join(pypi, "packages"))
    for at, files in enumerate(contents):
        wheel(os.path.join(pypi, "packages"), at, files)
        tarball(store, at, files)
    with servers.pypiserver(context.peers.pypiserver, pypi) as python, servers.verdaccio(npm_peer, store) as node:
        uv = uv_client(context, home, python)
        npm = npm_client(home, node)
        parts = {"installed": True}
        times = alternate(
            {
                "ours": project.timed(lock=True, cache=True, **parts),
                "locked": project.timed("--locked", cache=True, **parts),
                "uv": uv(cold=True),
                "npm": npm(cold=True),
            },
            context.pairs,
        )
        cold = f"{SMALL} packages, cold"
        compare(context, times, "ours", "uv", f"{cold}: resolve and install, beside uv", 3)
        compare(context, times, "locked", "npm", f"{cold}: locked, beside npm ci", None)
        times = alternate(
            {
                "ours": project.timed(lock=True, **parts),
                "locked": project.timed("--locked", **parts),
                "noop": project.timed(),
                "uv": uv(cold=False),
                "npm": npm(cold=False),
            },
            context.pairs,
        )
        warm = f"{SMALL} packages, warm"
        compare(context, times, "ours", "uv", f"{warm}: resolve and install, beside uv", 8)
        compare(context, times, "locked", "uv", f"{warm}: locked, beside uv", None)
        compare(context, times, "locked", "npm", f"{warm}: locked, beside npm ci", None)
        middle = sorted(times["noop"])[len(times["noop"]) // 2]
        detail = f"{spread(times['noop'])}; nothing to do"
        context.table.add(f"{SMALL} packages: sync again", "<= 9.9 ms", f"{middle:.1f} ms", middle <= 9.9, detail)


def uv_client(context, home, server):
    """`uv pip install` of pinned names into an empty folder."""
    wanted, cache, out = (os.path.join(home, f"uv-{part}") for part in ("wanted.txt", "cache", "out"))
    corpus.write(wanted, "".join(f"bench-small{at}==1.0.0\n" for at in range(SMALL)))
    command = [context.peers.uv, "pip", "install", "--quiet", "--target", out, "--python", sys.executable]
    command += ["--cache-dir", cache, "--index-url", f"http://127.0.0.1:{server.port}/simple/", "-r", wanted]

    def client(cold):
        def call():
            shutil.rmtree(out, ignore_errors=True)
            if cold:
                shutil.rmtree(cache, ignore_errors=True)
            took = run(command, env={**os.environ, "UV_NO_CONFIG": "1"})
            there(os.path.join(out, "bench_small99/notes.txt"))
            return took

        return call

    return client


def npm_client(home, server):
    """`npm ci` with a lockfile."""
    folder, cache = os.path.join(home, "npm"), os.path.join(home, "npm-cache")
    os.makedirs(folder)
    needs = {f"bench-small{at}": "1.0.0" for at in range(SMALL)}
    corpus.write(os.path.join(folder, "package.json"), json.dumps({"private": True, "dependencies": needs}))
    plain = ["--cache", cache, "--registry", f"http://127.0.0.1:{server.port}/"]
    plain += ["--no-audit", "--no-fund", "--loglevel=error", "--no-update-notifier"]
    run(["npm", "install", "--package-lock-only", *plain], cwd=folder)

    def client(cold):
        def call():
            shutil.rmtree(os.path.join(folder, "node_modules"), ignore_errors=True)
            if cold:
                shutil.rmtree(cache, ignore_errors=True)
            took = run(["npm", "ci", *([] if cold else ["--prefer-offline"]), *plain], cwd=folder)
            there(os.path.join(folder, "node_modules/bench-small99/notes.txt"))
            return took

        return call

    return client


def there(path):
    if not os.path.exists(path):
        sys.exit(f"{path} was not installed")


def wheel(folder, at, files):
    name = f"bench_small{at}"
    info = f"{name}-1.0.0.dist-info"
    every = {f"{name}/{path}": text.encode() for path, text in files.items()}
    every[f"{name}/__init__.py"] = b""
    every[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: bench-small{at}\nVersion: 1.0.0\n".encode()
    every[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for path, bytes_ in every.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(bytes_).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(bytes_)}\n"
    every[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    with zipfile.ZipFile(os.path.join(folder, f"{name}-1.0.0-py3-none-any.whl"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, bytes_ in every.items():
            archive.writestr(path, bytes_)


def tarball(store, at, files):
    """A package in verdaccio's storage, as a publish leaves it."""
    name = f"bench-small{at}"
    folder = os.path.join(store, "storage", name)
    os.makedirs(folder)
    manifest = {"name": name, "version": "1.0.0", "license": "MIT"}
    every = {"package.json": json.dumps(manifest), "README.md": corpus.README, **files}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in every.items():
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    file, bytes_ = f"{name}-1.0.0.tgz", packed.getvalue()
    with open(os.path.join(folder, file), "wb") as out:
        out.write(bytes_)
    sha512 = base64.b64encode(hashlib.sha512(bytes_).digest()).decode()
    shasum = hashlib.sha1(bytes_).hexdigest()
    dist = {"integrity": f"sha512-{sha512}", "shasum": shasum, "tarball": f"http://localhost/{name}/-/{file}"}
    time = "2026-01-01T00:00:00.000Z"
    document = {
        "name": name,
        "versions": {"1.0.0": {**manifest, "_id": f"{name}@1.0.0", "dist": dist}},
        "dist-tags": {"latest": "1.0.0"},
        "time": {"created": time, "modified": time, "1.0.0": time},
        "_attachments": {file: {"shasum": shasum}},
        "_distfiles": {},
        "_uplinks": {},
        "_rev": "1-0",
        "_id": name,
        "readme": "",
    }
    corpus.write(os.path.join(folder, "package.json"), json.dumps(document))


def linking(context, home, registry):
    """A package of 1,403 files: put in place from the store, every byte hashed, beside `unzip` of its zip."""
    tree, archive, out = (os.path.join(home, name) for name in ("tree", "tree.zip", "unzipped"))
    corpus.tree(tree)
    publish(context, registry, [tree])
    run([context.binary, "pack", tree, "--output", archive, "--quiet"])
    project = Project(context, home, registry, "linking", ["bench/kicad@1.0.0"])
    run(project.command)

    def unzip():
        shutil.rmtree(out, ignore_errors=True)
        return run(["unzip", "-q", archive, "-d", out])

    ours = project.timed("--frozen", "--offline", installed=True)
    times = alternate({"ours": ours, "unzip": unzip}, max(context.pairs, 9))
    compare(context, times, "ours", "unzip", "1,403 files from the store, beside unzip", 5)
