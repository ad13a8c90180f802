"""Small messages without delay: a page is many of them, one for each element.

Streamlit binds its socket in a way that makes asyncio leave Nagle's algorithm on, so every second
drawing of a page waits 40 ms for the browser to acknowledge the first.
"""

import os
import socket
import stat


def send_at_once() -> None:
    """Turn the delay off for the sockets this process listens on; connections inherit that."""
    for number in range(3, 64):
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as found:
                listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if listens and found.family in (socket.AF_INET, socket.AF_INET6):
                    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # no such descriptor, or a system that does not tell
            continue
