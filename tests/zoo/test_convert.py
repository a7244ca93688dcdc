"""Published weights: converted networks against the originals in monai-generative and MONAI core."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from brain_bundles import cli
from brain_bundles.inferers import Denoiser, LatentDecoder, LatentSampler
from brain_bundles.schedulers import DenoisingSteps, make_scheduler
from brain_bundles.zoo import convert
from brain_bundles.zoo.convert import _config
from brain_bundles.zoo.published_weights import AUTOENCODER, CORE, GENERATIVE, UNET, recognise
from brain_bundles.zoo.reference_networks import reference_network
from monai.networks import nets

from .conftest import BUNDLES

pytest.importorskip("generative")
GENERATOR = BUNDLES / "brain_mri_generator"
AUTOENCODER_SIZE = {"channels": [8, 16, 16], "num_res_blocks": [1, 1, 1], "norm_num_groups": 4, "latent_channels": 3}
UNET_SIZE = {
    "channels": [8, 16, 24],
    "num_res_blocks": [1, 1, 1],
    "norm_num_groups": 4,
    "num_head_channels": [0, 16, 24],
}


@pytest.fixture
def bundles(tmp_path) -> Path:
    """The generator's configs with an overlay: the published architecture at a small size."""
    folder = tmp_path / "bundles"
    shutil.copytree(GENERATOR / "configs", folder / "brain_mri_generator" / "configs")
    write_overlay(folder)
    return folder


def write_overlay(folder: Path, *, attention: bool = False) -> None:
    paper = json.loads((GENERATOR / "configs" / "paper.json").read_text())
    autoencoder = paper["autoencoder_def"] | AUTOENCODER_SIZE | {"attention_levels": [False, False, attention]}
    autoencoder |= dict.fromkeys(("with_encoder_nonlocal_attn", "with_decoder_nonlocal_attn"), attention)
    small = {"autoencoder_def": autoencoder, "network_def": paper["network_def"] | UNET_SIZE}
    (folder / "brain_mri_generator" / "configs" / "small.json").write_text(json.dumps(small))


def config_of(bundles: Path):
    return _config(bundles / "brain_mri_generator", ("paper", "small"))


def original(bundles: Path, kind: str, form: str, seed: int = 0) -> torch.nn.Module:
    """Original network with random weights."""
    definition = config_of(bundles)["autoencoder_def" if kind == AUTOENCODER else "network_def"]
    torch.manual_seed(seed)
    network = reference_network(kind, form, definition)
    for parameter in network.parameters():  # some start at zero
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def save(folder: Path, bundles: Path, form: str = GENERATIVE) -> dict[str, torch.nn.Module]:
    folder.mkdir(exist_ok=True)
    networks = {kind: original(bundles, kind, form) for kind in (AUTOENCODER, UNET)}
    torch.save(networks[AUTOENCODER].state_dict(), folder / "autoencoder.pth")
    torch.save(networks[UNET].state_dict(), folder / "diffusion_model.pth")
    return networks


def run(src: Path, bundles: Path, output_dir: Path, **options) -> list[Path]:
    return convert(src, output_dir, bundles_dir=bundles, overlays=("paper", "small"), **options)


@pytest.mark.parametrize("form", [GENERATIVE, CORE])
@pytest.mark.parametrize("attention", [False, True])
def test_converted_networks_do_what_the_originals_do(bundles, tmp_path, form, attention):
    write_overlay(bundles, attention=attention)
    originals = save(tmp_path / "published", bundles, form)
    assert {recognise(network.state_dict())[1] for network in originals.values()} == {form}
    written = run(tmp_path / "published", bundles, tmp_path / "models", verify=True)
    assert written == [tmp_path / "models" / "autoencoder.pt", tmp_path / "models" / "model.pt"]
    config = config_of(bundles)
    autoencoder = config.get_parsed_content("autoencoder_def").eval()
    autoencoder.load_state_dict(torch.load(written[0], weights_only=True), strict=True)
    assert autoencoder.latent_mean.tolist() == [0, 0, 0]
    assert autoencoder.latent_std.tolist() == [1, 1, 1]
    image = torch.rand(1, 1, 16, 24, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mean, sigma = originals[AUTOENCODER].encode(image)
        torch.testing.assert_close(autoencoder.encode_moments(image)[0], mean, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(autoencoder.encode_moments(image)[1], sigma, atol=1e-4, rtol=1e-4)
        decoded = originals[AUTOENCODER].decode(mean)
        torch.testing.assert_close(autoencoder.decode_stage_2_outputs(mean), decoded, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_whole_sample_is_the_originals(bundles, tmp_path):
    """Five steps of DDIM from the same noise: our sampler against a plain loop with the original network."""
    originals = save(tmp_path / "published", bundles)
    run(tmp_path / "published", bundles, tmp_path / "models")
    config = config_of(bundles)
    networks = {}
    for key, file in (("autoencoder_def", "autoencoder.pt"), ("network_def", "model.pt")):
        networks[key] = config.get_parsed_content(key).eval()
        networks[key].load_state_dict(torch.load(tmp_path / "models" / file, weights_only=True), strict=True)
    scheduler = make_scheduler("ddim", prediction_type="epsilon")
    context = torch.tensor([[[1.0, 0.7, 0.7, 0.5]]])
    sampler = LatentSampler(
        DenoisingSteps(scheduler, 5),
        Denoiser(precision="fp32"),
        LatentDecoder(networks["autoencoder_def"], precision="fp32"),
        latent_shape=(3, 4, 8, 4),
    )
    seen = []

    def first_noise(x, timesteps, context):
        seen.append(x.clone())
        return networks["network_def"](x, timesteps=timesteps, context=context)

    ours = sampler(context, first_noise, seeds=[3])
    x = seen[0]
    scheduler.set_timesteps(5)
    maps = context.reshape(1, -1, 1, 1, 1).expand(-1, -1, 4, 8, 4)
    for timestep in scheduler.timesteps:
        noise = originals[UNET](torch.cat([x, maps], dim=1), timesteps=timestep[None], context=context)
        x = scheduler.step(noise, timestep, x)[0]
    theirs = originals[AUTOENCODER].decode(x).clamp(0, 1)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert ours.std() > 0.01


@pytest.mark.parametrize(("key", "kind"), [("autoencoder_def", AUTOENCODER), ("network_def", UNET)])
def test_the_published_size_fits(key, kind):
    """Names and shapes alone, on the meta device; 13.8 and 553 million parameters."""
    from brain_bundles.zoo.convert import _own_part
    from brain_bundles.zoo.published_weights import rename_for

    config = _config(GENERATOR, ("paper",))
    with torch.device("meta"):
        network = config.get_parsed_content(key)
        state = reference_network(kind, GENERATIVE, config[key]).state_dict()
    assert recognise(state) == (kind, GENERATIVE)
    converted = rename_for(network, state, *_own_part(kind, network))
    assert {name: value.shape for name, value in converted.items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
    assert sum(value.numel() for value in state.values()) == {AUTOENCODER: 13_766_248, UNET: 553_168_899}[kind]


def test_a_projection_that_was_never_applied_becomes_the_identity(bundles, tmp_path):
    """MONAI's own load_old_state_dict copies it, which changes the network's output."""
    write_overlay(bundles, attention=True)
    network = original(bundles, AUTOENCODER, GENERATIVE)
    torch.save(network.state_dict(), tmp_path / "a.pth")
    weights = torch.load(run(tmp_path / "a.pth", bundles, tmp_path / "models")[0], weights_only=True)
    projections = [name for name in weights if name.endswith(".attn.out_proj.weight")]
    assert projections
    assert all(torch.equal(weights[name], torch.eye(len(weights[name]))) for name in projections)
    definition = config_of(bundles)["autoencoder_def"]
    theirs = nets.AutoencoderKL(**{key: value for key, value in definition.items() if key != "_target_"}).eval()
    theirs.load_old_state_dict(dict(network.state_dict()))
    image = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        assert (theirs.encode(image)[0] - network.encode(image)[0]).abs().max() > 1e-2


def test_containers_and_data_parallel_names_are_taken_off(bundles, tmp_path):
    state = original(bundles, UNET, CORE).state_dict()
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "net.ckpt")
    weights = torch.load(run(tmp_path / "net.ckpt", bundles, tmp_path / "models")[0], weights_only=True)
    assert all(torch.equal(weights[f"unet.{name}"], value) for name, value in state.items())


def test_what_does_not_fit_is_named(bundles, tmp_path):
    state = original(bundles, UNET, GENERATIVE).state_dict()
    names = list(state)

    def fails(changed: object, message: str) -> None:
        torch.save(changed, tmp_path / "net.pth")
        with pytest.raises(ValueError, match=message):
            run(tmp_path / "net.pth", bundles, tmp_path / "models")
        assert not (tmp_path / "models").exists()

    last = names[-1]
    fails(
        {key: value for key, value in state.items() if key != last},
        rf"net\.pth: does not fit .*: 1 missing in the file: unet\.{last}",
    )
    fails({**state, "another": torch.zeros(1)}, "1 unknown to the network: another")
    fails({**state, last: torch.zeros(7)}, rf"1 of another shape: unet\.{last} \(7,\) instead of")
    fails({"weight": torch.zeros(1)}, "is neither an AutoencoderKL nor a DiffusionModelUNet of MONAI; its first names")
    fails({"encoder.down.0.block.0.conv1.weight": torch.zeros(1)}, "is a checkpoint of ALDM's code")
    fails([1, 2], "holds no state dict")
    (tmp_path / "net.pth").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"net\.pth"):
        run(tmp_path / "net.pth", bundles, tmp_path / "models")
    torch.save(state, tmp_path / "net.pth")
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth: is a second diffusion UNet"):
        run(tmp_path, bundles, tmp_path / "models")


def test_a_network_that_does_something_else_is_refused(bundles, tmp_path, monkeypatch):
    """--verify detects a wrong conversion."""
    save(tmp_path / "published", bundles)
    module = importlib.import_module("brain_bundles.zoo.convert")  # the function hides the module of its name
    whole = module.rename_for

    def wrong(network, state, *rest):
        return {name: value * 1.01 for name, value in whole(network, state, *rest).items()}

    monkeypatch.setattr(module, "rename_for", wrong)
    with pytest.raises(ValueError, match="the converted autoencoder differs from the original by"):
        run(tmp_path / "published", bundles, tmp_path / "models", verify=True)
    assert not (tmp_path / "models").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_leaves_both_files_as_they_were(bundles, tmp_path, monkeypatch):
    save(tmp_path / "published", bundles)
    (tmp_path / "models").mkdir()
    for name in ("autoencoder.pt", "model.pt"):
        (tmp_path / "models" / name).write_text("earlier")
    write, left = torch.save, [2]

    def full(value, file):
        left[0] -= 1
        with open("/dev/full", "wb", buffering=0) as no_space:
            write(value, file if left[0] else no_space)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"model\.pt cannot be written: .*No space left on device"):
        run(tmp_path / "published", bundles, tmp_path / "models")
    assert {one.name: one.read_text() for one in (tmp_path / "models").iterdir()} == {
        "autoencoder.pt": "earlier",
        "model.pt": "earlier",
    }


def test_the_command_names_what_is_wrong(tmp_path, caplog):
    arguments = ["--output_dir", str(tmp_path / "models"), "--bundles_dir", str(BUNDLES)]
    assert cli.main(["convert", str(tmp_path / "nothing"), *arguments]) == 1
    assert "nothing does not exist" in caplog.text
    assert cli.main(["convert", str(tmp_path), *arguments]) == 1
    assert "holds no checkpoint" in caplog.text
    assert cli.main(["convert", str(tmp_path), *arguments, "--bundle", "brain_mri_adaptive_translator"]) == 1
    assert "published weights are known only for brain_mri_generator" in caplog.text
