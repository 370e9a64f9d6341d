"""What a client can do, by topic. `ShootsClient` is all of it together."""

from .buckets import Buckets
from .combining import Combining
from .frames import Frames
from .history import History
from .reading import Reading
from .remotes import Remotes
from .rows import Rows
from .upkeep import Upkeep
from .writing import Writing

__all__ = ["Buckets", "Combining", "Frames", "History", "Reading", "Remotes", "Rows", "Upkeep", "Writing"]
