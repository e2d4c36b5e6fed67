"""A mounted environment is a folder of links into the mount; files that have to change are copies."""

from __future__ import annotations

from pathlib import Path

from slurmtf.job.staging.squash import _link


def test_only_programs_and_files_that_change_are_copied(tmp_path: Path) -> None:
    mount, target = tmp_path / "mount", tmp_path / "env"
    for name in ("bin/python", "bin/pip", "lib/python3/site-packages/a.py", "lib/python3/b.pth", "share/x/y", "pyvenv.cfg"):
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(name)
    (mount / "bin/python3").symlink_to("python")
    (mount / "lib64").symlink_to("lib")
    _link(str(mount), str(target), {"pyvenv.cfg", "lib/python3/b.pth"})
    seen = {str(path.relative_to(target)): path for path in target.rglob("*") if not path.is_dir() or path.is_symlink()}
    links = {name: str(path.readlink()) for name, path in seen.items() if path.is_symlink()}
    assert links == {
        "bin/python3": "python",
        "lib64": "lib",
        "share": f"{mount}/share",
        "lib/python3/site-packages": f"{mount}/lib/python3/site-packages",
    }
    assert {name for name in seen if name not in links} == {"bin/python", "bin/pip", "lib/python3/b.pth", "pyvenv.cfg"}
    (target / "pyvenv.cfg").write_text("home = elsewhere")
    assert (mount / "pyvenv.cfg").read_text() == "pyvenv.cfg"
    assert target.stat().st_mode & 0o777 == 0o700
