"""Who may talk to the server, and what a browser may do with its pages: nothing from elsewhere.

There is no sign-in, so a page of somebody else, open in the same browser, must not be able to
speak in its visitor's name: neither from its own address, nor under a name that it lets point
here (DNS rebinding).
"""

import base64
import hashlib
import re
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hitl.ui.office import settings

NOT_ALONE = (
    "This app has no sign-in, so it listens on this machine only, not on {address}. Set "
    "HITL_ALLOW_ANONYMOUS=1 if everybody who can reach that address may approve and reject."
)
FOREIGN_NAME = (
    "This app is not known by the name {host}. If it is yours, add it to Streamlit's option "
    "server.allowedHosts."
)
FOREIGN_PAGE = "Only this app's own pages may do that."
READS = frozenset({"GET", "HEAD"})
# What Streamlit serves beside its pages that nobody here needs: numbers about the visitors, and
# a way to press buttons without a browser.
NOT_SERVED = re.compile(r"/_stcore/(metrics|agent(/.*)?)/?$")
POWERS = (
    *("accelerometer", "autoplay", "browsing-topics", "camera", "clipboard-read"),
    *("display-capture", "encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope"),
    *("hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment"),
    *("picture-in-picture", "publickey-credentials-get", "screen-wake-lock", "serial", "usb"),
    *("window-management", "xr-spatial-tracking"),
)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": ", ".join(f"{power}=()" for power in POWERS),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: int
    reason: str


class SecurityHeaders:
    """Tells the browser to load, run and tell nothing elsewhere, whatever a text makes of a page.

    Scripts are Streamlit's own files, the one that is written in its page, known by its hash, and
    our components, which Streamlit makes blobs of; only a script could make another blob. What it
    reads protocols with counts in WebAssembly.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.scripts = " ".join(_written_in(_streamlits_page()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        host = Headers(scope=scope).get("host", "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers["Content-Security-Policy"] = self._policy(host)
            await send(message)

        return await self.app(scope, receive, send_with_headers)

    def _policy(self, host: str) -> str:
        # Not every browser counts the WebSockets of the same host to 'self'.
        sockets = f" ws://{host} wss://{host}" if _parts(host) and "[" not in host else ""
        rules = {
            "default-src": "'none'",
            "script-src": f"'self' blob: 'wasm-unsafe-eval' {self.scripts}",
            "style-src": "'self' 'unsafe-inline'",  # Streamlit writes its styles in the page
            "img-src": "'self' data:",
            "media-src": "'self'",
            "font-src": "'self' data:",
            "connect-src": f"'self'{sockets}",
            "manifest-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _streamlits_page() -> str:
    return (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")


def _written_in(page: str) -> list[str]:
    """The hashes of the scripts that are written in a page."""
    digests = [
        hashlib.sha256(script.encode()).digest()
        for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    ]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class Gate:
    """Refuses strangers, foreign pages, names that are not this app's, and what is not served."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        refusal = refusal_of(scope)
        if refusal is None:
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":  # before it was accepted: the server answers 403
            return await send({"type": "websocket.close", "code": 1008})
        answer = PlainTextResponse(refusal.reason, status_code=refusal.status)
        return await answer(scope, receive, send)


def refusal_of(scope: Scope) -> Refusal | None:
    """Why a request is refused, or None if it is answered."""
    address, port = scope.get("server") or (None, None)
    if port is not None and not may_serve(address):
        return Refusal(403, NOT_ALONE.format(address=address))
    headers = Headers(scope=scope)
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not _is_our_name(hosts[0]):
        return Refusal(403, FOREIGN_NAME.format(host=", ".join(hosts)[:200] or "none"))
    if origins and not (len(origins) == 1 and _is_same(origins[0], hosts[0])):
        return Refusal(403, FOREIGN_PAGE)
    reads = scope["type"] == "http" and scope["method"] in READS
    reads = reads and not scope["path"].endswith("/auth/logout")
    if not reads and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return Refusal(403, FOREIGN_PAGE)
    if NOT_SERVED.search(scope["path"]):
        return Refusal(404, "Not Found")
    return None


def may_serve(address: str | None) -> bool:
    """Whether the server may listen on that address; `None` means all of them."""
    return settings().allow_anonymous or address == "localhost" or _is_loopback(address or "")


def _is_our_name(host: str) -> bool:
    """Whether a Host header names this machine, or a name that was set or listed for the app."""
    parts = _parts(host)
    if parts is None:
        return False
    name = str(parts.hostname)
    if name == "localhost" or _is_loopback(name) or _is_listed(name):
        return True
    # Everybody may come, by address; a name may be one that somebody else lets point here.
    return settings().allow_anonymous and _is_address(name)


def _is_listed(name: str) -> bool:
    own = [st.get_option("server.address"), st.get_option("browser.serverAddress")]
    listed = [*filter(None, own), *st.get_option("server.allowedHosts")]
    return any(_matches(name, each.strip().lower().rstrip(".")) for each in listed)


def _matches(name: str, pattern: str) -> bool:
    wildcard = pattern.startswith("*.") and name.endswith(pattern[1:])
    return pattern == "*" or wildcard or name == pattern


def _is_same(origin: str, host: str) -> bool:
    """Whether an Origin header names a page of the host that was asked."""
    scheme, _, place = origin.partition("://")
    ours, theirs = _parts(host), _parts(place)
    if scheme not in ("http", "https") or ours is None or theirs is None:
        return False
    usual = 443 if scheme == "https" else 80
    return (ours.hostname, ours.port or usual) == (theirs.hostname, theirs.port or usual)


def _parts(host: str) -> SplitResult | None:
    """Name and port of a Host header, or None if it is nothing but these."""
    try:
        parts = urlsplit(f"//{host}")
        if parts.port == 0 or not re.fullmatch(r"(\[[\da-fA-F:.]+\]|[\w.-]+)(:\d+)?", host, re.A):
            return None
    except ValueError:
        return None
    return parts


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ip_address(name).is_loopback


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
