"""Who takes part: the module and the class of each, by the title that tables show.

Modules are imported in the worker of a rival only, since each needs other packages.
"""

from importlib import import_module
from typing import Any

ROSTER = {
    "shoots": ("shoots_frames", "Shoots"),
    "older": ("older_shoots", "OlderShoots"),
    "older client": ("older_shoots", "OlderClient"),
    "ArcticDB": ("arctic", "Arctic"),
    "Lakota": ("lakota_series", "Lakota"),
    "Parquet": ("files", "ParquetFile"),
    "DuckDB": ("files", "DuckDB"),
    "Polars": ("files", "Polars"),
    "Delta": ("delta", "Delta"),
    "C++ in memory": ("holding", "HoldingCpp"),
    "Rust in memory": ("holding", "HoldingRust"),
}
OURS = "shoots"
CEILINGS = ["C++ in memory", "Rust in memory"]
# What is not "main".
ENVIRONMENTS = {"ArcticDB": "arctic", "Lakota": "lakota"}


def class_of(title: str) -> Any:
    """The class of a rival."""
    module, name = ROSTER[title]
    return getattr(import_module(f"{__name__}.{module}"), name)
