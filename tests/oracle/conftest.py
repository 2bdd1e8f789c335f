"""The oracle needs the corpus and tshark; without either its tests are skipped and say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.reading import Reader


@pytest.fixture(scope="session")
def reader(corpus: Path, tshark: str) -> Iterator[Reader]:
    reader = Reader(corpus, tshark)
    yield reader
    reader.close()
