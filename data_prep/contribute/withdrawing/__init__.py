"""Withdrawing items: what was named, where it is, and its removal from the files."""
