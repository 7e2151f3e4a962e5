"""Turns the statements of a catalogue into captions, dates, languages and notations."""
