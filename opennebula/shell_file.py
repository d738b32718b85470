"""Edit a file of shell variables, such as kvmrc, and keep the rest. Pure."""

import re
import shlex


def with_word(text: str, variable: str, word: str, *, wanted: bool) -> str:
    """Return the text with or without that word in a variable; other words stay.

    An unset variable is set below the comment with its example, or at the end.
    """
    assigned = re.compile(
        rf"^(?P<name>[ \t]*(?:export[ \t]+)?{variable}=)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s#;]*)",
        re.MULTILINE,
    )
    found = list(assigned.finditer(text))
    if not found:
        return _with_line(text, variable, shlex.quote(word)) if wanted else text
    last = found[-1]
    words = " ".join(shlex.split(last["value"])).split()
    if (word in words) == wanted:
        return text
    left = [*words, word] if wanted else [listed for listed in words if listed != word]
    value = shlex.quote(" ".join(left)) if left else ""
    return text[: last.start("value")] + value + text[last.end("value") :]


def _with_line(text: str, variable: str, value: str) -> str:
    text = text if text.endswith("\n") or not text else f"{text}\n"
    shown = re.search(rf"^#[ \t]*(?:export[ \t]+)?{variable}=.*\n", text, re.MULTILINE)
    at = shown.end() if shown else len(text)
    return f"{text[:at]}{variable}={value}\n{text[at:]}"


def with_value(text: str, variable: str, value: str) -> str:
    """Return the text with that variable set, in the last line that sets it."""
    found = list(re.finditer(rf"^{variable}=(.*)$", text, re.MULTILINE))
    if not found:
        return _with_line(text, variable, shlex.quote(value))
    if "".join(shlex.split(found[-1][1])) == value:
        return text
    return text[: found[-1].start(1)] + shlex.quote(value) + text[found[-1].end(1) :]
