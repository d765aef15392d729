"""What this machine can do, and what is wrong with it. Torch-free."""

from collections.abc import Iterator

from trainers.doctor.findings import FAIL, OK, WARN, Finding, run_checks

__all__ = ["FAIL", "OK", "WARN", "Finding", "diagnose"]


def diagnose() -> Iterator[Finding]:
    """Look at everything; each finding comes as soon as it is known."""
    # Imported on use: they bring in the job store, which few commands want.
    from trainers.doctor import engine, installation, machine, settings

    return run_checks([
        installation.python,
        installation.packages,
        installation.torch_and_compiler,
        installation.browser,
        machine.cpu,
        machine.memory,
        machine.gpus,
        machine.disks,
        machine.datasets,
        engine.store,
        engine.dispatcher,
        engine.leases,
        engine.processes,
        engine.locks,
        settings.grace,
        settings.webhook,
        settings.trackers,
    ])
