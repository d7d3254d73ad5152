"""The Google Ads Query Language: from text to a checked structure.

Grammar: https://developers.google.com/google-ads/api/docs/query/grammar. Every
refusal is a `GaqlError` with the API's own ``QueryError`` code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

OPERATORS = (
    "=",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "IN",
    "NOT IN",
    "LIKE",
    "NOT LIKE",
    "BETWEEN",
    "DURING",
    "IS NULL",
    "IS NOT NULL",
    "CONTAINS ANY",
    "CONTAINS ALL",
    "CONTAINS NONE",
    "REGEXP_MATCH",
    "NOT REGEXP_MATCH",
)
PARAMETERS = ("include_drafts", "omit_unselected_resource_names")


class GaqlError(Exception):
    """The query is refused; ``family`` and ``code`` name the API's error enum value."""

    def __init__(self, code: str, message: str, family: str = "query_error") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.family = family


@dataclass(frozen=True)
class Condition:
    """One condition of WHERE; ``values`` are as written, without their quotes."""

    field: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ordering:
    field: str
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """A parsed query; ``resource`` is None only where the API has no FROM."""

    select: tuple[str, ...]
    resource: str | None
    where: tuple[Condition, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    limit: int | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that is named anywhere, once, in order of appearance."""
        named = (
            *self.select,
            *(c.field for c in self.where),
            *(o.field for o in self.order_by),
        )
        return tuple(dict.fromkeys(named))


Kind = Literal["word", "number", "text", "sign", "end"]


@dataclass(frozen=True)
class _Token:
    kind: Kind
    text: str

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words


_LEXEME = re.compile(
    r"""\s*(?:
        (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
      | (?P<sign>!=|>=|<=|=|>|<|\(|\)|,)
    )""",
    re.VERBOSE,
)
_FIELD = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _LEXEME.match(text, at)
        if match is None:
            rest = text[at:].lstrip()
            if rest[0] in "'\"":
                raise GaqlError("STRING_NOT_TERMINATED", f"A string is not terminated: {rest}")
            raise GaqlError("BAD_SYMBOL", f"Invalid symbol in the query: '{rest[0]}'.")
        kind = match.lastgroup
        lexeme = match.group(kind or 0).strip()
        if kind == "text":
            found.append(_Token("text", _unescape(lexeme[1:-1])))
        elif kind == "word":
            found.append(_Token("word", lexeme))
        elif kind == "number":
            found.append(_Token("number", lexeme))
        else:
            found.append(_Token("sign", lexeme))
        at = match.end()
    return [*found, _Token("end", "")]


def _unescape(text: str) -> str:
    escapes = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"'}

    def one(match: re.Match[str]) -> str:
        if (letter := match.group(1)) not in escapes:
            raise GaqlError("BAD_ESCAPE_SEQUENCE", f"Invalid escape sequence: '\\{letter}'.")
        return escapes[letter]

    return re.sub(r"\\(.)", one, text)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    @property
    def here(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        token = self.here
        self.at += token.kind != "end"
        return token

    def took(self, *words: str) -> bool:
        """Step over the words if they come next, all of them."""
        ahead = self.tokens[self.at : self.at + len(words)]
        if len(ahead) == len(words) and all(
            token.is_word(word) for token, word in zip(ahead, words, strict=True)
        ):
            self.at += len(words)
            return True
        return False

    def took_sign(self, sign: str) -> bool:
        if self.here == _Token("sign", sign):
            self.at += 1
            return True
        return False

    def refuse(self, code: str, expected: str) -> GaqlError:
        if self.here.kind == "end":
            return GaqlError("UNEXPECTED_END_OF_QUERY", f"Unexpected end of query: {expected}.")
        return GaqlError(code, f"Error in query: {expected} before '{self.here.text}'.")

    def field_name(self) -> str:
        if self.here.kind != "word":
            raise self.refuse("BAD_FIELD_NAME", "expected a field name")
        if not _FIELD.fullmatch(self.here.text):
            raise GaqlError(
                "UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{self.here.text}'."
            )
        return self.take().text

    def comma_separated(self) -> list[str]:
        names = [self.field_name()]
        while self.took_sign(","):
            names.append(self.field_name())
        return names

    def query(self, has_from: bool) -> Query:
        if not self.took("SELECT"):
            raise self.refuse("EXPECTED_SELECT", "expected SELECT")
        select = self.comma_separated()
        resource = None
        if self.took("FROM"):
            if not has_from:
                raise GaqlError("UNEXPECTED_FROM_CLAUSE", "The FROM clause is not supported here.")
            resource = self.field_name()
            if self.here == _Token("sign", ","):
                raise GaqlError("UNEXPECTED_INPUT", "Only one resource can be in the FROM clause.")
        elif has_from:
            raise self.refuse("EXPECTED_FROM", "expected FROM")
        where: list[Condition] = []
        if self.took("WHERE"):
            where.append(self.condition())
            while self.took("AND"):
                where.append(self.condition())
        order_by: list[Ordering] = []
        if self.took("ORDER"):
            if not self.took("BY"):
                raise self.refuse("EXPECTED_BY", "expected BY after ORDER")
            order_by.append(self.ordering())
            while self.took_sign(","):
                order_by.append(self.ordering())
        limit = self.limit() if self.took("LIMIT") else None
        parameters = self.parameters() if self.took("PARAMETERS") else {}
        if self.here.kind != "end":
            after_condition = where and not order_by and limit is None and not parameters
            raise self.refuse(
                "EXPECTED_AND" if after_condition else "UNEXPECTED_INPUT", "unexpected input"
            )
        return Query(
            tuple(dict.fromkeys(select)),
            resource,
            tuple(where),
            tuple(order_by),
            limit,
            parameters,
        )

    def condition(self) -> Condition:
        name = self.field_name()
        operator = self.operator()
        if operator in ("IS NULL", "IS NOT NULL"):
            return Condition(name, operator)
        if operator == "BETWEEN":
            low = self.value()
            if not self.took("AND"):
                raise self.refuse("EXPECTED_VALUE_WITH_BETWEEN_OPERATOR", "expected AND")
            return Condition(name, operator, (low, self.value()))
        if operator in ("IN", "NOT IN", "CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE"):
            return Condition(name, operator, self.values())
        if self.here == _Token("sign", "("):
            raise self.refuse("EXPECTED_SINGLE_VALUE", "expected a single value")
        return Condition(name, operator, (self.value(),))

    def operator(self) -> str:
        if self.here.kind == "sign" and self.here.text in OPERATORS:
            return self.take().text
        for operator in OPERATORS:
            if operator[0].isalpha() and self.took(*operator.split()):
                return operator
        raise self.refuse("BAD_OPERATOR", "expected an operator")

    def value(self) -> str:
        if self.here.kind in ("word", "number", "text"):
            return self.take().text
        raise self.refuse("BAD_VALUE", "expected a value")

    def values(self) -> tuple[str, ...]:
        if not self.took_sign("("):
            raise self.refuse("EXPECTED_LIST", "expected a list")
        if self.here == _Token("sign", ")"):
            raise GaqlError(
                "PROHIBITED_EMPTY_LIST_IN_CONDITION", "A list in a condition cannot be empty."
            )
        values = [self.value()]
        while self.took_sign(","):
            values.append(self.value())
        if not self.took_sign(")"):
            raise self.refuse("EXPECTED_LIST", "expected ')'")
        return tuple(values)

    def ordering(self) -> Ordering:
        name = self.field_name()
        descending = self.took("DESC")
        if not descending:
            self.took("ASC")
        return Ordering(name, descending)

    def limit(self) -> int:
        if self.here.kind != "number" or not self.here.text.lstrip("-").isdigit():
            raise self.refuse("BAD_LIMIT_VALUE", "expected a whole number after LIMIT")
        limit = int(self.take().text)
        if limit < 1:
            raise GaqlError("LIMIT_VALUE_TOO_LOW", "The LIMIT value must be at least 1.")
        return limit

    def parameters(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while True:
            name = self.take().text
            if name not in PARAMETERS:
                raise GaqlError("BAD_PARAMETER_NAME", f"Invalid parameter name: '{name}'.")
            if not self.took_sign("="):
                raise self.refuse("BAD_PARAMETER_VALUE", "expected '='")
            value = self.value().lower()
            if value not in ("true", "false"):
                raise GaqlError("BAD_PARAMETER_VALUE", f"Invalid parameter value: '{value}'.")
            found[name] = value
            if not self.took_sign(","):
                return found


def parse(text: str, has_from: bool = True) -> Query:
    """Parse one query; raises GaqlError. ``GoogleAdsFieldService`` has no FROM."""
    return _Parser(text).query(has_from)


def read_date(text: str) -> date:
    """Read ``YYYY-MM-DD`` (or ``YYYYMMDD``, as the API allows)."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d|\d{8}", text):
        raise GaqlError("INVALID_DATE_FORMAT", f"Invalid date: '{text}'. Expected YYYY-MM-DD.")
    try:
        return date.fromisoformat(text)
    except ValueError as e:
        raise GaqlError("INVALID_DATE_FORMAT", f"Invalid date: '{text}'.") from e


def _month(day: date) -> tuple[date, date]:
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _last_month(today: date) -> tuple[date, date]:
    return _month(today.replace(day=1) - timedelta(days=1))


def _back(days: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (today - timedelta(days=days), today - timedelta(days=1))


def _week(starts_on: int, weeks_back: int) -> Callable[[date], tuple[date, date]]:
    def days(today: date) -> tuple[date, date]:
        start = today - timedelta(days=(today.weekday() - starts_on) % 7 + 7 * weeks_back)
        return start, (start + timedelta(days=6) if weeks_back else today)

    return days


def _business_week(today: date) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday() + 7)
    return monday, monday + timedelta(days=4)


MONDAY, SUNDAY = 0, 6
DATE_RANGES: Mapping[str, Callable[[date], tuple[date, date]]] = {
    "TODAY": lambda today: (today, today),
    "YESTERDAY": _back(1),
    "LAST_7_DAYS": _back(7),
    "LAST_14_DAYS": _back(14),
    "LAST_30_DAYS": _back(30),
    "LAST_BUSINESS_WEEK": _business_week,
    "LAST_WEEK_MON_SUN": _week(MONDAY, 1),
    "LAST_WEEK_SUN_SAT": _week(SUNDAY, 1),
    "THIS_WEEK_MON_TODAY": _week(MONDAY, 0),
    "THIS_WEEK_SUN_TODAY": _week(SUNDAY, 0),
    "THIS_MONTH": lambda today: (today.replace(day=1), today),
    "LAST_MONTH": _last_month,
}


def during(name: str, today: date) -> tuple[date, date]:
    """Return the first and last day of a named range; all but THIS_… and TODAY end yesterday."""
    if name not in DATE_RANGES:
        raise GaqlError(
            "INVALID_VALUE_WITH_DURING_OPERATOR", f"Invalid date range literal: '{name}'."
        )
    return DATE_RANGES[name](today)
