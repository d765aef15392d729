"""VOGN in the manner of timm's train.py, on scikit-learn's digits.

VOGN is put into timm's registry of optimizers, after which `--opt vogn` is an optimizer
like all others: `create_optimizer_v2` makes it from groups with weight decay, and
`train_one_epoch` is timm's loop as it is for any optimizer.
"""

import argparse

import torch
from sklearn.datasets import load_digits
from timm import create_model
from timm.optim import OptimInfo, create_optimizer_v2
from timm.optim._optim_factory import default_registry
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from timm.utils import AverageMeter, accuracy, dispatch_clip_grad
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from vogn_app import optimizer_for

NUM_SAMPLES = 10


def arguments(given: list[str] | None) -> argparse.Namespace:
    """Options, called as timm calls them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="resnet10t")
    parser.add_argument("--opt", default="vogn")
    parser.add_argument("--lr", type=float, default=0.4)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--sched", default="cosine")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--clip-grad", type=float, default=1.0)
    return parser.parse_args(given)


def digits() -> tuple[TensorDataset, TensorDataset]:
    """Images [N, 1, 16, 16] and labels: 1,500 to train on, 297 to test on."""
    x, y = load_digits(return_X_y=True)
    images = torch.tensor(x / 8 - 1, dtype=torch.float32).view(-1, 1, 8, 8)
    images, labels = nn.functional.interpolate(images, size=16), torch.tensor(y)
    return (
        TensorDataset(images[:1500], labels[:1500]),
        TensorDataset(images[1500:], labels[1500:]),
    )


def register_vogn(model: nn.Module, num_data: int) -> None:
    """Let timm make VOGN of a model by its name."""
    default_registry.register(
        OptimInfo(
            name="vogn",
            opt_class=optimizer_for(model, num_data=num_data),
            description="Variational online Gauss-Newton",
            has_eps=False,
            has_momentum=True,
        )
    )


def train_one_epoch(
    epoch: int,
    model: nn.Module,
    loader: DataLoader[tuple[Tensor, ...]],
    optimizer: torch.optim.Optimizer,
    loss_fn: nn.Module,
    args: argparse.Namespace,
    lr_scheduler: Scheduler,
) -> float:
    """The loop of timm, without what is for GPUs; gives the mean loss."""
    losses, updates = AverageMeter(), epoch * len(loader)
    model.train()
    for images, target in loader:
        output = model(images)
        loss = loss_fn(output, target)
        loss.backward()
        dispatch_clip_grad(model.parameters(), value=args.clip_grad, mode="norm")
        optimizer.step()
        optimizer.zero_grad()
        updates += 1
        losses.update(loss.item(), images.size(0))
        lr_scheduler.step_update(num_updates=updates, metric=losses.avg)
    return float(losses.avg)


@torch.no_grad()
def validate(
    model: nn.Module, optimizer: torch.optim.Optimizer, test: TensorDataset
) -> float:
    """Print the accuracies of mean and posterior; give the second, in percent."""
    x, y = test.tensors
    model.eval()
    mean = model(x).softmax(-1)
    posterior = optimizer.posterior()  # type: ignore[attr-defined]
    average = posterior.predict_proba(model, x, NUM_SAMPLES)
    for name, probabilities in (("mean", mean), ("posterior", average)):
        (top,) = accuracy(probabilities, y)
        print(f"accuracy of the {name}: {top.item() / 100:.3f}")
    return float(top)


def main(given: list[str] | None = None) -> float:
    """Train, and compare the mean with the average over the posterior.

    Args:
        given: Options; those of the command line by default.

    Returns:
        Test accuracy of the average, in percent.
    """
    args = arguments(given)
    torch.manual_seed(0)
    train, test = digits()
    model = create_model(args.model, num_classes=10, in_chans=1, pretrained=False)
    register_vogn(model, len(train))
    optimizer = create_optimizer_v2(
        model, opt=args.opt, lr=args.lr, weight_decay=args.weight_decay
    )
    loader = DataLoader(train, args.batch_size, shuffle=True)
    scheduler, epochs = create_scheduler_v2(
        optimizer, sched=args.sched, num_epochs=args.epochs,
        updates_per_epoch=len(loader),
    )  # fmt: skip
    for epoch in range(epochs):
        loss = train_one_epoch(
            epoch, model, loader, optimizer, nn.CrossEntropyLoss(), args, scheduler
        )
        scheduler.step(epoch + 1)
        print(f"epoch {epoch}: loss {loss:.3f}")
    return validate(model, optimizer, test)


if __name__ == "__main__":
    main()
