"""What a service bears from its clients."""

from dataclasses import dataclass

from prodmatch.catalogue.pictures.images import MOST_BYTES

MOST_BODY = 2 * MOST_BYTES  # a picture in JSON is a third longer; parameters are small
MOST_TEXT = 64 << 10  # bytes of address and headers, and of a parameter in a body


@dataclass(frozen=True)
class Limits:
    """How many and how slow clients may be."""

    connections: int = 2000
    header_seconds: float = 10.0  # for the first byte of a request, and from it to its header's end
    body_seconds: float = 30.0  # for a whole body
    send_seconds: float = 30.0  # that a client may leave a piece of an answer unread
    wait_seconds: float = 10.0  # that a request may wait for a thread
    reload_seconds: float = 1.0  # between looks at what is published
