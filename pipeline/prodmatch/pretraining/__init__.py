"""Training encoders: data, batches, contrast with anchors, and what is written of them."""

import prodmatch.encoders  # noqa: F401  says what transformers may do, before it is loaded here
