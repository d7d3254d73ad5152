"""Changes to a YAML file that leave everything else in it as it is: comments, order, layout.

Pure: text in, text out. The text must be one that the strict loader takes
(`flows.yaml_loader`): no anchors, tags or merge keys. Paths are keys from the
top: ``("sources", "ga4", "property_ids")``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import yaml

# a list that would make its line longer than this is written an item a line
_LONGEST_LINE = 100


class EditError(Exception):
    """The text is not as this module knows how to change it."""


def set_value(text: str, path: Sequence[str], value: str) -> str:
    """Put a scalar (as YAML text) at ``path``; mappings on the way are made where there are none.

    Returns ``text`` itself when that value is there already.
    """
    place = _Place(text, path)
    if place.value is None:
        return place.insert(value)
    if isinstance(place.value, yaml.ScalarNode) and text[place.start : place.end] == value:
        return text
    return place.replace(value)


def set_list(
    text: str,
    path: Sequence[str],
    items: Sequence[str],
    same: Callable[[str], str] = lambda item: item,
) -> str:
    """Let the list at ``path`` have these items (as YAML text), and no others.

    Those that are there already keep their place, their spelling and their
    comments; ``same`` gives what two spellings of one item have in common.
    """
    place = _Place(text, path)
    written = "[" + ", ".join(items) + "]"
    if place.value is None:
        return place.insert(written, items)
    node = place.value
    if not isinstance(node, yaml.SequenceNode):
        is_that = [same(_plain(item)) for item in items] == [same(str(node.value))]
        return text if is_that else place.replace(written)
    wanted = {same(_plain(item)): item for item in items}
    there = {same(str(one.value)): one for one in node.value}
    kept = [one for key, one in there.items() if key in wanted]
    gone = [one for one in node.value if same(str(one.value)) not in wanted]
    new = [item for key, item in wanted.items() if key not in there]
    if not gone and not new:
        return text
    if not kept:
        return place.replace(written)
    if node.flow_style:
        return _flow_items(text, node, kept, gone, new)
    return _block_items(text, kept, gone, new)


def remove_key(text: str, path: Sequence[str]) -> str:
    """Take a key and its value out; returns ``text`` itself when it is not there."""
    place = _Place(text, path)
    if place.value is None or place.key is None:
        return text
    pairs = place.mapping.value
    at = next(i for i, (key, _) in enumerate(pairs) if key is place.key)
    if not place.mapping.flow_style:
        return _without_lines(text, place.key.start_mark.index, _end(text, place.value))
    if at + 1 < len(pairs):
        return text[: place.key.start_mark.index] + text[pairs[at + 1][0].start_mark.index :]
    start = _end(text, pairs[at - 1][1]) if at else place.key.start_mark.index
    return text[:start] + text[_end(text, place.value) :]


class _Place:
    """Where a path leads in a text, or how far it gets."""

    def __init__(self, text: str, path: Sequence[str]) -> None:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            raise EditError("the file is not a mapping")
        self.text = text
        self.mapping: yaml.MappingNode = root
        self.missing: list[str] = []
        self.key: yaml.Node | None = None
        self.value: yaml.Node | None = None
        for depth, name in enumerate(path):
            pair = next((pair for pair in self.mapping.value if pair[0].value == name), None)
            if pair is None:
                self.missing = list(path[depth:])
                self.key = self.value = None
                return
            self.key, self.value = pair
            if depth + 1 == len(path):
                return
            if not isinstance(self.value, yaml.MappingNode):
                if isinstance(self.value, yaml.ScalarNode) and not self.value.value:
                    self.missing = list(path[depth + 1 :])  # `ga4:` with nothing after it
                    return
                raise EditError(f"{name} is not a mapping")
            self.mapping = self.value

    @property
    def start(self) -> int:
        assert self.value is not None
        return int(self.value.start_mark.index)

    @property
    def end(self) -> int:
        assert self.value is not None
        return _end(self.text, self.value)

    def replace(self, written: str) -> str:
        assert self.value is not None and self.key is not None
        if self.missing:  # only parents are there, and the last of them is empty
            for name in reversed(self.missing):
                written = f"{{{name}: {written}}}"
        start = self.start
        is_block = isinstance(self.value, yaml.CollectionNode) and not self.value.flow_style
        if is_block or start == self.end:
            start = self.text.index(":", self.key.end_mark.index) + 1
            written = f" {written}"
        return self.text[:start] + written + self.text[self.end :]

    def insert(self, written: str, items: Sequence[str] = ()) -> str:
        """Add the missing keys; nothing of the path's end is there yet."""
        text, pairs = self.text, self.mapping.value
        if self.mapping.flow_style:
            for name in reversed(self.missing):
                written = f"{name}: {written}" if name is self.missing[0] else (
                    f"{{{name}: {written}}}"
                )  # fmt: skip
            if not pairs:
                return (
                    f"{text[: self.mapping.start_mark.index]}{{{written}}}"
                    + (text[self.mapping.end_mark.index :])
                )
            at = _end(text, pairs[-1][1])
            return f"{text[:at]}, {written}{text[at:]}"
        newline = "\r\n" if "\r\n" in text else "\n"
        indent = " " * pairs[0][0].start_mark.column
        lines = []
        for depth, name in enumerate(self.missing[:-1]):
            lines.append(f"{indent}{'  ' * depth}{name}:")
        deep = indent + "  " * (len(self.missing) - 1)
        line = f"{deep}{self.missing[-1]}: {written}"
        if items and len(line) > _LONGEST_LINE:
            lines += [f"{deep}{self.missing[-1]}:", *(f"{deep}  - {item}" for item in items)]
        else:
            lines.append(line)
        at = _line_end(text, _end(text, self.mapping))
        return text[:at] + "".join(newline + line for line in lines) + text[at:]


def _flow_items(
    text: str,
    node: yaml.SequenceNode,
    kept: Sequence[yaml.Node],
    gone: Sequence[yaml.Node],
    new: Sequence[str],
) -> str:
    cuts: list[tuple[int, int, str]] = []
    for i, one in enumerate(node.value):
        if one not in gone:
            continue
        if any(later in kept for later in node.value[i + 1 :]):
            cuts.append((one.start_mark.index, node.value[i + 1].start_mark.index, ""))
        else:
            cuts.append((_end(text, node.value[i - 1]), _end(text, one), ""))
    if new:
        at = _end(text, kept[-1])
        cuts.append((at, at, "".join(f", {item}" for item in new)))
    for start, end, put in sorted(cuts, key=lambda cut: (cut[0], cut[1]), reverse=True):
        text = text[:start] + put + text[end:]
    return text


def _block_items(
    text: str, kept: Sequence[yaml.Node], gone: Sequence[yaml.Node], new: Sequence[str]
) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    last = kept[-1]
    begin = text.rfind("\n", 0, last.start_mark.index) + 1
    lead = text[begin : last.start_mark.index]  # the indent and the dash
    changes = [(one.start_mark.index, one) for one in gone]
    at = _line_end(text, _end(text, last))
    added = "".join(f"{newline}{lead}{item}" for item in new)
    for start, one in sorted(changes, key=lambda change: change[0], reverse=True):
        if start < at and added:
            text, added = text[:at] + added + text[at:], ""
        text = _without_lines(text, start, _end(text, one))
    return text[:at] + added + text[at:] if added else text


def _without_lines(text: str, start: int, end: int) -> str:
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    return text[:begin] + (text[stop + 1 :] if stop >= 0 else "")


def _end(text: str, node: yaml.Node) -> int:
    """Where the last character of a node's own text is over, without comments after it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    start, end = node.start_mark.index, node.end_mark.index
    return int(start + len(text[start:end].rstrip())) if end > start else int(end)


def _line_end(text: str, index: int) -> int:
    at = text.find("\n", index)
    if at < 0:
        return len(text.rstrip())
    return at - 1 if text[at - 1] == "\r" else at


def _plain(item: str) -> str:
    return str(yaml.safe_load(item)) if item[:1] in "\"'" else item
