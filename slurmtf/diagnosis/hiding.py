"""Remove possible secrets from lines of logs: people show the output of ``slurmtf why`` to others. Pure."""

from __future__ import annotations

import re

HIDDEN = "***"
SECRETS = re.compile(
    r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?i:(?<=token=)|(?<=token: )|(?<=password=)|(?<=password: )|(?<=secret=)|(?<=api_key=)|(?<=bearer ))[^\s&'\",)]+"
    r"|\b(?:hf_|gh[pousr]_|github_pat_|glpat-|sk-|AKIA)[A-Za-z0-9_-]{16,}"
)
"""A user and password in a URL, values that are named as secrets, tokens of services that have a known form."""


def hide_secrets(text: str) -> str:
    return SECRETS.sub(HIDDEN, text)
