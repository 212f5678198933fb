"""Values of a catalogue's columns that products do not have, or have wrongly."""
