"""The container recipes, as far as they can be checked without a build: their form and their commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import slurm

FOLDER = Path(slurm.__file__).parent / "containers"
# Apptainer's user guide, "Definition Files"; the reference of Containerfile(5).
SECTIONS = {
    "arguments",
    "files",
    "post",
    "environment",
    "runscript",
    "test",
    "labels",
    "help",
    "startscript",
    "setup",
}
INSTRUCTIONS = {"ARG", "FROM", "RUN", "ENV", "LABEL", "ENTRYPOINT", "COPY", "WORKDIR", "CMD", "USER"}
INSTALL = "pip install --no-index --find-links /wheelhouse --require-hashes -r /wheelhouse/requirements.lock"


def assert_bash_reads(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_apptainer_recipe_has_the_form_of_one() -> None:
    text = (FOLDER / "iconoclip.def").read_text()
    header, *parts = re.split(r"^%", text, flags=re.MULTILINE)
    keys = [line.partition(":")[0] for line in header.splitlines() if line and not line.startswith("#")]
    assert keys == ["Bootstrap", "From"]
    sections = {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}
    assert set(sections) <= SECTIONS
    # Every argument that is used has a default.
    defaults = dict(line.strip().split("=") for line in sections["arguments"].splitlines() if line.strip())
    assert set(re.findall(r"\{\{ (\w+) \}\}", text)) == set(defaults)
    for name in ("post", "environment", "runscript", "test"):
        assert_bash_reads(sections[name])
    assert INSTALL in sections["post"]


def test_the_containerfile_has_the_form_of_one() -> None:
    text = (FOLDER / "Containerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    instructions = [line.split(maxsplit=1) for line in joined if line.strip()]
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    assert [name for name, _ in instructions][:2] == ["ARG", "FROM"]
    runs = [re.sub(r"^(--\S+ +)*", "", words) for name, words in instructions if name == "RUN"]
    for words in runs:
        assert_bash_reads(words)
    assert INSTALL in re.sub(r" +", " ", runs[-1])


def test_both_recipes_install_the_same_packages() -> None:
    found = [
        set(re.findall(r"--no-install-recommends ([\w -]+?)\s*(?:\\|$)", path.read_text(), re.MULTILINE))
        for path in sorted(FOLDER.iterdir())
    ]
    assert len(found) == 2
    assert found[0] == found[1] != set()


def test_what_an_image_for_amd_brings_is_taken_out_of_the_lock_file(tmp_path: Path) -> None:
    """By the recipe's own command. torchvision requires its torch, which the image has in another version."""
    kept = ["open_clip_torch==3", "torchmetrics==1", "numpy==2"]
    gone = ["torch==2", "torchvision==0.29", "triton==3", "nvidia-cudnn-cu13==9", "cuda-toolkit==13"]
    (tmp_path / "wheelhouse").mkdir()
    lock = tmp_path / "wheelhouse/requirements.lock"
    lock.write_text("".join(f"{line} --hash=sha256:0\n" for line in [*gone, *kept]))
    found = re.search(r"^# +(sed .*)$", (FOLDER / "iconoclip.def").read_text(), re.MULTILINE)
    assert found is not None
    subprocess.run(["bash", "-c", found[1]], cwd=tmp_path, check=True)
    assert [line.partition(" ")[0] for line in lock.read_text().splitlines()] == kept
