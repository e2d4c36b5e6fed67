"""What processes pass to each other as JSON: in files, messages and answers."""

from typing import Any, Dict, Mapping

JsonObject = Dict[str, Any]
"""A JSON object before its reader has checked it. Whatever has a type of its own becomes that type in its ``from_dict``."""
JsonView = Mapping[str, Any]
"""The same for those who only read it."""
