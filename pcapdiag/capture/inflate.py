"""Compressed octets -> octets, never more at once than asked for, in bounded memory. By magic number, not by name."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any, Protocol, cast

Read = Callable[[int], bytes]

INPUT = 1 << 18
MEMORY_LIMIT = 1 << 27
"""The largest dictionary or window that is honoured: 128 MiB, zstd's own default limit, and more than `xz -9` needs."""


class Inflater(Protocol):
    name: str
    damage: str | None

    def readinto(self, view: memoryview) -> int:
        """How many octets were put into `view`, 0 at the end or at damage."""


class _Decoder(Protocol):
    """What `lzma.LZMADecompressor` and `lz4.frame.LZ4FrameDecompressor` have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


class _Deflate:
    """`zlib.decompressobj` with the interface of `_Decoder`."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)  # 16 + 15: a gzip header and trailer, RFC 1952
        self._full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._zlib.unconsumed_tail or self._zlib.eof)

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._full = len(out) == max_length
        return out


class _Members:
    """Concatenated members (RFC 1952 2.2; xz streams; lz4 frames), one decoder each."""

    def __init__(
        self, name: str, new: Callable[[], _Decoder], read: Read, failures: tuple[type[Exception], ...]
    ) -> None:
        self.name = name
        self.damage: str | None = None
        self._new, self._read, self._failures = new, read, failures
        self._decoder = new()
        self._fresh = True

    def readinto(self, view: memoryview) -> int:
        while self.damage is None:
            data = b""
            if self._decoder.eof:
                data = (self._decoder.unused_data or b"") or self._read(INPUT)
                # "The decoder ... MUST skip" zero padding between members: xz file format 1.2, section 2.2; gzip pads too.
                data = data.lstrip(b"\0") if data else data
                if not data:
                    return 0
                self._decoder, self._fresh = self._new(), False
            elif self._decoder.needs_input:
                data = self._read(INPUT)
                if not data:
                    self.damage = f"the {self.name} stream ends too early"
                    return 0
            try:
                out = self._decoder.decompress(data, len(view))
            except self._failures as error:
                # Octets behind the last member that are none themselves are ignored, as gzip(1) does.
                if self._fresh or not data:
                    self.damage = f"the {self.name} stream is damaged: {error}"
                return 0
            if out:
                view[: len(out)] = out
                return len(out)
        return 0


class _Zstandard:
    """Zstandard frames (RFC 8878)."""

    name = "zstd"

    def __init__(self, read: Read) -> None:
        import zstandard  # noqa: PLC0415  (only for the captures that need it)

        self.damage: str | None = None
        self._error = zstandard.ZstdError
        self._reader = zstandard.ZstdDecompressor(max_window_size=MEMORY_LIMIT).stream_reader(
            cast(IO[bytes], _Readable(read)), read_size=INPUT, read_across_frames=True
        )

    def readinto(self, view: memoryview) -> int:
        try:
            return int(self._reader.readinto1(view))
        except self._error as error:
            self.damage = f"the zstd stream is damaged: {error}"
            return 0


class _Readable:
    """A `Read` as the file object that zstandard wants."""

    def __init__(self, read: Read) -> None:
        self.read = read


def _lz4(read: Read) -> Inflater:
    import lz4.frame  # noqa: PLC0415

    decoder: Any = lz4.frame.LZ4FrameDecompressor
    return _Members("lz4", decoder, read, (RuntimeError, EOFError, MemoryError))


def _xz(read: Read) -> Inflater:
    return _Members("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_LIMIT), read, (lzma.LZMAError, EOFError))


def _gzip(read: Read) -> Inflater:
    return _Members("gzip", _Deflate, read, (zlib.error,))


MAGIC: tuple[tuple[bytes, Callable[[Read], Inflater]], ...] = (
    (b"\x1f\x8b\x08", _gzip),  # RFC 1952 2.3.1: ID1, ID2, CM = deflate
    (b"\x28\xb5\x2f\xfd", _Zstandard),  # RFC 8878 3.1.1: 0xFD2FB528, little-endian
    (b"\x04\x22\x4d\x18", _lz4),  # LZ4 frame format: 0x184D2204, little-endian
    (b"\xfd7zXZ\x00", _xz),  # xz file format 2.1.1.1
)


def inflater_for(head: bytes, read: Read) -> Inflater | None:
    """The decompressor for an input that begins with `head` (and gives it again through `read`); None for plain octets."""
    for magic, make in MAGIC:
        if head.startswith(magic):
            return make(read)
    return None
