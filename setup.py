"""Packaging, and the versions that are proven to work together."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="recbole_a2d",
    version="0.1.0",
    description="A2D-MTL and its rivals for session-based recommendation, on RecBole",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    # RecBole's pin of Ray has no wheel for 3.12, the pins of constraints.txt have none for 3.10.
    python_requires=">=3.11,<3.12",
    packages=[
        *find_packages(include=["recbole_a2d", "recbole_a2d.*"]),
        "recbole_a2d.properties",
        "recbole_a2d.dataset_atomic",
    ],
    package_dir={
        "recbole_a2d.properties": "properties",
        "recbole_a2d.dataset_atomic": "dataset_atomic",
    },
    package_data={
        "recbole_a2d": ["py.typed"],
        "recbole_a2d.properties": ["*.yaml", "*/*.yaml", "*/*.hyper"],
        "recbole_a2d.dataset_atomic": ["shop/*"],
    },
    entry_points={"console_scripts": ["recbole-a2d = recbole_a2d.cli:main"]},
    install_requires=[
        "torch>=2.6,<3",
        "recbole==1.2.1",
        # RecBole fails with numpy 2 (Config) and with pandas 3 (benchmark files).
        "numpy>=1.26,<2",
        "pandas>=2.2,<3",
        "scipy>=1.11,<2",
        # Ray's client of RecBole's pin needs setuptools' pkg_resources.
        "setuptools<81",
        "ray==2.6.3",
        "hyperopt==0.2.5",
        "entmax==1.3",
        "pyarrow>=14,<18",
        "plotly>=5",
        "pyyaml>=6",
        "tqdm>=4.60",
    ],
    extras_require={"dev": ["pytest", "hypothesis", "ruff", "mypy", "types-PyYAML", "types-tqdm"]},
)
