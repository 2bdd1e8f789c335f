"""A scenario is a function that tells a story; the decorator gives it its place in the lab. Found by directory, never by list."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .capture import Place, Shot

if TYPE_CHECKING:
    from .lab import Lab

STORIES = Path(__file__).parent / "scenarios"
Story = Callable[["Lab"], None]

SHOTS: dict[Place, Shot] = {"client": Shot("eth0"), "middle": Shot("near"), "server": Shot("eth0")}


@dataclass(frozen=True, slots=True)
class Scenario:
    """The story, and what the stage looks like before it begins."""

    name: str
    description: str
    tags: tuple[str, ...]
    story: Story
    ipv6: bool = False
    offload: bool = False
    mtu: int = 1500
    shots: Mapping[Place, Shot] = field(default_factory=lambda: SHOTS)
    late: tuple[Place, ...] = ()  # captures that the story starts itself
    needs: tuple[str, ...] = ()  # programs that must be installed, beyond those of every scenario


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    description: str,
    tags: str = "",
    *,
    ipv6: bool = False,
    offload: bool = False,
    mtu: int = 1500,
    shots: Mapping[Place, Shot] | None = None,
    late: tuple[Place, ...] = (),
    needs: tuple[str, ...] = (),
) -> Callable[[Story], Story]:
    """The function's name is the scenario's. `shots` changes how a place is captured."""

    def register(story: Story) -> Story:
        name = story.__name__
        if name in SCENARIOS:
            raise ValueError(f"there are two scenarios {name}")
        chosen = {**SHOTS, **(shots or {})}
        SCENARIOS[name] = Scenario(
            name, description, tuple(tags.split()), story, ipv6, offload, mtu, chosen, late, needs
        )
        return story

    return register


def load() -> dict[str, Scenario]:
    """All scenarios of all modules in scenarios/."""
    for module in pkgutil.iter_modules([str(STORIES)]):
        importlib.import_module(f"{__package__}.{STORIES.name}.{module.name}")
    return dict(sorted(SCENARIOS.items()))
