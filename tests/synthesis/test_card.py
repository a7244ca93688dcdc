"""The data card quotes the cards of the models and invents nothing."""

from __future__ import annotations

import pytest
from brain_bundles.synthesis import Plan
from brain_bundles.synthesis.card import data_card, section

from .conftest import BUNDLES, TinyModels

CARD = "# A\n\n## Data\nphantoms\n\n### Detail\nmore\n\n## Performance\n| r | 0.9 |\n\n## License\nApache"


@pytest.mark.parametrize(
    ("title", "text"),
    [("Data", "phantoms\n\n### Detail\nmore"), ("Performance", "| r | 0.9 |"), ("License", "Apache"), ("Limits", None)],
)
def test_a_section_ends_at_the_next(title, text):
    assert section(CARD, title) == text


def rows(number: int) -> list[dict[str, object]]:
    """Measured volumes that lie on a line: slope 0.5, so the mean error is known."""
    made = [
        {
            "age": 40.0 + i,
            "sex": "FM"[i % 2],
            "ventricular_volume": 10.0 + i,
            "brain_volume": 1000.0 + i,
            "quality": "ok",
        }
        for i in range(number)
    ]
    for row in made:
        row["measured_ventricular_volume"] = 0.5 * row["ventricular_volume"]
        row["measured_brain_volume"] = row["brain_volume"] + 10
    made[0] |= {"quality": "check", "measured_brain_volume": None}
    return made


def test_the_card_has_the_figures_of_the_rows_and_of_the_bundle():
    models = TinyModels("T2w")
    card = data_card("Brains", rows(9), Plan(9, seed=3), models)
    assert card.startswith("# Brains\n\n9 synthetic brains.")
    assert "made from it: T2w" in card
    assert "Drawn from the population. 5 women, 4 men." in card
    fixed = data_card("Brains", rows(9), Plan(9, seed=3), TinyModels(age=80, sex="F"))
    assert "Fixed: age 80, sex F. The rest is drawn from the population, given these." in fixed
    assert "| age, years | 44.0 | 40 | 48 |" in card
    assert "1 of 9 brains are flagged" in card
    assert "| ventricular volume | 9 | 0 | 1.000 | 0.500 | -7.000 | 7.000 |" in card
    assert "| brain volume | 8 | 1 | 1.000 | 1.000 | 10.000 | 10.000 |" in card
    assert "seed 3" in card
    assert models.settings["brain_mri_generator"]["network"] in card
    published = (BUNDLES / "brain_mri_generator" / "docs" / "README.md").read_text()
    for title in ("Performance", "Limitations"):
        assert section(published, title) in card
    assert (BUNDLES / "brain_mri_generator" / "docs" / "data_license.txt").read_text().strip() in card


def test_a_card_from_text_is_the_card_from_numbers():
    """The whole set's is made from the tables of the shards."""
    made = rows(9)
    text = [{key: None if value is None else str(value) for key, value in row.items()} for row in made]
    cards = [data_card("Brains", table, Plan(9), TinyModels()) for table in (made, text)]
    assert cards[0] == cards[1]


def test_a_bundle_without_a_card_has_no_figures(tmp_path):
    models = TinyModels()
    models.generator.root = tmp_path
    card = data_card("Brains", rows(2), Plan(2), models)
    assert "### Performance\n\nThe card of brain_mri_generator has no such section." in card
