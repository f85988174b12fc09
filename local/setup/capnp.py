"""Write the Cap'n Proto message that workerd reads: a struct with a list of modules.

The layout follows https://capnproto.org/encoding.html. The schema is workerd's ``modules.capnp``::

    struct Bundle { modules @0 :List(Module); }
    struct Module {
      name @0 :Text;
      union { src @1 :Data; wasm @4 :Data; data @5 :Data; json @6 :Text; }
      type @2 :ModuleType;  # bundle 0, builtin 1, internal 2
      tsDeclaration @3 :Text;
      compileCache @7 :Data;
    }
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD: Final = 8
_MODULE_DATA_WORDS: Final = 1
_MODULE_POINTERS: Final = 4
_MODULE_WORDS: Final = _MODULE_DATA_WORDS + _MODULE_POINTERS
_TYPE_INTERNAL: Final = 2
_ARMS: Final = {"src": 0, "wasm": 1, "data": 2}
_LIST_POINTER: Final = 1
_BYTE_ELEMENTS: Final = 2
_COMPOSITE_ELEMENTS: Final = 7
_MAX_LIST_SIZE: Final = 1 << 29
"""A list pointer counts bytes (or words) in 29 bits."""


@dataclass(frozen=True)
class Module:
    """One internal module of the runtime: its name, the arm of the union, and its content."""

    name: str
    arm: Literal["src", "wasm", "data"]
    content: bytes


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _WORD)


def _struct_pointer(offset_words: int, data_words: int, pointers: int) -> bytes:
    return struct.pack("<iHH", offset_words << 2, data_words, pointers)


def _list_pointer(offset_words: int, element_size: int, count: int) -> bytes:
    if count >= _MAX_LIST_SIZE:
        raise ValueError(f"a Cap'n Proto list holds fewer than {_MAX_LIST_SIZE} elements")
    return struct.pack("<iI", offset_words << 2 | _LIST_POINTER, count << 3 | element_size)


def write_bundle(modules: Sequence[Module]) -> bytes:
    """The bytes of the file: a frame with one segment, not packed."""
    heads = bytearray()
    tail = bytearray()
    tail_start = len(modules) * _MODULE_WORDS
    for index, module in enumerate(modules):
        first_pointer = index * _MODULE_WORDS + _MODULE_DATA_WORDS
        name = module.name.encode() + b"\0"
        pointers = bytearray()
        for position, content in enumerate((name, module.content)):
            place = tail_start + len(tail) // _WORD
            offset = place - (first_pointer + position + 1)
            pointers += _list_pointer(offset, _BYTE_ELEMENTS, len(content))
            tail += _padded(content)
        heads += struct.pack("<HHI", _TYPE_INTERNAL, _ARMS[module.arm], 0)
        heads += pointers.ljust(_MODULE_POINTERS * _WORD, b"\0")

    root = _struct_pointer(0, 0, 1)
    body = _list_pointer(0, _COMPOSITE_ELEMENTS, tail_start)
    # The tag of a composite list looks like a struct pointer; its offset is the element count.
    tag = _struct_pointer(len(modules), _MODULE_DATA_WORDS, _MODULE_POINTERS)
    segment = root + body + tag + bytes(heads) + bytes(tail)
    return struct.pack("<II", 0, len(segment) // _WORD) + segment
