"""Regular expressions, which SQLite has not, as PostgreSQL understands them."""

from __future__ import annotations

import regex

from metadata_service.domain.refusals import Malformed, StorageBusy

_SECONDS = 10.0
"""The time that one text may take. Some patterns take for ever on some texts."""

# Written otherwise in Python's dialect: the end of the text, and the bounds of words.
_TRANSLATED = {"$": r"\Z", r"\y": r"\b", r"\Y": r"\B"}

# Outside of brackets: an escaped character, a set of characters, a dollar.
_TOKENS = regex.compile(r"\\.|\[\^?\]?(?:\[[:.=].*?[:.=]\]|\\.|[^\]])*\]|\$", regex.DOTALL)


class Pattern:
    """A regular expression of PostgreSQL, as far as Python's dialect can say it.

    As there, a dot takes line ends too, and `$` is the end of the text only. Raises Malformed for what is no pattern.
    """

    def __init__(self, pattern: str) -> None:
        try:
            text = _TOKENS.sub(lambda found: _TRANSLATED.get(found.group(), found.group()), pattern)
            self._compiled = regex.compile(text, regex.DOTALL | regex.VERSION0)
        except (regex.error, OverflowError, RecursionError) as error:
            raise Malformed(f"pattern: not a regular expression: {error}. Correct it.") from error

    def found_in(self, text: str) -> bool:
        """Whether the pattern is found anywhere in the text. Raises StorageBusy when that takes too long."""
        try:
            return self._compiled.search(text, timeout=_SECONDS, concurrent=True) is not None
        except TimeoutError as error:
            raise StorageBusy(f"The pattern took more than {_SECONDS:.0f} seconds. Make it simpler.") from error
