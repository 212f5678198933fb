"""The listings of a catalogue: what their texts and columns say, as sets of numbers."""
