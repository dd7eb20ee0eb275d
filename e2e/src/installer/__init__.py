"""`make install` from one end to the other: cluster, Kubeflow Pipelines, images, playbooks, demo."""
