"""Draws what a page shows: woodcuts, plates, photographs, maps, music, ornaments, initials, lettering."""
