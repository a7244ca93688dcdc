from __future__ import annotations

import torch
from brain_bundles.data import LazySequence
from brain_mri_adaptive_translator import PreviewTranslations


def test_the_first_contrast_of_the_first_subject_goes_to_all_others():
    """The data is read when the picture is due, and encoded once, with the same seeds each time."""
    calls = []

    def translator(inputs, network, *, targets, seeds):
        calls.append((inputs, seeds))
        return torch.stack([torch.full((2, 2, 2), float(len(name))) for name in targets])[None]

    datalist = LazySequence(lambda: [{"participant_id": "sub-1", "T2w": 5.0, "FLAIR": 7.0}])
    samples = PreviewTranslations(
        translator,
        torch.nn.Linear(1, 1),
        datalist,
        lambda item: {name: torch.full((1, 2, 2, 2), value) for name, value in item.items()},
        ["T1w", "T2w", "FLAIR"],
        seed=1,
    )
    assert "made" not in vars(datalist)
    for _ in range(2):
        volumes = samples()
        assert {name: float(volume.mean()) for name, volume in volumes.items()} == {"T1w": 3.0, "FLAIR": 5.0}
    (inputs, seeds), (_, again) = calls
    assert torch.equal(inputs, torch.full((1, 1, 2, 2, 2), 5.0))
    assert seeds == again
    assert len(set(seeds)) == 2
