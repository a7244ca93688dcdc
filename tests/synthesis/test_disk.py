"""The need of disk is told, and refused where it is not there."""

from __future__ import annotations

import logging
import shutil
from collections import namedtuple

import pytest
from brain_bundles.synthesis import Plan, Share, synthesise
from brain_bundles.synthesis.disk import bytes_of_subject, in_words, measured_bytes_of_subject

from .conftest import SIZE, TinyModels

Usage = namedtuple("Usage", "total used free")
VOXELS = SIZE[0] * SIZE[1] * SIZE[2]


def with_free(monkeypatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free, 0, free))


def test_a_brain_needs_a_byte_per_voxel_and_contrast():
    one, three = TinyModels(), TinyModels("T2w", "FLAIR")
    assert bytes_of_subject(one) == VOXELS + 8192
    assert bytes_of_subject(three) == 3 * bytes_of_subject(one)
    one.segmenter = one.generator
    assert bytes_of_subject(one) > VOXELS + 3 * 8192


def test_a_finished_shard_is_measured_in_blocks(tmp_path):
    (tmp_path / "sub-1").mkdir()
    (tmp_path / "sub-1" / "a.nii.gz").write_bytes(bytes(4097))
    (tmp_path / "participants.tsv").write_text("participant_id\nsub-1\nsub-2\n")
    assert measured_bytes_of_subject(tmp_path) == 3 * 4096 // 2


@pytest.mark.usefixtures("quick_measure")
def test_what_cannot_fit_is_refused_before_it_begins_and_the_need_is_told(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    models, plan = TinyModels(), Plan(4, 2)
    with_free(monkeypatch, 4 * bytes_of_subject(models) - 1)
    with pytest.raises(OSError, match=r"4 brains need about 0\.1 MiB, 0\.1 MiB are free\. Make room, or give another"):
        synthesise(tmp_path / "set", plan, models)
    assert models.made == []
    assert "4 brains in 2 shards, of which 2 are missing and need about" in caplog.text
    synthesise(
        tmp_path / "set", plan, models, share=Share(0, 2)
    )  # its half fits, if the others have a disk of their own
    assert len(models.made) == 2
    assert "All processes together need more than is free" in caplog.text


@pytest.mark.parametrize(("number", "words"), [(3 * 2**19, "1.5 MiB"), (5 * 2**30, "5.0 GiB")])
def test_bytes_in_words(number, words):
    assert in_words(number) == words
