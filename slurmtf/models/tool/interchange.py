"""What comes and goes as JSON, and arrays by their names: of these, Python knows no more than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
"""A JSON object before its reader has checked it."""
JsonView = Mapping[str, Any]
"""The same for those who only read it."""
Arrays = Mapping[str, Any]
"""Arrays by the names of a model's inputs or outputs: NumPy's, or the tensors of whatever runs the model."""
