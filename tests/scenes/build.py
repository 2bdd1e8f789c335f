"""Builds ``captures/*/capture.pcap`` and the list in ``captures/README.md`` from the ladders.

usage: python -m tests.scenes.build [--check]

``--check`` writes nothing and fails when a file is not what its ladder tells.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .ladder import LadderError, build, parse

CAPTURES = Path(__file__).parents[2] / "captures"
_BEGIN, _END = "<!-- scenes: written by python -m tests.scenes.build -->", "<!-- end of scenes -->"


def scenes() -> list[Path]:
    """Directories of all scenes, in order of their names."""
    return sorted(ladder.parent for ladder in CAPTURES.glob("*/scene.ladder"))


def outputs() -> dict[Path, bytes]:
    """Every file that is made from ladders, with what it should hold."""
    made = {}
    rows = []
    for scene in scenes():
        text = (scene / "scene.ladder").read_text(encoding="utf-8")
        try:
            made[scene / "capture.pcap"] = build(text)
            story = parse(text).story
        except LadderError as error:
            raise LadderError(f"{scene.name}: {error}") from error
        rows.append(f"* [`{scene.name}`]({scene.name}/scene.ladder): {story}")
    readme = CAPTURES / "README.md"
    head, _, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    tail = rest.partition(_END)[2]
    made[readme] = "\n".join([head + _BEGIN, "", *rows, "", _END + tail]).encode("utf-8")
    return made


def main(arguments: list[str]) -> int:
    made = outputs()
    stale = [path for path, octets in made.items() if not path.exists() or path.read_bytes() != octets]
    for path in stale:
        print(f"{'differs' if '--check' in arguments else 'written'}: {path.relative_to(CAPTURES.parent)}")
        if "--check" not in arguments:
            path.write_bytes(made[path])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
