"""Many frames out of a packet socket with one system call: recvmmsg(2) into slots that stay where they are.

Python's own `recvmsg` gives the interpreter lock away for every single frame, and gets it back five milliseconds later when
another thread is busy: 200 frames a second. One call here takes up to `COUNT` frames and keeps the lock, for the
fraction of a millisecond that copying takes. What the kernel says about each frame (time, device, direction, a VLAN tag that
it took out) lies in columns.
"""

from __future__ import annotations

import ctypes
import errno
import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcapdiag.capture.frames import TAIL, FrameBlock
from pcapdiag.capture.table import I64, U8, distinct
from pcapdiag.errors import LiveError

COUNT = 256
FRAME = 65536 + 64
"""A super-packet of receive or send offload: 64 KiB and its link header. Longer ones (BIG TCP) are cut."""
HEAD = 32
"""Room in front of a frame, for its VLAN tag."""
STRIDE = HEAD + FRAME

MSG_DONTWAIT = 0x40
PACKET_AUXDATA = 8
VLAN_VALID, TPID_VALID = 1 << 4, 1 << 6
"""TP_STATUS_VLAN_VALID and TP_STATUS_VLAN_TPID_VALID (linux/if_packet.h)."""
VLAN = 0x8100
MACS = 12
OUTGOING = 4
"""PACKET_OUTGOING"""

_MSGHDR = np.dtype(
    [("name", np.uintp), ("namelen", "u4"), ("iov", np.uintp), ("iovlen", np.uintp), ("control", np.uintp),
     ("controllen", np.uintp), ("flags", "i4")], align=True,
)  # fmt: skip
_MMSGHDR = np.dtype([("head", _MSGHDR), ("length", "u4")], align=True)
_IOVEC = np.dtype([("base", np.uintp), ("length", np.uintp)], align=True)
_ADDRESS = np.dtype(
    [("family", "u2"), ("protocol", ">u2"), ("device", "i4"), ("hardware", "u2"), ("type", "u1"), ("rest", "V9")]
)
"""struct sockaddr_ll"""
_CONTROL_HEAD = [("length", np.uintp), ("level", "i4"), ("type", "i4")]
_CONTROL = np.dtype(
    [
        ("time_head", np.dtype(_CONTROL_HEAD, align=True)),
        ("seconds", np.intp),
        ("nanoseconds", np.intp),
        ("auxiliary_head", np.dtype(_CONTROL_HEAD, align=True)),
        ("status", "u4"),
        ("wirelen", "u4"),
        ("caplen", "u4"),
        ("mac", "u2"),
        ("net", "u2"),
        ("tci", "u2"),
        ("tpid", "u2"),
    ],
    align=True,
)
"""The two control messages in the order in which packet_recvmsg() writes them: time stamp, struct tpacket_auxdata."""

_libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL: does not give the interpreter lock away


@dataclass(frozen=True, slots=True)
class Devices:
    """What the slots must know about devices."""

    links: dict[int, int]
    """ARPHRD_ -> LINKTYPE_."""
    unknown: int
    """LINKTYPE_ for any other."""


class Slots:
    """Room for `COUNT` frames."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._octets = np.zeros(COUNT * STRIDE, np.uint8)
        self._view: memoryview = self._octets.data
        self._addresses = np.zeros(COUNT, _ADDRESS)
        self._control = np.zeros(COUNT, _CONTROL)
        vectors = self._vectors = np.zeros(COUNT, _IOVEC)
        vectors["base"] = self._octets.ctypes.data + HEAD + np.arange(COUNT) * STRIDE
        vectors["length"] = FRAME
        heads = self._headers = np.zeros(COUNT, _MMSGHDR)
        rows = np.arange(COUNT)
        head = heads["head"]
        head["name"] = self._addresses.ctypes.data + rows * _ADDRESS.itemsize
        head["iov"] = vectors.ctypes.data + rows * _IOVEC.itemsize
        head["iovlen"] = 1
        head["control"] = self._control.ctypes.data + rows * _CONTROL.itemsize
        self._at = ctypes.c_void_p(heads.ctypes.data)

    def receive(self, descriptor: int) -> int:
        """How many frames were waiting, at most `COUNT`. Raises `OSError` for what the socket has to say (ENETDOWN)."""
        head = self._headers["head"]
        head["namelen"], head["controllen"], head["flags"] = _ADDRESS.itemsize, _CONTROL.itemsize, 0
        count: int = _libc.recvmmsg(descriptor, self._at, COUNT, MSG_DONTWAIT, None)
        if count >= 0:
            return count
        number = ctypes.get_errno()
        if number in (errno.EAGAIN, errno.EINTR):
            return 0
        raise OSError(number, os.strerror(number))

    def block(self, count: int, interfaces: dict[int, int]) -> FrameBlock:
        """The first `count` slots as frames, with octets of their own; not numbered. `interfaces`: by index of the device."""
        address, control = self._addresses[:count], self._control[:count]
        if (control["auxiliary_head"]["type"] != PACKET_AUXDATA).any():
            raise LiveError("this kernel describes captured packets in a way that is not known here: use --via tcpdump")
        caplen = self._headers["length"][:count].astype(np.int64)
        start = np.arange(count, dtype=np.int64) * STRIDE + HEAD
        link = self._links(address)
        wirelen = np.maximum(control["wirelen"].astype(np.int64), caplen)
        tagged = (control["status"] & VLAN_VALID != 0) & (link == 1) & (caplen >= MACS)
        if tagged.any():
            rows = np.flatnonzero(tagged)
            self._put_tags_back(rows, start[rows], control)
            start[rows] -= 4
            caplen[rows] += 4
            wirelen[rows] += 4
        view = self._view
        stops = (start + caplen).tolist()
        octets = b"".join([view[a:b] for a, b in zip(start.tolist(), stops, strict=True)] + [bytes(TAIL)])
        ends = np.cumsum(caplen)
        devices = address["device"].tolist()
        return FrameBlock(
            buffer=np.frombuffer(octets, np.uint8),
            frame_number=np.zeros(count, np.int64),
            at=ends - caplen,
            caplen=caplen,
            wirelen=wirelen,
            time_ns=control["seconds"].astype(np.int64) * 1_000_000_000 + control["nanoseconds"],
            interface=np.array([interfaces.setdefault(each, len(interfaces)) for each in devices], np.uint16),
            link=link,
            outgoing=(address["type"] == OUTGOING).astype(np.int8),
        )

    def _links(self, address: npt.NDArray[np.void]) -> npt.NDArray[np.int32]:
        link = np.empty(len(address), np.int32)
        for number in distinct(address["hardware"]):
            link[address["hardware"] == number] = self._devices.links.get(number, self._devices.unknown)
        return link

    def _put_tags_back(self, rows: I64, start: I64, control: npt.NDArray[np.void]) -> None:
        """Where the tag was: behind the two addresses, which move into the room in front."""
        octets: U8 = self._octets
        macs = start[:, None] + np.arange(MACS)
        octets[macs - 4] = octets[macs]
        told = control["status"][rows] & TPID_VALID != 0
        tpid = np.where(told, control["tpid"][rows], VLAN)
        tag = np.stack((tpid, control["tci"][rows]), axis=1).astype(">u2").view(np.uint8)
        octets[(start + MACS - 4)[:, None] + np.arange(4)] = tag
