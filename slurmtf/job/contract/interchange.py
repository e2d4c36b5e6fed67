"""What processes pass to each other as JSON: in files, messages and answers."""

from typing import Any, Dict

JsonObject = Dict[str, Any]
"""A JSON object before its reader has checked it. Whatever has a type of its own becomes that type in its ``from_dict``."""
