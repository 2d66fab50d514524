"""The ways on which a person is told something: this desktop, a command of theirs, a webhook.

Each starts a program that has only so long, and says by ChannelFailed what went wrong. None says a secret: of a
webhook's address only the host is told, of a header nothing.
"""

from __future__ import annotations

import hashlib
import html
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from handoff import looking
from handoff.root import Root
from orchestrd.outbound import popping, posting
from orchestrd.outbound.bounded import Ended, run_bounded
from orchestrd.outbound.news import News, in_words, safe, told_as
from orchestrd.secrets import Redactor, secret_names
from orchestrd.settings import Notify

GRACE_SECONDS = 1.0
"""So much earlier than it is ended the webhook's program gives up by itself, and says why."""
DESKTOP_SECONDS = 10.0
INSTALL = "pip install 'orchestrd[desktop]', or install notify-send (libnotify)"
_APPLESCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")


class ChannelFailed(Exception):
    """Nobody was told: what went wrong and what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Channel(Protocol):
    """One way to tell a person something."""

    name: str
    """As the settings call it."""
    is_wish: bool
    """Nobody asked for it: where it fails, nothing is said of it."""

    @property
    def where(self) -> str:
        """Who or what is told; it holds no secret."""

    def tell(self, news: Sequence[News]) -> None:
        """Tell one thing, or several as one summary. Takes seconds at most. Raises ChannelFailed."""


def channels_of(
    root: Root, settings: Notify, environ: Mapping[str, str], secrets: Sequence[str]
) -> list[Channel]:
    """Return the channels that are configured. `secrets`: patterns of the names of secret variables."""
    hidden = [*secret_names(environ, secrets), settings.webhook_header_env or ""]
    redactor = Redactor({name: environ[name] for name in hidden if name in environ})
    found: list[Channel] = []
    if settings.desktop is True or (settings.desktop == "auto" and has_desktop(environ)):
        found.append(Desktop(environ, is_wish=settings.desktop == "auto"))
    if settings.command:
        found.append(Command(root, settings, environ, redactor))
    if settings.webhook is not None:
        found.append(Webhook(settings, environ))
    return found


def has_desktop(environ: Mapping[str, str]) -> bool:
    """Tell whether there seems to be a desktop: a session's bus, or a Mac; and a way to it."""
    path = environ.get("PATH")
    if shutil.which("osascript", path=path):
        return True
    runtime = environ.get("XDG_RUNTIME_DIR")
    has_bus = bool(environ.get("DBUS_SESSION_BUS_ADDRESS")) or (
        runtime is not None and looking.is_there(Path(runtime) / "bus")
    )
    return has_bus and (_has_library() or shutil.which("notify-send", path=path) is not None)


class Desktop:
    """A notification on this desktop: by the library, else by a program that systems have for it."""

    name = "desktop"

    def __init__(self, environ: Mapping[str, str], *, is_wish: bool) -> None:
        self.is_wish = is_wish
        self.way: str | None = None
        """What was used the last time."""
        self._environ = environ

    @property
    def where(self) -> str:
        """What showed it the last time, else what could."""
        ways = [way for way, _, _ in self._ways("", "")]
        return self.way or ", else ".join(ways) or "nothing here can show a notification"

    def tell(self, news: Sequence[News]) -> None:
        """Show it."""
        # What is on this screen may be seen by whoever sits here: they see the request, too.
        heading, text = in_words(news, include_private=True)
        problems = []
        for way, command, told in self._ways(heading, text):
            try:
                ended = run_bounded(command, told, self._environ, DESKTOP_SECONDS)
            except OSError as error:
                problems.append(f"{way}: {error.strerror}")
                continue
            if ended.code == 0:
                self.way = way
                return
            problems.append(f"{way}: {_how(ended, DESKTOP_SECONDS)}")
        remedy = "see whether a desktop is there for this user, or set [notify] desktop = false"
        raise ChannelFailed(
            f"desktop: {'; '.join(problems) or 'nothing here can show a notification'}",
            remedy if problems else INSTALL,
        )

    def _ways(self, heading: str, text: str) -> Iterator[tuple[str, list[str], bytes]]:
        path = self._environ.get("PATH")
        # Desktops on the bus read a little markup in the text.
        marked = html.escape(text, quote=False)
        if _has_library():
            told = json.dumps({"title": heading, "message": marked}).encode()
            yield "desktop-notifier", [sys.executable, "-I", popping.__file__], told
        notify_send = shutil.which("notify-send", path=path)
        if notify_send:
            yield "notify-send", [notify_send, "--app-name=orchestrd", "--", heading, marked], b""
        osascript = shutil.which("osascript", path=path)
        if osascript:
            script = [word for line in _APPLESCRIPT for word in ("-e", line)]
            yield "osascript", [osascript, *script, "--", heading, text], b""


class Command:
    """A command of the user's, with what there is to tell in its environment and on its standard input."""

    name = "command"
    is_wish = False

    def __init__(self, root: Root, settings: Notify, environ: Mapping[str, str], redactor: Redactor) -> None:
        self._root = root
        self._command = settings.command
        self._seconds = settings.timeout
        self._environ = environ
        self._redactor = redactor

    @property
    def where(self) -> str:
        """The program; what it is given is its own affair."""
        return self._command[0]

    def tell(self, news: Sequence[News]) -> None:
        """Start it and see that it ends with 0."""
        told = json.dumps(told_as(news, include_private=True), ensure_ascii=False).encode("utf-8", "replace")
        environ = {**self._environ, **self._variables(news)}
        program = self._command[0]
        remedy = "see [notify] command; `orchestrd notify-test` tries it at once"
        try:
            ended = run_bounded(self._command, told + b"\n", environ, self._seconds)
        except OSError as error:
            raise ChannelFailed(f"command: {program} cannot be started: {error.strerror}", remedy) from error
        if ended.code != 0:
            said = self._redactor.redact(ended.said.encode()).decode("utf-8", "replace")
            how = _how(Ended(ended.code, said), self._seconds)
            raise ChannelFailed(f"command: {program} {how}", remedy)

    def _variables(self, news: Sequence[News]) -> dict[str, str]:
        of_all = {
            "ORCHESTRD_ROOT": str(self._root.path),
            "ORCHESTRD_COUNT": str(len(news)),
            "ORCHESTRD_KIND": news[0].kind if len(news) == 1 else "summary",
            "ORCHESTRD_TEXT": in_words(news, include_private=False)[1],
        }
        if len(news) > 1:
            return of_all
        one = news[0]
        own = {
            "ORCHESTRD_PLAN": one.plan,
            "ORCHESTRD_TITLE": one.title,
            "ORCHESTRD_PATH": str(one.path),
            "ORCHESTRD_REQUEST": one.name if one.is_request else "",
        }
        return of_all | {name: text for name, text in own.items() if "\0" not in text}


class Webhook:
    """JSON that is posted to an address."""

    name = "webhook"
    is_wish = False

    def __init__(self, settings: Notify, environ: Mapping[str, str]) -> None:
        self._url = settings.webhook or ""
        self._header = settings.webhook_header
        self._header_env = settings.webhook_header_env
        self._include_private = settings.include_input
        self._seconds = settings.timeout
        self._environ = environ

    @property
    def where(self) -> str:
        """As much of the address as may be told: what follows the host is often a secret."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    def tell(self, news: Sequence[News]) -> None:
        """Post it; 2xx is success."""
        given = {
            "url": self._url,
            "headers": {"User-Agent": "orchestrd", "Idempotency-Key": _key(news), **self._secret_header()},
            "body": json.dumps(told_as(news, include_private=self._include_private)),
            "timeout": max(0.5, self._seconds - GRACE_SECONDS),
        }
        command = [sys.executable, "-I", "-S", posting.__file__]
        remedy = "see [notify] webhook; `orchestrd notify-test` tries it at once"
        try:
            ended = run_bounded(command, json.dumps(given).encode(), self._environ, self._seconds)
        except OSError as error:
            raise ChannelFailed(f"webhook: {sys.executable}: {error.strerror}", remedy) from error
        if ended.code == 1:
            raise ChannelFailed(f"webhook: {self.where}: {safe(ended.said)}", remedy)
        if ended.code != 0:
            # Of a program that broke nothing is told but that: its last words may hold what it was given.
            how = _how(Ended(ended.code, ""), self._seconds)
            raise ChannelFailed(f"webhook: {self.where}: {how}", remedy)

    def _secret_header(self) -> dict[str, str]:
        if self._header_env is None:
            return {}
        value = self._environ.get(self._header_env, "").strip()
        if not value or not value.isprintable():
            wrong = "holds no line of text" if value else "is not set where the daemon runs"
            raise ChannelFailed(
                f"webhook: {self._header_env}, which [notify] webhook_header_env names, {wrong}",
                f"set {self._header_env} for the daemon (docs/service.md says how a service gets it) and restart it",
            )
        return {self._header: value}


def _key(news: Sequence[News]) -> str:
    """The same for the same things, by which a receiver knows what it was told before."""
    return hashlib.sha256("\n".join(one.id for one in news).encode()).hexdigest()[:32]


def _how(ended: Ended, seconds: float) -> str:
    if ended.code is None:
        return f"took longer than {seconds:g} s and was ended"
    lines = ended.said.strip().splitlines()
    said = f": {safe(lines[-1])}" if lines else ""
    how = f"ended with {ended.code}" if ended.code >= 0 else f"was ended by signal {-ended.code}"
    return f"{how}{said}"


def _has_library() -> bool:
    return find_spec("desktop_notifier") is not None
