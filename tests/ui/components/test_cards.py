"""Tests of `ui/components/cards.py`, in a script of one component."""

from streamlit.testing.v1 import AppTest


def test_cards_are_mounted_with_their_html():
    def script():
        from ui.components.cards import cards

        cards("<button></button>", key="mine", label="Images", on_choice=print)

    app = AppTest.from_function(script).run()
    assert not app.exception
    (mounted,) = app.get("bidi_component")
    assert mounted.proto.component_name == "vogn_cards"
    assert '"label": "Images"' in mounted.proto.json
