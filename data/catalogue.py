"""What is known of each dataset before a byte of it is read.

Plain data without heavy imports: the launch form, the command line and the README
draw their lists from `DATASETS`.
"""

from dataclasses import dataclass
from typing import Literal

TEST_FRACTION = 0.2  # of the sets without an official test part


class DatasetError(RuntimeError):
    """A dataset cannot be had, or its files are not what they should be.

    What the disk or the network is to blame for; a bad argument is a `ValueError`.
    """


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """One dataset of the catalogue.

    Args:
        name: Key in `DATASETS`.
        title: Name for people.
        summary: One line on what it shows and how it comes.
        kind: "image", "points" (of the plane), or "folder" (the user's own images).
        shape: Shape of one input: (channels, height, width) of an image, (2,) of a
            point, None where the user's files decide.
        num_classes: How many classes, None where the user's files decide.
        class_names: Their names in label order, () where the user's files decide.
        train_size: Examples in the training part, which is the whole set where
            `test_size` is None; None where the user's files decide or there is none.
        test_size: Examples in the official test part, None where there is none.
        licence: Terms the data come under.
        source: Who made them, and where they are described.
        ood_partners: Sets to test out-of-distribution detection on, best first; none
            of them shows this set's classes.
        ood_only: Whether it serves as an out-of-distribution set alone.
    """

    name: str
    title: str
    summary: str
    kind: Literal["image", "points", "folder"]
    shape: tuple[int, ...] | None
    num_classes: int | None
    class_names: tuple[str, ...]
    train_size: int | None
    test_size: int | None
    licence: str
    source: str
    ood_partners: tuple[str, ...] = ()
    ood_only: bool = False


_DIGIT_NAMES = tuple("0123456789")


def _words(text: str) -> tuple[str, ...]:
    """List the words of a text."""
    return tuple(text.split())


_CIFAR10_NAMES = _words("airplane automobile bird cat deer dog frog horse ship truck")

_CIFAR100_NAMES = _words("""
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge
    bus butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud
    cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox
    girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter
    palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit
    raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
    spider squirrel streetcar sunflower sweet_pepper table tank telephone television
    tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
""")

_SPECS = (
    DatasetSpec(
        name="digits",
        title="Digits (8x8)",
        summary="Handwritten digits, small and grey; comes with scikit-learn.",
        kind="image",
        shape=(1, 8, 8),
        num_classes=10,
        class_names=_DIGIT_NAMES,
        train_size=1_797,
        test_size=None,
        licence="CC BY 4.0",
        source="Alpaydin and Kaynak (1998), UCI Optical Recognition of Digits",
        ood_partners=("photo-patches", "fashion-mnist", "kmnist"),
    ),
    DatasetSpec(
        name="fashion-mnist",
        title="Fashion-MNIST",
        summary="Clothes in grey; Debian package dataset-fashion-mnist, or a download.",
        kind="image",
        shape=(1, 28, 28),
        num_classes=10,
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        train_size=60_000,
        test_size=10_000,
        licence="MIT",
        source="Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747",
        ood_partners=("digits", "mnist", "kmnist"),
    ),
    DatasetSpec(
        name="mnist",
        title="MNIST",
        summary="Handwritten digits in grey; downloaded on first use.",
        kind="image",
        shape=(1, 28, 28),
        num_classes=10,
        class_names=_DIGIT_NAMES,
        train_size=60_000,
        test_size=10_000,
        licence="CC BY-SA 3.0",
        source="LeCun, Bottou, Bengio and Haffner (1998), Proceedings of the IEEE",
        # Last the one that is always at hand; `digits` shows the same classes.
        ood_partners=("fashion-mnist", "kmnist", "photo-patches"),
    ),
    DatasetSpec(
        name="kmnist",
        title="Kuzushiji-MNIST",
        summary="Cursive Japanese characters in grey; downloaded on first use.",
        kind="image",
        shape=(1, 28, 28),
        num_classes=10,
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        train_size=60_000,
        test_size=10_000,
        licence="CC BY-SA 4.0",
        source="Clanuwat et al. (2018), arXiv:1812.01718",
        ood_partners=("fashion-mnist", "mnist", "digits"),
    ),
    DatasetSpec(
        name="cifar10",
        title="CIFAR-10",
        summary="Animals and vehicles in colour; downloaded on first use.",
        kind="image",
        shape=(3, 32, 32),
        num_classes=10,
        class_names=_CIFAR10_NAMES,
        train_size=50_000,
        test_size=10_000,
        licence="none stated",
        source="Krizhevsky (2009), Learning Multiple Layers of Features",
        ood_partners=("svhn", "cifar100", "photo-patches"),
    ),
    DatasetSpec(
        name="cifar100",
        title="CIFAR-100",
        summary="A hundred kinds of things in colour; downloaded on first use.",
        kind="image",
        shape=(3, 32, 32),
        num_classes=100,
        class_names=_CIFAR100_NAMES,
        train_size=50_000,
        test_size=10_000,
        licence="none stated",
        source="Krizhevsky (2009), Learning Multiple Layers of Features",
        ood_partners=("svhn", "cifar10", "photo-patches"),
    ),
    DatasetSpec(
        name="svhn",
        title="SVHN",
        summary="House numbers photographed in the street; downloaded on first use.",
        kind="image",
        shape=(3, 32, 32),
        num_classes=10,
        class_names=_DIGIT_NAMES,
        train_size=73_257,
        test_size=26_032,
        licence="non-commercial use only",
        source="Netzer et al. (2011), NIPS Workshop on Deep Learning",
        ood_partners=("cifar10", "cifar100", "photo-patches"),
    ),
    DatasetSpec(
        name="photo-patches",
        title="Photograph patches",
        summary="Patches of scikit-learn's two photographs; out of distribution only.",
        kind="image",
        shape=(3, 32, 32),
        num_classes=2,
        class_names=("china", "flower"),
        train_size=None,
        test_size=2_000,
        licence="CC BY 2.0",
        source="danielbuechele and vultilion, Flickr; bundled with scikit-learn",
        ood_only=True,
    ),
    DatasetSpec(
        name="folder",
        title="Your own images",
        summary="A folder with one sub-folder of images a class, or an .npz file.",
        kind="folder",
        shape=None,
        num_classes=None,
        class_names=(),
        train_size=None,
        test_size=None,
        licence="yours",
        source="your own files",
        ood_partners=("photo-patches", "cifar10"),
    ),
    DatasetSpec(
        name="moons",
        title="Two moons",
        summary="Two interleaved half circles in the plane.",
        kind="points",
        shape=(2,),
        num_classes=2,
        class_names=("upper", "lower"),
        train_size=1_000,
        test_size=None,
        licence="generated",
        source="scikit-learn, make_moons",
    ),
    DatasetSpec(
        name="blobs",
        title="Four blobs",
        summary="Four round clouds in the plane that touch.",
        kind="points",
        shape=(2,),
        num_classes=4,
        class_names=("south-west", "south-east", "north-west", "north-east"),
        train_size=1_000,
        test_size=None,
        licence="generated",
        source="scikit-learn, make_blobs",
    ),
    DatasetSpec(
        name="spirals",
        title="Three spirals",
        summary="Three arms wound into one another in the plane.",
        kind="points",
        shape=(2,),
        num_classes=3,
        class_names=("first arm", "second arm", "third arm"),
        train_size=1_000,
        test_size=None,
        licence="generated",
        source="data.toys.spirals",
    ),
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _SPECS}


def dataset_spec(name: str, argument: str = "name") -> DatasetSpec:
    """Look a dataset up.

    Args:
        name: Key in the catalogue.
        argument: What to call `name` in an error.

    Raises:
        ValueError: `name` is not in the catalogue.
    """
    if name not in DATASETS:
        known = ", ".join(sorted(DATASETS))
        raise ValueError(f"{argument} must be one of {known}, got {name!r}.")
    return DATASETS[name]
