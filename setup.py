"""Packaging of recbole-mdcns; tool settings live in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r"__version__ = \"(.+)\"", (ROOT / "recbole_mdcns/version.py").read_text())[1]

# RecBole 1.2.1 pins ray <= 2.6.3, whose wheels end at Python 3.11 and which needs
# numpy < 2, pandas < 2.3, pyarrow < 18 and setuptools < 81 to be imported at all.
# On newer Pythons RecBole is installed without its pins first (docs/install.md).
RAY_2_6_BOUNDS = [
    'ray[tune]<=2.6.3; python_version < "3.12"',  # said here too: pip would otherwise download every newer version
    'numpy<2; python_version < "3.12"',
    'pandas<2.3; python_version < "3.12"',
    'pyarrow<18; python_version < "3.12"',
    'setuptools<81; python_version < "3.12"',
]

TEST_PACKAGES = ["pytest>=7", "pytest-xdist>=3.7", "hypothesis>=6", "matplotlib"]  # scripts of benchmarks/ draw

setup(
    name="recbole-mdcns",
    version=VERSION,
    description="Sequential recommenders of RecBole, trained with MDCNS and other negative samplers and losses",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The recbole-mdcns developers",
    license="MIT",
    keywords="recommender-systems sequential-recommendation negative-sampling recbole pytorch",
    python_requires=">=3.9",
    packages=[*find_packages(include=["recbole_mdcns", "recbole_mdcns.*"]), "recbole_mdcns.properties"],
    package_dir={"recbole_mdcns.properties": "properties"},
    package_data={
        "recbole_mdcns": ["py.typed", "report/figures.mplstyle"],
        "recbole_mdcns.properties": ["*.yaml", "*/*.yaml", "paper/*.csv", "paper/*.md"],
    },
    install_requires=[
        "recbole==1.2.1",
        "torch>=2.1,<2.14",
        "numpy>=1.17.2",
        "scipy>=1.6.0",
        "pandas>=2.0",
        "pyyaml>=5.1.0",
        "tabulate>=0.8.10",
        "tqdm>=4.48.2",
        "psutil>=5.9.0",
        "colorlog",
        "colorama",
        "filelock>=3",
        "ray[tune]",
        *RAY_2_6_BOUNDS,
    ],
    extras_require={
        "test": TEST_PACKAGES,
        "optuna": ["optuna"],  # search: optuna, in sweeps
        "hyperopt": ["hyperopt"],  # search: hyperopt
        "wandb": ["wandb"],  # log_wandb=True
        "export": ["onnx", "onnxruntime"],  # recbole-mdcns export-model --onnx
        "serving": ["faiss-cpu", "fastapi", "onnxruntime", "uvicorn"],  # examples/serving
        "mamba": ["mamba-ssm"],  # CUDA kernels of the selective scan, for Mamba4Rec on a GPU
        "parquet": ["pyarrow"],  # recbole-mdcns recommend, into .parquet
        "benchmarks": ["matplotlib"],  # and figures of reports
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.27,<2"],  # mkdocs.yml
        "dev": [
            *TEST_PACKAGES,
            "ruff==0.17.5",
            "mypy==2.4.1",
            "types-PyYAML",
            "types-tabulate",
        ],
    },
    entry_points={
        "console_scripts": [
            "recbole-mdcns=recbole_mdcns.cli.main:main",
            "run_recbole_mdcns=recbole_mdcns.cli.main:train_main",
        ]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: MIT License",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(9, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
