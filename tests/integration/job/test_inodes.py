"""A file system with free space but no free inodes: the run says so, and names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import mounted
from .jobs import NewJob, many


@pytest.mark.parametrize("count", [1, 3])
def test_a_full_inode_table_is_named(job: NewJob, count: int) -> None:
    one = job("print('ran')")
    if count > 1:
        many(one, count)
        one.launcher = [one.agent_python, "-I", one.layout.agent, "spawn", str(count), "--"]
    with mounted(Path(one.layout.logs).rename(one.folder / "old").parent / "logs", f"nr_inodes={1 + count}"):
        assert one.run() == 1, one.log()
        assert one.end["cause"] == "staging", one.log()
        full = f"{one.layout.logs}/{one.end['task']}."
        assert one.end["detail"]["error"].startswith(full), one.end
        assert one.end["detail"]["error"].endswith(": No space left on device"), one.end
        assert "Traceback" not in one.log()
    one.await_nobody()
