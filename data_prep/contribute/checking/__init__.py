"""The rules of `iconoclip check`, and what applies them to files, tars, records and captions of a set."""
