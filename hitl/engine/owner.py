"""Who works on a run: a name that tells whether its process can still be alive."""

import os
import secrets
import socket

_living: set[str] = set()  # the engines of this process


def new_owner() -> str:
    """A name for this engine: host, process, and a random part."""
    owner = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
    _living.add(owner)
    return owner


def retire(owner: str) -> None:
    """Say that this engine has ended, in a process that goes on."""
    _living.discard(owner)


def is_dead(owner: str) -> bool:
    """Whether an owner is known to be dead: on this host, and its process is gone.

    An owner on another host, or whose process id was taken by another process, is not known to
    be dead; its lease runs out.
    """
    host, _, rest = owner.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return owner not in _living
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
