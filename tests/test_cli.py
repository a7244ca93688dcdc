import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brain_bundles import cli
from brain_bundles.data import read_participants, write_nifti, write_participants
from brain_bundles.evaluation import measurement
from brain_bundles.metrics import BrainVolumes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two files that measure 10 and 20 mL."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.nii.gz").touch()
    volumes = {"a.nii.gz": BrainVolumes(10.0, 1000.0), "b.nii.gz": BrainVolumes(20.0, 1100.0)}
    monkeypatch.setattr(measurement, "measure_file", lambda path, **options: volumes[path.name])
    return tmp_path


def test_measure_writes_a_table(folder):
    out = folder / "out.tsv"
    assert cli.main(["measure", str(folder), "--output_file", str(out)]) == 0
    assert out.read_text() == "participant_id\tventricular_volume\tbrain_volume\na\t10\t1000\nb\t20\t1100\n"


def test_measure_says_where_it_writes_and_where_the_method_was_checked(folder, monkeypatch, caplog):
    monkeypatch.chdir(folder)
    with caplog.at_level("INFO"):
        assert cli.main(["measure", str(folder), "--method", "classical"]) == 0
    assert f"Wrote {folder / 'measured.tsv'}: 2 brains" in caplog.text
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "1 of 2 brains have ventricles outside of 20 to 124 mL (a)" in warning
    assert "7.7 and 8.8 mL, and were traced by hand as 13.7 and 15.1 mL" in warning


def test_measure_overwrites_only_if_it_is_told(folder, monkeypatch, caplog):
    monkeypatch.chdir(folder)
    table = folder / "measured.tsv"
    table.write_text("mine")
    assert cli.main(["measure", str(folder)]) == 1
    assert f"{table} exists; give another --output_file, or --overwrite" in caplog.text
    assert table.read_text() == "mine"
    assert cli.main(["measure", str(folder), "--overwrite"]) == 0
    assert table.read_text().startswith("participant_id")


def test_nothing_measured_is_exit_code_1_and_no_table(folder, monkeypatch, caplog):
    monkeypatch.setattr(measurement, "measure_file", lambda path, **options: BrainVolumes(float("nan"), float("nan")))
    out = folder / "out.tsv"
    assert cli.main(["measure", str(folder), "--output_file", str(out)]) == 1
    assert "none of 2 brains could be measured; no table was written" in caplog.text
    assert not out.exists()


def test_runs_that_share_the_measuring_make_one_table(tmp_path, monkeypatch, caplog):
    """The table is that of one run, also with a brain that cannot be measured in a part of its own."""
    volumes = {f"sub-{i}_T1w.nii.gz": BrainVolumes(10.0 * i, 1000.0) for i in (1, 3)}
    nothing = BrainVolumes(float("nan"), float("nan"))
    monkeypatch.setattr(measurement, "measure_file", lambda path, **_: volumes.get(path.name, nothing))
    study = tmp_path / "study"
    write_participants(study, [{"participant_id": f"sub-{i}"} for i in (1, 2, 3)])
    for i in (1, 2, 3):
        write_nifti(study / f"sub-{i}" / "anat" / f"sub-{i}_T1w.nii.gz", np.zeros((4, 4, 4)), np.eye(4))
    assert cli.main(["measure", str(study), "--output_file", str(tmp_path / "whole.tsv")]) == 0
    for label in ("3,1", "2"):
        out = tmp_path / "parts" / f"{label}.tsv"
        assert cli.main(["measure", str(study), "--participant_label", label, "--output_file", str(out)]) == 0
    merged = tmp_path / "merged.tsv"
    pattern = str(tmp_path / "parts" / "*.tsv")
    assert cli.main(["measure", str(study), "--merge", pattern, "--output_file", str(merged)]) == 0
    assert merged.read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert cli.main(["measure", str(study), "--merge", f"{pattern}x", "--output_file", str(tmp_path / "m.tsv")]) == 1
    assert "no file matches" in caplog.text
    assert cli.main(["measure", str(study), "--participant_label", "4", "--output_file", str(tmp_path / "m.tsv")]) == 1
    assert "participant_label names sub-4: no such participants" in caplog.text


@pytest.mark.parametrize(("people", "correlation"), [(7, False), (8, True)])
def test_measure_gives_no_correlation_over_fewer_than_eight_people(tmp_path, monkeypatch, caplog, people, correlation):
    found = [
        measurement.Measurement(
            str(i), tmp_path, BrainVolumes(30.0 + i, 1000.0 + i), BrainVolumes(31.0 + i, 1000.0 + i)
        )
        for i in range(people)
    ]
    monkeypatch.setattr(measurement, "measure_folder", lambda folder, suffix, **options: found)
    with caplog.at_level("INFO"):
        assert cli.main(["measure", str(tmp_path), "--output_file", str(tmp_path / "out.tsv")]) == 0
    assert "ventricular_volume: " in caplog.text
    assert f"mean error -1.0 mL (-{100 * sum(1 / (31 + i) for i in range(people)) / people:.1f} %) over" in caplog.text
    assert ("ventricular_volume: r 1.000" in caplog.text) is correlation
    assert "WARNING" not in caplog.text


def test_a_folder_may_be_called_7(folder, monkeypatch):
    seven = folder / "7"
    seven.mkdir()
    (folder / "a.nii.gz").rename(seven / "a.nii.gz")
    monkeypatch.chdir(folder)
    assert cli.main(["measure", "7"]) == 0
    assert (folder / "measured.tsv").exists()


def test_wrong_data_is_exit_code_1(tmp_path, caplog):
    assert cli.main(["measure", str(tmp_path / "nothing")]) == 1
    assert "no such folder" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["measure", "DIR", "--sufix", "T1w"], "measure has no option --sufix"),
        (["measure", "DIR", "--suffix=[1,2]"], "suffix must be text, got [1, 2]"),
        (["measure", "DIR", "--suffix"], "suffix needs a value, got True"),
        (["phantom", "DIR", "--with_vessels", "no"], "with_vessels is True or False, got 'no'"),
    ],
)
def test_wrong_arguments_are_exit_code_2_and_run_nothing(arguments, said, folder, monkeypatch, caplog):
    monkeypatch.chdir(folder)
    assert cli.main(arguments) == 2
    assert said in caplog.text
    assert not (folder / "measured.tsv").exists()


@pytest.mark.parametrize("arguments", [["measure"], ["mesure", "DIR"]])
def test_what_fire_cannot_parse_is_exit_code_2(arguments):
    assert cli.main(arguments) == 2


def test_a_close_option_is_suggested():
    with pytest.raises(cli.UsageError, match=r"did you mean --output_file\?"):
        cli.check_flags(["measure", "DIR", "--output_fil", "x"])


def test_numbers_are_checked():
    assert cli.whole("n", 3, least=1) == 3
    assert cli.number("x", 2, least=0, most=2) == 2.0
    with pytest.raises(cli.UsageError, match="n must be a whole number of at least 1, got 0"):
        cli.whole("n", 0, least=1)
    with pytest.raises(cli.UsageError, match="x must be a number from 0 to 1, got 'a'"):
        cli.number("x", "a", least=0, most=1)


def test_help_imports_neither_torch_nor_monai():
    code = (
        "import sys; from brain_bundles.cli import main; code = main(['--help']); "
        "sys.exit(code or ('torch' in sys.modules or 'monai' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60).returncode == 0


def test_shares_of_the_splits_of_phantoms_are_options(tmp_path, caplog):
    words = ["phantom", str(tmp_path / "made"), "--num_subjects", "3", "--spacing", "8.0", "--num_workers", "1"]
    assert cli.main([*words, "--val_fraction", "0.5", "--test_fraction", "0.5"]) == 1
    assert "val_fraction 0.5 and test_fraction 0.5 must be at least 0 and leave training data" in caplog.text
    assert cli.main([*words, "--val_fraction", "0.0", "--test_fraction", "0.67"]) == 0
    assert [row["split"] for row in read_participants(tmp_path / "made")] == ["train", "test", "test"]


def test_two_populations_are_compared(tmp_path, monkeypatch, caplog):
    from brain_bundles.evaluation import populations

    calls = []
    monkeypatch.setattr(populations, "compare_populations", lambda *given, **options: calls.append((given, options)))
    out = tmp_path / "out"
    command = ["compare-populations", "7", str(tmp_path), "--contrasts", "T1w,FLAIR", "--output_dir", str(out)]
    assert cli.main(command) == 0
    ((given, options),) = calls
    assert given == ("7", str(tmp_path), out)
    assert options["contrasts"] == ["T1w", "FLAIR"]
    (out).mkdir()
    (out / "comparison.json").write_text("mine")
    assert cli.main(command) == 1
    assert f"{out} has a comparison; give another --output_dir, or --overwrite to replace it" in caplog.text
    assert cli.main([*command, "--overwrite"]) == 0
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--num_people=9", "num_people must be a whole number of at least 10, got 9"),
        ("--spatial_size=[40,96,80]", "spatial_size must be a whole number of at least 80, got 40"),
        ("--contrast=T1w", "did you mean --contrasts?"),
    ],
)
def test_a_comparison_checks_its_options_first(tmp_path, option, message, caplog):
    assert cli.main(["compare-populations", str(tmp_path), str(tmp_path), option]) == 2
    assert message in caplog.text


def test_bundles_run_by_a_word(tmp_path, monkeypatch, caplog):
    """Generated brains are translated; a folder that is a dataset is read as one."""
    monkeypatch.chdir(Path(__file__).parents[1])
    brains, made = tmp_path / "brains", tmp_path / "made"
    words = ["generate", "--age", "70", "--num_samples", "1", "--num_inference_steps", "2", "--device", "cpu"]
    with caplog.at_level("INFO"):
        assert cli.main([*words, "--output_dir", str(brains)]) == 0
    assert f"1 images in {brains}" in caplog.text
    assert "70" in (brains / "participants.tsv").read_text().splitlines()[1].split("\t")
    options = ["--source", "T1w", "--targets", "T2w", "--output_dir", str(made)]
    assert cli.main(["translate", str(brains), *options]) == 0
    assert (made / "sub-0001" / "anat" / "sub-0001_desc-synth_T2w.nii.gz").is_file()
    scan = brains / "sub-0001" / "anat" / "sub-0001_T1w.nii.gz"
    options = ["--source", "T1w", "--targets", "T2w,FLAIR", "--output_dir", str(tmp_path / "one")]
    assert cli.main(["translate", str(scan), *options]) == 0
    assert sorted(p.name for p in (tmp_path / "one").glob("*.nii.gz")) == [
        "sub-0001_T1w_FLAIR.nii.gz",
        "sub-0001_T1w_T2w.nii.gz",
    ]


def test_truth_values_and_nothing_are_what_is_written(monkeypatch):
    """Fire leaves true, false and null as texts, and any text is true."""
    from brain_bundles.cli import run_commands

    calls = []
    monkeypatch.setattr(run_commands, "_run", lambda bundle, output_dir, options: calls.append(options))
    words = ["--flip", "false", "--strict", "True", "--extract_brain", "auto", "--split", "null", "--a::b", "TRUE"]
    for command in (["generate"], ["segment", "x"], ["translate", "x"]):
        assert cli.main([*command, *words]) == 0
    scans = {"input": "x", "dataset_dir": None}
    wanted = {"flip": False, "strict": True, "extract_brain": "auto", "split": None, "a::b": True}
    assert calls == [wanted, wanted | scans, wanted | scans]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["generate", "--overlays", "few_step"], 2, "did you mean few_steps"),
        (["generate", "--agee", "70"], 2, "no option 'agee'; did you mean age"),
        (["generate", "--age", "-5"], 1, "age is -5, possible are 0 to 130 years"),
        (["generate", "--bundle", "nope"], 1, "there is no bundle 'nope'"),
        (["translate", "no.nii.gz", "--targets", "T2w"], 1, "no.nii.gz"),
        (["translate", "no.nii.gz", "--bundle", "brain_mri_generator", "--targets", "T2w"], 2, "is no translator"),
        (["translate"], 2, ""),
    ],
)
def test_wrong_runs_of_bundles_say_what_is_wrong(tmp_path, monkeypatch, caplog, words, code, message):
    monkeypatch.chdir(Path(__file__).parents[1])
    assert cli.main([*words, *(["--output_dir", str(tmp_path)] if len(words) > 1 else [])]) == code
    assert message in caplog.text
