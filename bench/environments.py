"""The environments of the rivals: made once from the files in `requirements`, and kept.

ArcticDB and Lakota do not fit the pandas of the others, so there are several.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"


def python_of(environment: str, folder: Path) -> Path:
    """The interpreter of an environment; makes it if it is not there, or was made from other requirements."""
    requirements = REQUIREMENTS / f"{environment}.txt"
    place = folder / environment
    python = place / "bin" / "python"
    stamp = place / "made-from"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    print(f"making the environment {environment} in {place}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True)
    stamp.write_text(digest)
    return python
