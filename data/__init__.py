"""Datasets by name: the catalogue here, the loaders in `data.loaders`.

Importing this package brings in neither torch nor scikit-learn, so that a form can
list the datasets in a moment.
"""

from data.catalogue import DATASETS, DatasetError, DatasetSpec, dataset_spec

__all__ = ["DATASETS", "DatasetError", "DatasetSpec", "dataset_spec"]
