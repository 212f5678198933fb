"""What a catalogue says of pictures, to their bytes and to RGB."""
