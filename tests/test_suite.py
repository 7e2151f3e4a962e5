"""The suite itself: its configuration names files that exist, and its way to run commands works."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests import commands
from tests.commands import Command
from tests.conftest import LONGEST_FIRST, unit_of


@pytest.mark.parametrize("name", LONGEST_FIRST)
def test_what_starts_first_exists(name: str) -> None:
    assert (Path(__file__).parent / name).exists(), "renamed? LONGEST_FIRST in tests/conftest.py names it"


def test_a_worker_takes_a_file_but_the_cluster_whole() -> None:
    assert unit_of("training/test_ranks.py") == "training/test_ranks.py"
    assert unit_of("cluster/test_doctor.py") == unit_of("cluster/test_training.py") == "cluster"


def test_a_forked_command_is_a_process_as_any_other(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, time\n"
        "print(sys.argv[1:], os.getcwd(), os.environ['COLOUR'], __name__)\n"
        "print('trouble', file=sys.stderr)\n"
        "time.sleep(float(sys.argv[1]))\n"
        "sys.exit(3)\n"
    )
    environment = {**os.environ, "COLOUR": "gules"}
    quick = Command([script, "0", "a b"], cwd=tmp_path, env=environment)
    assert quick.wait() == 3
    assert quick.stdout == f"['0', 'a b'] {tmp_path} gules __main__\n"
    assert quick.stderr == "trouble\n"
    slow = Command([script, "60"], cwd=tmp_path, env=environment)
    slow.send_signal(signal.SIGTERM)
    assert slow.wait() == -signal.SIGTERM
    with pytest.raises(subprocess.TimeoutExpired):
        Command([script, "60"], cwd=tmp_path, env=environment).wait(0.2)
    assert commands.run(["--version"]).stdout.startswith("iconoclip ")
