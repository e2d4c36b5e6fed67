"""Tell pydantic how to read YAML into dataclasses. It is imported only when YAML is read, because that takes 40 ms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


class Strict:
    """A dataclass whose document may have only its fields as keys."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Tagged:
    """Marks a union of dataclasses that a Literal field distinguishes: ``Annotated[A | B, Tagged("kind")]``."""

    field: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic import Field  # noqa: PLC0415

        return handler.generate_schema(Annotated[source, Field(discriminator=self.field)])
