"""What features depend on, as a name for them: an encoder's files, its spec, the precision."""

import json
from dataclasses import asdict
from pathlib import Path

from prodmatch.encoders.precisions import Precision, picture_precision
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.atomic import digest_bytes, file_digests

FORMAT = b"features-3"  # raise it when the same files would give other features
NAMES = {"int8": "int8-2"}  # of precisions whose features have become others
OF_QUERIES = ("query_prefix", "query_words")  # fields of a spec that products' texts do not pass


def encoder_fingerprint(
    folder: Path, spec: TextSpec | ImageSpec, precision: Precision = "float32"
) -> str:
    """What features depend on, as 64 hexadecimal digits: files, spec, precision."""
    stated = asdict(spec)
    if isinstance(spec, TextSpec):
        stated = {name: value for name, value in stated.items() if name not in OF_QUERIES}
    else:
        precision = picture_precision(precision, spec)
    parts = [FORMAT, json.dumps(stated, sort_keys=True).encode(), *file_digests(folder)]
    if precision != "float32":  # which had no name of its own before there was another
        parts.append(NAMES.get(precision, precision).encode())
    return digest_bytes(*parts)


def feature_name(folder: Path, spec: TextSpec | ImageSpec, precision: Precision = "float32") -> str:
    """What a store calls the features of an encoder, and the graph that gives them."""
    kind = "text" if isinstance(spec, TextSpec) else "image"
    return f"{kind}-{encoder_fingerprint(folder, spec, precision)[:32]}"
