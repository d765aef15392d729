"""VOGN in Accelerate's loop, on scikit-learn's digits.

    accelerate launch examples/accelerate_loop.py

runs it on whatever there is; with several processes each draws its own weights, and all
end with the same ones.
"""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own idiom
from torch.utils.data import DataLoader, TensorDataset

from vogn_app import VOGN

EPOCHS, NUM_SAMPLES = 8, 20


def digits() -> tuple[TensorDataset, Tensor, Tensor]:
    """Images [N, 64] and labels: 1,500 to train on, 297 to test on."""
    x, y = load_digits(return_X_y=True)
    images, labels = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    return TensorDataset(images[:1500], labels[:1500]), images[1500:], labels[1500:]


def main() -> float:
    """Train, and compare the mean with the average over the posterior.

    Returns:
        Test accuracy of the average.
    """
    set_seed(0)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    train, x, y = digits()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    vogn = VOGN(net, num_data=len(train), automatic=True)
    vogn.loss_scale = accelerator.scaler  # None but with fp16, which clipping unscales
    steps = EPOCHS * len(train) // 50
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(vogn, steps)
    model, optimizer, loader, scheduler = accelerator.prepare(
        net, vogn, DataLoader(train, 25, shuffle=True), schedule
    )
    for _ in range(EPOCHS):
        for images, labels in loader:
            with accelerator.accumulate(model):
                accelerator.backward(F.cross_entropy(model(images), labels))
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
    return evaluate(accelerator, net, vogn, x, y)


@torch.no_grad()
def evaluate(
    accelerator: Accelerator, net: nn.Module, vogn: VOGN, x: Tensor, y: Tensor
) -> float:
    """Print the accuracies; give that of the average."""
    net.eval()
    mean = net(x).softmax(-1)
    average = vogn.posterior().predict_proba(net, x, NUM_SAMPLES)
    for name, probabilities in (("mean", mean), ("posterior", average)):
        accuracy = (probabilities.argmax(-1) == y).float().mean().item()
        accelerator.print(f"accuracy of the {name}: {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
