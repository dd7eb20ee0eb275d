"""This extension's step decorator, where Metaflow finds it.

Metaflow imports this module in every process that knows a flow, before it sets the flow up: so what must be in place by
then is put there here. (Not in the package: the runner imports that before it has made Metaflow's settings.)
"""

from . import mistakes
from .pod.decorator import KubeflowPipelinesInternalDecorator

__all__ = ["KubeflowPipelinesInternalDecorator"]

mistakes.keep()
