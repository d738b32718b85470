"""A second reader of oned.conf, built like OpenNebula's own: tokens by longest match, then rules.

It shares nothing with ``opennebula.conf``, so that it can check what the latter writes.
"""

import re
from collections.abc import Iterator

Value = str | dict[str, str]
Token = tuple[str, str]

_START = [
    ("comment", re.compile(r"[ \t]*#.*\n")),
    ("", re.compile(r"[ \t\n]+")),
    ("name", re.compile(r"[A-Za-z0-9_]+")),
    ("=", re.compile(r"[ \t]*=[ \t]*")),
    ("empty", re.compile(r"[ \t]*=[ \t]*\n")),
    (",", re.compile(r"[ \t\n]*,[ \t\n]*")),
    ("]", re.compile(r"[ \t\n]*\][ \t\n]*")),
]
_AFTER_EQUALS = [
    ("[", re.compile(r"[ \t]*\[[ \t\n]*")),
    ("end", re.compile(r".*\]\]>.*")),
    ("string", re.compile(r'"(?:\\"|[^"])*"')),
    ("string", re.compile(r"[^=# \t\n,\[\]]+")),
]


def _tokens(text: str) -> Iterator[Token]:
    at, rules = 0, _START
    while at < len(text):
        matches = [(kind, found) for kind, rule in rules if (found := rule.match(text, at))]
        assert matches, f"nothing fits {text[at : at + 10]!r}"
        kind, found = max(matches, key=lambda match: match[1].end())
        at = found.end()
        rules = _AFTER_EQUALS if kind == "=" else _START
        if kind:
            token = found.group()
            quoted = kind == "string" and token.startswith('"') and token.endswith('"')
            yield kind, (token[1:-1] if quoted else token).replace('\\"', '"')


def read(text: str) -> list[tuple[str, Value]]:
    """Return all attributes in order; fail the test if the text is outside the grammar."""
    tokens = iter([*(token for token in _tokens(text) if token[0] != "comment"), ("", "")])
    found: list[tuple[str, Value]] = []
    kind, name = next(tokens)
    while kind:
        assert kind == "name", f"{kind} {name!r} where a name must be"
        found.append((name.upper(), _value(tokens)))
        kind, name = next(tokens)
    return found


def comments(text: str) -> list[str]:
    """Return all comments in order."""
    return [token.strip() for kind, token in _tokens(text) if kind == "comment"]


def _value(tokens: Iterator[Token]) -> Value:
    kind, _ = next(tokens)
    if kind == "empty":
        return ""
    assert kind == "="
    kind, text = next(tokens)
    if kind == "string":
        return text
    assert kind == "["
    vector: dict[str, str] = {}
    kind, key = next(tokens)
    while kind != "]":
        assert (kind, next(tokens)[0]) == ("name", "=")
        kind, text = next(tokens)
        assert kind == "string"
        vector.setdefault(key.upper(), text)
        kind, _ = next(tokens)
        if kind == ",":
            kind, key = next(tokens)
            assert kind == "name"
    return vector
