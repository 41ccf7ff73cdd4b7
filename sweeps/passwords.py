"""Passwords of data bases: taken out of what is printed and stored, handed to workers by the environment."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote

# user:password@ of a URL up to the last @ before its path, and password= of its query.
IN_URL = re.compile(r"(?P<scheme>[a-z][\w+.-]*://[^:/@\s]*):(?P<password>[^/\s]*)@")
IN_QUERY = re.compile(r"(?P<key>[?&]password=)(?P<password>[^&\s'\"]*)")

# Where workers find the password of the search's storage, if the URL on the command line had one.
VARIABLE = "LANDSCAPE_STORAGE_PASSWORD"


def redact(text: str) -> str:
    """The text with every password of a URL in it replaced by ***."""
    return IN_QUERY.sub(r"\g<key>***", IN_URL.sub(r"\g<scheme>:***@", text))


def without_password(url: str) -> str:
    """A URL as it may be stored: the worker asks its environment, or the data base's own files, for the password."""
    bare = IN_URL.sub(r"\g<scheme>@", url)
    return re.sub(r"\?$", "", re.sub(r"([?&])password=[^&]*&?", r"\1", bare).rstrip("&"))


def password_of(url: str) -> str | None:
    """The password that a URL holds."""
    found = IN_URL.search(url) or IN_QUERY.search(url)
    return None if found is None else unquote(found["password"])


def with_password(url: str) -> str:
    """The URL with the password that the environment holds, if any."""
    password = os.environ.get(VARIABLE)
    if not password or "@" not in url:
        return url
    scheme, _, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"
