"""Servers on loopback, pinned to core 0 while the load runs on core 1. Each is ended by its own id."""
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time

SERVER_CORE, LOAD_CORE = 0, 1


def pin(core):
    """Pins this process, and what it starts from now on, to a core; without a second core to none."""
    cores = os.cpu_count() or 1
    os.sched_setaffinity(0, {core} if core is not None and cores > 1 else range(cores))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path):
    """The status and body of a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Server:
    """A process that answers on a port of loopback; a context manager that ends it."""

    def __init__(self, command, port, ready, log, core=SERVER_CORE):
        self.port = port
        pin(core)
        self.log = open(log, "wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        pin(None)
        for _ in range(400):
            if self.process.poll() is not None:
                break
            try:
                if get(port, ready)[0] < 500:
                    return
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        with open(log, encoding="utf-8", errors="replace") as file:
            sys.exit(f"{command[0]} does not answer on {port}:\n{file.read()[-2000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            # The whole group, which is its own: a tracer in front must not leave the server behind.
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()

    def pids(self):
        """Of the server and the workers that it forked."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            return [pid, *map(int, file.read().split())]


def serve_command(binary, data, port, *more):
    return [binary, "serve", "--data", data, "--listen", f"127.0.0.1:{port}", *more]


def ours(binary, data, log, *more, wrap=()):
    port = free_port()
    return Server([*wrap, *serve_command(binary, data, port, *more)], port, "/healthz", log)


def nginx(binary, folder, port=None, cached=False):
    """nginx with one worker serving `folder`/www: as distributed with the log off, or `cached` with
    open files kept, which spares it opening and closing the file for each request."""
    port = port or free_port()
    os.makedirs(os.path.join(folder, "www"), exist_ok=True)
    keep = "open_file_cache max=100 inactive=60s; open_file_cache_valid 60s;" if cached else ""
    scratch = "".join(
        f"{kind}_temp_path {folder}/tmp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker may not enter the folder
    config = (
        f"{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit;"
        "events { worker_connections 512; }"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; {keep} {scratch}"
        "types { application/json json; }"
        f"server {{ listen 127.0.0.1:{port}; root {folder}/www; }} }}"
    )
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config)
    return Server([binary, "-e", f"{folder}/error.log", "-p", folder, "-c", path], port, "/", os.path.join(folder, "log"))


def pypiserver(binary, folder):
    port = free_port()
    packages = os.path.join(folder, "packages")
    os.makedirs(packages, exist_ok=True)
    command = [binary, "run", "-p", str(port), "-i", "127.0.0.1", "-a", ".", "-P", ".",
               "--backend", "cached-dir", "--server", "auto", packages]
    return Server(command, port, "/simple/", os.path.join(folder, "log"))


def verdaccio(program, folder):
    """verdaccio with anonymous reads: its legacy tokens cost a slow hash each request."""
    port = free_port()
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "config.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"storage: {folder}/storage\nauth: {{htpasswd: {{file: {folder}/htpasswd}}}}\nuplinks: {{}}\n"
            "packages: {'**': {access: $all, publish: $all}}\nweb: {enable: false}\n"
            "log: {type: stdout, format: json, level: error}\n"
        )
    command = [*program, "--config", path, "--listen", f"127.0.0.1:{port}"]
    return Server(command, port, "/-/ping", os.path.join(folder, "log"))


def docker_command(binary, folder, port):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "config.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/store}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        )
    return [binary, "serve", path]


def wrk(url, seconds, connections=16):
    """Load on core 1: answers (requests, requests a second, p99 in ms); errors end the benchmark."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    pin(LOAD_CORE)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    pin(None)
    out = done.stdout.decode()
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"not every answer was good:\n{out}")
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    p99 = float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    return requests, float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), p99
