"""Simulates thirty institutions, each with scans and a table of its own kind, whose collections become one
corpus.

    python benchmarks/thirty_institutions.py FOLDER [--items 10] [--until search]

Draws the pictures and writes thirty collections into FOLDER/institutions, no two alike in their kind of
table (thirty_tables.py). Then it runs the commands of a consortium: pack or harvest each,
check, merge, card, sign, publish; train a small model, index, search. Last, one institution withdraws ten
items (fewer if it has fewer). A running service must return none of them within a minute; then the published
copy and the index are renewed, and sets, the loader of a training, the copy, items, pictures, pages, searches
and exports are searched for them (returned_items.py). `--until` stops after a step; what is there is not made
again. There is nothing to compare it with.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

from returned_items import by_files, by_service, searching
from thirty_tables import Institution, institutions, serving

from iconoclip.cli import main as iconoclip
from iconoclip.shardset import ShardSet

STEPS = ("write", "pack", "merge", "publish", "train", "search", "withdraw")
MOST_SECONDS = 60


class Run:
    """Runs commands, prints what each took, and ends with the first that fails."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a")

    def __call__(self, *words: object, own_process: bool = False, allowed: tuple[int, ...] = (0,)) -> str:
        """Run `iconoclip` with `words`; returns what it printed."""
        started = time.perf_counter()
        given = [str(word) for word in words]
        if own_process:
            command = [sys.executable, "-m", "iconoclip.cli", *given]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            code, out, err = done.returncode, done.stdout, done.stderr
        else:
            streams = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
                code = iconoclip(given)
            out, err = streams[0].getvalue(), streams[1].getvalue()
        self._log.write(f"$ iconoclip {' '.join(given)}\n{out}{err}exit code {code}\n\n")
        self._log.flush()
        print(
            f"{time.perf_counter() - started:6.1f} s  exit {code}  iconoclip {' '.join(given)[:110]}",
            flush=True,
        )
        if code not in allowed:
            raise SystemExit(
                f"{out[-2000:]}{err[-2000:]}\nthe command above ended with {code}; see {self._log.name}"
            )
        return out


def pack_all(run: Run, folder: Path, found: list[Institution]) -> list[Path]:
    """Every institution's set, packed and checked."""
    sets = []
    for institution in found:
        out = folder / "sets" / institution.slug
        sets.append(out)
        if (out / "shardset.json").exists():
            continue
        # The server has another port in each run, so what an interrupted run had begun is of no use.
        shutil.rmtree(out, ignore_errors=True)
        source = (
            institution.source if "://" in institution.source else institution.folder / institution.source
        )
        words = [
            institution.verb,
            source,
            "--out",
            out,
            "--num_workers",
            1,
            "--max_side_pixels",
            128,
            *institution.words,
        ]
        profile = institution.folder / "profile.yaml"
        words += ["--institution", profile]
        run(*words, *(["--yes"] if institution.verb == "pack" else []))
        run("check", out)
        expected = len(institution.items) * (2 if institution.slug == "pairs" else 1)
        assert len(ShardSet(out)) == expected, (
            f"{institution.slug}: {len(ShardSet(out))} samples of {expected}"
        )
    return sets


def key_in(folder: Path) -> Path:
    """An OpenSSH key for the signatures."""
    path = folder / "key"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def index(run: Run, folder: Path) -> None:
    """Build the index, or bring it up to date."""
    words = ("index", folder / "embeddings", "--model", folder / "model", "--out", folder / "index")
    run(*words, own_process=True)


def withdraw(run: Run, folder: Path, institution: Institution) -> None:
    """Withdraw ten items of one institution, bring the copies up to date, and look for them everywhere.

    Raises:
        SystemExit: something still returns one of them, or did not before.
    """
    merged, published = folder / "merged", folder / "published"
    samples = [
        (record, image)
        for record, image in ShardSet(merged).samples()
        if record.institution.slug == institution.slug
    ][:10]
    keys = {record.key for record, _ in samples}
    word = samples[0][0].captions[0].text.split()[0]
    with searching(folder / "index") as address:
        before = by_service(address, keys, word)
        if not before:
            raise SystemExit("the service did not return the items before the withdrawal")
        started = time.perf_counter()
        # In the institution's own set: the merged one reads what its parents withdraw.
        own = folder / "sets" / institution.slug
        run("takedown", own, *sorted(keys), "--reason", "requested by the rights holders")
        while (left := by_service(address, keys, word)) and time.perf_counter() - started < MOST_SECONDS:
            time.sleep(0.5)
        print(f"service: {len(before)} ways before, {len(left)} after {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    run("publish", merged, "--to", published, "--key", key_in(folder))
    index(run, folder)
    print(f"copy and index: renewed after {time.perf_counter() - started:.1f} s")
    run("check", published)
    left += by_files(folder, keys)
    for path in (one for one in published.rglob("*") if one.is_file()):
        data = path.read_bytes()
        left += [f"{path}: the picture of {record.key}" for record, picture in samples if picture in data]
    with searching(folder / "index") as address:
        left += by_service(address, keys, word)
    if left:
        raise SystemExit("\n".join([f"{len(left)} ways to a withdrawn item", *left[:20]]))
    print(f"nothing returns any of the {len(keys)} withdrawn items")


def publish_all(run: Run, folder: Path) -> None:
    """Describe, sign and publish the merged set, and check the copy."""
    merged, published = folder / "merged", folder / "published"
    run("card", merged)
    run("sign", merged, "--key", key_in(folder))
    run("publish", merged, "--to", published, "--key", key_in(folder))
    run("check", published)


def search_all(run: Run, folder: Path) -> None:
    """Index the merged set and search it."""
    run("encode", folder / "model", folder / "merged", "--out", folder / "embeddings", own_process=True)
    index(run, folder)
    hits = run("search", "ein roter Kreis", "--index", folder / "index", "--json", own_process=True)
    assert "Kreis" in hits


def main() -> None:
    """Run all steps, or those up to `--until`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=10)
    parser.add_argument("--until", choices=STEPS, default="withdraw")
    given = parser.parse_args()
    folder, last = given.folder.resolve(), STEPS.index(given.until)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder / "log.txt")
    with serving(folder) as address:
        found = institutions(folder, address, given.items)
        print(
            f"{len(found)} institutions with {sum(len(one.items) for one in found)} rows in {folder}",
            flush=True,
        )
        sets = pack_all(run, folder, found) if last >= 1 else []
    merged = folder / "merged"
    if last >= 2 and not (merged / "shardset.json").exists():
        run("merge", *sets, "--out", merged, "--near_duplicate_bits", 0)
        run("check", merged)
    if last >= 3:
        publish_all(run, folder)
    if last >= 4 and not (folder / "model").exists():
        config = Path(__file__).resolve().parent.parent / "configs" / "train" / "smoke.yaml"
        run("train", merged, "--config", config, "--run_dir", folder / "run", own_process=True)
        run("export", folder / "run", "--out", folder / "model", own_process=True)
    if last >= 5:
        search_all(run, folder)
    if last >= 6:
        withdraw(run, folder, next(institution for institution in found if institution.slug == "windows"))


if __name__ == "__main__":
    main()
