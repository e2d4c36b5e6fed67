"""Find the PyPI package that provides a module. Nothing is guessed: the name may be somebody else's package."""

from __future__ import annotations

OTHER_NAMES = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "absl": "absl-py",
    "attr": "attrs",
    "azureml.core": "azureml-core",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "gitpython",
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "google.protobuf": "protobuf",
    "grpc": "grpcio",
    "hydra": "hydra-core",
    "keras": "tensorflow",
    "mpl_toolkits": "matplotlib",
    "netCDF4": "netcdf4",
    "official": "tf-models-official",
    "orbax": "orbax-checkpoint",
    "pkg_resources": "setuptools",
    "ruamel": "ruamel.yaml",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "tensorflow_probability": "tensorflow-probability",
    "tf_slim": "tf-slim",
    "umap": "umap-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
_SAME_NAMES = """
albumentations astropy boto3 catboost click cloudpickle comet_ml cupy dask datasets deepspeed dill einops evaluate
fastapi flax fsspec gensim gymnasium h5py horovod huggingface_hub imageio imgaug ipywidgets jax jinja2 joblib
jsonschema keras_cv keras_hub keras_nlp keras_tuner lightgbm lightning lmdb loguru matplotlib mlflow mpi4py msgpack
neptune networkx nibabel nltk numba numpy omegaconf onnx onnxruntime optax optuna orjson pandas paramiko plotly polars
protobuf psutil pyarrow pydantic pydicom pytest pytorch_lightning ray regex requests rich sacrebleu scipy seaborn
sentencepiece shap simplejson six spacy statsmodels sympy tables tabulate tensorboard tensorboardX tensorflow
tensorflow_addons tensorflow_datasets tensorflow_hub tensorflow_io tensorflow_text tf2onnx tf_agents tf_keras timm
tokenizers toml torch torchaudio torchvision tqdm transformers typer ujson wandb xarray xgboost zarr
"""
SAME_NAMES = frozenset(_SAME_NAMES.split())
"""Modules whose package has the same name."""
ELSEWHERE = {
    "object_detection": "it is TensorFlow's Object Detection API, which no package on PyPI provides: include the folder in "
    "source_directory (github.com/tensorflow/models)",
    "slim": "it is a part of tensorflow/models, which no package on PyPI provides: include the folder in source_directory",
    "azureml": "it is Azure ML's SDK, which is of no use on a cluster: remove the import, or install azureml-core",
    "slurmtf": "in a job, a script needs no slurmtf package: remove the import, or install slurmtf from its checkout",
}


def find_package(module: str, name: str = "") -> str:
    """Return the package that provides a module, by its dotted ``name`` if that decides; empty if it is not known."""
    parts = (name or module).split(".")
    for end in range(len(parts), 0, -1):
        known = OTHER_NAMES.get(".".join(parts[:end]))
        if known:
            return known
    return module.replace("_", "-") if module in SAME_NAMES else ""
