"""The method without one of its parts, by configs and keys alone."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import pytest
import torch
from brain_bundles.engines import scalar_losses
from brain_bundles.utils.loading import read_plain, read_recipe
from brain_mri_adaptive_translator import AdaptiveAutoencoder, SourceLatents
from brain_mri_adaptive_translator.indexed_spade import IndexedMSSPADE

from .conftest import CONTRASTS, Bundle


class WithoutSpade(Bundle):
    """Without the tiny sizes of MS-SPADE, which is not there."""

    def overrides(self, name: str, output_dir: Path, **options: object) -> dict[str, object]:
        found = super().overrides(name, output_dir, **options)
        return {key: value for key, value in found.items() if not key.startswith("ms_spade_def::")}


def test_source_latents_translate_nothing(make_vq_autoencoder):
    adaptive = AdaptiveAutoencoder(make_vq_autoencoder(), SourceLatents(3, 2), CONTRASTS)
    adaptive.set_latent_statistics(0.3, 2.0)
    z = torch.randn(2, 2, 3, 4, 5)
    torch.testing.assert_close(adaptive.target_like(z, [0, 2]), z)
    assert torch.equal(IndexedMSSPADE(adaptive.ms_spade)(z, torch.tensor([1])), z)
    with pytest.raises(ValueError, match="MS-SPADE is for 2 contrasts, contrasts names 3"):
        AdaptiveAutoencoder(make_vq_autoencoder(), SourceLatents(2, 2), CONTRASTS)


def test_the_diffusion_has_the_source_latent_in_the_place_of_ms_spade(trained, tmp_path):
    """With the autoencoder's weights as they are: those of MS-SPADE are passed over."""
    copied = trained.copy_to(tmp_path / "models")
    bundle = WithoutSpade(copied.dataset_dir, copied.ckpt_dir)
    workflow = bundle.run("train", tmp_path / "out", "concatenated", max_epochs=1)
    batch = next(iter(workflow.parser.get_parsed_content("train::dataloader")))
    condition = workflow.parser.get_parsed_content("train::prepare_batch")(batch)[3]["condition"]
    channels = batch["image_mean"].shape[1]
    torch.testing.assert_close(condition[:, :channels], batch["image_mean"].float(), atol=1e-5, rtol=1e-5)
    assert read_recipe([bundle.ckpt_dir / "model.pt"])["use_source"] is False
    network = read_plain(bundle.ckpt_dir / "model.pt")
    assert network["unet.conv_in.conv.weight"].shape[1] == 2 * channels  # the noisy latent and the source's
    bundle.run("inference", tmp_path / "made", "concatenated", split="test", source="T1w", targets=["T2w"])
    made = sorted((tmp_path / "made").rglob("*_T2w.nii.gz"))
    assert len(made) == 2
    assert all(nib.load(path).get_fdata().std() > 0 for path in made)


@pytest.mark.parametrize("term", ["cycle", "perceptual", "adversarial"])
def test_each_term_of_the_first_stage_has_a_switch(trained, tmp_path, term):
    options = {"perceptual_weight": 0.1, "adversarial_warmup_epochs": 0}
    workflow = trained.workflow("train_autoencoder", tmp_path, **{**options, f"{term}_weight": 0})
    workflow.initialize()
    trainer = workflow.parser.get_parsed_content("train::trainer")
    trainer.perceptual_loss = torch.nn.MSELoss()  # instead of a network; without a weight it is not called
    trainer.state.epoch = 1
    output = trainer._iteration(trainer, next(iter(workflow.parser.get_parsed_content("train::dataloader"))))
    losses = scalar_losses(output)
    found = {name for name in ("cycle", "perceptual", "adversarial") if f"{name}_loss" in losses}
    assert found == {"cycle", "perceptual", "adversarial"} - {term}
