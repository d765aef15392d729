"""Tests of `ui/views/optimizer/kinds.py`."""

from streamlit.testing.v1 import AppTest

from trainers.catalogue import OPTIMIZERS
from trainers.kinds import KINDS, by_kind
from ui.views.optimizer.kinds import table


def _page() -> None:
    from ui.views.optimizer.kinds import kinds

    kinds()


def test_every_optimizer_is_in_the_row_of_its_kind():
    rows = table()
    assert len(rows["Kind"]) == len(by_kind())
    told = "\n".join(rows["Optimizers"]).replace("\\", "")
    assert all(spec.title in told for spec in OPTIMIZERS.values())
    place = [*by_kind()].index("first_order")
    assert rows["Kind"][place] == f"**{KINDS['first_order'].title}**"
    assert rows["Costs"][place] == KINDS["first_order"].costs


def test_the_table_is_folded():
    app = AppTest.from_function(_page, default_timeout=30).run()
    assert not app.exception
    (box,) = app.expander
    assert box.label == f"All {len(OPTIMIZERS)} optimizers at a glance"
    assert not box.proto.expanded
