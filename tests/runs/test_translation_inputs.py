"""Inputs of a translation: good volumes are kept, bad ones are named."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brain_bundles.data import DatasetError, image_path, write_participants
from brain_bundles.data.bids_index import not_fetched
from brain_bundles.runs import translation_inputs
from brain_bundles.utils import derive_seed, hash_file

AFFINE = np.diag([8.0, 8.0, 8.0, 1.0])
# An ellipsoid of 1,400 mL with some structure inside: no check doubts it.
PLACE = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (20, 24, 20)), indexing="ij"), -1) * 8
INSIDE = np.linalg.norm(PLACE / [65, 80, 65], axis=-1) < 1
SHADE = 1 + PLACE[..., 0] / 130 + np.random.default_rng(0).normal(0, 0.15, INSIDE.shape)
GOOD = (INSIDE * SHADE.clip(0.3)).astype(np.float32)


def save(path: Path, data: np.ndarray = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


def dataset(folder: Path, splits: dict[str, str], suffix: str = "T1w") -> Path:
    write_participants(folder, [{"participant_id": name, "split": split} for name, split in splits.items()])
    for name in splits:
        save(image_path(folder, name, suffix))
    return folder


def people(inputs) -> list[str]:
    return [item["participant_id"] for item in inputs.items]


def warnings_of(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_subjects_of_a_dataset(tmp_path, caplog):
    folder = dataset(tmp_path, {"sub-b": "test", "sub-a": "train", "sub-c": "test"})
    plain = image_path(folder, "sub-c", "T1w")
    save(plain.with_suffix("")).touch()
    plain.unlink()
    inputs = translation_inputs(folder, source="T1w", target="FLAIR", seed=3)
    assert inputs.bids
    assert inputs.problems == []
    assert people(inputs) == ["sub-b", "sub-a", "sub-c"]
    path = image_path(folder, "sub-b", "T1w")
    assert inputs.items[0] == {
        "participant_id": "sub-b",
        "image": str(path),
        "source_sha256": hash_file(path),
        "files": ["sub-b/anat/sub-b_desc-synth_FLAIR.nii.gz"],
        "source": "T1w",
        "skull_stripped": True,
        "targets": ["FLAIR"],
        "seeds": [derive_seed(3, "sub-b", "FLAIR")],
    }
    assert inputs.items[2]["image"] == str(plain.with_suffix(""))
    inputs.raise_skipped()  # nothing was
    assert warnings_of(caplog) == []
    test = translation_inputs(folder, source="T1w", target="FLAIR", seed=3, split="test")
    assert test.items == [inputs.items[0], inputs.items[2]]


def test_a_dataset_without_a_table_is_its_folders(tmp_path):
    folder = dataset(tmp_path, {"sub-2": "test", "sub-1": "train"})
    (folder / "participants.tsv").unlink()
    assert people(translation_inputs(folder, source="T1w", target="T2w")) == ["sub-1", "sub-2"]
    with pytest.raises(FileNotFoundError, match=r"no participants\.tsv in it"):
        translation_inputs(folder, source="T1w", target="T2w", split="test")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        translation_inputs(tmp_path / "none", source="T1w", target="T2w")


def test_files_and_folders(tmp_path):
    a, b = save(tmp_path / "in" / "a_t1.nii.gz"), save(tmp_path / "in" / "b_T1w.nii")
    for other in ("b_T1w_T2w", "b_T1w_T2w_std", "b_FLAIR", "b_ce-gadolinium_T1w"):  # not T1w, by their names
        save(tmp_path / "in" / f"{other}.nii.gz")
    (tmp_path / "in" / "notes.txt").touch()
    inputs = translation_inputs(input=str(tmp_path / "in"), source="T1w", target="T2w")
    assert not inputs.bids
    assert inputs.problems == []
    found = [(item["participant_id"], item["image"], item["files"]) for item in inputs.items]
    assert found == [("a_t1", str(a), ["a_t1_T2w.nii.gz"]), ("b_T1w", str(b), ["b_T1w_T2w.nii.gz"])]
    single = translation_inputs(input=a, source="T1w", target="T2w")
    assert single.items == inputs.items[:1]
    named = save(tmp_path / "c_FLAIR.nii.gz")  # a file that is named is taken
    assert len(translation_inputs(input=[a, named], source="T1w", target="T2w").items) == 2


def test_names_of_brats_and_of_segmentations_are_known(tmp_path, caplog):
    names = ["BraTS-1-000-t1n", "BraTS-1-000-t1c", "BraTS-1-000-t2w", "BraTS-1-000-t2f", "BraTS-1-000-seg"]
    names += ["BraTS20_1_t1", "BraTS20_1_t1ce", "BraTS20_1_seg", "sub-1_dseg", "sub-1_desc-brain_mask", "plain"]
    for name in names:
        save(tmp_path / f"{name}.nii.gz")
    expected = {"T1w": ["BraTS-1-000-t1n", "BraTS20_1_t1"], "FLAIR": ["BraTS-1-000-t2f"]}
    for source, of_source in expected.items():
        assert sorted(people(translation_inputs(input=tmp_path, source=source, target="T2w"))) == of_source
    (warning, _) = warnings_of(caplog)
    assert f"1 files are not translated, as their names do not end in a known contrast: {tmp_path}/plain.nii" in warning
    assert people(translation_inputs(input=tmp_path / "plain.nii.gz", source="T1w", target="T2w")) == ["plain"]
    translation_inputs(input=tmp_path / "sub-1_dseg.nii.gz", source="T1w", target="T2w")
    assert "used as T1w, as asked, but by its name it is a segmentation" in caplog.text


def test_a_seed_is_of_the_volume_and_not_of_its_place(tmp_path):
    paths = [save(tmp_path / f"{name}.nii") for name in "ab"]
    both = translation_inputs(input=paths, source="T1w", target="T2w").items
    assert translation_inputs(input=paths[1], source="T1w", target="T2w").items == both[1:]
    assert both[0]["seeds"] != both[1]["seeds"]
    (other,) = translation_inputs(input=paths[1], source="T1w", target="T2w", seed=1).items
    assert other["seeds"] != both[1]["seeds"]


def test_bad_volumes_are_left_out_and_named_at_the_end(tmp_path, caplog):
    names = ["good", "missing", "nan", "constant", "flat", "series", "cut", "text", "also"]
    folder = dataset(tmp_path / "bids", {f"sub-{name}": "test" for name in names})

    def at(name: str) -> Path:
        return image_path(folder, f"sub-{name}", "T1w")

    nan = GOOD.copy()
    nan[1, 2, 3] = np.nan
    at("missing").unlink()
    save(at("nan"), nan)
    save(at("constant"), 0 * GOOD + 2)
    save(at("flat"), GOOD[:, :, 0])
    save(at("series"), np.stack([GOOD] * 2, axis=-1))
    at("cut").write_bytes(at("good").read_bytes()[:-40])
    at("text").write_text("no image")
    inputs = translation_inputs(folder, source="T1w", target="T2w")
    assert people(inputs) == ["sub-good", "sub-also"]
    kinds = {"missing image", "NaN or infinite voxels", "constant volume", "2D image", "4D image"}
    assert {kind for kind, _ in inputs.problems} == kinds | {"unreadable or truncated image"}
    logged = "\n".join(warnings_of(caplog))
    with pytest.raises(DatasetError, match="left out, the others are translated: 7 problems") as error:
        inputs.raise_skipped()
    for name in set(names) - {"good", "also"}:
        assert str(at(name)) in logged
        assert str(at(name)) in str(error.value)
    assert "sub-good" not in logged

    for name in ("good", "also"):
        shutil.rmtree(folder / f"sub-{name}")
    with pytest.raises(DatasetError, match="9 problems"):
        translation_inputs(folder, source="T1w", target="T2w")


CONTRASTS = ["T1w", "T2w", "FLAIR"]


def found(inputs) -> list[tuple[str, str, list[str]]]:
    return [(item["participant_id"], item["source"], item["targets"]) for item in inputs.items]


def test_several_targets_of_one_source_are_one_item(tmp_path):
    folder = dataset(tmp_path, {"sub-1": "test", "sub-2": "test"})
    inputs = translation_inputs(folder, source="T1w", target=["T2w", "FLAIR"], contrasts=CONTRASTS)
    assert found(inputs) == [(f"sub-{i}", "T1w", ["T2w", "FLAIR"]) for i in (1, 2)]
    assert inputs.items[0]["files"] == [f"sub-1/anat/sub-1_desc-synth_{name}.nii.gz" for name in ("T2w", "FLAIR")]
    assert len({seed for item in inputs.items for seed in item["seeds"]}) == 4
    alone = translation_inputs(folder, source="T1w", target="FLAIR")
    one = {key: inputs.items[0][key][1:] for key in ("files", "targets", "seeds")}
    assert alone.items[0] == {**inputs.items[0], **one}
    files = translation_inputs(input=image_path(folder, "sub-1", "T1w"), source="T1w", target=["T2w", "FLAIR"])
    assert [item["files"] for item in files.items] == [["sub-1_T1w_T2w.nii.gz", "sub-1_T1w_FLAIR.nii.gz"]]


def test_what_is_missing_is_made_from_the_best_source(tmp_path, caplog):
    folder = dataset(tmp_path, {f"sub-{i}": "test" for i in range(1, 5)})
    save(image_path(folder, "sub-1", "FLAIR"))  # lacks T2w
    save(image_path(folder, "sub-2", "T2w")).write_bytes(b"cut")  # lacks FLAIR, and its T2w cannot be read
    save(image_path(folder, "sub-4", "T2w"))
    save(image_path(folder, "sub-4", "FLAIR"))  # complete
    order = {"T2w": ["FLAIR"], "FLAIR": ["T2w"]}  # the others come after those that are named
    inputs = translation_inputs(folder, source=None, target="missing", contrasts=CONTRASTS, source_order=order)
    assert found(inputs) == [
        ("sub-1", "FLAIR", ["T2w"]),
        ("sub-2", "T1w", ["FLAIR"]),
        ("sub-3", "T1w", ["T2w", "FLAIR"]),
    ]
    assert [kind for kind, _ in inputs.problems] == ["unreadable or truncated image"]
    for target in ("missing", ["missing"]):  # whatever the source is said to be
        again = translation_inputs(folder, source="T1w", target=target, contrasts=CONTRASTS, source_order=order)
        assert again.items == inputs.items
    misspelt = {"T2w": ["FLARE", "FLAIR"], "FLAIR": ["T2w"]}
    again = translation_inputs(folder, source=None, target="missing", contrasts=CONTRASTS, source_order=misspelt)
    assert again.items == inputs.items
    assert "source_order names FLARE, which is ignored: this model knows T1w, T2w, FLAIR" in caplog.text
    plain = translation_inputs(folder, source=None, target="missing", contrasts=CONTRASTS)
    assert found(plain)[0] == ("sub-1", "T1w", ["T2w"])


def test_targets_of_one_subject_from_two_sources_are_two_items(tmp_path):
    folder = dataset(tmp_path, {"sub-1": "test"})
    save(image_path(folder, "sub-1", "T2w"))
    known = ["T1w", "T2w", "FLAIR", "PDw"]
    order = {"FLAIR": ["T1w"], "PDw": ["T2w"]}
    inputs = translation_inputs(folder, source=None, target="missing", contrasts=known, source_order=order)
    assert found(inputs) == [("sub-1", "T1w", ["FLAIR"]), ("sub-1", "T2w", ["PDw"])]
    assert inputs.items[0]["source_sha256"] == hash_file(image_path(folder, "sub-1", "T1w"))


def test_each_session_is_translated_and_completed_by_itself(tmp_path, caplog):
    folder = dataset(tmp_path, {"sub-1": "test", "sub-2": "test"})
    shutil.rmtree(folder / "sub-2")
    for name in ("ses-1_acq-3D_T1w", "ses-1_FLAIR", "ses-2_T1w", "ses-2_run-1_T2w", "ses-3_T2w"):
        save(folder / "sub-2" / name[:5] / "anat" / f"sub-2_{name}.nii.gz")
    inputs = translation_inputs(folder, source="T1w", target="T2w", seed=3)
    assert [item["files"] for item in inputs.items] == [
        ["sub-1/anat/sub-1_desc-synth_T2w.nii.gz"],
        ["sub-2/ses-1/anat/sub-2_ses-1_acq-3D_desc-synth_T2w.nii.gz"],
        ["sub-2/ses-2/anat/sub-2_ses-2_desc-synth_T2w.nii.gz"],
    ]
    assert people(inputs) == ["sub-1", "sub-2", "sub-2"]
    assert inputs.items[2]["seeds"] == [derive_seed(3, "sub-2_ses-2", "T2w")]
    assert inputs.problems == []
    assert warnings_of(caplog) == ["Left out, without T1w: sub-2_ses-3"]
    missing = translation_inputs(folder, source=None, target="missing", contrasts=CONTRASTS)
    assert found(missing) == [
        ("sub-1", "T1w", ["T2w", "FLAIR"]),
        ("sub-2", "T1w", ["T2w"]),
        ("sub-2", "T1w", ["FLAIR"]),
        ("sub-2", "T2w", ["T1w", "FLAIR"]),
    ]
    one = translation_inputs(folder, source="T1w", target="T2w", seed=3, participant_label="2", session_id="ses-2")
    assert one.items == inputs.items[2:]
    chosen = translation_inputs(folder, source="T1w", target="T2w", entities={"acq": "2D"}, participant_label="2")
    assert [item["files"][0][:11] for item in chosen.items] == ["sub-2/ses-2"]


def test_what_is_there_under_any_entity_is_not_missing(tmp_path, caplog):
    folder = dataset(tmp_path, {f"sub-{i}": "test" for i in range(1, 6)})
    others = ["acq-3D_FLAIR", "run-1_FLAIR", "ce-GADOLINIUM_T1w", "desc-std_FLAIR"]
    for number, name in enumerate(others, start=1):
        save(folder / f"sub-{number}" / "anat" / f"sub-{number}_{name}.nii.gz")
    link = image_path(folder, "sub-5", "FLAIR")
    link.symlink_to("../../.git/annex/objects/8p/zJ/MD5E-s1--00.nii.gz/MD5E-s1--00.nii.gz")
    known = ["T1w", "FLAIR", "ce-gadolinium_T1w"]
    options = {
        "source": None,
        "target": "missing",
        "contrasts": known,
        "source_order": {"ce-gadolinium_T1w": ["FLAIR"]},
    }
    inputs = translation_inputs(folder, **options)
    assert found(inputs) == [
        ("sub-1", "FLAIR", ["ce-gadolinium_T1w"]),
        ("sub-2", "FLAIR", ["ce-gadolinium_T1w"]),
        ("sub-3", "T1w", ["FLAIR"]),
        ("sub-4", "T1w", ["FLAIR", "ce-gadolinium_T1w"]),  # a standard deviation is no FLAIR
        ("sub-5", "T1w", ["ce-gadolinium_T1w"]),
    ]
    assert inputs.problems == []
    message = "Neither used nor made, since only links to their content are there"
    assert warnings_of(caplog) == [f"{message}: {link}"]
    image_path(folder, "sub-5", "T1w").unlink()
    problems = translation_inputs(folder, **options).problems
    assert problems == [("image that was not fetched", not_fetched(link))]
    # What the user did not choose is there all the same.
    assert found(translation_inputs(folder, **options, entities={"acq": "2D"}))[0] == (
        ("sub-1", "T1w", ["ce-gadolinium_T1w"])
    )


def test_a_folder_of_patients(tmp_path, caplog):
    names = ["BraTS-1/BraTS-1-t1n", "BraTS-1/BraTS-1-t1c", "BraTS-1/BraTS-1-seg", "p2/T1", "p3/T1", "p3/deep/flair"]
    for name in (*names, "p3/.hidden_t1", ".cache/x_t1", "top_T1w"):
        save(tmp_path / "in" / f"{name}.nii.gz")
    inputs = translation_inputs(input=tmp_path / "in", source="T1w", target="T2w", seed=1)
    assert [(item["participant_id"], item["files"]) for item in inputs.items] == [
        ("top_T1w", ["top_T1w_T2w.nii.gz"]),
        ("BraTS-1/BraTS-1-t1n", ["BraTS-1/BraTS-1-t1n_T2w.nii.gz"]),
        ("p2/T1", ["p2/T1_T2w.nii.gz"]),
        ("p3/T1", ["p3/T1_T2w.nii.gz"]),
    ]
    assert len({seed for item in inputs.items for seed in item["seeds"]}) == 4
    assert inputs.problems == []


def test_nothing_missing_and_nothing_known_are_said(tmp_path):
    folder = dataset(tmp_path, {"sub-1": "test"})
    with pytest.raises(DatasetError, match="all subjects have T1w"):
        translation_inputs(folder, source=None, target="missing", contrasts=["T1w"])
    with pytest.raises(DatasetError, match="sub-1 has none of T2w, FLAIR"):
        translation_inputs(folder, source=None, target="missing", contrasts=["T2w", "FLAIR"])


def test_files_that_cannot_be_translated(tmp_path):
    good = save(tmp_path / "x" / "a.nii.gz")
    twin = save(tmp_path / "y" / "a.nii")
    (tmp_path / "a.png").touch()
    inputs = translation_inputs(
        input=[good, twin, tmp_path / "a.png", tmp_path / "none.nii"], source="T1w", target="T2w"
    )
    assert [item["image"] for item in inputs.items] == [str(good)]
    assert {kind for kind, _ in inputs.problems} == {"same name", "not NIfTI", "missing image"}
    assert f"{twin}: {good} also becomes a_T2w.nii.gz; rename one of them" in dict(inputs.problems)["same name"]
    with pytest.raises(DatasetError, match=r"none\.nii"):
        translation_inputs(input=tmp_path / "none.nii", source="T1w", target="T2w")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="nothing to translate"):
        translation_inputs(input=tmp_path / "empty", source="T1w", target="T2w")


def test_a_source_of_any_contrast_is_every_image(tmp_path, caplog):
    for name in ("a_T1w", "b_PDw", "c_stir", "plain", "a_seg", "a_mask", "a_T1w_FLAIR"):
        save(tmp_path / f"{name}.nii.gz")
    inputs = translation_inputs(input=tmp_path, source="any", target=["T1w", "T2w"], contrasts=["T1w", "T2w"])
    assert sorted(people(inputs)) == ["a_T1w", "b_PDw", "c_stir", "plain"]
    assert {item["source"] for item in inputs.items} == {"any"}
    assert inputs.items[0]["targets"] == ["T1w", "T2w"]
    assert warnings_of(caplog) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "dataset_dir is None and input is None; give one"),
        ({"dataset_dir": "a", "input": "b"}, "dataset_dir is a and input is b; give one"),
        ({"input": "b", "target": "T1w"}, "source and target are both 'T1w'"),
        ({"dataset_dir": ".", "target": "T3w"}, "unknown contrast 'T3w', known are T1w"),
        ({"dataset_dir": ".", "source": "T3w"}, "unknown contrast 'T3w', known are T1w"),
        ({"input": "b", "target": "../T2w"}, r"contrast '\.\./T2w': expected a name such as T2w"),
        ({"dataset_dir": ".", "contrasts": ["T1w"]}, "unknown contrast 'T2w'; this model knows T1w"),
        ({"dataset_dir": ".", "target": ["T2w", "T2w"]}, "expected one contrast or several, each once"),
        ({"dataset_dir": ".", "target": ["T2w", "T1w"]}, "source and target are both 'T1w'"),
        ({"input": "b", "target": "missing", "contrasts": ["T1w"]}, "target 'missing' is for a BIDS dataset"),
        ({"dataset_dir": ".", "source": None}, "source None is for a BIDS dataset .* that knows its contrasts"),
        ({"input": "b", "entities": {"acq": "3D"}}, "entities chooses in a BIDS dataset; give dataset_dir"),
        ({"input": "b", "participant_label": 1, "session_id": 1}, "participant_label and session_id chooses in a BIDS"),
        ({"dataset_dir": ".", "participant_label": "2"}, "participant_label names sub-2: no such participants"),
        ({"dataset_dir": ".", "entities": {"acquisition": "3D"}}, "entities has 'acquisition', known are"),
        ({"input": "b", "source": "any"}, "source 'any' is for files .* and a model of several contrasts"),
        ({"dataset_dir": ".", "source": "any", "contrasts": ["T2w"]}, "of a BIDS dataset give the files"),
        ({"input": "b", "split": "test"}, "only a BIDS dataset has splits"),
        ({"dataset_dir": ".", "split": "all"}, "split is 'all', allowed are train"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(dataset(tmp_path, {"sub-1": "test"}))
    with pytest.raises(ValueError, match=message):
        translation_inputs(**{"source": "T1w", "target": "T2w", **options})


def test_images_without_orientation_are_warned_of(tmp_path):
    nib.save(nib.Nifti1Image(GOOD, None), tmp_path / "a_T1w.nii.gz")
    with pytest.warns(UserWarning, match=r"No orientation .*a_T1w\.nii\.gz"):
        translation_inputs(input=tmp_path, source="T1w", target="T2w")


def test_a_whole_head_is_doubted_or_refused(tmp_path, caplog):
    """One and a half times as long as a brain: 4,700 mL."""
    head = tmp_path / "head.nii.gz"
    nib.save(nib.Nifti1Image(GOOD, np.diag([12.0, 12.0, 12.0, 1.0])), head)
    brain = save(tmp_path / "brain.nii.gz")
    inputs = translation_inputs(input=[head, brain], source="T1w", target="T2w")
    assert {item["image"]: item["skull_stripped"] for item in inputs.items} == {str(head): False, str(brain): True}
    assert inputs.problems == []
    (doubt,) = warnings_of(caplog)
    assert "looks like a whole head (1)" in doubt
    assert f"{head}: 4" in doubt
    assert "extract the brain first" in doubt
    assert "--strict True refuses them, --extract_brain auto takes the brain out of whole heads." in doubt
    assert "brain.nii.gz" not in doubt
    strict = translation_inputs(input=[head, brain], source="T1w", target="T2w", strict=True)
    assert [item["image"] for item in strict.items] == [str(brain)]
    assert [kind for kind, _ in strict.problems] == ["looks like a whole head"]
    with pytest.raises(DatasetError, match=r"looks like a whole head \(1\):\n .*head\.nii\.gz: 4"):
        strict.raise_skipped()
    caplog.clear()
    for extract_brain in (True, "auto"):  # its brain will be extracted: that it is a head is no fault
        options = {"source": "T1w", "target": "T2w", "strict": True, "extract_brain": extract_brain}
        assert len(translation_inputs(input=[head, brain], **options).items) == 2
    assert warnings_of(caplog) == []


def test_headers_that_contradict_themselves_are_warned_of(tmp_path):
    image = nib.Nifti1Image(GOOD, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(np.diag([7.5, 8.0, 8.0, 1.0]), 2)
    nib.save(image, tmp_path / "a_T1w.nii.gz")
    with pytest.warns(UserWarning, match=r"contradict themselves.*a_T1w\.nii\.gz: sform \[\[7\.5.* qform \[\[8\.0"):
        translation_inputs(input=tmp_path, source="T1w", target="T2w")
