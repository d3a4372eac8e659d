"""Metadata beside nginx, and the start of the server beside docker-registry."""
import os
import shutil
import socket
import statistics
import sys
import time

from . import corpus, servers
from .measure import alternate, cpu_s, ratios, rss_mb, run, spread

CONNECTIONS = 16
PATHS = {"package": "/v1/package/bench/sensor", "index": "/index/bench/sensor.json"}


def published(context, home):
    """A data folder with a package of a few versions."""
    data, package = os.path.join(home, "data"), os.path.join(home, "package")
    corpus.megabyte(package, "bench/sensor")
    os.truncate(os.path.join(package, "payload.bin"), 10_000)
    with servers.ours(context.binary, data, os.path.join(home, "publish.log")) as server:
        for patch in range(3):
            command = [context.binary, "publish", package, "--version", f"1.0.{patch}", "--quiet"]
            command += ["--registry", f"http://127.0.0.1:{server.port}"]
            run([*command, "--token-file", os.path.join(data, "admin-token")])
    return data


def race(context):
    home = os.path.join(context.work, "reads")
    os.makedirs(home)
    data = published(context, home)
    metadata(context, home, data)
    starting(context, home, data)


def metadata(context, home, data):
    folders = {name: os.path.join(home, name) for name in ("nginx", "cached")}
    for folder in folders.values():
        os.makedirs(os.path.join(folder, "www"))
    up = {
        "ours": servers.ours(context.binary, data, os.path.join(home, "serve.log")),
        "nginx": servers.nginx(context.peers.nginx, folders["nginx"]),
        "cached": servers.nginx(context.peers.nginx, folders["cached"], cached=True),
    }
    with up["ours"], up["nginx"], up["cached"]:
        idle, private = rss_mb(up["ours"].pids()), rss_mb(up["ours"].pids(), "RssAnon")
        for kind, path in PATHS.items():
            status, body = servers.get(up["ours"].port, path)
            if status != 200:
                sys.exit(f"{path} answered {status}")
            for folder in folders.values():
                with open(os.path.join(folder, "www", f"{kind}.json"), "wb") as file:
                    file.write(body)
            paths = {"ours": path, "nginx": f"/{kind}.json", "cached": f"/{kind}.json"}
            rounds(context, up, paths, f"{kind}, {len(body)} bytes")
        peak = rss_mb(up["ours"].pids(), "VmHWM")
        other = rss_mb(up["nginx"].pids())
    context.table.add(
        "memory idle, after a start", "<= 10 MB", f"{idle:.1f} MB", idle <= 10,
        f"of it {private:.1f} MB its own, the rest mapped pages of its program file; highest under the load above {peak:.1f} MB; nginx (2 processes) {other:.1f} MB",
    )


def rounds(context, up, paths, label):
    def measured(name):
        def one():
            server = up[name]
            pids = server.pids()
            before = cpu_s(pids)
            requests, rate, p99 = servers.wrk(
                f"http://127.0.0.1:{server.port}{paths[name]}", context.seconds, CONNECTIONS
            )
            return (cpu_s(pids) - before) * 1e6 / requests, rate, p99

        return one

    values = alternate({name: measured(name) for name in up}, context.pairs)
    cost = {name: [value[0] for value in each] for name, each in values.items()}
    rate = {name: statistics.median(value[1] for value in each) for name, each in values.items()}
    p99 = {name: [value[2] for value in each] for name, each in values.items()}
    for peer, words, goal in [("nginx", "nginx", 1.4), ("cached", "nginx keeping files open", None)]:
        # Here the ratio is ours over the peer's: how much more a request costs.
        ratio, low, high = ratios(cost[peer], cost["ours"])
        context.table.add(
            f"CPU of a GET ({label}), beside {words}",
            f"<= {goal} x" if goal else "",
            f"{ratio:.2f} x",
            ratio <= goal if goal else None,
            f"{low:.2f}-{high:.2f} x; {spread(cost['ours'], 'us')} to {spread(cost[peer], 'us')}; "
            f"{rate['ours'] / 1e3:.0f}k/s to {rate[peer] / 1e3:.0f}k/s",
        )
    middle = statistics.median(p99["ours"])
    context.table.add(
        f"p99 of a GET ({label.split(',')[0]}), {CONNECTIONS} connections",
        "<= 1 ms", f"{middle:.2f} ms", middle <= 1,
        f"{spread(p99['ours'], digits=2)}; nginx {spread(p99['nginx'], digits=2)}; under full load of one core",
    )


def starting(context, home, data):
    """From the start of the process to the first byte of an answer, on a data folder in use."""
    logs = os.open(os.path.join(home, "start.log"), os.O_WRONLY | os.O_CREAT, 0o644)
    ours_port, docker_port = servers.free_port(), servers.free_port()
    docker = servers.docker_command(context.peers.docker, os.path.join(home, "docker"), docker_port)
    runs = {
        "ours": lambda: started(servers.serve_command(context.binary, data, ours_port), ours_port, PATHS["package"], logs),
        "docker": lambda: started(docker, docker_port, "/v2/_catalog", logs),
        "floor": lambda: process(["/bin/true"], logs),
    }
    try:
        times = alternate(runs, max(context.pairs, 15))
    finally:
        os.close(logs)
    ratio, low, high = ratios(times["ours"], times["docker"])
    middle = statistics.median(times["ours"])
    context.table.add(
        "start to first answer", "<= 3 ms", f"{middle:.1f} ms", middle <= 3,
        f"{spread(times['ours'])}; docker-registry {spread(times['docker'])}: {ratio:.1f} x ({low:.1f}-{high:.1f}); "
        f"a process that does nothing {spread(times['floor'])}",
    )


def spawn(command, log):
    servers.pin(servers.SERVER_CORE)
    actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    begin = time.perf_counter()
    pid = os.posix_spawn(shutil.which(command[0]), command, os.environ, file_actions=actions)
    servers.pin(servers.LOAD_CORE)
    return pid, begin


def started(command, port, path, log):
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    pid, begin = spawn(command, log)
    took = None
    while took is None:
        with socket.socket() as s:
            try:
                s.connect(("127.0.0.1", port))
                s.sendall(request)
                head = s.recv(4096)
            except OSError:
                head = b""
            took = (time.perf_counter() - begin) * 1e3
            if not head:
                if os.waitpid(pid, os.WNOHANG)[0] or took > 20_000:
                    sys.exit(f"{command[0]} ended, or did not answer")
                took = None
            elif not head.startswith(b"HTTP/1.1 200"):
                sys.exit(f"{command[0]} answered {head[:60]}")
    servers.pin(None)
    os.kill(pid, 15)
    os.waitpid(pid, 0)
    return took


def process(command, log):
    pid, begin = spawn(command, log)
    os.waitpid(pid, 0)
    took = (time.perf_counter() - begin) * 1e3
    servers.pin(None)
    return took
