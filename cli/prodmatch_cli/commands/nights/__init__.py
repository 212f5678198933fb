"""Commands that take a catalogue in and publish it."""
