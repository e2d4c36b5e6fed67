"""Cache templates as Jinja compiled them: compiling would cost a first submission 20 ms."""

from __future__ import annotations

import jinja2
from jinja2.bccache import Bucket

from slurmtf.caches import keep, recall

ROOM = "templates"


class CompiledTemplates(jinja2.BytecodeCache):
    """Jinja's bytecode cache. ``rules`` identifies everything other than the template that affects its compilation."""

    def __init__(self, rules: object) -> None:
        self._rules = [jinja2.__version__, rules]

    def load_bytecode(self, bucket: Bucket) -> None:
        kept = recall(ROOM, self._build_key(bucket))
        if kept is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        keep(ROOM, self._build_key(bucket), bucket.bytecode_to_string())

    def _build_key(self, bucket: Bucket) -> list[object]:
        return [self._rules, bucket.key, bucket.checksum]
