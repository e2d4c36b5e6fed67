"""Recognize files that may hold a secret: they are left out unless the source's ignore file names them (``!.env``).

The walk through the source checks names; reading its files, which happens once for each content, checks the first bytes.
"""

from __future__ import annotations

import re

FOLDERS = {".ssh", ".aws", ".azure", ".gnupg", ".kube", ".password-store", ".kaggle", ".oci", "gcloud", "keyrings"}
FILES = re.compile(
    r"\.env(\..+)?|[._]netrc|\.pgpass|\.my\.cnf|\.git-credentials|\.pypirc|\.htpasswd|\.boto|\.s3cfg|\.vault-token"
    r"|\.npmrc|\.envrc|\.databrickscfg|\.(bash|zsh|python|psql|mysql)_history|\.Rhistory"
    r"|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.+\.(pfx|p12|jks|keystore|kdbx)"
)
TEMPLATES = re.compile(r"\.env\.(example|sample|template|dist)")
"""Files that list variables without their values."""
SECRET_PATHS = (
    "/.docker/config.json", "/.config/containers/auth.json", "/.apptainer/remote.yaml", "/.apptainer/docker-config.json",
    "/.singularity/remote.yaml", "/.singularity/docker-config.json", "/.config/gh/hosts.yml", "/.config/rclone/rclone.conf",
    "/.config/pypoetry/auth.toml", "/.huggingface/token", "/huggingface/token", "/huggingface/stored_tokens",
)  # fmt: skip
"""Paths of programs' credentials, if the file's name alone does not show them."""
BUNDLES = (".pem", ".key", "_rsa", "_ed25519")
"""Endings of files that may hold a public certificate, with or without its private key after it."""
MARK = rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"
BUNDLED_KEY = re.compile(MARK)
KEY = re.compile(rb"\s*(?:%b|PuTTY-User-Key-File-\d|\{[^{}]*\"private_key\"\s*:\s*\"%b)" % (MARK, MARK))
"""The beginning of a private key (RFC 7468, OpenSSH, PuTTY), or of Google's JSON for a service account."""
FIRST_BYTES = 4096


def is_secret(prefix: str, name: str) -> bool:
    """Return whether the file or folder ``prefix + name`` (a folder ends with '/') may hold a secret, by its name."""
    if name.endswith("/"):
        return name[:-1] in FOLDERS
    if f"/{prefix}{name}".endswith(SECRET_PATHS):
        return True
    return FILES.fullmatch(name) is not None and TEMPLATES.fullmatch(name) is None


def holds_private_key(name: str, begins: bytes) -> bool:
    """Return whether a file is a private key, by its beginning. A file that only quotes a key, as a program may, is not."""
    first = begins[:FIRST_BYTES]
    return KEY.match(first) is not None or (name.endswith(BUNDLES) and BUNDLED_KEY.search(first) is not None)
