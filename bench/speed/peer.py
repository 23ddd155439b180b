"""pythae's VAE with the same layers, trained by its own trainer and judged by its own `get_nll`; its own environment.

What it does beside the updates is switched off where it has a switch: no evaluation set, no saving between epochs, no
pictures. Images are binarized in advance (it has no dynamic binarization), which costs it no time.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from .nets import LATENT, Networks, fresh, held_out
from .serve import Line, job, serve


class Encoder(BaseEncoder):
    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.features, self.head, self.networks = networks.features, networks.head, (networks,)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        mean, log_sigma = self.networks[0].encode(x)
        return ModelOutput(embedding=mean, log_covariance=2 * log_sigma)


class Decoder(BaseDecoder):
    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.decoder, self.offset, self.networks = networks.decoder, networks.offset, (networks,)

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.networks[0].decode(z)))


def model_of(networks: Networks) -> VAE:
    config = VAEConfig(input_dim=(784,), latent_dim=LATENT, reconstruction_loss="bce")
    return VAE(config, encoder=Encoder(networks), decoder=Decoder(networks))


class Rounds(TrainingCallback):
    """Waits before each epoch for the word, and says afterwards how long it took."""

    def __init__(self, line: Line, images: int) -> None:
        self.line, self.images, self.start = line, images, 0.0

    def on_epoch_begin(self, training_config: Any, **others: Any) -> None:
        if not self.line.wait():
            raise SystemExit("The trainer was asked for another number of epochs than its configuration has.")
        self.start = time.perf_counter()

    def on_epoch_end(self, training_config: Any, **others: Any) -> None:
        self.line.say({"seconds": time.perf_counter() - self.start, "images": self.images})


def train(asked: dict[str, Any]) -> None:
    """All epochs of one trainer; a round is an epoch."""
    line = Line()
    with np.load(asked["images"]) as found:
        x = torch.from_numpy(found["static"][: asked["count"]])
        held, mean = torch.from_numpy(found["valid"]), torch.from_numpy(found["mean"])
    networks = fresh(asked["network"], mean)
    config = BaseTrainerConfig(
        output_dir=asked["folder"],
        num_epochs=asked["rounds"],
        learning_rate=asked["lr"],
        per_device_train_batch_size=asked["batch"],
        train_dataloader_num_workers=asked["workers"],
        optimizer_cls="Adam",
        steps_saving=None,
        no_cuda=asked["device"] == "cpu",
    )
    callbacks = [Rounds(line, len(x))]
    trainer = BaseTrainer(model_of(networks), BaseDataset(x, torch.zeros(len(x))), None, config, callbacks)
    networks.to(trainer.device)  # its buffers are not the model's
    line.say({"workers": asked["workers"], "device": trainer.device})
    trainer.train()
    line.wait()
    line.end({"loss": held_out(networks, held)})


class Judge:
    """IWAE-K by `get_nll`: K draws of every image, one image at a time, `batch_size` draws to a pass."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        with np.load(asked["weights"]) as found:
            state = {name: torch.from_numpy(found[name]) for name in found.files}
        networks = Networks("mlp")
        networks.load_state_dict(state)
        self.model = model_of(networks).eval()
        with np.load(asked["images"]) as found:
            self.x = torch.from_numpy(found["test"][: asked["count"]]).float()
        self.seed = 0
        self._nll(2)

    def facts(self) -> dict[str, Any]:
        return {"draws_per_pass": self.asked["per_pass"]}

    def round(self) -> dict[str, Any]:
        self.seed += 1
        torch.manual_seed(self.seed)
        start = time.perf_counter()
        log_px = self._nll(len(self.x))
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "decodes": len(self.x) * self.asked["samples"], "log_px": log_px}

    def finish(self) -> dict[str, Any]:
        return {}

    @torch.no_grad()
    def _nll(self, count: int) -> float:
        return float(self.model.get_nll(self.x[:count], self.asked["samples"], self.asked["per_pass"]))


if __name__ == "__main__":
    what = job()
    if what["task"] == "train":
        train(what)
    else:
        serve(Judge)
