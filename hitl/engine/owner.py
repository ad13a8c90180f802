"""Who works on a run: a name that tells whether its process can still be alive."""

import os
import secrets
import socket


def new_owner() -> str:
    """A name for this engine: host, process, and a random part."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def is_dead(owner: str, me: str) -> bool:
    """Whether an owner is known to be dead: on this host, and its process is gone.

    An owner on another host, or whose process id was taken by another process, is not known to
    be dead; its lease runs out.
    """
    host, _, rest = owner.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return owner != me
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
