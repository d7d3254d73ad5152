"""Reads a query that a user wrote in the Google Ads Query Language.

Only so much of the grammar as Koers needs: which fields are selected, from what,
under which conditions, and where the days go. The rest is the API's to judge.
Source: https://developers.google.com/google-ads/api/docs/query/grammar
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DATE = "segments.date"
# their values are days or spans of days, so that a condition on them picks days
DATE_SEGMENTS = tuple(f"segments.{name}" for name in ("date", "week", "month", "quarter", "year"))

_DAYS = f"expected WHERE {DATE} BETWEEN {{start}} AND {{end}}, which Koers fills in"
_LEXEME = re.compile(
    r"""\s*(?:
        (?P<day>(?P<quote>['"]?)\{(?:start|end)\}(?P=quote))
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
      | (?P<sign>!=|>=|<=|=|>|<|\(|\)|,)
    )""",
    re.VERBOSE,
)
_CLAUSES = ("SELECT", "FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS")


class GaqlError(ValueError):
    """The query is not one that Koers can use; ``expected`` is what to write instead."""

    def __init__(self, problem: str, expected: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected


@dataclass(frozen=True)
class Gaql:
    """One SELECT. ``conditions`` are those of WHERE without the days, as they were written.

    ``filtered`` are the fields that these conditions are about. ``is_daily``: the
    query has ``{start}`` and ``{end}``.
    """

    select: tuple[str, ...]
    resource: str
    conditions: tuple[str, ...]
    filtered: tuple[str, ...]
    is_daily: bool


def read_gaql(text: str) -> Gaql:
    """Read one query. Raises GaqlError."""
    clauses = _clauses(_tokens(text))
    for name in ("SELECT", "FROM"):
        if name not in clauses:
            raise GaqlError(f"has no {name}", "expected SELECT fields FROM resource")
    if "LIMIT" in clauses:
        raise GaqlError(
            "has a LIMIT, which would cut every request off at another place",
            "leave it out: a table holds all rows (changes need one: `tables: [change_event]`)",
        )
    if "PARAMETERS" in clauses:
        raise GaqlError("has PARAMETERS, which change what the answer means", "leave them out")
    resource = clauses["FROM"]
    if len(resource) != 1:
        raise GaqlError("FROM names more than one resource", "expected one, such as FROM campaign")
    conditions = _conditions(clauses.get("WHERE", []))
    days = [one for one in conditions if one[0] == DATE]
    others = [one for one in conditions if one[0] != DATE]
    return Gaql(
        tuple(dict.fromkeys(_names(clauses["SELECT"]))),
        resource[0].lower(),
        tuple(" ".join(one) for one in others),
        tuple(dict.fromkeys(one[0] for one in others)),
        is_daily=_is_daily(days, others),
    )


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _LEXEME.match(text, at)
        if match is None:
            rest = text[at:].strip()
            if rest[0] == "{":
                told = rest.partition("}")[0] + "}"
                raise GaqlError(f'"{told[:40]}" is unknown', "Koers fills in {start} and {end}")
            what = "a text that does not end" if rest[0] in "'\"" else f'"{rest[0]}"'
            raise GaqlError(f"has {what} where none belongs", "expected one plain SELECT")
        kind = match.lastgroup
        token = match[0].strip()
        found.append(token.strip("'\"") if match["day"] else token)
        at = match.end()
        if kind is None:  # nothing but spaces
            break
    return found


def _clauses(tokens: list[str]) -> dict[str, list[str]]:
    if not tokens or tokens[0].upper() != "SELECT":
        raise GaqlError("does not begin with SELECT", "expected SELECT fields FROM resource")
    found: dict[str, list[str]] = {}
    name = ""
    for token in tokens:
        if token.upper() in _CLAUSES:
            name = token.upper()
            later = [known for known in found if _CLAUSES.index(known) >= _CLAUSES.index(name)]
            if later:
                raise GaqlError(f"has {name} after {later[-1]}", "expected one plain SELECT")
            found[name] = []
        else:
            found[name].append(token)
    return found


def _names(tokens: list[str]) -> list[str]:
    names = tokens[::2]
    if not names or any(comma != "," for comma in tokens[1::2]) or "," in names:
        raise GaqlError("SELECT is no list of fields", "expected them with commas between")
    if len(tokens) % 2 == 0:
        raise GaqlError("SELECT ends with a comma", "leave it out")
    return [name.lower() for name in names]


def _conditions(tokens: list[str]) -> list[list[str]]:
    """Split at each AND but that of a BETWEEN; the field is the first of each."""
    if not tokens:
        return []
    found: list[list[str]] = [[]]
    between = False
    for token in tokens:
        if token.upper() == "AND" and not between:
            found.append([])
            continue
        between = token.upper() == "BETWEEN" or (between and token.upper() != "AND")
        found[-1].append(token)
    for one in found:
        if len(one) < 2 or "." not in one[0]:
            told = " ".join(one) or "nothing"
            raise GaqlError(
                f"WHERE has {told} where a condition belongs", "expected field operator value"
            )
        one[0] = one[0].lower()
    return found


def _is_daily(days: list[list[str]], others: list[list[str]]) -> bool:
    """Whether the days are Koers' to fill in. Raises GaqlError for days that are not."""
    for one in others:
        if "{start}" in one or "{end}" in one:
            raise GaqlError(f"{{start}} and {{end}} are compared with {one[0]}", _DAYS)
        if one[0] in DATE_SEGMENTS:
            raise GaqlError(f"has days of its own: {' '.join(one)}", _DAYS)
    if not days:
        return False
    told = [" ".join(one[1:]).upper() for one in days]
    if told != ["BETWEEN {START} AND {END}"] and sorted(told) != ["<= {END}", ">= {START}"]:
        raise GaqlError(f"has days of its own: {' AND '.join(' '.join(d) for d in days)}", _DAYS)
    return True
