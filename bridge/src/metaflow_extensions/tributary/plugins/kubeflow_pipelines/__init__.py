"""Metaflow flows on Kubeflow Pipelines."""
