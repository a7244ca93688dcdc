from brain_bundles.evaluation.populations.report import markdown

KNOWN = {"n": 10, "mean": 0.5, "std": 0.1}
UNKNOWN = {"n": 0, "mean": None, "std": None}
TEST = {"auc": 0.81, "lower": 0.7, "upper": 0.9}


def results():
    tissues = dict.fromkeys(("csf", "grey", "white", "noise", "contrast_to_noise"), KNOWN)
    volume = {
        "num_measured": 10,
        "median": 21.0,
        "num_fitted": 9,
        "at_60": 20.0,
        "percent_per_decade": 25.0,
        "percent_per_decade_error": 5.0,
        "percent_male": None,
        "percent_male_error": None,
        "percent_residual": 30.0,
    }
    return {
        "first": "phantoms",
        "second": "people",
        "volumes": {"ventricular_volume": [volume, volume]},
        "contrasts": {
            "T1w": {
                "num_people": 10,
                "tissues": [tissues, dict.fromkeys(tissues, UNKNOWN)],
                "power": {"ratio": [1.5, 1.25, None]},
                "ms_ssim": dict.fromkeys(("first", "second", "between"), KNOWN),
                "features": {
                    "levels": {"CSF": {"first": KNOWN, "second": UNKNOWN, "d": None}},
                    "mask": {
                        "length": {"first": KNOWN, "second": KNOWN, "d": 0.5},
                        "width": {"first": KNOWN, "second": KNOWN, "d": -2.0},
                    },
                },
                "two_sample": {"network": {**TEST, "itself": {"auc": 0.5, "std": 0.1, "splits": 20}}},
            }
        },
    }


def test_every_number_has_its_place():
    text = markdown(results())
    assert "A: `phantoms`" in text
    assert "## T1w, 10 people of each" in text
    assert "| network: a small 3D network on crops of the image | 0.81 | 0.70 to 0.90 | 0.50 (0.10) | 20 |" in text
    assert "| A | 0.500 (0.100) | 0.500 (0.100) | 0.500 (0.100) | 0.5000 (0.1000) | 0.5 (0.1) |" in text
    assert "| B | n/a (n/a) |" in text
    assert "| 1.50 | 1.25 | n/a |" in text
    assert "| ventricular volume | A | 10 | 21.0 | 9 | 20.0 | +25.0 (5.0) | n/a (n/a) | 30.0 |" in text


def test_the_largest_difference_comes_first_and_the_unknown_last():
    text = markdown(results())
    assert text.index("| mask | width |") < text.index("| mask | length |") < text.index("| levels | CSF |")
