"""Who may talk to the page: a local server can be reached from every web page that its user has open.

A foreign Host is refused (DNS rebinding), a foreign Origin on everything that is not a plain GET, what is asked as a
part of another site's page, a request without the token where there is one, a body that is too large; and every answer
says that the page runs nothing but its own.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from secrets import token_hex
from typing import Any, TypeAlias
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

LARGEST_BODY = 32 * 1024 * 1024
COOKIE = "convscope_token"  # with a mark of the token: two servers of one name have one each
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self' ws: wss:; "
    "style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'"
)
_PREFIX = re.compile(r"(/[\w.~@%+-]+)+/?")  # of a proxy: where the page is at its name
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Guard:
    """A wall around an application, as ASGI middleware.

    `hosts` are the names that the server may be called by; "*" where it stands behind a token.
    """

    def __init__(self, app: App, hosts: Collection[str], token: str | None = None) -> None:
        self.app, self.hosts, self.token = app, frozenset(hosts), token
        self.cookie = f"{COOKIE}_{sha256((token or '').encode()).hexdigest()[:8]}"
        self.run = token_hex(8)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Refuse with a sentence, or pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        reason = self._refusal(scope)
        if reason and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason[1]})
        elif reason:
            status, words = reason
            await PlainTextResponse(f"{words}\n", status)(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send, self.run, self._new_cookie(scope)))

    def _refusal(self, scope: MutableMapping[str, Any]) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if "*" not in self.hosts and _host(headers.get("host", "")) not in self.hosts:
            return (
                421,
                "this server is not called by that name: use the address that convscope explore printed",
            )
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if (changes and not _same_origin(headers)) or _is_part_of_another_page(headers):
            return 403, "another page may not use this server"
        if self.token and not self._knows_token(scope, headers):
            return 401, "open the address that convscope explore printed, with its token"
        try:
            length = int(headers.get("content-length", "0"))
        except ValueError:
            return 400, "Content-Length is no number"
        if length > LARGEST_BODY:
            return 413, f"what was sent is larger than {LARGEST_BODY >> 20} MB"
        return None

    def _knows_token(self, scope: MutableMapping[str, Any], headers: Headers) -> bool:
        tokens = [_asked_token(scope), _cookie(headers, self.cookie)]
        return any(
            one is not None and hmac.compare_digest(one.encode(), str(self.token).encode()) for one in tokens
        )

    def _new_cookie(self, scope: MutableMapping[str, Any]) -> str | None:
        """Return the cookie for a viewer who came with the token in the address, which the page's requests have not."""
        if self.token and scope["type"] == "http" and _asked_token(scope):
            prefix = Headers(scope=scope).get("x-forwarded-prefix", "")
            path = f"{prefix.rstrip('/')}/" if _PREFIX.fullmatch(prefix) else "/"
            token = quote(str(self.token), safe="")
            return f"{self.cookie}={token}; HttpOnly; SameSite=Strict; Path={path}"
        return None


def _with_headers(send: Send, run: str, cookie: str | None) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            # Another server, of another network, may have this port and these addresses tomorrow.
            headers["Cache-Control"] = "no-cache"
            headers["X-Convscope-Run"] = run
            if cookie:
                headers.append("Set-Cookie", cookie)
        await send(message)

    return sent


def _host(text: str) -> str:
    """Return a Host header's name without its port, in lower case."""
    return _parsed(f"//{text}").hostname or ""


def _same_origin(headers: Headers) -> bool:
    """Whether a request comes from the page itself, or from no page at all. Behind a proxy its own host counts too."""
    origin = headers.get("origin")
    if origin is None:
        return True
    own = {headers.get("host", ""), headers.get("x-forwarded-host", "")} - {""}
    return _parsed(origin).netloc in own


def _is_part_of_another_page(headers: Headers) -> bool:
    """Whether a browser says that another page asks for it, as a picture or a script: links and frames may be."""
    foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return foreign and headers.get("sec-fetch-mode") not in ("navigate", "websocket")


def _parsed(address: str) -> SplitResult:
    """Return an address in its parts: none where it has brackets that no address has."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _asked_token(scope: MutableMapping[str, Any]) -> str | None:
    return next(iter(parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])), None)


def _cookie(headers: Headers, name: str) -> str | None:
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if cookie is None else unquote(cookie.value)
