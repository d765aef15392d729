"""What figures were measured on and with."""

import platform
from pathlib import Path

import torch

from vogn_app import __version__

CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """One line: versions, processor, threads, and the GPU if there is one."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    processor = names[0] if names else platform.processor()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"vogn-app {__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {processor}, "
        f"threads: {torch.get_num_threads()}{gpu}"
    )
