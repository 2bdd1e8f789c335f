"""A scenario in; its captures and its truth out, or a loud failure: what did not happen as intended is not recorded."""

import dataclasses
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .capture import Place
from .deed import HOSTS, Deed, Session, completed
from .journal import Event
from .lab import Lab, Sight
from .network import LabError
from .scenario import Scenario
from .truth import accepted

CAPTURES = Path(__file__).parents[2] / "captures" / "lab"
TRUTH = "truth.json"
TSHARK_PATIENCE_S = 60

# What the wire must show of a deed, for the place of the host it came from: a display filter with the doer's address.
FIN_OR_RST = {"fin": "tcp.flags.fin == 1", "rst": "tcp.flags.reset == 1", "refused": "tcp.flags.reset == 1"}


def run(scenario: Scenario, target: Path) -> Path:
    """Runs it and checks it. The recording replaces `target`; of one that failed only its captures are left there."""
    with tempfile.TemporaryDirectory(prefix="pcapdiag-lab-") as temporary:
        directory = Path(temporary)
        try:
            with Lab(scenario, directory) as lab:
                lab.tell()
            truth = _truth(lab)
            for sight in [*lab.sights, *_usual_sights(lab)]:
                _look(lab, sight)
        except LabError:
            if not target.is_relative_to(CAPTURES):
                _put(directory, target)  # without a truth: there is something to find out
            raise
        (directory / TRUTH).write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")
        return _put(directory, target)


def _put(directory: Path, target: Path) -> Path:
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for path in directory.iterdir():
        if path.stat().st_size:
            shutil.copyfile(path, target / path.name)
    return target


def recompute(directory: Path, scenario: Scenario) -> bool:
    """What is accepted, from the journal that was recorded; True when it changed."""
    path = directory / TRUTH
    truth = json.loads(path.read_text())
    before = json.dumps(truth)
    for index, session in enumerate(truth["sessions"]):
        declared = Deed.recalled(session["deed"])
        session["accepted"] = _accepted(
            scenario, declared, truth["log"], index, truth["vantage_files"], session["visible_in"]
        )
    path.write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")
    return json.dumps(truth) != before


def _truth(lab: Lab) -> dict[str, Any]:
    files: dict[Place, str] = {place: capture.path.name for place, capture in lab.captures.all.items()}
    return {
        "scenario": lab.scenario.name,
        "description": lab.scenario.description,
        "tags": list(lab.scenario.tags),
        "vantage_files": files,
        "sessions": [_session(lab, index, session, files) for index, session in enumerate(lab.sessions)],
        "log": lab.journal.events,
    }


def _session(lab: Lab, index: int, session: Session, files: dict[Place, str]) -> dict[str, Any]:
    if session.deed is None:
        raise LabError(f"the story does not say what was done in session {index} (lab.did)")
    deed = completed(session.deed, lab.journal.events, index)
    visible = [name for place, name in files.items() if count(lab.directory / name, _packets_of(session, place))]
    return {
        "client": _end(session.client),
        "client_in": {files[place]: _end(end) for place, end in session.client_at.items()},
        "server": _end(session.server),
        "deed": dataclasses.asdict(deed),
        "visible_in": visible,
        "accepted": _accepted(lab.scenario, deed, lab.journal.events, index, files, visible),
    }


def _accepted(
    scenario: Scenario, deed: Deed, events: list[Event], index: int, files: dict[Place, str], visible: list[str]
) -> dict[str, Any]:
    return {
        name: dataclasses.asdict(accepted(deed, events, index, place, scenario.shots[place]))
        for place, name in files.items()
        if name in visible
    }


# --- what the wire must show ------------------------------------------------------------------------------------------


def count(path: Path, display_filter: str) -> int:
    """How many frames tshark shows. It confirms what was done, and is never asked what that was."""
    command = ["tshark", "-n", "-r", str(path), "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TSHARK_PATIENCE_S)
    if done.returncode:
        raise LabError(f"tshark: {done.stderr.strip().splitlines()[-1]}")
    return len(done.stdout.split())


def _usual_sights(lab: Lab) -> list[Sight]:
    """A host's FIN or RST must be in the doer's own file, with its whole TTL; a device's never with it."""
    sights: list[Sight] = []
    for session in lab.sessions:
        deed = session.deed
        if deed and deed.means == "forged reset":
            aims = {event["toward"] for event in lab.journal.events if event["actor"] == "forger"}
            sights += [Sight(aim, f"{_packets_of(session, aim)} && {FIN_OR_RST['rst']}") for aim in sorted(aims)]
        if deed and deed.by in HOSTS and deed.how in FIN_OR_RST:
            port = session.client[1] if deed.by == "client" else session.server[1]
            place: Place = "client" if deed.by == "client" else "server"
            sights.append(
                Sight(place, f"{_packets_of(session, place)} && tcp.srcport == {port} && {FIN_OR_RST[deed.how]}")
            )
    return sights


def _look(lab: Lab, sight: Sight) -> None:
    seen = count(lab.captures.all[sight.place].path, sight.display_filter)
    if seen < sight.at_least or (sight.at_most is not None and seen > sight.at_most):
        wanted = f"at least {sight.at_least}" if sight.at_most is None else f"{sight.at_least} to {sight.at_most}"
        raise LabError(f"{sight.place} was to show {wanted} frames of {sight.display_filter!r}, and shows {seen}")


def _packets_of(session: Session, place: Place) -> str:
    client = session.client_at.get(place, session.client)
    return f"tcp.port == {client[1]} && tcp.port == {session.server[1]}"


def _end(end: tuple[str, int]) -> str:
    address, port = end
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
