"""What a catalogue says of a picture, made into captions, dates, languages and notations."""
