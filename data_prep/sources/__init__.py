"""Readers of every other kind of source: change streams, OAI-PMH, SRU, Europeana, LIDO, tables."""
