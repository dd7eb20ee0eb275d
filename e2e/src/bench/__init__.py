"""What a flow costs on Kubeflow Pipelines: seconds, pods, and bytes of the run's Argo workflow."""
