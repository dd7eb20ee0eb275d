"""What is changed in kind's own files is there to be changed."""

from __future__ import annotations

import re

import pytest

from cluster import versions
from cluster.node_image import SERVICES, TABLE, containerd_config

KIND = """\
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  discard_unpacked_layers = true
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.k8s.io/pause:3.10"
  restrict_oom_score_adj = false
"""


def test_three_settings_differ() -> None:
    changed = set(containerd_config(KIND).splitlines()) - set(KIND.splitlines())
    assert {line.strip() for line in changed} == {
        "discard_unpacked_layers = false",
        f'sandbox_image = "registry.k8s.io/pause:{versions.PAUSE}"',
        "restrict_oom_score_adj = true",
    }


def test_a_setting_that_kind_no_longer_has_is_noticed() -> None:
    with pytest.raises(AssertionError, match="restrict_oom_score_adj"):
        containerd_config(KIND.replace("restrict_oom_score_adj = false", ""))


def test_the_addresses_of_services_that_stay_in_the_node_are_those_of_the_cluster() -> None:
    unit = (TABLE.parent / "node" / "services-stay.service").read_text()
    kept = re.findall(r"--append (\w+) --destination (\S+) --jump REJECT", unit)
    assert kept == [("FORWARD", SERVICES), ("OUTPUT", SERVICES)]
