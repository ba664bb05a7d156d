"""What goes to the page in one piece: a line of JSON, and bytes that it tells how to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from convscope.files import with_escapes


def packed(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Return a message: the header's length in 4 bytes (little endian), the header as JSON padded to 4, the body.

    The padding lets the page read the body's float32 numbers where they lie.
    """
    text = with_escapes(json.dumps(header, ensure_ascii=False, allow_nan=False)).encode()
    text += b" " * (-len(text) % 4)
    return len(text).to_bytes(4, "little") + text + body
