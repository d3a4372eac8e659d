#!/usr/bin/env python3
"""Packing and unpacking beside `zip`, Python's zipfile and `unzip`, whole processes, interleaved.

Makes a tree of 1,400 KiCad-like files (about 20 MB, nested s-expressions, fixed seed), then runs ours
and each peer in pairs, ours first in every other pair. Prints the median of the ratios of each pair
(above 1: ours is faster), and the sizes. Nothing is compared across runs.

    bench_pack.py --pack 'target/release/packhouse pack {tree} --output {zip}' [--pairs 7]
                  [--unpack 'command {zip} {folder}']
"""
import argparse
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SEED, FILES = 20260721, 1400
LAYERS = ["F.Cu", "B.Cu", "F.SilkS", "F.Fab", "F.CrtYd", "F.Paste", "F.Mask"]
PYTHON_BZIP2 = """
import os, sys, zipfile
root = sys.argv[1]
with zipfile.ZipFile(sys.argv[2], "x", zipfile.ZIP_BZIP2, compresslevel=9) as z:
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            z.write(path, os.path.relpath(path, root))
"""


def number(rng):
    return f"{rng.randint(-40, 40) * 0.635 + rng.choice([0, 0, 0.05, 0.125]):g}"


def uuid(rng):
    return f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-{rng.getrandbits(16):04x}"


def footprint(rng, name):
    """The text of one footprint; sizes spread as in real libraries, from 1 to about 100 kB."""
    out = [f'(footprint "{name}" (version 20221018) (generator pcbnew)', '  (layer "F.Cu")']
    out.append(f'  (descr "{name}, {rng.randint(2, 200)} pins, generated for a benchmark")')
    for pad in range(1, min(400, int(rng.lognormvariate(3.22, 1.0))) + 2):
        out.append(
            f'  (pad "{pad}" smd roundrect (at {number(rng)} {number(rng)}) '
            f"(size {rng.choice(['0.25 0.7', '0.3 1.1', '1.2 0.6'])}) "
            f'(layers "F.Cu" "F.Paste" "F.Mask") (roundrect_rratio 0.25) (tstamp {uuid(rng)}))'
        )
        for _ in range(rng.randint(0, 3)):
            out.append(
                f"  (fp_line (start {number(rng)} {number(rng)}) (end {number(rng)} {number(rng)})\n"
                f'    (stroke (width 0.12) (type solid)) (layer "{rng.choice(LAYERS)}") (tstamp {uuid(rng)}))'
            )
    out.append(f'  (model "${{KICAD6_3DMODEL_DIR}}/{name}.wrl"\n    (offset (xyz 0 0 0))\n  )\n)\n')
    return "\n".join(out)


def make_tree(root):
    rng = random.Random(SEED)
    total = 0
    for index in range(FILES):
        folder = os.path.join(root, f"Library_{index % 37}.pretty")
        os.makedirs(folder, exist_ok=True)
        name = f"Part_{index:04}_{rng.choice(['SOIC', 'QFN', 'R', 'C', 'Conn'])}"
        text = footprint(rng, name)
        total += len(text)
        with open(os.path.join(folder, f"{name}.kicad_mod"), "w", encoding="utf-8") as file:
            file.write(text)
    with open(os.path.join(root, "packhouse.yaml"), "w", encoding="utf-8") as file:
        file.write("identifier: bench/kicad\nversion: 1.0.0\n")
    return total


def seconds(command, cwd, clean):
    for path in clean:
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isfile(path):
            os.remove(path)
    begin = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def race(label, ours, peer, pairs):
    ratios, mine, theirs = [], [], []
    for pair in range(pairs):
        order = [ours, peer] if pair % 2 == 0 else [peer, ours]
        times = {id(run): run() for run in order}
        mine.append(times[id(ours)])
        theirs.append(times[id(peer)])
        ratios.append(theirs[-1] / mine[-1])
    print(
        f"{label:24} {statistics.median(ratios):6.2f} x  "
        f"(ours {statistics.median(mine) * 1000:.0f} ms, peer {statistics.median(theirs) * 1000:.0f} ms, "
        f"ratios {min(ratios):.2f} to {max(ratios):.2f}, {pairs} pairs)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pack", required=True, help="our command, with {tree} and {zip}")
    parser.add_argument("--unpack", help="our command, with {zip} and {folder}")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--tree", help="a folder to pack instead of the generated one")
    args = parser.parse_args()
    if args.pairs < 5:
        parser.error("at least 5 pairs")
    with tempfile.TemporaryDirectory() as work:
        tree = args.tree or os.path.join(work, "tree")
        if not args.tree:
            os.mkdir(tree)
            print(f"{FILES} files, {make_tree(tree) / 1e6:.1f} MB, seed {SEED}")
        archive = {k: os.path.join(work, f"{k}.zip") for k in ("ours", "zip6", "zip9", "bzip2")}
        folder = os.path.join(work, "out")
        here = os.getcwd()

        def command(text, **places):
            return [part.format(**places) for part in shlex.split(text)]

        pack = command(args.pack, tree=tree, zip=archive["ours"])
        ours = lambda: seconds(pack, here, [archive["ours"]])
        zipped = lambda key, level: lambda: seconds(
            ["zip", "-q", "-r", "-D", "-X", level, archive[key], "."], tree, [archive[key]]
        )
        python = lambda: seconds(
            [sys.executable, "-c", PYTHON_BZIP2, tree, archive["bzip2"]], here, [archive["bzip2"]]
        )
        ours()  # warm
        race("pack / zip -6", ours, zipped("zip6", "-6"), args.pairs)
        race("pack / zip -9", ours, zipped("zip9", "-9"), args.pairs)
        race("pack / zipfile bzip2", ours, python, args.pairs)
        if args.unpack:
            unpack = command(args.unpack, zip=archive["ours"], folder=folder)

            def fresh(run):
                def timed():
                    shutil.rmtree(folder, ignore_errors=True)
                    os.mkdir(folder)
                    return seconds(run, here, [])

                return timed

            unzip = ["unzip", "-q", archive["ours"], "-d", folder]
            race("unpack / unzip", fresh(unpack), fresh(unzip), args.pairs)
        sizes = {key: os.path.getsize(path) for key, path in archive.items()}
        print(", ".join(f"{key} {size / 1e6:.3f} MB" for key, size in sizes.items()))
        if sizes["ours"] > sizes["zip9"]:
            sys.exit("ours is larger than `zip -9`")


if __name__ == "__main__":
    main()
