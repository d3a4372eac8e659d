"""Measuring: pairs in turns, medians of the ratios of each pair, and what else the machine did."""
import os
import statistics
import subprocess
import sys
import time

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def run(command, **options):
    """Runs `command` whole; answers its wall time in ms. A command that fails ends the benchmark."""
    begin = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    took = (time.perf_counter() - begin) * 1e3
    if done.returncode:
        sys.exit(f"exit {done.returncode} of {command}:\n{done.stderr.decode()[-2000:]}{done.stdout.decode()[-500:]}")
    return took


def cpu_s(pids):
    """User and system time of processes, in seconds; threads included."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * TICK_S


def rss_mb(pids, what="VmRSS"):
    """Resident memory of processes in MB (10^6 bytes), the highest ever with `VmHWM`."""
    kib = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            kib += sum(int(line.split()[1]) for line in file if line.startswith(what + ":"))
    return kib * 1024 / 1e6


def load():
    return os.getloadavg()[0]


def settle(patience_s):
    """Waits up to `patience_s` until the machine is quiet."""
    end = time.monotonic() + patience_s
    while load() >= 1.5 and time.monotonic() < end:
        time.sleep(2)


class Table:
    """Rows of results: printed as they come, and written as Markdown and JSON."""

    def __init__(self):
        self.rows = []

    def add(self, what, target, ratio, met, detail):
        self.rows.append({"what": what, "target": target, "result": ratio, "met": met, "detail": detail})
        word = {True: "met", False: "MISSED", None: "-"}[met]
        print(f"{what:34} {ratio:>12}  target {target:12} {word:6} {detail}", flush=True)

    def markdown(self):
        lines = ["| what | target | measured | | details |", "|---|---|---|---|---|"]
        for row in self.rows:
            word = {True: "met", False: "**missed**", None: ""}[row["met"]]
            lines.append(f"| {row['what']} | {row['target']} | {row['result']} | {word} | {row['detail']} |")
        return "\n".join(lines) + "\n"


def alternate(runs, rounds, warm=1):
    """Calls each of `runs` (name to function) once a round, in an order that turns each round.

    Answers the list of values of each. The first `warm` rounds are left out.
    """
    names = list(runs)
    values = {name: [] for name in names}
    for at in range(-warm, rounds):
        turn = at % len(names)
        for name in names[turn:] + names[:turn]:
            value = runs[name]()
            if at >= 0:
                values[name].append(value)
    return values


def ratios(ours, peers):
    """Peer over ours, pair by pair: median, lowest, highest."""
    each = [peer / mine for mine, peer in zip(ours, peers)]
    return statistics.median(each), min(each), max(each)


def spread(values, unit="ms", digits=1):
    """`median unit (lowest-highest)`."""
    return f"{statistics.median(values):.{digits}f} {unit} ({min(values):.{digits}f}-{max(values):.{digits}f})"
