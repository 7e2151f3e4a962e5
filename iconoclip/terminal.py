"""Text from outside, made safe to print on a terminal."""

from __future__ import annotations

import re
from typing import Final

# ESC begins commands that change colours, the title, or what is on the screen; the last marks change the
# direction of all that follows (Unicode Standard Annex 9). Those for one place are common in Hebrew titles.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SIGN: Final = "\N{REPLACEMENT CHARACTER}"


def safe(text: str) -> str:
    """The text with a sign in place of each character that would act on the terminal."""
    return _UNSAFE.sub(_SIGN, text)
