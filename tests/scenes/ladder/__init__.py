"""A ladder, the text in which a scene is told, built into the very same capture every time.

`language` turns text into a `Scene` (hosts, and steps of what somebody did), `content` makes the octets of messages and TLS
records, `tcp` plays the steps with two TCP stacks and a capture point between them, and `wire` packs the result into
frames and the file. The language is described in ``captures/README.md``.
"""

from .language import LadderError, Scene, parse
from .tcp import play
from .wire import pcap


def build(text: str) -> bytes:
    """The capture file that a ladder's text tells."""
    scene = parse(text)
    return pcap(play(scene), scene.snaplen)


__all__ = ["LadderError", "Scene", "build", "parse", "pcap", "play"]
