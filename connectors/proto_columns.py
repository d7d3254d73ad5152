"""Serialized protobuf straight into Arrow columns, without an object per row.

A vendor's row message has hundreds of fields and a query selects a dozen. From
the shipped descriptors we build a slim message that knows only those (same
field numbers and types), and ptars decodes the wire bytes into Arrow with it.
What is not selected is skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import ptars
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

_PACKAGE = "koers.slim"


class ProtoColumns:
    """Reads the repeated message ``rows`` of a reply into one array per path.

    ``paths`` are dotted field names inside one row, such as ``metrics.clicks``;
    ``besides`` are scalar fields of the reply itself. Enums become their names
    (a value younger than the descriptor its number, as text). A field that
    is unset is null if it has presence, or if a message around it is unset; an
    enum without presence is then ``UNSPECIFIED``.

    Raises ValueError for a path that the shipped descriptors do not know.
    """

    def __init__(
        self, reply: Descriptor, rows: str, paths: Sequence[str], besides: Sequence[str] = ()
    ) -> None:
        self.rows = rows
        self.paths = tuple(tuple(path.split(".")) for path in paths)
        self.besides = tuple(besides)
        wanted = [(name,) for name in besides] + [(rows, *path) for path in self.paths]
        slim = _slim_message(reply, wanted)
        pool = ptars.HandlerPool([slim.file], config=ptars.PtarsConfig(enum_repr="string"))
        self._handler = pool.get_for_message(slim)

    def decode(self, serialized: bytes) -> tuple[list[pa.Array], dict[str, Any]]:
        """Return the columns in the order of ``paths``, and the values of ``besides``.

        Raises ValueError where the bytes are no such message.
        """
        reply: pa.RecordBatch = self._handler.list_to_record_batch([serialized])
        rows = reply.column(self.rows).flatten()
        # struct_field, unlike .field(), is null where a message around the field is
        columns = [pc.struct_field(rows, list(path)) for path in self.paths]
        return columns, {name: reply.column(name)[0].as_py() for name in self.besides}


# JSON allows no other signs below a space as they are
_ESCAPED = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))


def json_lists(lists: pa.ListArray) -> pa.Array:
    """Lists of plain values as texts in JSON; a list that is unset is null."""
    values = lists.flatten()
    texts = values.cast(pa.string())
    if pa.types.is_string(values.type):
        for sign, written in _ESCAPED:
            texts = pc.replace_substring(texts, sign, written)
        texts = pc.replace_substring_regex(texts, "[[:cntrl:]]", "")
        texts = pc.binary_join_element_wise('"', texts, '"', "")
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), ",")
    whole = pc.binary_join_element_wise("[", joined, "]", "")
    return pc.if_else(pc.is_null(lists), pa.scalar(None, pa.string()), whole)


def _slim_message(message: Descriptor, paths: Iterable[tuple[str, ...]]) -> Descriptor:
    """Copy ``message`` with only the fields along ``paths``, in a pool of its own."""
    tree: dict[str, Any] = {}
    for path in paths:
        branch = tree
        for name in path:
            branch = branch.setdefault(name, {})
    file = FileDescriptorProto(name="koers_slim.proto", package=_PACKAGE, syntax="proto3")
    root = _add_message(file, message, tree, count())
    pool = DescriptorPool()
    pool.Add(file)
    return pool.FindMessageTypeByName(f"{_PACKAGE}.{root}")


def _add_message(
    file: FileDescriptorProto, message: Descriptor, tree: dict[str, Any], number: count[int]
) -> str:
    # numbered, because two messages or enums in different scopes may share a name
    slim = DescriptorProto(name=f"{message.name}{next(number)}")
    shipped = DescriptorProto()
    message.CopyToProto(shipped)
    by_name = {field.name: field for field in shipped.field}
    for name, inner in tree.items():
        if name not in by_name:
            raise ValueError(f"{message.full_name} has no field {name}")
        field, known = by_name[name], message.fields_by_name[name]
        nested = known.message_type
        if (nested is not None) != bool(inner):
            what = "no message" if nested is None else "a message: name a field of it"
            raise ValueError(f"{message.full_name}.{name} is {what}")
        if nested is not None:
            field.type_name = f".{_PACKAGE}.{_add_message(file, nested, inner, number)}"
        elif known.enum_type is not None:
            scope = file.message_type.add(name=f"{known.enum_type.name}{next(number)}")
            known.enum_type.CopyToProto(scope.enum_type.add())
            field.type_name = f".{_PACKAGE}.{scope.name}.{known.enum_type.name}"
        field.ClearField("oneof_index")
        if known.has_presence and nested is None:
            # its own synthetic oneof is how proto3 writes `optional`
            field.proto3_optional = True
            field.oneof_index = len(slim.oneof_decl)
            slim.oneof_decl.add(name=f"_{name}")
        field.ClearField("options")  # the vendor's annotations, which the slim file does not import
        slim.field.append(field)
    file.message_type.append(slim)
    return slim.name
