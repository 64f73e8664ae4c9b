"""`python -m benchmarks faults`: small cases of what people report, each in a fresh workspace, and counted by kind.

Without `--kinds`, those that are about answers. Of the other kinds, what a person has to look at is named.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import fault_cases, natural_records
from benchmarks.fault_cases import ANSWERS, Case, Output, Verdict, fault_folder, judge, load_cases, unseen
from benchmarks.natural_workspace import first_quotes
from qrag_lib.types import Answer, Citation
from qrag_lib.workspace import Workspace

STUB = "V_stub.py"
STARTING_S = 1.0  # until the stub listens
QUESTIONS = "H_questions.tsv"
CELL = "then a cell: "


def main(arguments: Sequence[str]) -> None:
    """Run the cases, print the counts, and keep them in the report of the natural questions."""
    options = _options(arguments)
    verdicts = measure(options.kinds.replace(",", ""))
    print(fault_cases.counts(verdicts))
    if options.out is not None:
        print(f"\nfaults: {natural_records.keep_faults(verdicts, options.out)}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    parser.add_argument(
        "--kinds", default=",".join(ANSWERS), help="letters of the kinds, such as O,P (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=natural_records.FOLDER, help="folder of the results and the report")
    parser.add_argument("--dry", dest="out", action="store_const", const=None, help="print, and keep nothing")
    return parser.parse_args(arguments)


def measure(kinds: str) -> list[Verdict]:
    """Every case of the kinds, judged. Raises NoMaterial where they are absent."""
    cases = load_cases(kinds)
    with _stub() if any(STUB in case.commands[0] for case in cases) else contextlib.nullcontext():
        return [verdict(case) for case in cases]


def verdict(case: Case) -> Verdict:
    """The case tried in a folder of its own, which holds a copy of its file."""
    with TemporaryDirectory(prefix="qrag-faults-") as scratch, contextlib.chdir(scratch):
        if case.file:
            _copy(fault_folder() / case.file, Path(scratch))
        if case.asks:
            return judge(case, ask(case.file, case.question))
        if case.commands[-1].startswith("qrag "):
            return judge(case, [type_command(each) for each in case.commands if each.startswith("qrag ")][-1])
        if CELL in case.commands[-1]:
            return judge(case, run_cell(case.file, case.commands[-1].partition(CELL)[2]))
        return ask_table(case) if QUESTIONS in case.commands[-1] else unseen(case)


def _copy(source: Path, folder: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, folder / source.name, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, folder / source.name)


def ask(file: str, question: str) -> Output:
    """What the documents of a file or folder answer."""
    with Workspace.open("W") as workspace:
        workspace.ingest(file)
        return output_of(workspace.ask(question), workspace)


def output_of(answer: Answer, workspace: Workspace) -> Output:
    """What a person sees of an answer."""
    texts = {each.document_id: workspace.catalog.documents.text(each.document_id) for each in answer.citations}
    return Output(
        first="\n".join(text for _document, text in first_quotes(answer)),
        every="\n".join(text for each in answer.citations for text in (each.quote, each.passage)),
        outcome=answer.outcome,
        whole=not any(cuts(texts[each.document_id], each) for each in answer.citations),
    )


def cuts(text: str, citation: Citation) -> bool:
    """Whether the quote begins or ends within a word of the text."""
    return any(
        text[place - 1 : place].isalnum() and text[place : place + 1].isalnum()
        for place in (citation.start, citation.end)
    )


def type_command(command: str) -> Output:
    """What `qrag ...` prints, on either stream."""
    from qrag_lib.cli import main as qrag

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), contextlib.suppress(SystemExit):
        qrag(shlex.split(command)[1:])
    return Output(printed.getvalue())


def run_cell(file: str, cell: str) -> Output:
    """What a notebook cell prints in a fresh interpreter, over a workspace of the file."""
    type_command(f"qrag -w W ingest {file}")
    lines = f"%load_ext qrag_lib\n%qrag_workspace W\n{cell}\n"
    command = [sys.executable, "-m", "IPython", "--no-banner", "--simple-prompt"]
    asked = subprocess.run(command, input=lines, capture_output=True, text=True)
    return Output(asked.stdout + asked.stderr)


def ask_table(case: Case) -> Verdict:
    """Every question of the table; the case passes where the first quote holds row and value of each."""
    lines = (fault_folder() / QUESTIONS).read_text("utf-8").splitlines()
    with Workspace.open("W") as workspace:
        workspace.ingest(case.file)
        outputs = [output_of(workspace.ask(line.partition("\t")[0]), workspace) for line in lines]
    wanted = [Case("", "", "", "", ("",), tuple(line.partition("\t")[2].split("|")), ()) for line in lines]
    judged = [judge(each, output) for each, output in zip(wanted, outputs, strict=True)]
    passed, within = all(each.passed for each in judged), all(each.within for each in judged)
    return Verdict(case.id, case.kind, "", passed, within)


@contextlib.contextmanager
def _stub() -> Iterator[None]:
    """The local stand-in for servers of language models, while it is needed."""
    child = subprocess.Popen(
        [sys.executable, str(fault_folder() / STUB)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(STARTING_S)
        yield
    finally:
        child.terminate()
        child.wait()
