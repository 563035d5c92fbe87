# SPDX-License-Identifier: Apache-2.0
"""The lab's cache: what is in it is whole, whatever happened to the runs that made it."""

import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from midway.lab.cache import Artefact, Cache, Recipe


def recipe(content: str = "content", log: Path | None = None) -> Recipe:
    def build(directory: Path) -> None:
        (directory / "file").write_text(content)
        if log:
            with log.open("a") as file:
                file.write("built\n")

    return Recipe("thing", {"content": content}, build)


def names(artefacts: list[Artefact]) -> list[str]:
    return [artefact.path.name for artefact in artefacts]


def test_an_artefact_is_built_once_and_then_found(tmp_path: Path) -> None:
    log = tmp_path / "log"
    cache = Cache(tmp_path / "cache")
    for _ in range(2):
        with cache.use(recipe(log=log)) as path:
            assert (path / "file").read_text() == "content"
    assert log.read_text() == "built\n"


def test_another_recipe_is_another_artefact(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.use(recipe("one")) as one, cache.use(recipe("two")) as two:
        assert one != two
        assert (two / "file").read_text() == "two"


def test_of_several_runs_at_once_one_builds_and_the_others_wait(tmp_path: Path) -> None:
    log = tmp_path / "log"
    together = threading.Barrier(3)

    def use_it() -> str:
        together.wait()
        with Cache(tmp_path / "cache").use(recipe(log=log)) as path:
            return (path / "file").read_text()

    with ThreadPoolExecutor(3) as runs:
        results = [run.result() for run in [runs.submit(use_it) for _ in range(3)]]
    assert results == ["content"] * 3
    assert log.read_text() == "built\n"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def build(directory: Path) -> None:
        (directory / "half").touch()
        raise RuntimeError("no network")

    cache = Cache(tmp_path)
    failing = Recipe("thing", {}, build)
    with pytest.raises(RuntimeError), cache.use(failing):
        pass
    assert not cache.contains(failing)
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_a_build_that_is_killed_leaves_no_artefact_and_the_next_run_removes_its_rest(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from midway.lab.cache import Cache, Recipe

        def build(directory):
            (directory / "half").touch()
            print("building", flush=True)
            time.sleep(1000)  # until it is killed

        with Cache(Path(sys.argv[1])).use(Recipe("thing", {"content": "content"}, build)):
            pass
        """
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as cut_short:
        assert cut_short.stdout is not None
        assert cut_short.stdout.readline() == b"building\n"
        cut_short.kill()
    assert cut_short.returncode == -signal.SIGKILL
    cache = Cache(tmp_path)
    assert cache.artefacts() == []
    with cache.use(recipe()) as path:
        assert [entry.name for entry in path.iterdir()] == ["file"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["locks", path.name]


def test_clean_removes_artefacts_but_not_those_in_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.use(recipe("old")) as old:
        pass
    with cache.use(recipe("new")) as new:
        assert names(cache.clean()) == [old.name]
        assert names(cache.artefacts()) == [new.name]
    assert names(cache.clean()) == [new.name]
    assert cache.artefacts() == []


def test_clean_removes_what_a_killed_build_left(tmp_path: Path) -> None:
    leftover = tmp_path / ".thing-0123456789abcdef.xyz"
    leftover.mkdir()
    (leftover / "half").touch()
    Cache(tmp_path).clean()
    assert not leftover.exists()


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache().directory == tmp_path / "midway"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Cache().directory == Path("/home/somebody/.cache/midway")


def test_a_clean_that_is_cut_short_leaves_nothing_that_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    with cache.use(recipe()):
        pass

    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("midway.lab.cache.shutil.rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.clean()
    assert cache.artefacts() == []
    cache.clean()
    assert [entry.name for entry in tmp_path.iterdir()] == ["locks"]
