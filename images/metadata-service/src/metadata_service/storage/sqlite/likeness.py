"""PostgreSQL's ILIKE. That of SQLite knows upper and lower case of the letters a to z only."""

from __future__ import annotations


def ilike(text: object, pattern: str) -> bool | None:
    """PostgreSQL's ILIKE: `%` for any characters, `_` for one, a backslash before either for itself.

    Takes time in proportion to the lengths, whatever the pattern.
    """
    if not isinstance(text, str):
        return None
    text, tokens = text.lower(), _wildcards(pattern.lower())
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        if place < len(tokens) and tokens[place] == "%%":
            star, resume = place, at
            place += 1
        elif place < len(tokens) and tokens[place] in (text[at], "__"):
            at, place = at + 1, place + 1
        elif star >= 0:
            # The last % takes one character more.
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return all(token == "%%" for token in tokens[place:])


def _wildcards(pattern: str) -> list[str]:
    """The pattern as single characters; the two wildcards are doubled, which no character is."""
    tokens: list[str] = []
    characters = iter(pattern)
    for character in characters:
        match character:
            case "\\":
                tokens.append(next(characters, "\\"))
            case "%" | "_":
                tokens.append(character * 2)
            case _:
                tokens.append(character)
    return tokens
