"""Run the code of a notebook from top to bottom, without Jupyter.

    python examples/notebooks/run.py examples/notebooks/1_own_table.ipynb
    python examples/notebooks/run.py --write examples/notebooks/*.ipynb    # and keep what it prints and draws

Each notebook is run in the folder where the command is; an error in a cell ends the command with its traceback. A
picture is shown below the cell that draws it, as in Jupyter. Code that only Jupyter knows (``%``, ``!``) is not used.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib is imported: no window


class _Tee(io.StringIO):
    """Keep what is printed, and print it too."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        return super().write(text)


def run(path: Path) -> dict[str, Any]:
    """Run the code cells in order, in one namespace.

    Args:
        path: The notebook.

    Returns:
        The notebook with the texts and pictures of this run.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        printed = _Tee()
        with contextlib.redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"{path.name}, code cell {number}", "exec"), names)
        text = printed.getvalue()
        shown = [{"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}] if text else []
        cell.update(execution_count=number, outputs=[*shown, *_pictures()])
    return notebook


def _pictures() -> list[dict[str, Any]]:
    if "matplotlib.pyplot" not in sys.modules:
        return []
    from matplotlib import pyplot

    outputs = []
    for number in pyplot.get_fignums():
        file = io.BytesIO()
        pyplot.figure(number).savefig(file, format="png", metadata={"Software": None})
        data = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": ["a picture"]}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    pyplot.close("all")
    return outputs


def main() -> None:
    """Run the notebooks that the command line names."""
    parser = argparse.ArgumentParser(description="Run the code of notebooks from top to bottom, without Jupyter.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="write what is printed and drawn into the notebook")
    arguments = parser.parse_args()
    start = Path.cwd()
    for path in [notebook.absolute() for notebook in arguments.notebooks]:
        os.chdir(start)  # a notebook may have gone elsewhere
        notebook = run(path)
        if arguments.write:
            from recbole_mdcns.support.safe_write import replacing

            with replacing(path) as file:
                file.write((json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main()
