"""A root directory for each mail software, although Debian's packages conflict.

    Recipe  --apt-get download, dpkg-deb -x-->  layer: the files of its packages, once, in the cache
    layer   --overlays over /usr and /etc-->    Root: a / to chroot to, in memory, in a mount namespace of its own

What postinst scripts would have done to the machine (users, groups, owners) is said by the recipe, and done to the root
alone. A small process holds the mount namespace. It ends with its stdin: nothing stays mounted, however a run ends.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..network import LabError

CACHE_VARIABLE = "PCAPDIAG_LAB_CACHE"
FIRST_ID = 30001  # of our users and groups: Debian gives out none from 30000 to 59999 (policy 9.2.2)
READER = "reader"  # the user who gets the mail, in every root
NEEDED = ("apt-get", "dpkg-deb", "chroot", "unshare", "nsenter", "mount")
PATIENCE_S = 3.0

# $1 is the mount point, $2 the layer. Everything below it is memory, or read-only.
MOUNT = """
set -eu
mount -t tmpfs -o mode=755,size=512m lab "$1"
cd "$1"
mkdir -p usr etc proc dev run tmp root home var/log var/tmp .upper .work
chmod 1777 tmp var/tmp
for name in bin sbin lib lib64; do ln -s "usr/$name" "$name"; done
cp -a "$2/var/." var/
ln -s /run var/run
mount -t overlay -o "ro,lowerdir=$2/usr:/usr" usr usr
mount -t overlay -o "lowerdir=$2/etc:/etc,upperdir=.upper,workdir=.work" etc etc
mount --rbind /proc proc
for node in null zero full random urandom; do touch "dev/$node"; mount --bind "/dev/$node" "dev/$node"; done
echo mounted
exec cat
"""


@dataclass(frozen=True, slots=True)
class Owned:
    """A file or folder (made if missing) with the owner and mode that a postinst script would give it."""

    path: str
    user: str
    group: str
    mode: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one mail software needs: packages, accounts (each a user and a group of that name), owners."""

    name: str
    packages: tuple[str, ...]
    accounts: tuple[str, ...] = ()
    owned: tuple[Owned, ...] = ()

    def identity(self, account: str) -> int:
        """The number of a user and of its group; root is 0."""
        return 0 if account == "root" else FIRST_ID + (*self.accounts, READER).index(account)


def cache_folder() -> Path:
    """Where layers are kept from run to run."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "pcapdiag-lab").absolute()


class Root:
    """A / with one mail software in it, from its making to `close()`."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._layer = build(recipe)
        self._holder = _mount(self._layer)
        # The magic link leads into the holder's mount namespace. It is for reading and writing only: programs found
        # through it would lose their set-user-ID, so that `entering()` enters the namespace itself.
        self.path = Path(f"/proc/{self._holder.pid}/root{self._layer}/root")
        self._device = self.path.stat().st_dev
        self._write_accounts()
        self.write(
            "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"
        )
        self.write("/etc/resolv.conf", "")  # no name server: what is not in /etc/hosts does not exist
        self.folder(f"/home/{READER}", READER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def inside(self, path: str) -> Path:
        """Where a path of the root is for us."""
        return self.path / path.lstrip("/")

    def write(self, path: str, content: str | bytes, user: str = "root", mode: int = 0o644) -> None:
        place = self.inside(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        self._own(place, user, mode)

    def folder(self, path: str, user: str = "root", mode: int = 0o755) -> None:
        place = self.inside(path)
        place.mkdir(parents=True, exist_ok=True)
        self._own(place, user, mode)

    def read(self, path: str) -> str:
        """A file as text, empty where there is none (yet)."""
        with contextlib.suppress(FileNotFoundError):
            return self.inside(path).read_text(errors="replace")
        return ""

    def entering(self, argv: Sequence[str]) -> list[str]:
        """The command that executes another one with this root as its /, in the same process."""
        namespace = f"--mount=/proc/{self._holder.pid}/ns/mnt"
        return ["nsenter", namespace, "chroot", str(self._layer / "root"), *argv]

    def run(self, argv: Sequence[str]) -> str:
        """A tool that needs no network, to its end."""
        done = subprocess.run(self.entering(argv), capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise LabError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def processes(self) -> list[int]:
        """All that runs in this root, double-forked daemons included: no other process has its file system as /."""
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._is_ours(entry)]

    def end_processes(self, first: signal.Signals = signal.SIGTERM) -> None:
        for sign in (first, signal.SIGKILL):
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
            until = time.monotonic() + PATIENCE_S
            while self.processes() and time.monotonic() < until:
                time.sleep(0.02)

    def close(self) -> None:
        self.end_processes(signal.SIGKILL)
        self._holder.kill()
        self._holder.communicate()

    def _is_ours(self, entry: Path) -> bool:
        try:
            return (entry / "root").stat().st_dev == self._device
        except OSError:  # ended in the meantime, or a zombie
            return False

    def _own(self, place: Path, user: str, mode: int) -> None:
        number = self.recipe.identity(user)
        os.chown(place, number, number)
        place.chmod(mode)

    def _write_accounts(self) -> None:
        """Ours in front of the machine's: of two lines with one name, the first counts."""
        numbers = {name: self.recipe.identity(name) for name in (*self.recipe.accounts, READER)}
        users = "".join(f"{name}:x:{number}:{number}::/home/{name}:/bin/sh\n" for name, number in numbers.items())
        groups = "".join(f"{name}:x:{number}:\n" for name, number in numbers.items())
        self.write("/etc/passwd", users + Path("/etc/passwd").read_text())
        self.write("/etc/group", groups + Path("/etc/group").read_text())


@functools.cache
def build(recipe: Recipe) -> Path:
    """The layer of a recipe, from the cache if apt would still choose the same packages on this machine."""
    _check_machine()
    plan = _plan(recipe)
    key = hashlib.sha256(f"{plan}{recipe}{MOUNT}".encode()).hexdigest()[:12]
    layer = cache_folder() / f"{recipe.name}-{key}"
    if layer.exists():
        return layer
    layer.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layer.parent, prefix=f"{recipe.name}-") as folder:
        unfinished = Path(folder, "layer")
        _unpack(recipe, _download(recipe, Path(folder, "archives")), unfinished)
        # Of two runs that build at the same time the first one wins: both layers are the same.
        with contextlib.suppress(FileExistsError, OSError):
            unfinished.rename(layer)
    return layer


def versions(recipe: Recipe) -> dict[str, str]:
    """Package to version, of all that was unpacked."""
    lines = (build(recipe) / "versions").read_text().splitlines()
    return dict(line.split() for line in lines)


def _check_machine() -> None:
    if os.geteuid():
        raise LabError(
            "The lab's mail software needs root: it is unpacked into roots of its own, which root alone can enter."
        )
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        raise LabError(f"Not found: {', '.join(missing)}. The lab unpacks mail software on Debian (12 or later) only.")


def _plan(recipe: Recipe) -> str:
    """What apt would install. Package lists are fetched once if there are none."""
    simulate = ("install", "--simulate", "--reinstall", "--no-install-recommends", "-qq", *recipe.packages)
    done = _apt(*simulate)
    if done.returncode:
        _apt("update", "-qq")
        done = _apt(*simulate)
    if done.returncode:
        raise LabError(f"apt-get does not find {', '.join(recipe.packages)}: {done.stderr.strip()}")
    return "\n".join(sorted(line for line in done.stdout.splitlines() if line.startswith("Inst")))


def _download(recipe: Recipe, archives: Path) -> list[Path]:
    (archives / "partial").mkdir(parents=True)
    done = _apt(
        "install", "--download-only", "--reinstall", "--no-install-recommends", "-qq", "-y",
        "-o", f"Dir::Cache::archives={archives}",
        "-o", "Debug::NoLocking=1",  # nothing is installed, and the archives are ours alone
        "-o", "APT::Sandbox::User=root",  # its user _apt may not enter a cache below /root
        *recipe.packages,
    )  # fmt: skip
    packages = sorted(archives.glob("*.deb"))
    if done.returncode or not packages:
        raise LabError(f"apt-get cannot download {', '.join(recipe.packages)}: {done.stderr.strip()}")
    return packages


def _apt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["apt-get", *arguments], capture_output=True, text=True, timeout=300, check=False)


def _unpack(recipe: Recipe, packages: Iterable[Path], layer: Path) -> None:
    for name in ("usr", "etc", "var", "root"):
        (layer / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (layer / "usr" / name).mkdir()
        (layer / name).symlink_to(f"usr/{name}")  # Debian 12 still ships files in /lib, and means /usr/lib
    versions = []
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", str(package), str(layer)], check=True, capture_output=True)
        shown = subprocess.run(
            ["dpkg-deb", "--show", "--showformat=${Package} ${Version}\n", str(package)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        versions.append(shown.stdout)
    (layer / "versions").write_text("".join(versions))
    for owned in recipe.owned:
        place = layer / owned.path.lstrip("/")
        if not place.exists():
            place.mkdir(parents=True)
        os.chown(place, recipe.identity(owned.user), recipe.identity(owned.group))
        place.chmod(owned.mode)  # after chown, which clears set-group-ID


def _mount(layer: Path) -> subprocess.Popen[str]:
    """The process that holds the mounts. Another run's mounts on the same folder are in another namespace."""
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", str(layer / "root"), str(layer)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert holder.stdout
    if holder.stdout.readline() != "mounted\n":
        raise LabError(f"cannot mount a root for {layer.name}: {holder.communicate()[1].strip()}")
    return holder
