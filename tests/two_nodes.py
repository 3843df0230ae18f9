"""Two nodes of a Ray cluster on loopback, for tests; prints the address, then obeys its input.

`kill` kills the second node as a machine is lost; `stop`, or the end of the input, ends both.
"""

import sys
from typing import Any

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    settings: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**settings, "include_dashboard": False})
    second = cluster.add_node(**settings)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() != "kill":
            break
        cluster.remove_node(second, allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()  # type: ignore[no-untyped-call]
