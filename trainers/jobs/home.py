"""Where the engine of this machine lives: a folder on a local disk, and its store.

`$VOGN_JOBS` names the folder (default: `.jobs` among the runs) and `$VOGN_JOBS_URL` the
database (default: an SQLite file in the folder; `postgresql+psycopg://...` works too).
Run folders may lie on a network file system; locks and SQLite files must not, since
there both are known to break without a word.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

import psutil

from trainers.runs import Run, RunError, runs_root

# File systems of other machines; "fuse." ones by the program that mounts them.
_NETWORK = (
    "9p afs beegfs ceph cifs davfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs3 nfs4",
    "ocfs2 panfs pvfs2 smb2 smb3 smbfs wekafs fuse.ceph fuse.ceph-fuse fuse.davfs",
    "fuse.gcsfuse fuse.glusterfs fuse.goofys fuse.juicefs fuse.rclone fuse.s3fs",
    "fuse.sshfs fuse.blobfuse fuse.blobfuse2 fuse.mount-s3 virtiofs vboxsf prl_fs",
)
NETWORK = frozenset(" ".join(_NETWORK).split())


@dataclass(frozen=True)
class Home:
    """The engine's places on this machine.

    Args:
        folder: Locks, the dispatcher's log and, by default, the store.
        url: SQLAlchemy's address of the store; "" is `database`, an SQLite file.
    """

    folder: Path
    url: str = ""

    @classmethod
    def here(cls) -> Self:
        """The home that the environment names."""
        folder = Path(os.environ.get("VOGN_JOBS") or runs_root() / ".jobs").absolute()
        return cls(folder, os.environ.get("VOGN_JOBS_URL", ""))

    @property
    def database(self) -> Path:
        """The default store."""
        return self.folder / "jobs.db"

    @property
    def dispatcher_lock(self) -> Path:
        """Held by the dispatcher as long as it lives."""
        return self.folder / "dispatcher.lock"

    @property
    def dispatcher_log(self) -> Path:
        """What the dispatcher says."""
        return self.folder / "dispatcher.log"

    @property
    def booting(self) -> Path:
        """Touched by whoever starts the dispatcher, which has no lock yet."""
        return self.folder / "dispatcher.booting"

    @property
    def switched_off(self) -> Path:
        """Exists while nobody but a person may start the dispatcher."""
        return self.folder / "dispatcher.off"

    def run_lock(self, run: Run) -> Path:
        """Held by the supervisor of a run as long as it lives."""
        mark = sha256(os.fsencode(run.path)).hexdigest()[:12]
        # The name is for people; a whole one may leave no room for the mark.
        return self.folder / "locks" / f"{run.id[:40]}-{mark}.lock"

    def environment(self) -> dict[str, str]:
        """Variables that name this home to another process."""
        return {"VOGN_JOBS": str(self.folder), "VOGN_JOBS_URL": self.url}

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            RunError: If it lies on a network file system, or cannot be made or
                written.
        """
        check_local(self.folder, "VOGN_JOBS")
        locks = self.folder / "locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"the job engine's folder {self.folder} cannot be made: {error}"
            ) from None
        for folder in (self.folder, locks):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise RunError(
                    f"the job engine's folder must be writable, got {folder}. Set "
                    "VOGN_JOBS to a folder of your own, such as ~/.vogn-jobs."
                )


def check_local(path: Path, variable: str) -> None:
    """Refuse a place on a network file system.

    Args:
        path: The engine's folder or database file; it need not exist.
        variable: The environment variable that names another one.

    Raises:
        RunError: If it is on one.
    """
    kind = network_file_system(path)
    if kind:
        raise RunError(
            f"the job engine must live on a disk of this machine, got {path} on a "
            f"network file system ({kind}). Set {variable} to a local place, such as "
            "~/.vogn-jobs; the runs may stay where they are."
        )


def network_file_system(path: Path) -> str:
    """The kind of the network file system that a path is on.

    Args:
        path: A file or folder; it need not exist.

    Returns:
        Such as "nfs4"; "" on a local disk.
    """
    places = [path.resolve(), *path.resolve().parents]
    mounts = {Path(m.mountpoint): m.fstype for m in psutil.disk_partitions(all=True)}
    kind = next((mounts[place] for place in places if place in mounts), "")
    return kind if kind in NETWORK else ""
