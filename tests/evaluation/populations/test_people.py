import pytest
from brain_bundles.data import write_participants
from brain_bundles.evaluation.populations.people import find_people


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_a_dataset_gives_ages_sexes_and_anatomies(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_FLAIR.nii.gz", "sub-02/anat/sub-02_T1w.nii.gz")
    rows = [{"participant_id": "sub-01", "age": 40.5, "sex": "F", "anatomy": "map7"}, {"participant_id": "sub-02"}]
    write_participants(tmp_path, rows)
    one, two = find_people(tmp_path)
    assert (one.name, one.group, one.age, one.sex, sorted(one.paths)) == (
        *("sub-01", "anatomy map7", 40.5, "F"),
        ["FLAIR", "T1w"],
    )
    assert (two.name, two.group, two.age, two.sex, sorted(two.paths)) == ("sub-02", "sub-02", None, None, ["T1w"])


def test_one_visit_of_each_person_the_one_with_the_most_contrasts(tmp_path):
    touch(
        tmp_path,
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii.gz",
        "sub-01/ses-3/anat/sub-01_ses-3_T1w.nii.gz",
        "sub-01/ses-3/anat/sub-01_ses-3_FLAIR.nii.gz",
    )
    (one,) = find_people(tmp_path)  # without participants.tsv
    assert (one.name, one.group) == ("sub-01_ses-2", "sub-01")
    assert [one.name for one in find_people(tmp_path, ["T1w"])] == ["sub-01_ses-1"]


def test_a_plain_folder_is_sorted_by_the_names_of_files(tmp_path, caplog):
    touch(
        tmp_path,
        "BraTS-1/BraTS-1-t1n.nii.gz",
        "BraTS-1/BraTS-1-t2f.nii.gz",
        "BraTS-1/BraTS-1-seg.nii.gz",
        "IXI002-Guys-0828-T1.nii",
        "other.nii.gz",
        ".hidden_T1w.nii.gz",
    )
    people = find_people(tmp_path)
    assert {one.name: sorted(one.paths) for one in people} == {
        "IXI002-Guys-0828": ["T1w"],
        "BraTS-1/BraTS-1": ["FLAIR", "T1w"],
    }
    assert "1 files are left out, as their names end in no known contrast" in caplog.text


def test_names_that_spell_nothing_are_the_only_contrast_that_is_asked_for(tmp_path):
    touch(tmp_path, "a.nii.gz", "b.nii", "c_T2w.nii.gz")
    people = find_people(tmp_path, ["FLAIR"])
    assert [(one.name, sorted(one.paths)) for one in people] == [("a", ["FLAIR"]), ("b", ["FLAIR"])]


def test_the_t1w_image_comes_along_with_another_contrast(tmp_path):
    touch(tmp_path, "a_T1w.nii.gz", "a_FLAIR.nii.gz", "a_T2w.nii.gz")
    (one,) = find_people(tmp_path, ["FLAIR"])
    assert sorted(one.paths) == ["FLAIR", "T1w"]


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_people(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no image of FLAIR in it"):
        find_people(touch(tmp_path, "a_T2w.nii.gz"), ["FLAIR"])
    with pytest.raises(ValueError, match="unknown contrasts T9w, known are T1w, T2w"):
        find_people(tmp_path, ["T9w"])
