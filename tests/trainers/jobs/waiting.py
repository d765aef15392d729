"""How the tests of the engine wait for its runs."""

from tests.trainers.examples import wait_for


def state_of(engine, run):
    return engine.state(run).status.state


def wait_for_state(engine, run, *states):
    return wait_for(
        lambda: state_of(engine, run) in states and engine.state(run).status
    )


def wait_until_settled(engine, *runs):
    wait_for(lambda: all(engine.store.get(r.path).stage == "ended" for r in runs))
    assert engine.store.leases(engine.store.host) == []
