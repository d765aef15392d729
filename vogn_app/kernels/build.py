"""The C library: compiled once with the user's compiler, kept in a cache, loaded.

Nothing here may get in the way of training: whatever is missing or fails, the answer is
None with a line in the log, and torch does the work.

The name of a cached file holds a hash of all that it depends on, processor included,
since a home folder may be shared by several machines. A file is made under another name
and renamed once it is known to load, so other processes see all of it or nothing.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SWITCH, CACHE = "VOGN_APP_KERNELS", "VOGN_APP_CACHE"  # environment variables
TIMEOUT = 60.0  # seconds for one run of the compiler, which takes about two

# Units of work in C: elements of a tensor, columns of a matrix, outputs of a layer.
BLOCK, STRIP, STRIPE = 2**14, 1024, 8

UNITS = [f"-DBLOCK={BLOCK}", f"-DSTRIP={STRIP}", f"-DSTRIPE={STRIPE}"]
FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC", *UNITS]
# Haswell's tuning keeps multiply-adds fused, which that of later processors splits.
X86_FLAGS = ["-march=native", "-mtune=haswell"]
NATIVE_FLAGS = {
    "x86_64": X86_FLAGS,
    "amd64": X86_FLAGS,
    "arm64": ["-mcpu=native"],
    "aarch64": ["-mcpu=native"],
}
# What `-march=native` looks at, in /proc/cpuinfo.
CPU_LINES = ("model name", "flags", "Features", "CPU ", "cpu\t", "isa", "uarch")

_LOG = logging.getLogger(__name__)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The loaded library, made at the first call; None without one.

    Returns:
        The library, the same at every call, or None if it is switched off, there is no
        compiler, or anything fails: that is tried once a process.
    """
    if os.environ.get(SWITCH) == "0" or os.name != "posix":
        return None
    try:
        return _load()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        _LOG.info("The kernels are left out: %s", error)
        return None


def _load() -> ctypes.CDLL | None:
    """Load from the cache, or else compile for this process alone."""
    compiler = find_compiler()
    if compiler is None:
        _LOG.info("The kernels are left out: no C compiler.")
        return None
    folder = cache_folder()
    if folder is not None:
        try:
            return _cached(compiler, folder)
        except OSError as error:  # say, a disk that is full or has no programs
            _LOG.info("%s is of no use: %s", folder, error)
    with _workplace(None) as workplace:  # a loaded library needs no file
        return ctypes.CDLL(str(compile_library(compiler, workplace)))


def find_compiler() -> list[str] | None:
    """The command of the first compiler there is: $CC, cc, gcc or clang."""
    for words in (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]):
        path = shutil.which(words[0]) if words else None
        if path and not _is_placeholder(path):
            return [path, *words[1:]]
    return None


def _is_placeholder(path: str) -> bool:
    """Whether this is Apple's command that only offers to install a compiler."""
    if platform.system() != "Darwin" or not path.startswith("/usr/bin/"):
        return False
    command = ["/usr/bin/xcode-select", "-p"]
    asked = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    return asked.returncode != 0


def cache_folder() -> Path | None:
    """The folder for compiled files, made if need be; None if it cannot be used."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(os.environ.get(CACHE) or Path(home, "vogn_app"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = is_ours(folder) and os.access(folder, os.W_OK | os.X_OK)
        return folder.absolute() if usable else None
    except OSError:
        return None


def is_ours(path: Path) -> bool:
    """Whether this user owns a file or folder and nobody else may change it."""
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _cached(compiler: list[str], folder: Path) -> ctypes.CDLL:
    """Load from the cache, or compile into it."""
    path = folder / library_name(compiler)
    if path.is_file() and is_ours(path):
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:
            _LOG.info("%s is damaged and made anew: %s", path, error)
    with _workplace(folder) as workplace:
        made = compile_library(compiler, workplace)
        loaded = ctypes.CDLL(str(made))
        made.replace(path)
    return loaded


@contextmanager
def _workplace(parent: Path | None) -> Iterator[Path]:
    """A folder for the block, in `parent` or where temporary folders are."""
    with tempfile.TemporaryDirectory(
        dir=parent, prefix="vogn_app-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def library_name(compiler: list[str]) -> str:
    """File name with a hash of sources, compiler, flags and processor."""
    program = Path(compiler[0]).resolve()
    status = program.stat()  # changes with the version, and asking costs no process
    parts = [*compiler, str(program), str(status.st_size), str(status.st_mtime_ns)]
    parts += [*_native_flags(), *FLAGS, _processor()]
    parts += [path.read_text(encoding="utf-8") for path in _sources()]
    return f"kernels-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:20]}.so"


def _sources() -> list[Path]:
    folder = Path(__file__).parent
    return sorted([*folder.glob("*.c"), *folder.glob("*.h")])


def _native_flags() -> list[str]:
    return NATIVE_FLAGS.get(platform.machine().lower(), ["-march=native"])


def _processor() -> str:
    """What tells machines apart that need different code."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return f"{platform.machine()} {platform.node()}"
    lines = {line for line in text.splitlines() if line.startswith(CPU_LINES)}
    return "\n".join([platform.machine(), *sorted(lines)])


def compile_library(compiler: list[str], workplace: Path) -> Path:
    """Compile the sources for this processor, or else for any of its kind.

    Args:
        compiler: Command of the compiler.
        workplace: Folder for the result and all temporary files.

    Returns:
        Path of the library.

    Raises:
        SubprocessError: If the compiler fails or takes too long.
    """
    made = workplace / "kernels.so"
    source = str(Path(__file__).with_name("kernels.c"))
    command = [*compiler, *FLAGS, "-o", str(made), source, "-lm"]
    try:
        _run([*command, *_native_flags()], workplace)
    except subprocess.CalledProcessError:
        _run(command, workplace)
    return made


def _run(command: list[str], workplace: Path) -> None:
    """Run the compiler; whatever happens, none of its processes is left."""
    environment = {**os.environ, "TMPDIR": str(workplace), "LC_ALL": "C"}
    with subprocess.Popen(  # noqa: S603 - the user's compiler on our own source
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # a group of its own, to be ended as a whole
    ) as process:
        try:
            _, errors = process.communicate(timeout=TIMEOUT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        _LOG.debug("%s\n%s", shlex.join(command), errors.decode(errors="replace"))
        raise subprocess.CalledProcessError(process.returncode, command[0])
