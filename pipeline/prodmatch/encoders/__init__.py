"""Text and image encoders in torch, and how they are exported."""

import os

# Read when transformers is loaded. Nothing is fetched but by `published`, where it is told to.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
