"""The embedded model's weights file: network and codec in one safetensors file, half precision on disk."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from studio.errors import StudioError
from studio.lalm.embedded.codec import Codec
from studio.lalm.embedded.network import Network, NetworkConfig

FILE = "model.safetensors"
FORMAT = 1


def pack(network: Network, codec: Codec, revision: str) -> bytes:
    """The bytes of a weights file."""
    arrays = {f"network.{key}": value.half().contiguous() for key, value in network.state_dict().items()}
    arrays |= {f"codec.{key}": value.half().contiguous() for key, value in codec.state_dict().items()}
    description = {"format": FORMAT, "revision": revision, "network": network.config.as_dict()}
    return save(arrays, {"embedded": json.dumps(description, sort_keys=True)})


def unpack(path: Path) -> tuple[Network, Codec, str]:
    """Network, codec and revision from a weights file; raises StudioError when it cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            description = json.loads((file.metadata() or {})["embedded"])
            arrays = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        if description["format"] != FORMAT:
            raise StudioError(
                f"'{path}' has format {description['format']}, this version reads {FORMAT}; update the studio."
            )
        network, codec = Network(NetworkConfig(**description["network"])), Codec()
        for module, prefix in ((network, "network."), (codec, "codec.")):
            module.load_state_dict(
                {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}
            )
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise StudioError(
            f"The embedded model's weights '{path}' cannot be read; check the project out again."
        ) from error
    return network, codec, str(description["revision"])
