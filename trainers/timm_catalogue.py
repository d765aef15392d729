"""Networks of the timm library that are worth offering, as plain data without torch.

What timm itself knows of each (parameters, size, weights, licence) is written down here
and compared with timm by a test; any other of its classifiers can be typed by name.
"""

from dataclasses import dataclass

TIMM_PREFIX = "timm:"


@dataclass(frozen=True)
class TimmSpec:
    """A network of timm.

    Args:
        name: As `timm.create_model` takes it.
        title: For people.
        millions: Parameters in millions, with its own head of 1,000 classes.
        size: Side of the images that it was made for, in pixels.
        weights: Tag of its pretrained weights, "" where timm has none.
        licence: Of the weights as timm states it, "" where it does not.
    """

    name: str
    title: str
    millions: float
    size: int
    weights: str
    licence: str

    @property
    def summary(self) -> str:
        """What it is, in two sentences."""
        if not self.weights:
            weights = "There are no pretrained weights"
        else:
            licence = self.licence or "licence not stated"
            weights = f"Pretrained weights: {self.weights}, {licence}"
        return (
            f"{self.millions:g} million parameters, made for {self.size}-pixel images. "
            f"{weights}."
        )


_ROWS = (
    ("resnet10t", "ResNet-10-T", 5.4, 176, "c3_in1k", "apache-2.0"),
    ("resnet18", "ResNet-18", 11.7, 224, "a1_in1k", "apache-2.0"),
    ("resnet26", "ResNet-26", 16.0, 224, "bt_in1k", "apache-2.0"),
    ("resnet34", "ResNet-34", 21.8, 224, "a1_in1k", "apache-2.0"),
    ("resnet50", "ResNet-50", 25.6, 224, "a1_in1k", "apache-2.0"),
    ("resnext50_32x4d", "ResNeXt-50 32x4d", 25.0, 224, "a1h_in1k", "apache-2.0"),
    ("seresnet50", "SE-ResNet-50", 28.1, 224, "a1_in1k", "apache-2.0"),
    ("nf_resnet26", "ResNet-26 without norms", 16.0, 224, "", ""),
    ("densenet121", "DenseNet-121", 8.0, 224, "ra_in1k", "apache-2.0"),
    ("regnety_002", "RegNetY 200 MF", 3.2, 224, "pycls_in1k", "mit"),
    ("regnety_008", "RegNetY 800 MF", 6.3, 224, "pycls_in1k", "mit"),
    ("ghostnet_100", "GhostNet", 5.2, 224, "in1k", "apache-2.0"),
    ("mobilenetv2_100", "MobileNet v2", 3.5, 224, "ra_in1k", "apache-2.0"),
    (
        "mobilenetv3_small_100", "MobileNet v3 small", 2.5, 224, "lamb_in1k",
        "apache-2.0",
    ),
    ("mobilenetv3_large_100", "MobileNet v3 large", 5.5, 224, "ra_in1k", "apache-2.0"),
    (
        "mobilenetv4_conv_small", "MobileNet v4 small", 3.8, 224, "e2400_r224_in1k",
        "apache-2.0",
    ),
    ("efficientnet_lite0", "EfficientNet Lite0", 4.7, 224, "ra_in1k", "apache-2.0"),
    ("efficientnet_b0", "EfficientNet B0", 5.3, 224, "ra_in1k", "apache-2.0"),
    ("tf_efficientnetv2_b0", "EfficientNet v2 B0", 7.1, 192, "in1k", "apache-2.0"),
    ("edgenext_xx_small", "EdgeNeXt XX-small", 1.3, 256, "in1k", "mit"),
    ("convnext_atto", "ConvNeXt atto", 3.7, 224, "d2_in1k", "apache-2.0"),
    ("convnext_nano", "ConvNeXt nano", 15.6, 224, "in12k_ft_in1k", "apache-2.0"),
    ("convnext_tiny", "ConvNeXt tiny", 28.6, 224, "in12k_ft_in1k", "apache-2.0"),
    ("convnextv2_atto", "ConvNeXt v2 atto", 3.7, 224, "fcmae_ft_in1k", "cc-by-nc-4.0"),
    (
        "vit_tiny_patch16_224", "ViT tiny/16", 5.7, 224, "augreg_in21k_ft_in1k",
        "apache-2.0",
    ),
    (
        "vit_small_patch16_224", "ViT small/16", 22.1, 224, "augreg_in21k_ft_in1k",
        "apache-2.0",
    ),
    (
        "vit_base_patch16_224", "ViT base/16", 86.6, 224, "augreg2_in21k_ft_in1k",
        "apache-2.0",
    ),
    ("deit_tiny_patch16_224", "DeiT tiny/16", 5.7, 224, "fb_in1k", "apache-2.0"),
    ("deit_small_patch16_224", "DeiT small/16", 22.1, 224, "fb_in1k", "apache-2.0"),
    (
        "vit_small_patch14_dinov2", "DINOv2 ViT small/14", 22.1, 518, "lvd142m",
        "apache-2.0",
    ),
    ("swin_tiny_patch4_window7_224", "Swin tiny", 28.3, 224, "ms_in1k", "mit"),
    (
        "mixer_b16_224", "MLP-Mixer B/16", 59.9, 224, "goog_in21k_ft_in1k",
        "apache-2.0",
    ),
)  # fmt: skip

TIMM_MODELS: dict[str, TimmSpec] = {
    spec.name: spec for spec in (TimmSpec(*row) for row in _ROWS)
}


def timm_spec(model: str) -> TimmSpec | None:
    """What is known of a model `timm:NAME` or `timm:NAME.TAG`; None if nothing is."""
    name = model.removeprefix(TIMM_PREFIX)
    return None if name == model else TIMM_MODELS.get(name.split(".")[0])
