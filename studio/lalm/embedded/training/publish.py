"""Turn checkpoints into what ships: one weights file and the judge."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file

from studio.atomic import write_bytes
from studio.judges import embedded as judge
from studio.lalm.embedded import weights
from studio.lalm.embedded.codec import load_codec
from studio.lalm.embedded.network import Network, NetworkConfig


def load_network(path: Path) -> Network:
    """The network of a checkpoint."""
    with safe_open(path, "pt") as file:
        network = Network(NetworkConfig(**json.loads(file.metadata()["config"])))
    arrays = load_file(path)
    network.load_state_dict({key[8:]: value for key, value in arrays.items() if key.startswith("network.")})
    return network.eval()


def publish(work: Path, out: Path) -> None:
    """Write the weights (revision: a digest of themselves) and the judge to ``out``."""
    network, codec = load_network(work / "network.safetensors"), load_codec(work / "codec.safetensors")
    revision = sha256(weights.pack(network, codec, "")).hexdigest()[:12]
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / weights.FILE, weights.pack(network, codec, revision))
    write_bytes(out / judge.FILE, (work / "judge.safetensors").read_bytes())
