"""What may hold a secret, and so is never taken along unless the source's ignore file names it (``!.env``)."""

from __future__ import annotations

import re

FOLDERS = {".ssh", ".aws", ".azure", ".gnupg", ".kube", ".password-store", "gcloud"}
FILES = re.compile(
    r"\.env(\..+)?|[._]netrc|\.pgpass|\.my\.cnf|\.git-credentials|\.pypirc|\.htpasswd|\.boto|\.s3cfg|\.vault-token"
    r"|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.+\.(pfx|p12|jks|keystore|kdbx)"
)
TEMPLATES = re.compile(r"\.env\.(example|sample|template|dist)")
"""What shows which variables there are, without their values."""
IN_FOLDER = {".docker": "config.json", ".config/gh": "hosts.yml", ".huggingface": "token"}
KEYS = (".pem", ".key", "_rsa", "_ed25519")
"""Names of what may be a private key, or a certificate that anybody may see: the first lines tell."""
KEY_MARK = b"PRIVATE KEY-----"
FIRST_BYTES = 4096


def is_secret(prefix: str, name: str, path: str) -> bool:
    """Tell whether the file or folder ``prefix + name`` (a folder ends with '/') may hold a secret."""
    if name.endswith("/"):
        return name[:-1] in FOLDERS
    if any(f"/{prefix}".endswith(f"/{folder}/") and name == file for folder, file in IN_FOLDER.items()):
        return True
    if FILES.fullmatch(name):
        return TEMPLATES.fullmatch(name) is None
    return name.endswith(KEYS) and _holds_private_key(path)


def _holds_private_key(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return KEY_MARK in file.read(FIRST_BYTES)
    except OSError:
        return False
