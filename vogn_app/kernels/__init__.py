"""Optional C kernels for tensors on the CPU: faster where `supports` says so."""

from .library import supports
from .sums import channel_sums, row_sums, token_norm_sums, token_sums
from .updates import normals_, sample_, vogn_update_
from .variational import ivon_update_, product_, vadam_update_

__all__ = [
    "channel_sums",
    "ivon_update_",
    "normals_",
    "product_",
    "row_sums",
    "sample_",
    "supports",
    "token_norm_sums",
    "token_sums",
    "vadam_update_",
    "vogn_update_",
]
