"""Octets -> `PacketTable` batches: capture files, rings of them, a pipe.

    source, inflate    a file or standard input, decompressed        -> octets
    frames, pcap(ng)   octets                                        -> `FrameBlock`: where the frames are
    cursor, link, tunnel, inet   peel every frame down to TCP, all frames of a block together
    fragments, slow    what does not fit into columns, one by one
    columns, icmp      `FrameBlock`                                  -> `PacketTable`
    files, traces      one file; which files are one trace
    engine             ours, or tshark's dissectors
    records            a file once more, frame by frame          -> octets, headers and times for whoever writes them out again

`open_captures` is all that the rest of the program calls; slices, which write frames out again, call `records`, too.
"""

from __future__ import annotations

from pcapdiag.capture.engine import open_captures
from pcapdiag.capture.traces import Captures, CaptureSet, Trace

__all__ = ["CaptureSet", "Captures", "Trace", "open_captures"]
