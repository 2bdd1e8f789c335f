"""The fuzz contract: any octets give a result or a `CaptureError`; the result can be told, and its JSON fits the schema.

usage: python -m tests.fuzz.contract [--seconds 60] [--from SEED] [--corpus FOLDER]

Runs until the time is over, prints what broke the contract with the seed that shows it, and leaves the octets beside.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import traceback
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random

from jsonschema import Draft202012Validator, ValidationError

from pcapdiag.analysis import KeepDialogue
from pcapdiag.errors import CaptureError
from pcapdiag.pipeline import DEFAULT_PORTS, analyze
from pcapdiag.report import json as json_report
from pcapdiag.report import text as text_report
from pcapdiag.report.options import Options
from tests.fuzz.mutation import as_pcapng, mutated

SCENES = Path(__file__).parents[2] / "captures"
LONGEST_S = 20.0
"""A mutated capture is at most 1 MiB; on a busy machine that is some hundredths of a second."""


@cache
def schema() -> Draft202012Validator:
    text = (files("pcapdiag.report") / "schema" / "analysis-1.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def seeds(corpus: Path | None = None) -> list[bytes]:
    """The captures of the scenes, as pcap and as pcapng, and the smaller ones of a corpus."""
    found = [path.read_bytes() for path in sorted(SCENES.glob("*/capture.pcap"))]
    random = Random(0)
    found += [as_pcapng(pcap, random) for pcap in found[::4]]
    if corpus is not None:
        found += [
            path.read_bytes()
            for path in sorted(corpus.rglob("*"))
            if path.is_file() and 24 <= path.stat().st_size < 100_000
        ]
    return [data for data in found if len(data) < 200_000]


def hold(path: Path, any_port: bool) -> None:
    """Raises when the contract is broken by this file."""
    began = time.monotonic()
    try:
        ports = None if any_port else DEFAULT_PORTS
        analysis = analyze([str(path)], ports=ports, engine="own", keep_dialogue=KeepDialogue.ALL)
    except CaptureError:
        return
    told = "".join(json_report.render(analysis))
    schema().validate(json.loads(told))
    page = "".join(text_report.render(analysis, Options(dialogue=KeepDialogue.ALL)))
    for character in page:
        assert character == "\n" or character.isprintable(), f"{character!r} would reach the terminal"
    took = time.monotonic() - began
    assert took < LONGEST_S, f"took {took:.1f} s"


def _place(error: Exception) -> str:
    """What makes two failures the same one."""
    if isinstance(error, ValidationError):
        return f"the schema at {'/'.join('*' if isinstance(step, int) else step for step in error.absolute_path)}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename}:{last.lineno}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--corpus", type=Path)
    options = parser.parse_args()
    sources = seeds(options.corpus)
    broken: dict[str, int] = {}
    folder = Path(tempfile.mkdtemp(prefix="pcapdiag-fuzz-"))
    path = folder / "mutant"
    seed = options.first
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        data = mutated(sources, Random(seed))
        path.write_bytes(data)
        try:
            hold(path, any_port=seed % 3 == 0)
        except Exception as error:
            place = _place(error)
            if place not in broken:
                (folder / f"seed-{seed}").write_bytes(data)
                print(f"seed {seed}: {place}\n{traceback.format_exc()}", flush=True)
            broken[place] = broken.get(place, 0) + 1
        seed += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{seed - options.first} mutants, peak memory {peak} MiB, octets in {folder}")
    for place, count in broken.items():
        print(f"{count} times {place}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
