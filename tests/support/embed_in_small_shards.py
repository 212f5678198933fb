"""A run to be killed: embeds a catalogue with shards of 64, so that many are named on the way."""

import sys
from pathlib import Path

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.embed import EmbedSettings, embed_catalogue
from prodmatch.model.description import open_model

if __name__ == "__main__":
    catalogue, store, model = sys.argv[1:]
    settings = EmbedSettings(workers=0, precision="float32", shard_rows=64)
    embed_catalogue(open_catalogue(Path(catalogue)), open_model(model), Path(store), settings)
