"""Forms of files: no two alike, each of a class that has its fields."""

from vogn_app import posterior
from vogn_app.posterior.forms import Form
from vogn_app.posterior.loading import ALL


def test_every_form_is_of_a_class_of_its_own():
    assert all(isinstance(form, Form) for form in ALL)
    assert len({form.name for form in ALL}) == len(ALL) == 5
    for form in ALL:
        assert getattr(posterior, form.kind).FORM is form


def test_names_of_files_in_use_stay():
    assert {form.name: form.schema for form in ALL} == {
        "vogn_app.posterior": 1,
        "vogn_app.posterior.matrix_gaussian": 1,
        "vogn_app.posterior.low_rank": 1,
        "vogn_app.posterior.dropout": 1,
        "vogn_app.posterior.mixture": 1,
    }
