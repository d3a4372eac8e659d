"""What is measured on: a tree of KiCad-like files and packages of 1 MB, from fixed seeds."""
import base64
import hashlib
import os
import random
import zipfile

SEED, FILES = 20260721, 1400
LAYERS = ["F.Cu", "B.Cu", "F.SilkS", "F.Fab", "F.CrtYd", "F.Paste", "F.Mask"]
MEGABYTE = 1_000_000
README = "# Bench\n\nGenerated for a benchmark.\n"


def manifest(identifier, version):
    return (
        f"package:\n  identifier: {identifier}\n  version: {version}\n  license: MIT\n"
        f"  summary: Generated for a benchmark\n  repository: https://github.com/{identifier}\n"
    )


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


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def tree(root):
    """Makes the tree; answers how many files and bytes it has."""
    rng = random.Random(SEED)
    total = 0
    for index in range(FILES):
        folder = os.path.join(root, f"Library_{index % 37}.pretty")
        os.makedirs(folder, exist_ok=True)
        name = f"Part_{index:04}_{rng.choice(['SOIC', 'QFN', 'R', 'C', 'Conn'])}"
        text = footprint(rng, name)
        total += len(text)
        write(os.path.join(folder, f"{name}.kicad_mod"), text)
    extra = {"packhouse.yaml": manifest("bench/kicad", "1.0.0"), "README.md": README, "LICENSE": "MIT\n"}
    for name, text in extra.items():
        write(os.path.join(root, name), text)
        total += len(text)
    return FILES + len(extra), total


def megabyte(root, identifier):
    """A package of 1 MB that does not shrink; its version is set when it is published."""
    os.makedirs(root, exist_ok=True)
    write(os.path.join(root, "packhouse.yaml"), manifest(identifier, "0.0.1"))
    write(os.path.join(root, "README.md"), README)
    write(os.path.join(root, "LICENSE"), "MIT\n")
    with open(os.path.join(root, "payload.bin"), "wb") as file:
        file.write(random.Random(SEED).randbytes(MEGABYTE))


def wheel(folder, version):
    """A wheel of the same 1 MB, ready to be uploaded, for the peer of `publish`."""
    info = f"bench_sensor-{version}.dist-info"
    files = {
        "bench_sensor/__init__.py": b"",
        "bench_sensor/payload.bin": random.Random(SEED).randbytes(MEGABYTE),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: bench-sensor\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    path = os.path.join(folder, f"bench_sensor-{version}-py3-none-any.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
