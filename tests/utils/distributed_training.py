"""Train tiny networks in one process or under torchrun; rank 0 writes losses and weights. Run by test_distributed."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from brain_bundles.data import CachedLatents, EpochSampler, SeededDataset
from brain_bundles.engines import AutoencoderTrainer, LatentDiffusionPrepareBatch, scalar_losses
from brain_bundles.handlers import EMAHandler, GradientClip, ModelSaver, ProgressBar, ResumableCheckpoint
from brain_bundles.inferers import AutocastDiffusionInferer
from brain_bundles.losses import WeightedMSELoss
from brain_bundles.networks import LatentAutoencoderKL
from brain_bundles.utils import (
    finish_distributed,
    init_distributed,
    is_main_process,
    load_weights,
    save_network,
    world_size,
    wrap_distributed,
)
from ignite.engine import Engine, Events
from monai.data import DataLoader
from monai.engines import SupervisedTrainer
from monai.networks.nets import DiffusionModelUNet, PatchDiscriminator
from monai.networks.schedulers import DDPMScheduler
from monai.transforms import RandGaussianNoised

GLOBAL_BATCH = 4


def images() -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [
        {"image": torch.rand(1, 8, 8, 8, generator=generator), "context": torch.full((1, 4), i / 8)} for i in range(8)
    ]


def loader(data, transform=None) -> DataLoader:
    dataset = SeededDataset(data, transform, seed=1)
    return DataLoader(dataset, batch_size=GLOBAL_BATCH // world_size(), sampler=EpochSampler(dataset, seed=1))


def autoencoder() -> LatentAutoencoderKL:
    torch.manual_seed(0)
    return LatentAutoencoderKL(
        3,
        num_res_blocks=(1, 1),
        channels=(4, 8),
        attention_levels=(False, False),
        latent_channels=2,
        norm_num_groups=2,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    )


class Curve:
    """Losses of every iteration, averaged over the ranks."""

    def __init__(self) -> None:
        self.values: list[dict[str, float]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        losses = scalar_losses(engine.state.output)
        mean = torch.tensor(list(losses.values()), dtype=torch.float64)
        if world_size() > 1:
            dist.all_reduce(mean)
        self.values.append(dict(zip(losses, (mean / world_size()).tolist(), strict=True)))


def train_autoencoder(folder: Path, norm: str = "INSTANCE", epochs: int = 3) -> Curve:
    curve, name = Curve(), f"autoencoder_{norm}"
    network = wrap_distributed(autoencoder())
    discriminator = wrap_distributed(PatchDiscriminator(3, channels=4, in_channels=1, num_layers_d=1, norm=norm))
    optimizers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in (network, discriminator)]
    objects = {"network": network, "discriminator": discriminator, "g": optimizers[0], "d": optimizers[1]}
    AutoencoderTrainer(
        "cpu",
        epochs,
        loader(images(), RandGaussianNoised("image", prob=0.5)),
        network,
        optimizers[0],
        discriminator=discriminator,
        discriminator_optimizer=optimizers[1],
        adversarial_warmup_epochs=1,
        adversarial_weight=0.1,
        gradient_clip_norm=1.0,
        train_handlers=[
            curve,
            ProgressBar(),
            ModelSaver(network, folder / f"{name}.pt"),
            ResumableCheckpoint(objects, folder / f"{name}_resume.pt", resume=True),
        ],
    ).run()
    return curve


def train_diffusion(folder: Path) -> Curve:
    curve = Curve()
    latents = CachedLatents(images(), None, autoencoder(), cache_dir=folder / "cache", batch_size=3)
    torch.manual_seed(0)
    network = DiffusionModelUNet(
        3, 2, 2, (1, 1), (8, 8), (False, True), 4, num_head_channels=4, with_conditioning=True, cross_attention_dim=4
    )
    network = wrap_distributed(network)
    ema = EMAHandler(network, decay=0.9)
    scheduler = DDPMScheduler(1000, "scaled_linear_beta", clip_sample=False)
    SupervisedTrainer(
        "cpu",
        4,
        loader(latents),
        network,
        torch.optim.Adam(network.parameters(), lr=1e-3),
        WeightedMSELoss(),
        prepare_batch=LatentDiffusionPrepareBatch(scheduler),
        inferer=AutocastDiffusionInferer(scheduler),
        train_handlers=[curve, ema, GradientClip(network), ModelSaver(ema.ema_network, folder / "diffusion.pt")],
    ).run()
    return curve


def main(folder: Path) -> None:
    init_distributed()
    curves = {"autoencoder": train_autoencoder(folder).values, "diffusion": train_diffusion(folder).values}
    # Each rank has its own batch statistics, so the results differ from one process. It must run and resume.
    curves["batch_norm"] = train_autoencoder(folder, "BATCH", 2).values + train_autoencoder(folder, "BATCH", 3).values
    if is_main_process():
        torch.save(curves, folder / "curves.pt")
        load_weights(autoencoder(), folder / "autoencoder_INSTANCE.pt")
        save_network(autoencoder(), folder / "initial.pt")
    finish_distributed()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
