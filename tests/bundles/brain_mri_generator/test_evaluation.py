"""The evaluation overlay: every number of the table is there, and finite where it is defined."""

from __future__ import annotations

import json

import brain_bundles.bundle
import pytest
import torch
from brain_bundles.bundle import Bundle, evaluate_rows, generator_rows, paper_rows
from brain_bundles.cli import main
from brain_bundles.data import DatasetError, read_participants
from brain_bundles.evaluation import image_sets
from brain_bundles.evaluation.generated import Columns
from brain_bundles.utils import hash_file
from brain_bundles.utils.weights_recipe import change_recipe

from .conftest import TINY_NETWORKS

# Untrained brains may not be measurable; the report says so.
pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be measured")


@pytest.fixture
def bundle(trained, tmp_path):
    """The trained bundle on a grid of 48x64x48, the smallest for MS-SSIM."""
    bundle = trained.copy_to(tmp_path / "models")
    grid = {"spacing": 3.0, "spatial_size": [48, 64, 48]}
    change_recipe(bundle.ckpt_dir / "autoencoder.pt", grid)
    model = torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)
    model["position"] = torch.nn.functional.interpolate(model["position"], size=[12, 16, 12], mode="trilinear")
    torch.save(model, bundle.ckpt_dir / "model.pt")
    change_recipe(bundle.ckpt_dir / "model.pt", {**grid, "position_map": [12, 16, 12]})
    return bundle


def test_evaluate_writes_metrics_a_table_and_pictures(bundle, trained, tmp_path):
    bundle.run(
        "inference",
        tmp_path / "out" / "generated",
        "evaluate",
        metrics_dir=str(tmp_path / "out"),
        reference_dir=str(trained.dataset_dir),
        num_samples=3,
        num_inference_steps=3,
        num_pairs=2,
        ms_ssim_kernel_size=3,
        **{"sampler_rows::reference_steps": 30},
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["num_generated"] == 3
    assert metrics["reference_split"] == "test"
    assert 0 < metrics["ms_ssim"]["reference"]["mean"] < 1
    assert metrics["fidelity"].keys() == {"ventricular_volume", "brain_volume"}
    assert metrics["readings"].keys() == {"ventricular_volume", "brain_volume", "age", "sex"}
    errors = {(row["sampler"], row["num_inference_steps"]): row["latent_error"] for row in metrics["samplers"]}
    assert errors.pop(("rflow", 30)) == 0  # the reference
    assert errors.keys() == {("rflow", n) for n in (10, 20, 50)} | {("dpm_solver", n) for n in (10, 15, 20)}
    assert min(errors.values()) > 0
    assert "| rflow" in (tmp_path / "out" / "metrics.md").read_text()
    for name in ("measured.tsv", "requested_vs_measured.png", "generated/preview.png"):
        assert (tmp_path / "out" / name).stat().st_size > 0


@pytest.fixture
def table(bundle, trained, tmp_path):
    """Make a table of rows; counts what was measured of the reference and of sets."""

    def make(rows, **more):
        return evaluate_rows(
            bundle.root,
            rows,
            trained.dataset_dir,
            tmp_path / "out",
            num_samples=3,
            options={"ckpt_dir": str(bundle.ckpt_dir), "device": "cpu", "precision": "fp32", **TINY_NETWORKS},
            columns=Columns(num_pairs=2, num_four_gr_pairs=1, kernel_size=3, **more),
        )

    return make


ROWS = [
    {"name": "short", "options": {"num_inference_steps": 2}},
    {"name": "again", "options": {"num_inference_steps": 2}},
    {"name": "euler", "options": {"sampler": "rflow", "num_inference_steps": 3}, "num_samples": 1},
]


def test_rows_of_the_published_table_share_conditions_and_go_on(bundle, table, trained, tmp_path, monkeypatch):
    """The same settings under two names give the same brains; a second start makes and measures nothing again."""
    first = table(ROWS)
    short, again, euler = first
    assert short["metrics"] == again["metrics"]
    assert [row["num_samples"] for row in first] == [3, 3, 1]
    assert all(row["seconds"] > 0 for row in first)
    assert short["metrics"]["ms_ssim"] != euler["metrics"]["ms_ssim"]
    assert short["options"]["seed"] == short["seed"] == short["settings"]["seed"] == 0
    assert short["settings"]["network"] == hash_file(bundle.ckpt_dir / "model.pt")
    held_out = [row for row in read_participants(trained.dataset_dir) if row["split"] == "test"]
    made = read_participants(tmp_path / "out" / "short" / "generated")
    for name in ("age", "sex", "ventricular_volume", "brain_volume"):
        wanted = [held_out[i % len(held_out)][name] for i in range(3)]
        assert [row[name] for row in made] == wanted
    assert "| again | 3 | 2 | n/a |" in (tmp_path / "out" / "rows.md").read_text()
    assert json.loads((tmp_path / "out" / "rows.json").read_text())["rows"] == first
    monkeypatch.setattr(generator_rows, "evaluate_set", None)
    assert table(ROWS) == first


def test_a_table_that_was_stopped_goes_on_with_its_row(table, tmp_path, monkeypatch):
    """Stopped between the brains and the measures of the second row; then a setting and a brain change."""
    evaluate = generator_rows.evaluate_set
    measured = []

    def stop_at(name):
        def measure(folder, reference, out, *args, **how):
            if out.name == name:
                raise KeyboardInterrupt
            measured.append(out.name)
            return evaluate(folder, reference, out, *args, **how)

        monkeypatch.setattr(generator_rows, "evaluate_set", measure)

    stop_at("again")
    with pytest.raises(KeyboardInterrupt):
        table(ROWS)
    seconds = (tmp_path / "out" / "again" / "seconds.json").read_text()
    stop_at(None)
    rows = table(ROWS)
    assert measured == ["short", "again", "euler"]
    assert rows[1]["seconds"] == json.loads(seconds)["seconds_per_brain"]
    assert json.loads(seconds)["num_brains"] == 3
    next((tmp_path / "out" / "euler" / "generated").rglob("*.nii.gz")).unlink()
    table(ROWS)
    assert measured[3:] == ["euler"]
    table(ROWS[:1], seed=0, equal_numbers=(2,))
    assert measured[4:] == ["short"]


def test_other_weights_are_not_mixed_into_a_row(table, bundle):
    table(ROWS[:1])
    model = torch.load(bundle.ckpt_dir / "model.pt", weights_only=True)
    key = next(name for name, value in model.items() if value.is_floating_point() and value.ndim > 1)
    model[key] = model[key] + 1
    torch.save(model, bundle.ckpt_dir / "model.pt")
    with pytest.raises(DatasetError, match="network"):
        table(ROWS[:1])


def test_folders_of_images_are_rows_and_the_reference_is_measured_once(table, trained, tmp_path, monkeypatch):
    """The reference as a row of real brains has the reference's own similarity, whatever its scale on disk."""
    read = []
    load = image_sets.BrainImages.__getitem__
    monkeypatch.setattr(
        image_sets.BrainImages, "__getitem__", lambda self, i: (read.append(self.paths[i]), load(self, i))[1]
    )
    counts = []

    def run(rows):
        read.clear()
        found = table(rows)
        reference = [path for path in read if trained.dataset_dir in path.parents and "sub-0001" not in path.name]
        counts.append(len(reference))
        return found

    made = run([ROWS[2]])[0]
    folder = str(tmp_path / "out" / "euler" / "generated")
    seen, again = run(
        [
            {"name": "seen", "images": folder, "real": False, "num_samples": 1},
            {"name": "seen_again", "images": folder, "real": False, "num_samples": 1},
        ]
    )
    same = {"readings": None}
    assert {**seen["metrics"], **same} == {**again["metrics"], **same} == {**made["metrics"], **same}
    assert seen["seconds"] is None
    between = 1  # one pair of 4-G-R-SSIM, with one image of the reference, for the second row
    assert counts[1] - counts[0] <= between
    (real,) = table([{"name": "real", "images": str(trained.dataset_dir)}])
    assert real["metrics"]["num_generated"] == real["metrics"]["num_reference"] == 2
    assert real["metrics"]["ms_ssim"]["generated"] == real["metrics"]["ms_ssim"]["reference"]
    assert real["metrics"]["four_gr_ssim"]["between"]["forward"] > 0.99  # one brain with itself
    assert f"images of {trained.dataset_dir}" in (tmp_path / "out" / "rows.md").read_text()


def test_rows_of_one_name_and_unknown_parts_are_refused(bundle, tmp_path, trained):
    with pytest.raises(ValueError, match="one, one; give each its own"):
        evaluate_rows(bundle.root, [{"name": "one"}] * 2, trained.dataset_dir, tmp_path / "out")
    with pytest.raises(ValueError, match="rows have sampler; a row may have name, options,"):
        evaluate_rows(bundle.root, [{"name": "one", "sampler": "rflow"}], trained.dataset_dir, tmp_path / "out")


def test_the_command_makes_the_rows_of_the_paper(bundle, trained, tmp_path, monkeypatch):
    """All that it gives to the function, without running it."""
    given = {}
    monkeypatch.setattr(
        brain_bundles.bundle, "evaluate_rows", lambda *args, **options: given.update(options, args=args)
    )
    weights = [tmp_path / name for name in ("l.pt", "v.pt")]
    baselines = ",".join(f"{name}={path}" for name, path in zip(("lsgan", "vaegan"), weights, strict=True))
    words = ["--real", f"people={tmp_path}", "--baselines", baselines, "--features", "False", "--num", "9"]
    words += ["--num_slow", "4", "--output_dir", str(tmp_path), "--batch_size", "2", "--seed", "5"]
    command = ["evaluate-rows", str(trained.dataset_dir), "--bundle", str(bundle.root), *words]
    assert main(command) == 1  # before anything is made
    assert not given
    for path in weights:
        path.touch()
    assert main(command) == 0
    root, rows, reference, out = given["args"]
    assert (root, reference, out) == (bundle.root, str(trained.dataset_dir), tmp_path)
    assert [row["name"] for row in rows] == [
        "people",
        "lsgan",
        "vaegan",
        "rflow_1000",
        "rflow_50",
        "default",
        "few_steps",
    ]
    assert paper_rows()[-1] == {"name": "few_steps", "overlays": ["few_steps.json"]}
    assert paper_rows(distilled=False)[-1] == {"name": "default"}
    for row in rows:
        parsed = generator_rows.Row(**row)
        if parsed.images is None:
            Bundle(bundle.root, overlays=parsed.overlays, **parsed.options)  # every option is a key
    assert rows[1]["options"] == {"generator_weights": str(weights[0])}
    assert rows[3]["num_samples"] == 4
    assert (given["num_samples"], given["options"]) == (9, {"batch_size": 2})
    columns = given["columns"]
    assert (columns.encoder, columns.seed, columns.num_pairs, columns.num_four_gr_pairs) == (None, 5, 1000, 300)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--real", "people"], "real must be NAME=PATH"),
        (["--baselines", "a=b,a=c"], "baselines has a name twice"),
        (["--num_samples", "3"], "num_samples: set by the rows themselves"),
        (["--rows", "r.json", "--real", "a=b"], "put them into the file of rows"),
        (["--batch_sise", "3"], "did you mean batch_size"),
    ],
)
def test_a_wrong_command_says_so(words, said, caplog):
    assert main(["evaluate-rows", "DIR", *words]) == 2
    assert said in caplog.text
