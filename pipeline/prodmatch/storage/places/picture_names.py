"""Which texts name pictures: by how they end, or by being addresses."""

import re
from collections.abc import Sequence

PICTURE = re.compile(
    r"(?:https?:)?//\S+|\S.*\.(?:jpe?g|png|webp|gif|avif|bmp|tiff?|heic)(?:[?#]\S*)?", re.IGNORECASE
)
ADDRESS = re.compile(r"(?:https?:)?//", re.IGNORECASE)


def are_names(parts: Sequence[str]) -> bool:
    """Whether all parts name pictures, either all by addresses, which have commas too, or none."""
    addresses = {ADDRESS.match(part) is not None for part in parts}
    return len(addresses) == 1 and all(map(PICTURE.fullmatch, parts))
