"""Choosing on an AppTest page as a person does."""

from streamlit.testing.v1 import AppTest

from trainers.catalogue import OPTIMIZERS


def choose_optimizer(app: AppTest, name: str, key: str = "optimizer") -> AppTest:
    """Click the kind of an optimizer, unless it is the one, and then the optimizer."""
    kind = app.segmented_control(key=f"{key}-kind")
    if kind.value != OPTIMIZERS[name].family:
        kind.set_value(OPTIMIZERS[name].family).run()
    method = app.segmented_control(key=key)
    return app if method.value == name else method.set_value(name).run()
