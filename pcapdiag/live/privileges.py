"""What the process may do, given up for good before it parses the first octet of anybody.

The sockets are open by then, and stay. Whoever was root becomes somebody else; capabilities go from every set, those that
programs could still get by being started included; and no program started from here can get new ones (hooks cannot sudo).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import struct

from pcapdiag.errors import LiveError, UsageError

NOBODY = "nobody"
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _CLEAR_ALL = 24, 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_MOST_CAPABILITIES = 64


def whom(user: str | None) -> pwd.struct_passwd | None:
    """Whom to become: the user named; else, of root, whoever called sudo, or `NOBODY`. None: we stay who we are.

    Raises `UsageError` for a name that nobody has, or when we are not root and cannot become anybody.
    """
    root = os.geteuid() == 0
    if user is not None and not root:
        raise UsageError(f"only root can become the user {user}: leave --user away")
    if not root:
        return None
    try:
        if user is not None:
            return pwd.getpwnam(user)
        caller = os.environ.get("SUDO_UID", "")
        return pwd.getpwuid(int(caller)) if caller.isdigit() and caller != "0" else pwd.getpwnam(NOBODY)
    except KeyError as error:
        raise UsageError(
            f"there is no user {user or os.environ.get('SUDO_UID') or NOBODY} on this host: name another one with --user"
        ) from error


def give_up(person: pwd.struct_passwd | None) -> None:
    """Become that person, without any capability. Before threads are started: capabilities belong to each of them."""
    for number in range(_MOST_CAPABILITIES):
        _prctl(_PR_CAPBSET_DROP, number)  # refused without CAP_SETPCAP: then no_new_privs must do
    if person is not None:
        os.setgroups([person.pw_gid])
        os.setresgid(person.pw_gid, person.pw_gid, person.pw_gid)
        os.setresuid(person.pw_uid, person.pw_uid, person.pw_uid)
    _prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    _no_capabilities()
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        raise LiveError(
            "the kernel refuses to deny us new privileges (PR_SET_NO_NEW_PRIVS): it is older than Linux 3.5"
        )
    if person is not None and person.pw_uid != 0 and _can_be_root():
        raise LiveError(f"root could not be given up for {person.pw_name}")


def _no_capabilities() -> None:
    """capset(2): none effective, permitted or inheritable."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    if ctypes.CDLL(None, use_errno=True).capset(header, ctypes.create_string_buffer(24)):
        raise LiveError(f"capabilities could not be given up: {os.strerror(ctypes.get_errno())}")


def _can_be_root() -> bool:
    try:
        os.setuid(0)
    except PermissionError:
        return False
    return True


def _prctl(option: int, value: int) -> int:
    zero = ctypes.c_ulong(0)
    result: int = ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), zero, zero, zero)
    return result
