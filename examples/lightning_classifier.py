"""VOGN in Lightning's automatic optimisation, on scikit-learn's digits.

The only line that is about VOGN is the one in `configure_optimizers`. Accumulation,
clipping, mixed precision, checkpoints and several processes work as for any optimizer.
"""

import lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.utils.data import DataLoader, TensorDataset

from vogn_app import VOGN

EPOCHS, NUM_SAMPLES = 8, 20


def digits() -> tuple[TensorDataset, TensorDataset]:
    """Images [N, 64] and labels: 1,500 to train on, 297 to test on."""
    x, y = load_digits(return_X_y=True)
    images, labels = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    return (
        TensorDataset(images[:1500], labels[:1500]),
        TensorDataset(images[1500:], labels[1500:]),
    )


class Classifier(lightning.LightningModule):
    """An ordinary LightningModule.

    Args:
        num_data: Size of the training set.
    """

    def __init__(self, num_data: int) -> None:
        super().__init__()
        self.num_data = num_data
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] of images [N, 64]."""
        logits: Tensor = self.net(x)
        return logits

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """The loss of a batch."""
        x, y = batch
        return F.cross_entropy(self(x), y)

    def configure_optimizers(self) -> dict[str, object]:
        """VOGN with a cosine schedule."""
        optimizer = VOGN(self, num_data=self.num_data, automatic=True)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


@torch.no_grad()
def main() -> float:
    """Train, and compare the mean with the average over the posterior.

    Returns:
        Test accuracy of the average.
    """
    lightning.seed_everything(0)
    train, test = digits()
    module = Classifier(len(train))
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", devices=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, gradient_clip_val=1.0,
        accumulate_grad_batches=2,
    )  # fmt: skip
    trainer.fit(module, DataLoader(train, 25, shuffle=True))
    x, y = test.tensors
    module.eval()
    mean = module(x).softmax(-1)
    posterior = trainer.optimizers[0].posterior()
    average = posterior.predict_proba(module, x, NUM_SAMPLES)
    for name, probabilities in (("mean", mean), ("posterior", average)):
        accuracy = (probabilities.argmax(-1) == y).float().mean().item()
        print(f"accuracy of the {name}: {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
