"""Compiling, caching and loading; whatever fails, there is no library and no trace."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vogn_app.kernels import build

compiles = pytest.mark.skipif(build.find_compiler() is None, reason="no C compiler")
load = build.library.__wrapped__  # not remembered

SUPPORTS = """
import torch
from vogn_app.kernels import supports
print(supports(torch.zeros(3)), supports(torch.zeros(3)))
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """An empty cache and a folder for temporary files, both of this test."""
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(build.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.delenv(build.SWITCH, raising=False)
    (tmp_path / "temporary").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Puts a shell script in the compiler's place; its log has a line for each run."""

    def put(script):
        path = tmp_path / "compiler"
        log = f"echo run >> {tmp_path / 'log'}\n"
        path.write_text("#!/bin/sh\n" + log + script, encoding="utf-8")
        path.chmod(0o700)
        monkeypatch.setenv("CC", str(path))
        return tmp_path / "log"

    return put


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@compiles
def test_a_library_is_compiled_once_and_then_loaded(own_cache, tmp_path):
    assert load() is not None
    (path,) = own_cache.iterdir()
    assert re.fullmatch(r"kernels-[0-9a-f]{20}\.so", path.name)
    assert own_cache.stat().st_mode & 0o777 == 0o700
    made = path.stat()
    assert load() is not None
    assert path.stat().st_mtime_ns == made.st_mtime_ns
    assert path.stat().st_ino == made.st_ino
    assert names(tmp_path / "temporary") == []


def test_importing_compiles_nothing(compiler):
    log = compiler("exit 1\n")
    done = run_python("import vogn_app.kernels")
    assert (done.returncode, done.stderr) == (0, "")
    assert not log.exists()


def test_a_failing_compiler_is_tried_once_a_process_and_means_no_support(
    compiler, own_cache, tmp_path
):
    log = compiler("echo some error >&2; exit 1\n")
    done = run_python(SUPPORTS)
    assert (done.stdout, done.stderr) == ("False False\n", "")
    assert log.read_text(encoding="utf-8").split() == ["run"] * 2  # for two processors
    assert names(own_cache) == names(tmp_path / "temporary") == []


def test_without_a_compiler_there_is_no_support_and_no_noise():
    done = run_python(SUPPORTS, PATH="", CC="")
    assert (done.stdout, done.stderr) == ("False False\n", "")


def test_the_switch_turns_the_kernels_off(compiler, monkeypatch):
    log = compiler("exit 1\n")
    monkeypatch.setenv(build.SWITCH, "0")
    assert load() is None
    assert not log.exists()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("exit 0\n", id="no result"),
        pytest.param("kill -SEGV $$\n", id="crash"),
        pytest.param(
            'for word; do if [ "$last" = -o ]; then echo junk > $word; fi; '
            "last=$word; done\n",
            id="result that does not load",
        ),
        pytest.param("head -c 3000000 /dev/zero >&2; exit 1\n", id="many messages"),
    ],
)
def test_a_broken_compiler_leaves_nothing(script, compiler, own_cache, tmp_path):
    compiler(script)
    assert load() is None
    assert names(own_cache) == names(tmp_path / "temporary") == []


def test_a_compiler_that_hangs_is_ended_with_all_its_processes(
    compiler, own_cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(build, "TIMEOUT", 0.5)
    compiler(f"sleep 60 & echo $! > {tmp_path / 'child'}\nwait\n")
    begin = time.monotonic()
    assert load() is None
    assert time.monotonic() - begin < 30
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    assert _is_gone(child)
    assert names(own_cache) == names(tmp_path / "temporary") == []


def _is_gone(process):
    """Ended, or a zombie that init has yet to bury; waits up to ten seconds."""
    for _ in range(100):
        try:
            os.kill(process, 0)
            status = Path(f"/proc/{process}/stat")
            if status.exists() and ") Z " in status.read_text(encoding="utf-8"):
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


def test_words_in_cc_that_make_no_sense_mean_no_library(monkeypatch):
    monkeypatch.setenv("CC", 'cc "')
    assert load() is None


@compiles
def test_cc_may_have_arguments_and_a_compiler_that_is_not_there_is_passed_over(
    monkeypatch,
):
    plain = build.find_compiler()
    monkeypatch.setenv("CC", f"{plain[0]} -O1")
    assert build.find_compiler() == [plain[0], "-O1"]
    monkeypatch.setenv("CC", "no-such-compiler")
    assert Path(build.find_compiler()[0]).name in ("cc", "gcc", "clang")


@compiles
def test_a_compiler_that_does_not_know_the_processor_compiles_for_any(compiler):
    path = build.find_compiler()[0]
    log = compiler(
        f'case "$*" in *=native*) exit 1;; esac\nTMPDIR=/tmp exec {path} "$@"\n'
    )
    assert load() is not None
    assert len(log.read_text(encoding="utf-8").split()) == 2


@compiles
def test_a_damaged_file_is_made_anew(own_cache):
    own_cache.mkdir(0o700)
    path = own_cache / build.library_name(build.find_compiler())
    path.write_bytes(b"junk")
    path.chmod(0o600)
    assert load() is not None
    assert path.stat().st_size > 10_000
    assert names(own_cache) == [path.name]


@compiles
def test_a_file_that_others_may_have_written_is_made_anew(own_cache):
    assert load() is not None
    (path,) = own_cache.iterdir()
    made = path.stat()
    path.chmod(0o666)
    assert load() is not None
    assert path.stat().st_ino != made.st_ino
    assert build.is_ours(path)
    assert names(own_cache) == [path.name]


@compiles
@pytest.mark.parametrize("obstacle", ["file", "below a file", "open folder"])
def test_a_cache_that_cannot_be_used_means_a_library_for_this_process_alone(
    obstacle, own_cache, tmp_path, monkeypatch
):
    if obstacle == "open folder":
        own_cache.mkdir()
        own_cache.chmod(0o777)
    else:
        own_cache.write_text("in the way", encoding="utf-8")
    if obstacle == "below a file":
        monkeypatch.setenv(build.CACHE, str(own_cache / "folder"))
    assert load() is not None
    assert names(tmp_path / "temporary") == []
    assert not own_cache.is_dir() or names(own_cache) == []


@compiles
def test_what_another_user_owns_is_left_alone(own_cache, monkeypatch):
    own_cache.mkdir(0o700)
    assert build.is_ours(own_cache)
    monkeypatch.setattr(os, "geteuid", lambda: own_cache.stat().st_uid + 1)
    assert not build.is_ours(own_cache)
    assert build.cache_folder() is None


def test_a_folder_that_is_read_only_is_no_cache(own_cache, monkeypatch):
    assert build.cache_folder() == own_cache
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert build.cache_folder() is None


def test_the_usual_cache_is_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv(build.CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert build.cache_folder() == tmp_path / "xdg" / "vogn_app"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / ".cache" / "vogn_app"


@compiles
def test_processors_compilers_and_flags_have_names_of_their_own(monkeypatch):
    compiler = build.find_compiler()
    plain = build.library_name(compiler)
    assert build.library_name(compiler) == plain
    assert build.library_name([*compiler, "-O1"]) != plain
    with monkeypatch.context() as patch:
        patch.setattr(build, "FLAGS", [*build.FLAGS, "-g"])
        assert build.library_name(compiler) != plain
    monkeypatch.setattr(build, "_processor", lambda: "another")
    assert build.library_name(compiler) != plain


@compiles
def test_four_processes_may_fill_one_empty_cache(own_cache, tmp_path):
    command = [sys.executable, "-W", "error", "-c", SUPPORTS]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert said == ["True True\n"] * 4
    assert len(names(own_cache)) == 1
    assert names(tmp_path / "temporary") == []
