"""Database passwords: removed from what is printed and stored, passed to workers in the environment.

URLs are parsed by SQLAlchemy. One that it cannot parse is refused and never shown, as its password cannot be found.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

from landscape.config.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy import URL

# Environment variables for the passwords of search.storage: that of its user, and those of its query (as a query).
VARIABLE = "LANDSCAPE_STORAGE_PASSWORD"
QUERY_VARIABLE = "LANDSCAPE_STORAGE_QUERY"

SCHEME = re.compile(r"[A-Za-z][\w+.-]*://")
# Query keys whose values are secret: password, passwd, sslpassword, pwd, ..., but not passfile. An ODBC connection
# string is secret as a whole.
SECRET = re.compile(r"passw|passphrase|pwd|secret|token|api_?key|^pass$|^odbc_connect$", re.I)

# Passwords in a text that holds URLs that were never parsed.
IN_URL = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://[^:/@\s]*):.*@")
IN_QUERY = re.compile(r"(?P<key>[?&][^=&\s]*(?:passw|passphrase|pwd|secret|token)[^=&\s]*=)[^&\s'\"]*", re.I)

_known: set[str] = set()  # secrets of the URLs parsed by this process, quoted and unquoted


def read_url(url: str) -> URL:
    """Parse a database URL; raises `UserError`, without the URL in its message."""
    from sqlalchemy.engine import make_url  # slow to import
    from sqlalchemy.exc import ArgumentError

    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        read = None
    # An @ in the other parts means that the password holds an unquoted @ and was split there.
    if read is None or "@" in f"{read.username}{read.host}{read.database}":
        raise UserError(
            "search.storage is not a valid URL (not shown, as it may hold a password); write "
            "postgresql://USER:PASSWORD@HOST:PORT/NAME, with @ as %40, : as %3A, / as %2F and % as %25 in its parts"
        ) from None
    _remember(url, read)
    return read


def _remember(url: str, read: URL) -> None:
    secrets = {read.password, *_secret(read).values()}
    rest, _, query = url.partition("?") if read.password is None or "?" not in read.password else (url, "", "")
    secrets |= {value for key, _, value in (part.partition("=") for part in query.split("&")) if SECRET.search(key)}
    if read.password is not None:
        secrets.add(rest.partition("://")[2].rpartition("@")[0].partition(":")[2])
    for secret in filter(None, secrets):
        _known.update({secret, quote(secret, safe=""), quote(secret), quote_plus(secret)})


def _secret(read: URL) -> dict[str, str]:
    """The secret keys of a URL's query; the last value of a repeated key."""
    return {k: v if isinstance(v, str) else v[-1] for k, v in read.query.items() if SECRET.search(k)}


def redact(text: str) -> str:
    """The text with the passwords of URLs replaced by ***."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, "***")
    return IN_QUERY.sub(r"\g<key>***", IN_URL.sub(r"\g<scheme>:***@", text))


def without_password(text: str) -> str:
    """A URL, or an override that holds one, without its passwords. Workers get these from the environment, or from the
    database's own password file. Raises `UserError`, without the URL, if it cannot be parsed."""
    start = SCHEME.search(text)
    if start is None:
        return text
    before = text[: start.start()]
    if (mark := before[-1:]) in ("'", '"'):
        end = re.compile(rf"(?<!\\){mark}").search(text, start.end())
    else:
        end = re.compile(r"[,}\]]" if set(before) & {"{", "["} else r"$").search(text, start.end())
    stop = len(text) if end is None else end.start()
    read = read_url(text[start.start() : stop])
    secret = _secret(read)
    if read.password is None and not secret:
        return text
    bare = read._replace(password=None).difference_update_query(secret)
    return before + bare.render_as_string() + text[stop:]


def environment(url: str) -> dict[str, str]:
    """Environment variables with the passwords of a URL, for `with_password` in another process."""
    if "://" not in url:
        return {}
    read = read_url(url)
    secret = _secret(read)
    found = {} if read.password is None else {VARIABLE: str(read.password)}
    return found | ({QUERY_VARIABLE: urlencode(secret)} if secret else {})


def with_password(url: str) -> str:
    """The URL with the passwords from the environment filled in, unless it has its own."""
    read = read_url(url)
    password, secret = os.environ.get(VARIABLE), dict(parse_qsl(os.environ.get(QUERY_VARIABLE, "")))
    if password and read.username is not None and read.password is None:
        read = read._replace(password=password)
    read = read.update_query_dict({key: value for key, value in secret.items() if key not in read.query})
    whole = read.render_as_string(hide_password=False)
    _remember(whole, read)
    return whole
