"""Names that somebody else chose, to do harm or just odd, and a client that is full of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from flows.alerts.digest import DataNews, Digest
from flows.report.model import ClientView, SourceState, TargetView
from flows.settings import Agreed, Step
from flows.targets.evaluation import Evaluation, Series
from flows.targets.explain import Explanation
from tests.golden import sample

# where a script or a picture of the corpus would report to
EVIL_HOST = "evil.example"

MARKUP = {
    "script": f'<script>window.hacked=1;alert(1);fetch("http://{EVIL_HOST}/x")</script>',
    "picture": f'"><img src="http://{EVIL_HOST}/pixel.png" onerror="window.hacked=1">',
    "attribute": f"' onmouseover='window.hacked=1' style='background:url(//{EVIL_HOST}/b)",
    "end of a title": "</title></style></svg><script>window.hacked=1</script>",
    "drawing": '<svg/onload="window.hacked=1"><![CDATA[ ]]><!-- -->',
    "frame": f'<iframe src="javascript:window.hacked=1"></iframe><base href="//{EVIL_HOST}/">',
    "refresh": f'<meta http-equiv="refresh" content="0;url=http://{EVIL_HOST}/">',
    "entity": "&lt;b&gt; &amp;amp; &#60;i&#62; &nbsp;",
    "style": f"}}</style><link rel=stylesheet href=//{EVIL_HOST}/a.css>@import 'x';",
}
MRKDWN = {
    "everybody": "<!channel> <!here> <!everyone> <!subteam^S123>",
    "somebody": "<@U012AB3CD> <#C012AB3CD|general>",
    "link": f"<https://{EVIL_HOST}/phish|Open the report>",
    "date": f"<!date^1392734382^{{date}}^https://{EVIL_HOST}|now>",
    "formatting": "*bold* _italic_ ~gone~ `code` ```block```",
    "quote": "> quoted\n>>> all of it\n• list\n1. one",
    "emoji code": ":white_check_mark: :x: :tada::skin-tone-2:",
}
LINKS = {
    "address": f"https://{EVIL_HOST}/phish?a=1&b=2#c",
    "bare address": f"www.{EVIL_HOST} and info@{EVIL_HOST}",
    "script address": "javascript:window.hacked=1//",
    "data address": "data:text/html,<script>window.hacked=1</script>",
    "markdown": f"[Open](https://{EVIL_HOST}) ![x](https://{EVIL_HOST}/x.png)",
}
FORMULAS = {
    "formula": f'=HYPERLINK("https://{EVIL_HOST}","klik")',
    "dde": "=cmd|'/C calc'!A1",
    "plus": "+1+1",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "at": '@SUM(1+1)*cmd|" /C calc"!A0',
    "tab before": "\t=1+1",
    "return before": "\r=1+1",
    "wide equals": "＝1+1",
    "hidden before": "\u200b\u2060=1+1",
    "cell escape": "_x003D_1+1 _x0000_",
}
DIRECTIONS = {
    "override": "abc\u202egpj.exe\u202c",
    "isolate left open": "\u2066\u2067\u2068open",
    "marks": "\u200fabc\u200e\u061c",
    "embedding": "\u202a\u202bnever closed",
    "hebrew": "קמפיין 100% הנחה (חדש)",
    "arabic": "حملة ٢٠٢٦ – تخفيضات!",
}
SIGNS = {
    "emoji": "🚲 👩🏽‍🔧 👨‍👩‍👧‍👦 🇳🇱 🏳️‍🌈 1️⃣ ❤️",
    "joiners": "a\u200d\u200d\u200db \u200c\u200c",
    "tags": "\U000e0041\U000e0042 flag\U000e007f",
    "zero width": "zero\u200bwidth\u2060\ufeff\u00ad",
    "nothing to see": "\u3164\u115f\u1160\uffa0\u2800\u180e\u034f",
    "only a joiner": "\u200d\ufe0f",
    "combining": "Z" + "\u0351\u036b\u0343\u036a\u0302" * 60 + "algo",
    "leading mark": "\u0301\u0301accent",
    "annotation": "\ufff9over\ufffaunder\ufffb \U0001d173",
    "wide": "ＦＵＬＬ ｗｉｄｔｈ　漢字　キャンペーン",
    "thai": "แคมเปญฤดูร้อน",
}
CONTROLS = {
    "nul": "nul\x00inside",
    "escape": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "c1": "\x9b31mred \x85 \x90",
    "backspace": "good\x08\x08\x08\x08bad \x7f",
    "line ends": "one\r\ntwo\nthree\u2028four\u2029five\x0b\x0c",
    "lone surrogate": "half \ud83d of a pair \udeb2",
    "private": "\ue000\uf8ff\U0010fffd \uffff\ufdd0",
    "header": f"Naam\r\nBcc: victim@{EVIL_HOST}\r\n\r\nbody",
    "encoded word": "=?utf-8?q?=0D=0ABcc=3A_x=40evil=2Eexample?=",
}
SIZES = {
    "empty": "",
    "blanks": " \t\u00a0\u3000 ",
    "ten thousand words": "zeer lange naam " * 10_000,
    "one long word": "x" * 50_000,
    "long emoji": "👩‍👧‍👦" * 5_000,
    "long marks": "e" + "\u0301" * 20_000,
    "long markup": "<b>&" * 10_000,
}
PROGRAMS = {
    "template": "{{ 7 * 7 }} {% raw %} {# x #}",
    "placeholder": "{n} {client} {0} {} {told!r} %s %(x)s $HOME ${x}",
    "backslash": r"\u003cscript\u003e \n \\ C:\new",
    "quotes": "'single' \"double\" ‘curly’ `back` «angle»",
    "path": "../../../../etc/passwd\x00.html",
    "sql": "'; drop table ops.outbox; --",
    "json": '{"a": [1, null]}',
}
CORPUS: dict[str, str] = (
    MARKUP | MRKDWN | LINKS | FORMULAS | DIRECTIONS | SIGNS | CONTROLS | SIZES | PROGRAMS
)


@dataclass(frozen=True)
class Hostile:
    """A client whose every name is the same text, and a message about it."""

    text: str
    view: ClientView
    changed: Digest
    first: Digest


def hostile(text: str, language: Literal["nl", "en"]) -> Hostile:
    """The golden client with ``text`` as the name of everything that somebody else can name."""
    told = sample.client_view(language)
    targets = tuple(_target(view, text) for view in (*told.targets[:2], told.targets[4]))
    client = told.client.model_copy(
        update={"name": text, "targets": tuple(view.target for view in targets)}
    )
    sources = tuple(_source(state, text) for state in told.sources)
    view = replace(
        told, client=client, targets=targets, sources=sources, checks=(text, f"check {text}")
    )
    items = {view.target.id: view for view in targets}

    def digest(is_first: bool) -> Digest:
        like = sample.digest(language, is_first=is_first)

        def renamed(all_items: tuple[sample.DigestItem, ...]) -> tuple[sample.DigestItem, ...]:
            kept = []
            for item in all_items:
                if item.view.target.id in items:
                    own = items[item.view.target.id]
                    kept.append(replace(item, view=own, evaluation=own.total))
            return tuple(kept)

        segment = targets[1].segments[0]
        news = sample.DigestItem(targets[1], segment, "on_track")
        changed = renamed(like.changed)
        return replace(
            like,
            client=client,
            route=text,
            changed=changed if is_first else (*changed, news),
            unchanged=renamed(like.unchanged),
            sources=sources,
            data=(
                DataNews("stale", sources[1], tuple(items)),
                DataNews("recovered", sources[3], tuple(items)),
            ),
        )

    return Hostile(text, view, digest(False), digest(True))


def _target(view: TargetView, text: str) -> TargetView:
    target = view.target.model_copy(
        update={
            "specific": text,
            "realistic_because": text,
            "where": {"source": ("google_ads",), "campaign_name": (text,)},
            "agreed": Agreed(owner=text, by=(text, f"{text}@example.nl")),
            "plan": (
                Step(do=text, owner=text, due=sample.YESTERDAY),
                Step(do=text, owner=f"{text}@example.nl"),
                Step(do=text, owner=text, done=sample.YESTERDAY),
            ),
        }
    )
    return replace(
        view,
        target=target,
        total=_verdict(view.total, text),
        segments=tuple(_verdict(one, text) for one in view.segments),
        segment_series=tuple(_series(one, text) for one in view.segment_series),
        causes=tuple(_cause(one, text) for one in view.causes),
    )


def _verdict(one: Evaluation, text: str) -> Evaluation:
    details = one.details | ({"problem": text} if "problem" in one.details else {})
    return replace(one, segment_label=text if one.segment else "", details=details)


def _series(one: Series, text: str) -> Series:
    return replace(one, label=text)


def _cause(one: Explanation, text: str) -> Explanation:
    return replace(one, effects=tuple(replace(effect, label=text) for effect in one.effects))


def _source(state: SourceState, text: str) -> SourceState:
    return replace(
        state,
        account_id=text,
        account_name=text,
        problem=text if state.problem else None,
        notes=(text, f"{text} (note)"),
    )
