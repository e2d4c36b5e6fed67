"""How pydantic reads YAML into dataclasses. It is imported when YAML is read, not here: 40 ms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar


class Strict:
    """A dataclass whose document may have no other keys than its fields."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class Tagged:
    """Marks a union of dataclasses told apart by a Literal field: ``Annotated[A | B, Tagged("kind")]``."""

    field: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import Field  # noqa: PLC0415

        return handler.generate_schema(Annotated[source, Field(discriminator=self.field)])
