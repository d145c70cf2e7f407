#!/usr/bin/env python3
"""Times this crate and Siegfried (PyPI pygfried 0.15.1) on the same files, one core each, in the same run.

    cargo build --release -p pronom --example measure
    pip install pygfried==0.15.1
    bench/compare.py MEASURE [--signatures XML --containers XML] [--make-large FOLDER] FOLDER…

MEASURE is the built example. `--make-large` first writes files of 4 to 48 MB there (TIFF, PNG, WAV, MOV, PDF
heads with random content and a proper tail), one folder a kind, and measures these too. Both sides get the
best of three runs; give both the same signature version for a fair comparison.
"""

import json
import os
import random
import subprocess
import sys
import time

RUNS = 3
HEADS = {
    "tif": (b"II*\0\x08\0\0\0", b""),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\2\0\0\0", b"\0\0\0\0IEND\xaeB`\x82"),
    "wav": (b"RIFF\0\0\0\x7fWAVEfmt \x10\0\0\0\1\0\2\0\x44\xac\0\0\x10\xb1\2\0\4\0\x10\0data\0\0\0\x7f", b""),
    "mov": (b"\0\0\0\x14ftypqt  \0\0\2\0qt  \0\0\0\1mdat", b"\0\0\0\x6cmoov\0\0\0\x64mvhd" + b"\0" * 96),
    "pdf": (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", b"\ntrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%EOF\n"),
}


def make_large(folder):
    generator = random.Random(7)
    folders = []
    for kind, (head, tail) in HEADS.items():
        where = os.path.join(folder, kind)
        os.makedirs(where, exist_ok=True)
        for megabytes in (4, 16, 48):
            with open(os.path.join(where, f"{megabytes}.{kind}"), "wb") as file:
                file.write(head + generator.randbytes(megabytes << 20) + tail)
        folders.append(where)
    return folders


def siegfried(folder):
    import pygfried

    files = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    best = float("inf")
    for _ in range(RUNS):
        begin = time.perf_counter()
        pygfried.identify_many(files, workers=1)
        best = min(best, time.perf_counter() - begin)
    return best


def main(arguments):
    os.environ["GOMAXPROCS"] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    measure, folders, options = arguments[0], [], []
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "--make-large":
            folders += make_large(next(rest))
        elif argument.startswith("--"):
            options += [argument, next(rest)]
        else:
            folders.append(argument)
    print(f"{'folder':<40}{'files':>7}{'MB':>8}{'files/s':>10}{'MB/s':>8}{'sf files/s':>12}{'sf MB/s':>9}{'ratio':>7}")
    for folder in folders:
        # One after the other, so that both meet the same load.
        ran = subprocess.run([measure, *options, folder], check=True, capture_output=True, text=True)
        load, ours = (json.loads(line) for line in ran.stdout.splitlines())
        theirs = siegfried(folder)
        files, megabytes, seconds = ours["files"], ours["bytes"] / 1e6, ours["seconds"]
        print(
            f"{folder[-39:]:<40}{files:>7}{megabytes:>8.1f}{files / seconds:>10.0f}{megabytes / seconds:>8.0f}"
            f"{files / theirs:>12.0f}{megabytes / theirs:>9.0f}{theirs / seconds:>7.1f}"
        )
    print(f"start-up with the compiled default: {load['load_seconds'] * 1000:.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
