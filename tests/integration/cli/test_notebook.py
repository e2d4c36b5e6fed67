"""A Run in a notebook, executed by nbclient in a real kernel: its output grows while the cell waits, and no thread is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from slurmtf.experiments import Run
from tests.patience import HANG_S

from .conftest import LOGS, Submit

CELLS = (
    """
    import threading
    from slurmtf import Estimator, Experiment
    before = threading.enumerate()
    run = Experiment("views", {workspace!r}).submit(Estimator({source!r}, compute_target="local"))
    details = run.wait_for_completion(show_output=True)
    """,
    "print(details['status'], [t for t in threading.enumerate() if t not in before])",
    "run",
    "run.wait_for_completion(show_output=False)['status']",
)
TRAIN = """
print("<script>alert(1)</script> trains", flush=True)
for step in range(6):
    log("loss", 1 / (step + 1), step)
    time.sleep(0.5)
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Any]]:
    """The executed notebook, and all outputs of the first cell in the order in which they came."""
    folder = tmp_path_factory.mktemp("notebook")
    source = folder / "source"
    source.mkdir()
    (source / "train.py").write_text(LOGS + TRAIN, encoding="utf-8")
    values = {"workspace": str(folder / "workspace"), "source": str(source)}
    texts = ["\n".join(line.strip() for line in cell.strip().splitlines()).format(**values) for cell in CELLS]
    kind: Any = nbformat.v4
    notebook = kind.new_notebook(cells=[kind.new_code_cell(text) for text in texts])
    drawn: list[Any] = []

    class Client(NotebookClient):
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] in ("display_data", "update_display_data"):
                drawn.append(msg)
            return super().process_message(msg, cell, cell_index)

    Client(notebook, timeout=HANG_S, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return notebook, drawn


def html(output: Any) -> str:
    return str(output["data"]["text/html"])


def test_the_output_grows_while_the_cell_waits(executed: tuple[Any, list[Any]]) -> None:
    notebook, drawn = executed
    assert [message["msg_type"] for message in drawn[:2]] == ["display_data", "update_display_data"]
    assert len({message["content"]["transient"]["display_id"] for message in drawn}) == 1
    points = [html(message["content"]).count("&quot;") for message in drawn]
    assert points == sorted(points)
    assert points[0] < points[-1]
    (output,) = notebook.cells[0].outputs
    assert "Completed" in html(output)
    assert 'class="curve"' in html(output)
    assert "0.166667 at 5" in html(output)


def test_no_thread_is_left(executed: tuple[Any, list[Any]]) -> None:
    notebook, _ = executed
    assert notebook.cells[1].outputs[0]["text"] == "Completed []\n"


def test_a_run_is_displayed_as_html(executed: tuple[Any, list[Any]]) -> None:
    notebook, _ = executed
    (output,) = notebook.cells[2].outputs
    assert output["data"]["text/plain"].startswith("Run('views-")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; trains" in html(output)
    assert "<script" not in html(output)


def test_without_output_nothing_is_drawn(executed: tuple[Any, list[Any]]) -> None:
    notebook, _ = executed
    assert notebook.cells[3].outputs[0]["data"]["text/plain"] == "'Completed'"
    assert len(notebook.cells[3].outputs) == 1


def test_outside_a_notebook_it_is_plain_text(submit: Submit, capsys: pytest.CaptureFixture[str]) -> None:
    run: Run = submit("print('trains', flush=True)")
    run.wait_for_completion(show_output=True)
    assert capsys.readouterr().out == "trains\n"
    assert repr(run) == f"Run({run.id!r})"


def test_a_removed_run_has_no_html(submit: Submit) -> None:
    run = submit("")
    run.wait_for_completion()
    run.folder.rename(Path(f"{run.folder}-away"))
    assert run._repr_html_() is None
